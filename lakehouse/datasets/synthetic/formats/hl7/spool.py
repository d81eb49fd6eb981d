"""The messages of a site in the order of time, however many there are.

Some are sorted in memory and then lie in a file without a name; of many such runs one is made. It
takes as much disk again as the messages do, and leaves nothing, not even after an error.
"""

import struct
from collections.abc import Iterable, Iterator
from heapq import merge
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple

_HELD = 2 << 20
_RUNS = 32
_HEAD = struct.Struct("<qqBII")


class Kept(NamedTuple):
    """A message that waits: the minute in which it is sent, which of those that were added it is,
    its stream, its bytes, and what the truth says of it."""

    at: int
    place: int
    stream: int
    data: bytes
    row: bytes


class Spool:
    """`add` messages in any order; `drain` gives all of them by time, and those of one minute as
    they were added."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[Kept] = []
        self._size = 0
        self._count = 0
        self._levels: list[list[BinaryIO]] = []

    def add(self, at: int, stream: int, data: bytes, row: bytes) -> None:
        """Keep a message."""
        self._held.append(Kept(at, self._count, stream, data, row))
        self._count += 1
        self._size += len(data) + len(row)
        if self._size >= _HELD:
            self._held.sort()
            self._push(0, self._held)
            self._held, self._size = [], 0

    def drain(self) -> Iterator[Kept]:
        """All of them, once."""
        self._held.sort()
        runs = (_read(run) for level in self._levels for run in level)
        yield from merge(self._held, *runs)

    def _push(self, level: int, told: Iterable[Kept]) -> None:
        """Write a run; a level that is full becomes one run of the next."""
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(self._written(told))
        if len(self._levels[level]) == _RUNS:
            runs, self._levels[level] = self._levels[level], []
            self._push(level + 1, merge(*map(_read, runs)))
            for run in runs:
                run.close()

    def _written(self, told: Iterable[Kept]) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        run = TemporaryFile(dir=self._folder)  # noqa: SIM115 (it is read later)
        for at, place, stream, data, row in told:
            run.write(_HEAD.pack(at, place, stream, len(data), len(row)) + data + row)
        run.seek(0)
        return run


def _read(run: BinaryIO) -> Iterator[Kept]:
    while head := run.read(_HEAD.size):
        at, place, stream, size, rest = _HEAD.unpack(head)
        yield Kept(at, place, stream, run.read(size), run.read(rest))
