"""How far a feed's export has come, kept so that a killed run goes on where it stood.

    inbox/<feed>/.pull/.lock            held by the one process that pulls
    inbox/<feed>/.pull/progress.json    the last export that arrived, and the one under way
    inbox/<feed>/.pull/parts/           its files as they come, each with what is known of it
    inbox/<feed>/.pull/ready/           the export, whole; it moves into the inbox in one step

All of it is for its owner only: addresses in it may be keys to the files.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import StoreError

_PULL = ".pull"


@dataclass(frozen=True, slots=True)
class Last:
    """The last export that arrived: what was asked, and the transaction times, as written, of it
    and of the last full one."""

    asked: list[Any]
    at: str
    full_at: str


@dataclass(frozen=True, slots=True)
class Under:
    """The export under way: kicked off, then promised, then ready under its name."""

    asked: list[Any]
    since: str | None
    began_at: float
    status_url: str
    promise: Mapping[str, Any] | None = None
    errors: int = 0
    ready: str | None = None


class Progress:
    """The state of one feed's pull, held by this process alone."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.parts = inbox / _PULL / "parts"
        self.ready = inbox / _PULL / "ready"
        self._path = inbox / _PULL / "progress.json"
        self.last, self.under = _read(self._path)

    def go_on(self, under: Under) -> None:
        """Remember how far the export is."""
        self.under = under
        self._save()

    def drop(self) -> None:
        """Forget the export under way and what came of it."""
        self.under = None
        self._save()
        self.clear()

    def arrive(self, last: Last) -> None:
        """Remember that the export is in the inbox."""
        self.last, self.under = last, None
        self._save()
        self.clear()

    def clear(self) -> None:
        """Remove what is left of an export that is no longer under way."""
        for folder in (self.parts, self.ready):
            shutil.rmtree(folder, ignore_errors=True)

    def _save(self) -> None:
        told = {
            "last": asdict(self.last) if self.last else None,
            "under": asdict(self.under) if self.under else None,
        }
        write_whole(self._path, json.dumps(told).encode())


@contextmanager
def pulling(inbox: Path, feed: str) -> Iterator[Progress]:
    """Hold the feed's pull alone; a second run of the feed waits here. Raises StoreError."""
    try:
        (inbox / _PULL).mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(inbox / _PULL / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Progress(inbox)
        finally:
            os.close(lock)
    except OSError as error:
        raise StoreError(f"{feed}: the inbox failed: {error.strerror}") from None


def _read(path: Path) -> tuple[Last | None, Under | None]:
    if not path.is_file():
        return None, None
    try:
        told = json.loads(path.read_text())
        last, under = told["last"], told["under"]
        return last and Last(**last), under and Under(**under)
    except (ValueError, TypeError, KeyError):
        raise StoreError(
            f"{path.name} of a pull cannot be read",
            hint=f"remove it from {path.parent}; everything is asked for anew",
        ) from None


def write_whole(path: Path, content: bytes) -> None:
    """Write a small private file durably, whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
