"""Where records come from, and what a reader makes of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

import pyarrow as pa

from lakehouse.ingest.manifest import Manifest

_PIECE_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Origin:
    """One ledger entry: a landed object as one feed delivered it once; with what it says, where it
    is the manifest of a complete export."""

    feed: str
    source: str
    sequence: int
    object_id: str
    bytes: int
    received_at: datetime
    export_at: datetime | None
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """Some records of an object, read.

    `rows` are shaped as the reader's first table, `refused` as a feed's quarantine. `lines` counts
    all records seen, `blank` those without content; a line may give several rows or none.
    """

    rows: pa.RecordBatch
    refused: pa.RecordBatch
    lines: int
    blank: int


def joined(pieces: Iterable[Parsed]) -> Iterator[Parsed]:
    """The same records in their order, where many small pieces have become one large piece."""
    waiting: list[Parsed] = []
    size = 0
    for piece in pieces:
        own = piece.rows.nbytes + piece.refused.nbytes
        if waiting and own > _PIECE_BYTES:
            # a large one is not copied to join a small one
            yield _join(waiting)
            waiting, size = [], 0
        waiting.append(piece)
        size += own
        # while the next is read, nothing holds this one
        del piece
        if size > _PIECE_BYTES:
            yield _join(waiting)
            waiting, size = [], 0
    if waiting:
        yield _join(waiting)


def _join(pieces: list[Parsed]) -> Parsed:
    if len(pieces) == 1:
        return pieces[0]
    return Parsed(
        pa.concat_batches([piece.rows for piece in pieces]),
        pa.concat_batches([piece.refused for piece in pieces]),
        sum(piece.lines for piece in pieces),
        sum(piece.blank for piece in pieces),
    )


class Reader(Protocol):
    """A module under readers/: found by the name that a feed's `reads` gives."""

    TABLE: str
    """The table its rows go to."""

    SEEN: str
    """The table that remembers when the same content came again with a later version time."""

    TOMBSTONE: bytes
    """The hash that stands for the content of a delete."""

    def read(self, stream: BinaryIO, origin: Origin) -> Iterator[Parsed]:
        """Read an object in bounded memory; never raises for what the bytes say."""
