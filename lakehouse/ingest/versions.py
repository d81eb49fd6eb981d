"""Which records are news: a record with the content of its current version is not stored again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.catalog.spec import VERSION
from lakehouse.storage.engine import Engine

_KNOWN, _ARRIVING = "work.known", "work.arriving"
_KEY = ("resource_type", "resource_id")

_HASHED = "hash(resource_type, resource_id) as key"
_WHOLE = re.compile(r"[0-9]{1,18}\Z")

_Rank = tuple[datetime, bool, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Version:
    rank: _Rank
    content: bytes
    is_dated: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows to append, rows that only confirm their current version later, and how many records
    say nothing new."""

    news: pa.RecordBatch
    seen: pa.RecordBatch
    unchanged: int


class Versions:
    """All versions of one source that bronze holds, and those judged since.

    The current version has the greatest (version time, deleted, number of the version id, sequence,
    line, entry), as in sql/fhir/resource.sql; a version time may have been confirmed later by the
    same content, which is what `seen` keeps. What a killed run left there of the ledger entries
    `again`, which are being loaded once more, is not known here: it would judge them by themselves.
    """

    def __init__(
        self, engine: Engine, table: str, seen: str, source: str, again: list[int]
    ) -> None:
        self._engine = engine
        engine.execute(
            f"""
            create or replace table {_KNOWN} as
            select {_HASHED}, resource_type, resource_id, content_hash, version_at, is_deleted,
                   coalesce(fhir_version_number(version_id), -1) as number, _sequence, _line, _entry
            from {table} where source = $source
            union all
            select {_HASHED}, resource_type, resource_id, content_hash, version_at, false, -1,
                   _sequence, _line, _entry
            from {seen} where source = $source and _sequence not in (select unnest($again))""",
            {"source": source, "again": again},
        )
        self._is_empty = engine.count(f"select count(*) from {_KNOWN}") == 0

    def judge(self, rows: pa.RecordBatch) -> Judged:
        """Split rows of one object, or of several, in their order."""
        known = self._known(rows)
        if not known and _are_distinct(rows):
            self._remember(rows)
            return Judged(rows, rows.slice(0, 0), 0)
        news, seen = self._split(rows, known)
        fresh = rows.filter(pa.array(news, pa.bool_()))
        later = rows.filter(pa.array(seen, pa.bool_()))
        self._remember(fresh, later)
        return Judged(fresh, later, len(_lines(rows) - _lines(fresh)))

    def _split(
        self, rows: pa.RecordBatch, known: dict[int, list[_Version]]
    ) -> tuple[list[bool], list[bool]]:
        keys = zip(*(rows[name].to_pylist() for name in _KEY), strict=True)
        recent: dict[Any, list[_Version]] = {}
        news, seen = [], []
        for place, (key, version) in enumerate(zip(keys, _versions(rows), strict=True)):
            before = recent.setdefault(key, known.get(place, []))
            is_new, is_later = _compare(version, before)
            if is_new or is_later:
                before.append(version)
            news.append(is_new)
            seen.append(is_later)
        return news, seen

    def _known(self, rows: pa.RecordBatch) -> dict[int, list[_Version]]:
        if self._is_empty:
            return {}
        places = pa.array(range(rows.num_rows), pa.int64())
        keys = pa.table({"place": places, **{name: rows[name] for name in _KEY}})
        self._engine.register("keys", keys)
        self._engine.execute(
            f"create or replace table {_ARRIVING} as select {_HASHED}, * from keys"
        )
        self._engine.unregister("keys")
        # most records are new, and one narrow column says so however much is known
        met = f"select count(*) from {_KNOWN} semi join {_ARRIVING} using (key)"
        if not self._engine.count(met):
            return {}
        found = self._engine.table(f"""
            select place, version_at, is_deleted, number, _sequence, _line, _entry, content_hash
            from {_ARRIVING} join {_KNOWN} using (key, resource_type, resource_id)""")
        known: dict[int, list[_Version]] = {}
        for place, *rank, content in zip(*_columns(found), strict=True):
            known.setdefault(place, []).append(_Version(tuple(rank), content))
        return known

    def _remember(self, *judged: pa.RecordBatch) -> None:
        for batch in judged:
            if batch.num_rows == 0:
                continue
            self._is_empty = False
            self._engine.register("judged", pa.table(batch).drop_columns(["resource"]))
            self._engine.execute(f"""
                insert into {_KNOWN}
                select {_HASHED}, resource_type, resource_id, content_hash, version_at, is_deleted,
                       coalesce(fhir_version_number(version_id), -1), _sequence, _line, _entry
                from judged""")
            self._engine.unregister("judged")


def _are_distinct(rows: pa.RecordBatch) -> bool:
    keys = pa.table({name: rows[name] for name in _KEY})
    return bool(keys.group_by(list(_KEY)).aggregate([]).num_rows == keys.num_rows)


def _lines(rows: pa.RecordBatch) -> set[tuple[int, int]]:
    return set(zip(rows["_sequence"].to_pylist(), rows["_line"].to_pylist(), strict=True))


def _compare(version: _Version, before: list[_Version]) -> tuple[bool, bool]:
    """Whether a version is new, and else whether it confirms the current one at a later time."""
    if not before:
        return True, False
    at = version.rank[0]
    current = max(before, key=lambda known: known.rank)
    if current.content == version.content:
        return False, at > current.rank[0]
    is_known = any(b.content == version.content and b.rank[0] == at for b in before)
    # A, B, A at one time that is not the record's own: what came last stands
    return not is_known or (at == current.rank[0] and not version.is_dated), False


def _versions(rows: pa.RecordBatch) -> Iterator[_Version]:
    rank = ("version_at", "is_deleted", "version_id", *VERSION)
    names = (*rank, "content_hash", "version_basis")
    for at, deleted, version_id, sequence, line, entry, content, basis in zip(
        *(rows[name].to_pylist() for name in names), strict=True
    ):
        found = (at, deleted, _number(version_id), sequence, line, entry)
        yield _Version(found, content, basis == "updated")


def _number(version_id: str | None) -> int:
    # as the macro fhir_version_number
    return int(version_id) if version_id and _WHOLE.match(version_id) else -1


def _columns(table: pa.Table) -> list[list[Any]]:
    return [column.to_pylist() for column in table.columns]
