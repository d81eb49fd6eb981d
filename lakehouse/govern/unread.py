"""Counts what views come upon and cannot read, in a stream of records and in little memory."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.settings import Settings
from lakehouse.storage.session import Session
from lakehouse.viewdefinition.compiler import Compiled, macros
from lakehouse.viewdefinition.findings import findings_queries

Place: TypeAlias = tuple[str, tuple[str, ...], str]
"""A feed, columns of a view (none where the path only decides which rows there are), a path."""

_RECORDS = "records"
_PIECE_BYTES = 2**18
"""Texts that are parsed at once. Parsed they are ten times as large, and there as often as a query
has paths; so small they also stay in the processor's cache."""
_LARGE_BYTES = 2**20
"""A record that is larger is looked through for one path after the other."""


class Counting:
    """Counts in a session of its own, while another one reads the records."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def count(self, compiled: Compiled, records: Iterable[pa.RecordBatch]) -> Counter[Place]:
        """The values that a view cannot read; the records have the columns `feed` and `resource`,
        and are of the view's type."""
        several, single = (
            list(findings_queries(compiled, _RECORDS, ("feed",), **how))
            for how in ({}, {"at_once": 1})
        )
        found: Counter[Place] = Counter()
        for batch in records:
            self._session.register(_RECORDS, pa.Table.from_batches(_pieces(batch), batch.schema))
            for query in single if _is_any_large(batch) else several:
                for feed, *counts in _rows(self._session.table(query.sql)):
                    for (columns, path), n in zip(query.places, counts, strict=True):
                        found[feed, columns, path] += n
            self._session.unregister(_RECORDS)
        return +found


@contextmanager
def counting(settings: Settings) -> Iterator[Counting]:
    """A session that counts; it sees nothing but the records that it is given."""
    with Session(settings) as session:
        for statement in macros().values():
            session.execute(statement)
        yield Counting(session)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The records in pieces of about as many bytes: the session takes one after the other."""
    rows = max(1, batch.num_rows * _PIECE_BYTES // max(batch.nbytes, 1))
    for first in range(0, batch.num_rows, rows):
        yield batch.slice(first, rows)


def _is_any_large(batch: pa.RecordBatch) -> bool:
    largest = pc.max(pc.binary_length(batch["resource"])).as_py()
    return largest is not None and largest > _LARGE_BYTES


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)
