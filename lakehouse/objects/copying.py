"""Copies all objects from one place to another: each is read back and compared by its hash, and
after a kill the copy goes on where it stood."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from lakehouse.errors import SpecError, StoreError
from lakehouse.objects import Entry, Objects

_CHUNK_BYTES = 2**20
_AT_ONCE = 4
_PASSES = 5
_TELL_EVERY = 500
_NAMED_BY_HASH = re.compile(r"landing/objects/[0-9a-f]{2}/([0-9a-f]{64})")


def _silent(_copied: int, _of: int) -> None:
    return


@dataclass(frozen=True, slots=True)
class Copied:
    """What lies in the new place now."""

    objects: int
    bytes: int


class Journal:
    """What has been copied and compared, one line an object, in a file that outlives a kill."""

    def __init__(self, path: Path, about: str) -> None:
        self._path = path
        lines = list(self._lines())
        self.is_begun = bool(lines)
        if lines and lines[0] != [about]:
            raise SpecError(
                "another copy was begun here and is not finished",
                hint=f"finish it with the settings it had, or give it up: remove {path}",
            )
        self._about = about
        self._known = {key: (size, mark) for key, size, mark in lines[1:]}

    def begin(self) -> None:
        """Write down what is copied where."""
        self.is_begun = True
        self._add([self._about])

    def knows(self, entry: Entry) -> bool:
        """Whether the object was copied as it is now."""
        return self._known.get(entry.key) == (entry.size, entry.mark)

    def has(self, key: str) -> bool:
        """Whether an object of this name was ever copied."""
        return key in self._known

    def note(self, entry: Entry) -> None:
        """Remember that the object was copied and compared."""
        self._known[entry.key] = (entry.size, entry.mark)
        self._add([entry.key, entry.size, entry.mark])

    def end(self) -> None:
        """Forget everything."""
        self._path.unlink(missing_ok=True)

    def _add(self, line: list[object]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _lines(self) -> Iterator[list[object]]:
        if self._path.is_file():
            for line in self._path.read_text().splitlines():
                try:
                    yield json.loads(line)
                except ValueError:  # cut off by a kill
                    continue


def copy_all(
    source: Objects,
    target: Objects,
    folders: Iterable[str],
    journal: Journal,
    tell: Callable[[int, int], None] = _silent,
) -> Copied:
    """Copy what lies in these folders until both places hold the same; `tell` hears now and then
    how many of how many are copied.

    Raises SpecError where the target holds something else, StoreError where a copy differs, a
    landed object is not what its name says, or something keeps writing to the source.
    """
    folders = tuple(folders)
    _refuse_foreign(source, target, folders, journal)
    if not journal.is_begun:
        journal.begin()
    for _ in range(_PASSES):
        entries = [entry for folder in folders for entry in source.list(folder)]
        fresh = [entry for entry in entries if not journal.knows(entry)]
        if not fresh:
            _remove_gone(target, folders, {entry.key for entry in entries})
            _require_same(entries, target, folders)
            return Copied(len(entries), sum(entry.size for entry in entries))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            copied = pool.map(partial(_copy, source, target), fresh)
            for number, (entry, _done) in enumerate(zip(fresh, copied, strict=True), 1):
                journal.note(entry)
                if number % _TELL_EVERY == 0:
                    tell(number, len(fresh))
    raise StoreError(
        "something writes to the lake while it is copied",
        hint="end what is at work on it, and run the same again: it goes on where it stood",
    )


def _refuse_foreign(
    source: Objects, target: Objects, folders: Iterable[str], journal: Journal
) -> None:
    there = [entry.key for folder in folders for entry in target.list(folder)]
    if journal.is_begun and there:
        own = {entry.key for folder in folders for entry in source.list(folder)}
        there = [key for key in there if key not in own and not journal.has(key)]
    if there:
        raise SpecError(
            f"the new place holds {len(there)} objects that are not of this lake",
            hint="take an empty one; nothing was changed",
        )


def _remove_gone(target: Objects, folders: Iterable[str], keys: set[str]) -> None:
    """Remove copies of what the source has dropped meanwhile."""
    for entry in [entry for folder in folders for entry in target.list(folder)]:
        if entry.key not in keys:
            target.delete(entry.key)


def _require_same(entries: Iterable[Entry], target: Objects, folders: Iterable[str]) -> None:
    there = {entry.key: entry.size for folder in folders for entry in target.list(folder)}
    if there != {entry.key: entry.size for entry in entries}:
        raise StoreError("the new place does not hold what was put there", hint="do not use it")


def _copy(source: Objects, target: Objects, entry: Entry) -> None:
    if target.size(entry.key) is not None:
        target.delete(entry.key)  # what is there already may be of an earlier state
    with closing(source.open(entry.key)) as stream:
        read = _Hashing(stream)
        target.put(entry.key, cast(BinaryIO, read), entry.size)
    with closing(target.open(entry.key)) as stream:
        written = _Hashing(stream)
        while written.read(_CHUNK_BYTES):
            pass
    if (read.bytes, read.sha256) != (written.bytes, written.sha256):
        raise StoreError("the new place gives back other bytes than were put there")
    named = _NAMED_BY_HASH.fullmatch(entry.key)
    if named and named[1] != read.sha256:
        raise StoreError(
            f"a landed object is damaged where the lake lies now: {named[1]}",
            hint="restore it from a backup, or from its sender; nothing was switched",
        )


class _Hashing:
    """A stream that counts and hashes what is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._digest.update(chunk)
        self.bytes += len(chunk)
        return chunk
