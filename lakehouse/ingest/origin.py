"""Where records come from, and what a reader makes of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Origin:
    """One ledger entry: a landed object as one feed delivered it once."""

    feed: str
    source: str
    sequence: int
    object_id: str
    bytes: int
    received_at: datetime
    export_at: datetime | None


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


class Reader(Protocol):
    """A module under readers/: found by the name that a feed's `reads` gives."""

    TABLE: str
    """The table its rows go to."""

    SEEN: str
    """The table that remembers when the same content came again with a later version time."""

    def read(self, stream: BinaryIO, origin: Origin) -> Iterator[Parsed]:
        """Read an object in bounded memory; never raises for what the bytes say."""
