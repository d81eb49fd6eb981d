"""Rows that wait for their commit: in memory while they are few, in a private file when many."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

_MEMORY_BYTES = 32 * 2**20
_PIECE_BYTES = 4 * 2**20
"""Who writes the rows holds some pieces at once, however large they are."""

_NONE = pa.array([], pa.int64())


@dataclass(frozen=True, slots=True)
class Selected:
    """Some rows as a stream, and how many they are."""

    reader: pa.RecordBatchReader
    count: int


class Stage:
    """Rows of one table, in the order they were added; a context manager that leaves nothing."""

    def __init__(self, schema: pa.Schema, spill: Path) -> None:
        self.schema = schema
        self.rows = 0
        self._counts: Counter[int] = Counter()
        self._spill = spill
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._folder: Path | None = None
        self._file: pa.ipc.RecordBatchFileWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._seal()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, rows: pa.RecordBatch) -> None:
        """Add rows with the columns of the schema, in any order and perhaps among others."""
        if rows.num_rows == 0:
            return
        batch = rows.select(self.schema.names).cast(self.schema)
        self.rows += batch.num_rows
        for counted in pc.value_counts(batch["_sequence"]).to_pylist():
            self._counts[counted["values"]] += counted["counts"]
        self._bytes += batch.nbytes
        self._batches += _pieces(batch)
        if self._bytes > _MEMORY_BYTES:
            self._flush()

    def after(self, sequence: int, without: pa.Int64Array = _NONE) -> Selected:
        """The rows whose ledger sequence is greater, but for those at some places (in order)."""
        self._seal()
        count = sum(count for entry, count in self._counts.items() if entry > sequence)
        count -= sum(count for entry, count in self._dropped(without).items() if entry > sequence)
        rows = self._read(sequence, without)
        return Selected(pa.RecordBatchReader.from_batches(self.schema, rows), count)

    def _dropped(self, without: pa.Int64Array) -> Counter[int]:
        counts: Counter[int] = Counter()
        if len(without):
            for begin, batch in self._placed():
                here = _among(without, begin, batch)
                counts.update(batch["_sequence"].filter(here).to_pylist())
        return counts

    def _flush(self) -> None:
        if self._file is None:
            self._folder = Path(tempfile.mkdtemp(dir=self._spill))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            path = str(self._folder / "rows.arrow")
            self._file = pa.ipc.new_file(path, self.schema, options=options)
        for batch in self._batches:
            self._file.write_batch(batch)
        self._batches, self._bytes = [], 0

    def _seal(self) -> None:
        if self._file:
            self._flush()
            self._file.close()
            self._file = None

    def _read(self, sequence: int, without: pa.Int64Array) -> Iterator[pa.RecordBatch]:
        for begin, batch in self._placed():
            wanted = pc.greater(batch["_sequence"], sequence)
            if len(without):
                wanted = pc.and_not(wanted, _among(without, begin, batch))
            yield batch if pc.all(wanted).as_py() else batch.filter(wanted)

    def _placed(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The batches, each with the place of its first row."""
        begin = 0
        for batch in self._stored():
            yield begin, batch
            begin += batch.num_rows

    def _stored(self) -> Iterator[pa.RecordBatch]:
        if self._folder:
            with pa.ipc.open_file(str(self._folder / "rows.arrow")) as stored:
                for number in range(stored.num_record_batches):
                    yield stored.get_batch(number)
        yield from self._batches


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = max(1, batch.num_rows * _PIECE_BYTES // max(batch.nbytes, 1))
    for first in range(0, batch.num_rows, rows):
        yield batch.slice(first, rows)


def _among(places: pa.Int64Array, begin: int, batch: pa.RecordBatch) -> pa.BooleanArray:
    """Which rows of a batch that begins at a place stand at one of these places."""
    here = pa.array(range(begin, begin + batch.num_rows), pa.int64())
    return pc.is_in(here, value_set=places)
