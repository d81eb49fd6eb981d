"""A real Airflow for tests: API server, scheduler and what else is asked for over a database of its own, on loopback, with
people whose roles a test names."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

from lakehouse.settings import PROJECT, Settings
from lakehouse.stack import postgres
from lakehouse.stack.places import Places
from lakehouse.stack.ports import find

WAIT_SECONDS = 300
API, SCHEDULER, TRIGGERER = "api-server", "scheduler", "triggerer"
_COMMANDS = {
    API: ("--workers", "1"),
    SCHEDULER: ("--skip-serve-logs",),
    TRIGGERER: ("--skip-serve-logs",),
}
_AIRFLOW = (sys.executable, "-m", "lakehouse.airflow")


@dataclass(frozen=True, slots=True)
class Answer:
    """What Airflow answered."""

    status: int
    text: str
    place: str

    @property
    def told(self) -> Any:
        """The JSON of it."""
        return json.loads(self.text)


@dataclass(slots=True)
class Served:
    """A running Airflow."""

    base: str
    settings: Settings
    passwords: Mapping[str, str]
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def token(self, who: str) -> str:
        """What `who` signed in for, once."""
        if who not in self._tokens:
            told = json.dumps({"username": who, "password": self.passwords[who]})
            signed_in = self.ask("/auth/token", body=told, kind="json").told
            self._tokens[who] = str(signed_in["access_token"])
        return self._tokens[who]

    def ask(
        self,
        path: str,
        who: str = "",
        body: str | None = None,
        kind: str = "x-www-form-urlencoded",
        method: str | None = None,
    ) -> Answer:
        headers = {"Content-Type": f"application/{kind}"}
        if who:
            headers["Cookie"] = f"_token={self.token(who)}"
        data = None if body is None else body.encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.read().decode(), answer.url)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), self.base + path)

    def trigger(self, dag_id: str, who: str, **conf: Any) -> str:
        """Start a run of a DAG; its id."""
        body = json.dumps({"logical_date": None, "conf": conf})
        started = self.ask(f"/api/v2/dags/{dag_id}/dagRuns", who, body, "json")
        assert started.status == 200, started.text
        return str(started.told["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """All runs of a DAG, the oldest first."""
        told = self.ask(f"/api/v2/dags/{dag_id}/dagRuns?order_by=run_after", "stella").told
        return list(told["dag_runs"])

    def await_end(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Wait until a run is over, and return what Airflow says of it."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}"

        def ended() -> dict[str, Any] | None:
            told: dict[str, Any] = self.ask(path, "stella").told
            return told if told.get("state") in ("success", "failed") else None

        return self.until(ended)

    def until(self, found: Callable[[], Any]) -> Any:
        """Wait for something that Airflow does; what was found."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if told := found():
                return told
            time.sleep(0.5)
        raise TimeoutError("it does not happen")

    def start(self, part: str) -> None:
        """Start a part of Airflow."""
        with (self.folder / f"{part}.out").open("ab") as out:
            self.parts[part] = subprocess.Popen(
                (*_AIRFLOW, part, *_COMMANDS[part]),
                env=dict(self.environment),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def kill(self, part: str) -> None:
        """End a part as a power cut would, with the tasks that it runs."""
        process = self.parts.pop(part)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)

    @contextmanager
    def standing_still(self, part: str) -> Iterator[None]:
        """Let the process of a part stand still, but not the tasks that it runs."""
        process = self.parts[part]
        os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process.pid, signal.SIGCONT)

    def is_up(self) -> bool:
        """Whether it answers; fails where a part has ended."""
        assert all(part.poll() is None for part in self.parts.values())
        try:
            return self.ask("/api/v2/monitor/health").status == 200
        except OSError:
            return False


@contextmanager
def serving(
    folder: Path,
    settings: Settings,
    users: Mapping[str, str],
    parts: Sequence[str] = (API, SCHEDULER),
    **more: str,
) -> Iterator[Served]:
    """An Airflow whose home is `folder`, and whose users have these roles of its own; `more` are
    settings of it, as `core__auth_manager`."""
    folder.mkdir()
    port = find()
    passwords = {name: secrets.token_urlsafe(12) for name in users}
    (folder / "passwords.json").write_text(json.dumps(passwords))
    given = _environment(folder, settings, users, port)
    own = replace(settings, home=folder / "database")
    Places(own.home).prepare()
    stored = {
        f"database__sql_alchemy_conn{kind}": postgres.connection(Places(own.home), driver)
        for kind, driver in (("", "psycopg2"), ("_async", "asyncpg"))
    }
    given |= {f"AIRFLOW__{name.upper()}": value for name, value in (stored | more).items()}
    running = Served(f"http://127.0.0.1:{port}", settings, passwords, folder, given)
    with _storing(own, running):
        for words in (("db", "migrate"), ("dags", "reserialize")):
            subprocess.run((*_AIRFLOW, *words), env=given, capture_output=True, check=True)
        try:
            for part in parts:
                running.start(part)
            running.until(running.is_up)
            yield running
        finally:
            for part in list(running.parts):
                running.kill(part)


@contextmanager
def _storing(settings: Settings, running: Served) -> Iterator[None]:
    """Airflow's database, the one that the embedded stack has: several parts write to it."""
    server = postgres.component(settings)
    server.prepare()
    process = subprocess.Popen(server.arguments, env=dict(server.environment), stderr=DEVNULL)
    try:
        running.until(lambda: not server.check())
        server.settle()
        yield
    finally:
        process.send_signal(server.stop_signal)
        process.wait(60)
        Places(settings.home).remove_sockets()


def _environment(
    folder: Path, settings: Settings, users: Mapping[str, str], port: int
) -> dict[str, str]:
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "LAKEHOUSE"))
    }
    manager = "simple_auth_manager"
    named = {
        "core__load_examples": "False",
        "core__dags_folder": str(PROJECT / "dags"),
        "core__plugins_folder": str(PROJECT / "plugins"),
        "core__dags_are_paused_at_creation": "False",
        "core__parallelism": "2",
        "core__execution_api_server_url": f"http://127.0.0.1:{port}/execution/",
        f"core__{manager}_users": ",".join(f"{name}:{role}" for name, role in users.items()),
        f"core__{manager}_passwords_file": str(folder / "passwords.json"),
        "scheduler__scheduler_idle_sleep_time": "0.5",
        "scheduler__orphaned_tasks_check_interval": "5",
        "api__host": "127.0.0.1",
        "api__port": str(port),
        "api__base_url": f"http://127.0.0.1:{port}",
        "api__secret_key": secrets.token_hex(32),
        "api_auth__jwt_secret": secrets.token_hex(64),
        "core__fernet_key": "",
        "usage_data_collection__enabled": "False",
        "logging__base_log_folder": str(folder / "logs"),
    }
    return (
        own
        | dict(settings.environment)
        | {"AIRFLOW_HOME": str(folder)}
        | {f"AIRFLOW__{name.upper()}": value for name, value in named.items()}
    )
