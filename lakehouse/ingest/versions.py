"""Which records are news: a record with the content of its current version is not stored again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.catalog.spec import VERSION
from lakehouse.ingest.stage import Selected
from lakehouse.storage.engine import Engine

ARRIVING = "work.arriving"
"""The records of the batch so far, as `Arrivals` keeps them."""

_CONTESTED, _DROPPED = "work.contested", "work.dropped"
MISSING = "missing"
"""The basis of a delete's version time where nobody told it: a complete export lacks the record."""

_TOGETHER = 100_000
"""Contested records that are compared at a time."""

_MOST_TOUCHED = 1000
"""Ledger entries; who touches more says so, and not which."""

_RANK = ("version_at", "is_deleted", "number", *VERSION)
_KEPT = (
    "_key", "resource_type", "resource_id", "version_at", "version_id", "version_basis",
    "is_deleted", "content_hash", *VERSION,
)  # fmt: skip
_NUMBER = "coalesce(fhir_version_number(version_id), -1) as number"

_Key = tuple[str, str]
_Rank = tuple[Any, ...]


@dataclass(slots=True)
class _Known:
    """What is known of one record: its current version, and which contents it had when."""

    current: _Rank | None = None
    content: bytes = b""
    versions: set[tuple[bytes, datetime]] = field(default_factory=set)

    def add(self, rank: _Rank, content: bytes) -> None:
        self.versions.add((content, rank[0]))
        if self.current is None or rank > self.current:
            self.current, self.content = rank, content

    def judge(self, rank: _Rank, content: bytes, *, is_dated: bool) -> tuple[bool, bool]:
        """Whether a version is new, and else whether it confirms the current one at a later
        time."""
        if self.current is None:
            return True, False
        at = rank[0]
        is_known = (content, at) in self.versions
        if self.content == content:
            # an earlier time than was known is news too: from then on it was so
            is_later = at > self.current[0]
            return not is_later and not is_known, is_later
        # A, B, A at one time that is not the record's own: what came last stands
        return not is_known or (at == self.current[0] and not is_dated), False


@dataclass(frozen=True, slots=True)
class Judged:
    """Places, from 0, of arrivals that are not stored, in order; how many records say nothing new;
    and the ledger entries of older versions of what came, None where they are too many."""

    dropped: pa.Int64Array
    unchanged: int
    touched: list[int] | None


