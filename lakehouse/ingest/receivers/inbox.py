"""The inbox: a folder a feed, to which senders write files.

A file is taken when nothing about it has changed for the feed's settle time, or at once when a
manifest beside it lists it and all it lists is there. Taking is one rename into a claim, so that
what arrives later is never mistaken for what is being landed.

    inbox/<feed>/…                     what senders write, files or folders
    inbox/<feed>/.taken/.open/…        being taken; it gets its number when it is whole
    inbox/<feed>/.taken/.fetched/…     copies of what senders put into the store
    inbox/<feed>/.taken/<claim>/…      being landed; a claim is a number that only grows
    inbox/<feed>/.refused/<number>     not a regular file (a link, a pipe): never opened
    inbox/<feed>/.lock                 held by the one process at work; it holds the inbox's name
"""

import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from lakehouse.catalog.spec import Feed
from lakehouse.errors import SpecError, StoreError
from lakehouse.ingest.manifest import is_manifest, read_manifest
from lakehouse.ingest.receive import Received, Wait
from lakehouse.settings import Settings

_TAKEN, _REFUSED, _LOCK = ".taken", ".refused", ".lock"
_OPEN, _COPIES, _FETCHED = ".open", ".copies", ".fetched"
_NAME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """Files that were taken together; they are landed in this order."""

    number: int
    folder: Path

    def files(self) -> list[Path]:
        """The files in the order of their arrival, a manifest behind all that lies beside it."""
        found = sorted((p for p in self.folder.rglob("*") if _is_regular(p)), key=_arrival)
        last = {path.parent: place for place, path in enumerate(found)}
        places = {
            path: (last[path.parent], True) if is_manifest(path.name) else (place, False)
            for place, path in enumerate(found)
        }
        return sorted(found, key=places.__getitem__)


def receive(_settings: Settings, _feed: Feed, _wait: Wait, *, full: bool = False) -> Received:
    """Nothing: senders come by themselves."""
    return Received()


def waiting(settings: Settings, feed: Feed) -> bool:
    """True when something could be taken now, or a claim was left half landed."""
    root = settings.inbox / feed.name
    is_left = bool(_claims(root)) or (root / _TAKEN / _OPEN).is_dir()
    return is_left or any(_settled(root, feed, time.time()))


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
        yield Inbox(root, feed, _name(descriptor))
    except OSError as error:
        raise StoreError(f"{feed.name}: the inbox failed: {error.strerror}") from None
    finally:
        os.close(descriptor)


class Inbox:
    """A feed's inbox, held by this process alone.

    `name` tells it from inboxes of the same feed on other machines: claims of two inboxes do not
    follow one another.
    """

    def __init__(self, root: Path, feed: Feed, name: str) -> None:
        self._root = root
        self._feed = feed
        self.name = name
        self.refused = 0

    def claims(self, after: int) -> list[Claim]:
        """What is to be landed, oldest first: claims left by a killed run, then what has settled.

        `after` is the highest claim ever landed from here; numbers given here are above it.
        """
        shutil.rmtree(self._root / _TAKEN / _COPIES, ignore_errors=True)
        # a manifest last: while it is there, a killed run can tell what belongs together
        waiting = sorted(_settled(self._root, self._feed, time.time()), key=_turn)
        while waiting:
            # a killed run took another file of that name: it comes after what that run began
            waiting = [path for path in waiting if not self._take_or_refuse(path)]
            self._seal(_OPEN, after)
        self._seal(_OPEN, after)
        self._remove_empty_folders()
        return [Claim(n, self._root / _TAKEN / str(n)) for n in _claims(self._root)]

    def fresh_folder(self) -> Path:
        """An empty folder named as the feed, for what is fetched and then delivered."""
        folder = self._root / _TAKEN / _FETCHED / self._feed.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def deliver(self, paths: Iterable[Path], after: int) -> None:
        """Claim copies of files, or of all files below folders, whole or not at all.

        Raises SpecError for a path that is neither.
        """
        paths = tuple(paths)
        for place, path in enumerate(paths):
            if not path.is_file() and not path.is_dir():
                raise SpecError(
                    f"{self._feed.name}: argument {place + 1} is neither a file nor a folder"
                )
        copies = self._root / _TAKEN / _COPIES
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir(parents=True, mode=0o700)
        ages = count(time.time_ns())
        for place, path in enumerate(paths):
            self._copy(path, copies / f"{place:04d}", ages)
        self._seal(_COPIES, after)

    def release(self, claim: Claim) -> None:
        """Forget a claim whose files are durable and in the ledger."""
        shutil.rmtree(claim.folder)

    def _take_or_refuse(self, path: Path) -> bool:
        """False when its place is held by another file."""
        if not _is_regular(path):
            self._refuse(path)
            return True
        target = self._root / _TAKEN / _OPEN / path.relative_to(self._root)
        if not _is_free(target):
            return False
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.rename(target)
        return True

    def _seal(self, name: str, after: int) -> None:
        """Make what was collected a claim, in one step: a kill never parts what came together."""
        taken = self._root / _TAKEN
        if (taken / name).is_dir():
            number = max([time.time_ns(), after + 1, *(n + 1 for n in _claims(self._root))])
            (taken / name).rename(taken / str(number))

    def _refuse(self, path: Path) -> None:
        folder = self._root / _REFUSED
        folder.mkdir(exist_ok=True, mode=0o700)
        path.rename(folder / str(time.time_ns()))
        self.refused += 1

    def _copy(self, path: Path, folder: Path, ages: Iterator[int]) -> None:
        """Copy a file, or a folder's files by their age, each copy younger than the last."""
        below = [path] if path.is_file() else chain.from_iterable(_folders(path))
        for found in sorted(below, key=_arrival):
            if found != path and not _is_regular(found):
                self.refused += 1
                continue
            target = folder / found.relative_to(path.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target)
            age = next(ages)
            os.utime(target, ns=(age, age))

    def _remove_empty_folders(self) -> None:
        """Remove folders whose files were taken; not one that a sender has just made."""
        for folder, _, _ in os.walk(self._root, topdown=False):
            path = Path(folder)
            hidden = any(part.startswith(".") for part in path.relative_to(self._root).parts)
            # asked anew for each: to remove a folder changes the one above
            now, settle = time.time(), self._feed.settle_seconds
            if path != self._root and not hidden and _has_held(path, now, settle):
                with suppress(OSError):
                    path.rmdir()


