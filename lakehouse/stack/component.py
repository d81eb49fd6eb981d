"""What a part of the stack is to the supervisor: how it is prepared, started, asked, stopped."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lakehouse.settings import PROJECT, Settings
from lakehouse.stack.places import Places
from lakehouse.stack.process import record_self

# Nothing else is handed on: a stranger's AWS_* or AIRFLOW__* must not steer the stack.
_HANDED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy",
)  # fmt: skip


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Component:
    """One long-running process.

    `check` returns an empty text when it answers, else what is wrong; it does not raise.
    `prepare` runs before each start, `settle` behind each, once it answers; where that raises
    StoreError it runs again. One that `outlasts` is spoken to by the others of its stage, and is
    stopped when these have ended.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    check: Callable[[], str]
    prepare: Callable[[], None] = _nothing
    settle: Callable[[], None] = _nothing
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 15.0
    outlasts: bool = False


def base_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of every component: the few safe variables, and ours."""
    kept = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    absolute = {
        "LAKEHOUSE_HOME": str(settings.home),
        "LAKEHOUSE_INBOX": str(settings.inbox.absolute()),
        "LAKEHOUSE_URL": settings.url,
        "LAKEHOUSE_CONFIG": str(settings.config) if settings.config else None,
        **{f"LAKEHOUSE_{name.upper()}_PORT": str(port) for name, port in settings.ports.items()},
    }
    return {
        **kept,
        **settings.environment,
        **{name: value for name, value in absolute.items() if value},
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def start(component: Component, places: Places) -> "subprocess.Popen[bytes]":
    """Start the component in a session of its own, its output appended to its log.

    The process writes down its own number before it becomes the component, so that no kill of ours
    at any moment leaves one behind that nobody knows.
    """
    with open_log(places, component.name) as log:
        return subprocess.Popen(
            component.arguments,
            env=dict(component.environment),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
            preexec_fn=recording(places.process(component.name)),  # noqa: PLW1509 (one thread)
        )


def log_of(places: Places, name: str) -> Path:
    """Return the file where `name` writes what it does."""
    return places.logs / f"{name}.log"


def open_log(places: Places, name: str) -> BinaryIO:
    """Open the log of `name` to write behind what it holds; readable by its owner only."""
    return open(log_of(places, name), "ab", opener=_private)


def log_size(places: Places, name: str) -> int:
    """Return where the log of `name` ends now, in bytes."""
    path = log_of(places, name)
    return path.stat().st_size if path.is_file() else 0


def log_since(places: Places, name: str, begin: int) -> bytes:
    """Return what `name` wrote to its log since that ended at `begin`, also if it was cut since."""
    path = log_of(places, name)
    if log_size(places, name) >= begin:
        return _from(path, begin)
    return _from(cut_off(path), begin) + _from(path, 0)


def cut_off(log: Path) -> Path:
    """Return the file that holds what was cut off the front of `log`."""
    return log.with_suffix(".log.1")


def _from(path: Path, begin: int) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(begin)
        return file.read()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def recording(path: Path) -> Callable[[], None]:
    """Return what a new process runs to write itself down."""

    def record() -> None:
        record_self(path)

    return record
