"""A Docker engine of the tests' own, and the shipped compose file on it."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from lakehouse.settings import PROJECT

PEER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clinical-lakehouse"
HOME = PEER / "engine"
STAND_INS = "the Docker engine and its images are not here (`make engine` gets them)"
SOCKET = HOME / "docker.sock"
ADDRESS = f"unix://{SOCKET}"
_NAME = "lakehouse-test"
_PROFILES = "COMPOSE_PROFILES"
_LABEL = "com.docker.compose"
# of a machine that does much else meanwhile
_DAEMON_SECONDS = 180
_COMMAND_SECONDS = 1200
_PATIENCE_SECONDS = 900


@contextmanager
def daemon() -> Iterator[None]:
    """A running daemon; it ends with the tests unless it ran before them."""
    if not (HOME / "installed").is_file() or os.geteuid() != 0:
        pytest.skip(STAND_INS)
    if _answers():
        yield
        return
    words = ("--data-root", HOME / "data", "--exec-root", HOME / "exec", "--host", ADDRESS)
    with (HOME / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            ("dockerd", *words, "--pidfile", HOME / "docker.pid"),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        until(_answers, _DAEMON_SECONDS, "the Docker daemon answers")
        yield
        # images that later builds took the names of; younger ones are what the next build goes on from
        prune = ("docker", "--host", ADDRESS, "image", "prune", "--force", "--filter", "until=168h")
        subprocess.run(prune, stdout=subprocess.DEVNULL, check=True)
    finally:
        process.terminate()
        process.wait(_DAEMON_SECONDS)


class _Line(HTTPConnection):
    """A connection to the daemon; a question by it costs next to nothing, a program's much."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(SOCKET))


def _ask(path: str) -> Any:
    line = _Line("localhost", timeout=_DAEMON_SECONDS)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        told = json.load(answer)
        assert answer.status == 200, told
        return told
    finally:
        line.close()


def _answers() -> bool:
    try:
        return bool(_ask("/version"))
    except OSError:
        return False


def until(found: Any, seconds: float, what: str) -> None:
    """Wait for something; fail when it does not come."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"it did not come that {what}"
        time.sleep(0.5)


@dataclass(slots=True)
class Server:
    """The compose file, under a project name and with secrets of the tests' own."""

    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        plugins = self.folder / "docker" / "cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-compose").symlink_to(HOME / "bin" / "docker-compose")
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME")},
            "DOCKER_HOST": ADDRESS,
            "DOCKER_CONFIG": str(plugins.parent),
            "DOCKER_BUILDKIT": "0",
            "COMPOSE_PROJECT_NAME": _NAME,
            "COMPOSE_FILE": f"{PROJECT / 'docker-compose.yml'}:{Path(__file__).with_name('build.yml')}",
            "COMPOSE_PROGRESS": "plain",
            "LAKEHOUSE_SECRETS": str(self.secrets),
            "LAKEHOUSE_AIRFLOW_PORT": str(self.port),
            **self.settings,
        }

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def shell(self, line: str, *, told: bytes = b"") -> str:
        """Run one line of the documentation as a person would, in a folder of its own."""
        done = subprocess.run(
            ("nice", "-n", "10", "bash", "-euo", "pipefail", "-c", line),
            cwd=self.folder,
            env=self.environment,
            input=told,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        return done.stdout.decode()

    def inspect(self) -> dict[str, dict[str, Any]]:
        """What `docker inspect` shows of each container of the project, also of those that ended; a
        service's second container is `<service>-2`."""
        wanted = quote(json.dumps({"label": [f"{_LABEL}.project={_NAME}"]}))
        listed = _ask(f"/containers/json?all=true&filters={wanted}")
        told = [_ask(f"/containers/{it['Id']}/json") for it in listed]
        return {_name(it["Config"]["Labels"]): it for it in told}

    def address(self, name: str) -> str:
        """The address of a container that is in one network."""
        (network,) = self.inspect()[name]["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def health(self) -> Mapping[str, str]:
        """How each container that stays is."""
        return {
            name: it["State"].get("Health", {}).get("Status", "none")
            for name, it in self.inspect().items()
            if it["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        }

    def await_health(self) -> None:
        """Wait until all are healthy."""

        def are_healthy() -> bool:
            return set(self.health().values()) == {"healthy"}

        until(are_healthy, _PATIENCE_SECONDS, "all are healthy")

    def kill(self, name: str) -> None:
        """Kill a container's first process as a crash would: the engine has to start it again."""
        before = self.inspect()[name]["State"]
        os.kill(before["Pid"], signal.SIGKILL)

        def is_back() -> bool:
            now = self.inspect()[name]["State"]
            return now["Running"] and now["StartedAt"] != before["StartedAt"]

        until(is_back, _DAEMON_SECONDS, f"{name} was started again")


def _name(labels: Mapping[str, str]) -> str:
    service, number = (labels[f"{_LABEL}.{k}"] for k in ("service", "container-number"))
    return service if number == "1" else f"{service}-{number}"


def commands(page: str) -> list[str]:
    """The commands of a page's `sh` blocks, each with the lines that continue it."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def told_to_set(page: str) -> dict[str, str]:
    """What a page's `ini` blocks, taken together, put into `.env`."""
    found = re.findall(r"^```ini\n(.*?)^```", page, re.M | re.S)
    pairs = [line.split("=", 1) for line in "".join(found).splitlines()]
    profiles = ",".join(value for name, value in pairs if name == _PROFILES)
    return {**dict(pairs), _PROFILES: profiles}


def blocks(page: str, begin: str) -> list[list[str]]:
    """The commands of each `sh` block of a page that begins like this."""
    found = re.findall(r"^```sh\n.*?^```", page, re.M | re.S)
    return [words for words in map(commands, found) if words[0].startswith(begin)]