class Arrivals:
    """The records of a batch, in the order of their arrival, judged by what bronze holds.

    The current version has the greatest (version time, deleted, number of the version id, sequence,
    line, entry), as in sql/fhir/resource.sql; a version time may have been confirmed later by the
    same content, which is what `seen` keeps. What a killed run left there of the ledger entries
    `again`, which are being loaded once more, is not known here: it would judge them by themselves.
    With `before` nothing is known but what ledger entries before that one brought.
    """

    def __init__(
        self,
        engine: Engine,
        tables: tuple[str, str],
        source: str,
        again: list[int],
        before: int | None = None,
    ) -> None:
        self._engine = engine
        self._table, self._seen = tables
        self._source, self._again, self._before = source, again, before
        self._count = 0
        engine.execute(
            f"create or replace table {ARRIVING} as select null::bigint as place, "
            f"{', '.join(_KEPT)}, {_NUMBER}, false as is_seen from {self._table} where false"
        )

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in rows of the reader's first table."""
        places = pa.array(range(self._count, self._count + rows.num_rows), pa.int64())
        self._count += rows.num_rows
        told = {"place": places} | {name: rows[name] for name in _KEPT}
        self._engine.register("told", pa.table(told))
        self._engine.execute(f"insert into {ARRIVING} by name select *, {_NUMBER} from told")
        self._engine.unregister("told")

    def judge(self) -> Judged:
        """Find what is not to be stored; call it once, when all have been added."""
        self._find_contested()
        dropped: list[int] = []
        seen: list[int] = []
        count = self._engine.count(f"select count(*) from {_CONTESTED}")
        parts = 1 + count // _TOGETHER
        for part in range(parts) if count else ():
            self._compare(f"abs(_key % {parts}) = {part}", dropped, seen)
        self._mark(dropped, seen)
        return Judged(pa.array(sorted(dropped), pa.int64()), self._unchanged(), self._touched())

    def seen(self, after: int, schema: pa.Schema) -> Selected:
        """What confirms a current version at a later time, of ledger entries after that one."""
        found = self._engine.table(
            f"select $source as source, * from {ARRIVING} "
            "where is_seen and _sequence > $after order by place",
            {"source": self._source, "after": after},
        )
        rows = found.select(schema.names).cast(schema)
        return Selected(rows.to_reader(), rows.num_rows)

    def _find_contested(self) -> None:
        """The keys that came more than once, or are known: most records are new, and one narrow
        column says so however much is known."""
        self._engine.execute(
            f"create or replace table {_CONTESTED} as "
            f"select _key from {ARRIVING} group by _key having count(*) > 1 "
            f"union select _key from {self._table} "
            f"where _key in (select _key from {ARRIVING})"
        )

    def _compare(self, part: str, dropped: list[int], seen: list[int]) -> None:
        known = self._known(part)
        among = f"_key in (from {_CONTESTED}) and {part}"
        arriving = self._engine.table(
            f"select place, resource_type, resource_id, content_hash, version_basis, "
            f"{', '.join(_RANK)} from {ARRIVING} where {among} order by place"
        )
        for place, kind, resource_id, content, basis, *told in _rows(arriving):
            record = known.setdefault((kind, resource_id), _Known())
            rank = tuple(told)
            is_new, is_later = record.judge(rank, content, is_dated=basis == "updated")
            if is_new or is_later:
                record.add(rank, content)
            if not is_new:
                dropped.append(place)
            if is_later:
                seen.append(place)

    def _known(self, part: str) -> dict[_Key, _Known]:
        among = f"source = $source and _key in (from {_CONTESTED}) and {part}"
        if self._before is not None:
            among = f"{among} and _sequence < {self._before}"
        found = self._engine.table(
            f"select resource_type, resource_id, content_hash, version_at, is_deleted, {_NUMBER}, "
            f"{', '.join(VERSION)} from {self._table} where {among} union all "
            f"select resource_type, resource_id, content_hash, version_at, false, -1, "
            f"{', '.join(VERSION)} from {self._seen} where {among} "
            "and _sequence not in (select unnest($again))",
            {"source": self._source, "again": self._again},
        )
        known: dict[_Key, _Known] = {}
        for kind, resource_id, content, *rank in _rows(found):
            known.setdefault((kind, resource_id), _Known()).add(tuple(rank), content)
        return known

    def _mark(self, dropped: list[int], seen: list[int]) -> None:
        marks: Mapping[str, list[int]] = {"is_dropped": dropped, "is_seen": seen}
        for name, places in marks.items():
            self._engine.register(name, pa.table({"place": pa.array(places, pa.int64())}))
        self._engine.execute(f"create or replace table {_DROPPED} as from is_dropped")
        if seen:
            self._engine.execute(
                f"update {ARRIVING} set is_seen = true where place in (from is_seen)"
            )
        for name in marks:
            self._engine.unregister(name)

    def _unchanged(self) -> int:
        """The records of which nothing is stored: of a Bundle, all that it holds is known. A
        delete that nobody told is no record."""
        return self._engine.count(
            f"select count(*) from (select bool_and(place in (from {_DROPPED})) as is_known "
            f"from {ARRIVING} where version_basis <> '{MISSING}' "
            "group by _sequence, _line) where is_known"
        )

    def _touched(self) -> list[int] | None:
        """Where versions of what came lie, and where the current one of them was confirmed."""
        told = " union ".join(
            f"select _sequence from {table} where _key in (from {_CONTESTED})"
            for table in (self._table, self._seen)
        )
        found = self._engine.table(f"{told} order by _sequence limit {_MOST_TOUCHED + 1}")
        touched: list[int] = found.column(0).to_pylist()
        return touched if len(touched) <= _MOST_TOUCHED else None


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)
