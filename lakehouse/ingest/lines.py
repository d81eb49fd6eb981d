"""Lines of a landed object, plain or gzip, in bounded memory whatever was sent."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO, NamedTuple

LONGEST_LINE = 128 * 2**20
"""Bytes; a longer line is refused and skipped, never held in memory."""

FURTHEST_RATIO = 200
"""A gzip that unpacks further than this is refused from there on: nothing clinical does."""

_CHUNK = 16 * 2**20
_FREE = 64 * 2**20


class Lines(NamedTuple):
    """Lines that follow one another, without their ends; blank ones are there with blank content.

    `number` (from 1) and `offset` (in bytes of the unpacked stream) are those of the first.
    `refused` says why the one line that is here is not read; what is here is its beginning.
    """

    number: int
    offset: int
    contents: list[bytes]
    refused: str | None = None


@dataclass(slots=True)
class _Position:
    number: int = 0
    offset: int = 0


class Unpacked:
    """The bytes of a stream, unpacked when it is gzip; `broken` tells how it ended early."""

    def __init__(self, stream: BinaryIO) -> None:
        self._packed = _Counted(stream)
        buffered = BufferedReader(self._packed, _CHUNK)  # type: ignore[type-var]  # readable, raw
        is_gzip = buffered.peek(2)[:2] == b"\x1f\x8b"
        # read1 hands out what it has: read would lose what stands before a broken end
        self._read = gzip.GzipFile(fileobj=buffered).read1 if is_gzip else buffered.read
        self._is_gzip = is_gzip
        self._unpacked = 0
        self.broken: str | None = None

    def chunk(self) -> bytes:
        """Some next bytes; none at the end, or where the stream cannot be read further."""
        parts, size = [], 0
        while size < _CHUNK and (part := self._part()):
            parts.append(part)
            size += len(part)
        return b"".join(parts)

    def _part(self) -> bytes:
        if self.broken:
            return b""
        try:
            found = self._read(_CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.broken = "gzip ends early" if isinstance(error, EOFError) else "gzip is corrupt"
            return b""
        self._unpacked += len(found)
        if self._is_gzip and self._unpacked > _FREE + FURTHEST_RATIO * self._packed.count:
            self.broken = "gzip unpacks too far"
            return b""
        return found


class _Counted:
    """A raw stream that counts what was read; a short read of the network is not the end."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        size = 0
        while size < len(buffer) and (found := self._stream.read(len(buffer) - size)):
            buffer[size : size + len(found)] = found
            size += len(found)
        self.count += size
        return size


def read_lines(stream: BinaryIO) -> Iterator[Lines]:
    """Yield the lines of a stream some at a time.

    What ends a gzip early is one refused line at the place where reading stopped.
    """
    source, at = Unpacked(stream), _Position()
    rest = _Rest()
    while chunk := source.chunk():
        parts = chunk.split(b"\n")
        if len(parts) > 1:
            yield _one(rest.end(parts[0]), at, rest)
            yield from _numbered(parts[1:-1], at)
            rest = _Rest()
        rest.add(parts[-1])
    if rest.size or source.broken:
        yield _one(rest.end(b""), at, rest, source.broken)


_PREVIEW = 64 * 2**10
_MOST_LINES = 2**16


class _Rest:
    """The line that is still to end; of one that is too long, its beginning and its size."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    @property
    def is_too_long(self) -> bool:
        return self.size > LONGEST_LINE

    def add(self, part: bytes) -> None:
        self.size += len(part)
        self._parts.append(part)
        if self.is_too_long:
            self._parts = [b"".join(self._parts)[:_PREVIEW]]

    def end(self, part: bytes) -> bytes:
        self.add(part)
        whole = b"".join(self._parts)
        # whoever reads the line holds it: twice is too much of a long one
        self._parts.clear()
        return whole


def _one(content: bytes, at: _Position, rest: _Rest, refused: str | None = None) -> Lines:
    refused = refused or ("line is too long" if rest.is_too_long else None)
    line = Lines(at.number + 1, at.offset, [content[:_PREVIEW] if refused else content], refused)
    at.number += 1
    at.offset += rest.size + 1
    return line


def _numbered(parts: list[bytes], at: _Position) -> Iterator[Lines]:
    for first in range(0, len(parts), _MOST_LINES):
        some = parts[first : first + _MOST_LINES]
        sizes = list(map(len, some))
        if max(sizes) > LONGEST_LINE:
            yield from _singly(some, at)
            continue
        yield Lines(at.number + 1, at.offset, some)
        at.number += len(some)
        at.offset += sum(sizes) + len(sizes)


def _singly(parts: list[bytes], at: _Position) -> Iterator[Lines]:
    for part in parts:
        rest = _Rest()
        yield _one(rest.end(part), at, rest)
