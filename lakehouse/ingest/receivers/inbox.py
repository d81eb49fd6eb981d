"""The inbox: a folder a feed, to which senders write files.

A file is taken when nothing about it has changed for the feed's settle time, or at once when a
manifest beside it lists it and all it lists is there. Taking is one rename into a claim, so that
what arrives later is never mistaken for what is being landed.

    inbox/<feed>/…                     what senders write, files or folders
    inbox/<feed>/.taken/<claim>/…      being landed; a claim is a number that only grows
    inbox/<feed>/.refused/<claim>/…    not a regular file (a link, a pipe): never opened
"""

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakehouse.catalog.spec import Feed
from lakehouse.errors import SpecError, StoreError
from lakehouse.ingest.manifest import is_manifest, read_manifest
from lakehouse.settings import Settings

_TAKEN, _REFUSED, _LOCK = ".taken", ".refused", ".lock"


@dataclass(frozen=True, slots=True)
class Claim:
    """Files that were taken together; they are landed in this order."""

    number: int
    folder: Path

    def files(self) -> list[Path]:
        """The files in the order of their arrival."""
        return sorted((p for p in self.folder.rglob("*") if p.is_file()), key=_arrival)


def waiting(settings: Settings, feed: Feed) -> bool:
    """True when something could be taken now, or a claim was left half landed."""
    root = settings.inbox / feed.name
    return bool(_claims(root)) or any(_settled(root, feed, time.time()))


@contextmanager
def claiming(settings: Settings, feed: Feed) -> Iterator["Inbox"]:
    """Hold the feed's inbox alone; a second run of the feed waits here."""
    root = settings.inbox / feed.name
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{feed.name}: the inbox failed: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Inbox(root, feed)
    except OSError as error:
        raise StoreError(f"{feed.name}: the inbox failed: {error.strerror}") from None
    finally:
        os.close(descriptor)


class Inbox:
    """A feed's inbox, held by this process alone."""

    def __init__(self, root: Path, feed: Feed) -> None:
        self._root = root
        self._feed = feed
        self.refused = 0

    def claims(self, after: int) -> list[Claim]:
        """What is to be landed, oldest first: claims left by a killed run, then what has settled.

        `after` is the highest claim that was ever landed; numbers given here are above it.
        """
        shutil.rmtree(self._root / _TAKEN / ".new", ignore_errors=True)
        found = sorted(_settled(self._root, self._feed, time.time()), key=_arrival)
        regular = [path for path in found if _is_regular(path)]
        number = max([time.time_ns(), after + 1, *(n + 1 for n in _claims(self._root))])
        self._refuse([path for path in found if not _is_regular(path)], number)
        for path in regular:
            self._move(path, self._root / _TAKEN / str(number))
        self._remove_empty_folders()
        return [Claim(n, self._root / _TAKEN / str(n)) for n in _claims(self._root)]

    def deliver(self, paths: Iterable[Path]) -> None:
        """Claim copies of files, or of all files below folders, whole or not at all.

        Raises SpecError for a path that is neither.
        """
        fresh = self._root / _TAKEN / ".new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        for place, path in enumerate(paths):
            if not path.exists():
                raise SpecError(f"{self._feed.name}: argument {place + 1} is not there")
            target = fresh / f"{place:04d}"
            target.mkdir()
            _copy(path, target)
        number = max([time.time_ns(), *(n + 1 for n in _claims(self._root))])
        fresh.rename(self._root / _TAKEN / str(number))

    def release(self, claim: Claim) -> None:
        """Forget a claim whose files are durable and in the ledger."""
        shutil.rmtree(claim.folder)

    def _move(self, path: Path, folder: Path) -> None:
        target = folder / path.relative_to(self._root)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.rename(target)

    def _refuse(self, paths: list[Path], number: int) -> None:
        for path in paths:
            self._move(path, self._root / _REFUSED / str(number))
        self.refused += len(paths)

    def _remove_empty_folders(self) -> None:
        for folder, _, _ in os.walk(self._root, topdown=False):
            path = Path(folder)
            hidden = any(part.startswith(".") for part in path.relative_to(self._root).parts)
            if path != self._root and not hidden and not any(path.iterdir()):
                path.rmdir()


def _arrival(path: Path) -> tuple[int, Path]:
    return path.lstat().st_mtime_ns, path


def _claims(root: Path) -> list[int]:
    taken = root / _TAKEN
    names = [entry.name for entry in taken.iterdir()] if taken.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def _settled(root: Path, feed: Feed, now: float) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        found = [Path(folder) / name for name in sorted(files) if not name.startswith(".")]
        complete = _complete(found)
        for path in found + [Path(folder) / name for name in links]:
            if path in complete or _has_held(path, now, feed.settle_seconds):
                yield path


def _has_held(path: Path, now: float, seconds: int) -> bool:
    try:
        told = path.lstat()
    except FileNotFoundError:
        return False
    # a sender can set the modification time, never the change time
    return now - max(told.st_mtime, told.st_ctime) >= seconds


def _complete(paths: list[Path]) -> set[Path]:
    """The files of one folder that a manifest vouches for."""
    for path in paths:
        told = read_manifest(path) if is_manifest(path.name) and _is_regular(path) else None
        if told and told.names:
            vouched = {p for p in paths if p.name in told.names}
            if {p.name for p in vouched} == told.names:
                return vouched | {path}
    return set()


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _copy(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, target / path.name, symlinks=True)
        return
    shutil.copyfile(path, target / path.name, follow_symlinks=True)
