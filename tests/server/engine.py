"""A Docker engine of the tests' own, and the shipped compose file on it."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lakehouse.settings import PROJECT

PEER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clinical-lakehouse"
HOME = PEER / "engine"
STAND_INS = "the Docker engine and its images are not here (`make engine` gets them)"
_DAEMON_SECONDS = 60
_COMMAND_SECONDS = 600


@contextmanager
def daemon() -> Iterator[str]:
    """The address of a running daemon; it ends with the tests unless it ran before them."""
    if not (HOME / "installed").is_file() or os.geteuid() != 0:
        pytest.skip(STAND_INS)
    address = f"unix://{HOME / 'docker.sock'}"
    if _answers(address):
        yield address
        return
    words = ("--data-root", HOME / "data", "--exec-root", HOME / "exec", "--host", address)
    with (HOME / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            ("dockerd", *words, "--pidfile", HOME / "docker.pid"),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        until(lambda: _answers(address), _DAEMON_SECONDS, "the Docker daemon answers")
        yield address
    finally:
        process.terminate()
        process.wait(_DAEMON_SECONDS)


def _answers(address: str) -> bool:
    words = ("docker", "--host", address, "version")
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def until(found: Any, seconds: float, what: str) -> None:
    """Wait for something; fail when it does not come."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"it did not come that {what}"
        time.sleep(0.5)


@dataclass(slots=True)
class Server:
    """The compose file, under a project name and with secrets of the tests' own."""

    address: str
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
            "DOCKER_HOST": self.address,
            "DOCKER_CONFIG": str(plugins.parent),
            "DOCKER_BUILDKIT": "0",
            "COMPOSE_PROJECT_NAME": "lakehouse-test",
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
        """What the engine tells of each container of the project, also of those that ended; a
        service's second container is `<service>-2`."""
        ids = self.shell("docker compose ps --all --quiet").split()
        told = json.loads(self.shell(f"docker inspect {' '.join(ids)}")) if ids else []
        return {_name(it["Config"]["Labels"]): it for it in told}

    def health(self) -> Mapping[str, str]:
        """How each container that stays is."""
        return {
            name: it["State"].get("Health", {}).get("Status", "none")
            for name, it in self.inspect().items()
            if it["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        }

    def await_health(self, seconds: float = 240) -> None:
        """Wait until all are healthy."""
        until(lambda: set(self.health().values()) == {"healthy"}, seconds, "all are healthy")

    def kill(self, name: str) -> None:
        """Kill a container's first process as a crash would: the engine has to start it again."""
        before = self.inspect()[name]["State"]
        os.kill(before["Pid"], signal.SIGKILL)

        def is_back() -> bool:
            now = self.inspect()[name]["State"]
            return now["Running"] and now["StartedAt"] != before["StartedAt"]

        until(is_back, 60, f"{name} was started again")


def _name(labels: Mapping[str, str]) -> str:
    service, number = (labels[f"com.docker.compose.{k}"] for k in ("service", "container-number"))
    return service if number == "1" else f"{service}-{number}"


def commands(page: str) -> list[str]:
    """The commands of a page's `sh` blocks, each with the lines that continue it."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def blocks(page: str, begin: str) -> list[list[str]]:
    """The commands of each `sh` block of a page that begins like this."""
    found = re.findall(r"^```sh\n.*?^```", page, re.M | re.S)
    return [words for words in map(commands, found) if words[0].startswith(begin)]