def _name(descriptor: int) -> str:
    """The name that the lock file holds, given at the first use of an inbox."""
    known = os.pread(descriptor, 2 * _NAME_BYTES, 0).decode()
    if len(known) == 2 * _NAME_BYTES:
        return known
    given = secrets.token_hex(_NAME_BYTES)
    os.pwrite(descriptor, given.encode(), 0)
    os.fsync(descriptor)
    return given


def _is_free(target: Path) -> bool:
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (FileExistsError, NotADirectoryError):
        return False
    return not target.exists()


def _arrival(path: Path) -> tuple[int, Path]:
    return path.lstat().st_mtime_ns, path


def _turn(path: Path) -> tuple[bool, tuple[int, Path]]:
    return is_manifest(path.name), _arrival(path)


def _claims(root: Path) -> list[int]:
    taken = root / _TAKEN
    names = [entry.name for entry in taken.iterdir()] if taken.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def _settled(root: Path, feed: Feed, now: float) -> Iterator[Path]:
    for found in _folders(root):
        complete = _complete(found, _half_taken(root, found))
        for path in found:
            if path in complete or _has_held(path, now, feed.settle_seconds):
                yield path


def _folders(root: Path) -> Iterator[list[Path]]:
    """What lies in each folder from `root` down that is no folder; what is hidden is left out."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        shown = sorted(name for name in files if not name.startswith("."))
        yield [Path(folder) / name for name in shown + links]


def _has_held(path: Path, now: float, seconds: int) -> bool:
    try:
        told = path.lstat()
    except FileNotFoundError:
        return False
    # a sender can set the modification time, never the change time
    return now - max(told.st_mtime, told.st_ctime) >= seconds


def _half_taken(root: Path, found: list[Path]) -> set[str]:
    """The names of what a killed run took out of the folder of these files."""
    if not found:
        return set()
    folder = root / _TAKEN / _OPEN / found[0].parent.relative_to(root)
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _complete(paths: list[Path], taken: set[str]) -> set[Path]:
    """The files of one folder that a manifest vouches for; some of them may be taken already."""
    for path in paths:
        told = read_manifest(path) if is_manifest(path.name) and _is_regular(path) else None
        if told and told.names:
            # a manifest that is older than a file does not speak of what is in it now
            vouched = {p for p in paths if p.name in told.names and _changed(p) <= _changed(path)}
            if {p.name for p in vouched} | (taken & told.names) == told.names:
                return vouched | {path}
    return set()


def _changed(path: Path) -> int:
    return path.lstat().st_ctime_ns


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)
