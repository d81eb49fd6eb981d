"""Lines of a landed object, plain or gzip, in bounded memory whatever was sent."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO, NamedTuple

LONGEST_LINE = 16 * 2**20
"""Bytes; a longer line is refused and skipped, never held in memory."""

FURTHEST_RATIO = 200
"""A gzip that unpacks further than this is refused from there on: nothing clinical does."""

_CHUNK = 16 * 2**20
_FREE = 64 * 2**20


class Line(NamedTuple):
    """`number` is from 1, `offset` in bytes of the unpacked stream; `refused` says why not."""

    number: int
    offset: int
    content: bytes
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


def read_lines(stream: BinaryIO) -> Iterator[list[Line]]:
    """Yield the lines of a stream some at a time; blank ones are there with blank content.

    What ends a gzip early is one refused line at the place where reading stopped.
    """
    source, at = Unpacked(stream), _Position()
    rest, skipping = b"", False
    while chunk := source.chunk():
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for first in range(0, len(parts), _MOST_LINES):
            yield list(_numbered(parts[first : first + _MOST_LINES], at, skipping))
            skipping = False
        if len(rest) > LONGEST_LINE and not skipping:
            at.number += 1
            yield [Line(at.number, at.offset, rest[:_PREVIEW], "line is too long")]
            skipping = True
        if skipping:
            at.offset += len(rest)
            rest = b""
    yield list(_end(source, at, rest, skipping))


_PREVIEW = 64 * 2**10
_MOST_LINES = 2**16


def _numbered(parts: list[bytes], at: _Position, skipping: bool) -> Iterator[Line]:
    for place, part in enumerate(parts):
        if not (place == 0 and skipping):
            at.number += 1
            if len(part) > LONGEST_LINE:
                yield Line(at.number, at.offset, part[:_PREVIEW], "line is too long")
            else:
                yield Line(at.number, at.offset, part)
        at.offset += len(part) + 1


def _end(source: Unpacked, at: _Position, rest: bytes, skipping: bool) -> Iterator[Line]:
    if source.broken:
        yield Line(at.number + 1, at.offset, rest[:_PREVIEW], source.broken)
    elif rest and not skipping:
        yield Line(at.number + 1, at.offset, rest)
