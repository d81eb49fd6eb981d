"""Which records are news: a record with the content of its current version is not stored again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.storage.engine import Engine

_KNOWN = "work.known"
_KEY = ("resource_type", "resource_id")

_Rank = tuple[datetime, bool, int, int, int]


@dataclass(frozen=True, slots=True)
class _Version:
    rank: _Rank
    content: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows to append, rows that only confirm their current version later, and how many records
    say nothing new."""

    news: pa.RecordBatch
    seen: pa.RecordBatch
    unchanged: int


class Versions:
    """All versions of one source that bronze holds, and those judged since.

    The current version has the greatest (version time, deleted, numeric version id, sequence, line),
    as in sql/fhir/resource.sql; a version time may have been confirmed later by the same content,
    which is what `seen` keeps.
    """

    def __init__(self, engine: Engine, table: str, seen: str, source: str) -> None:
        self._engine = engine
        engine.execute(
            f"""
            create or replace table {_KNOWN} as
            select resource_type, resource_id, content_hash, version_at, is_deleted,
                   coalesce(try_cast(version_id as bigint), -1) as number, _sequence, _line
            from {table} where source = $source
            union all
            select resource_type, resource_id, content_hash, version_at, false, -1, _sequence, _line
            from {seen} where source = $source""",
            {"source": source},
        )
        self._is_empty = engine.count(f"select count(*) from {_KNOWN}") == 0

    def judge(self, rows: pa.RecordBatch) -> Judged:
        """Split rows of one object, in their order."""
        keys = list(zip(*(rows[name].to_pylist() for name in _KEY), strict=True))
        known = self._known(rows)
        if not known and len(set(keys)) == len(keys):
            self._remember(rows)
            return Judged(rows, rows.slice(0, 0), 0)
        news, seen = self._split(rows, keys, known)
        fresh = rows.filter(pa.array(news, pa.bool_()))
        later = rows.filter(pa.array(seen, pa.bool_()))
        self._remember(fresh, later)
        lines = set(rows["_line"].to_pylist())
        return Judged(fresh, later, len(lines - set(fresh["_line"].to_pylist())))

    def _split(
        self, rows: pa.RecordBatch, keys: list[Any], known: dict[int, list[_Version]]
    ) -> tuple[list[bool], list[bool]]:
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
        self._engine.register("arriving", keys)
        found = self._engine.table(f"""
            select place, version_at, is_deleted, number, _sequence, _line, content_hash
            from arriving join {_KNOWN} using (resource_type, resource_id)""")
        self._engine.unregister("arriving")
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
                select resource_type, resource_id, content_hash, version_at, is_deleted,
                       coalesce(try_cast(version_id as bigint), -1), _sequence, _line
                from judged""")
            self._engine.unregister("judged")


def _compare(version: _Version, before: list[_Version]) -> tuple[bool, bool]:
    """Whether a version is new, and else whether it confirms the current one at a later time."""
    if not before:
        return True, False
    at = version.rank[0]
    if any(b.content == version.content and b.rank[0] == at for b in before):
        return False, False
    current = max(before, key=lambda known: known.rank)
    if current.content != version.content:
        return True, False
    return False, at > current.rank[0]


def _versions(rows: pa.RecordBatch) -> Iterator[_Version]:
    names = ("version_at", "is_deleted", "version_id", "_sequence", "_line", "content_hash")
    for at, deleted, version_id, sequence, line, content in zip(
        *(rows[name].to_pylist() for name in names), strict=True
    ):
        yield _Version((at, deleted, _number(version_id), sequence, line), content)


def _number(version_id: str | None) -> int:
    is_whole = version_id is not None and version_id.isascii() and version_id.isdecimal()
    number = int(version_id or 0) if is_whole else -1
    return number if number < 2**63 else -1


def _columns(table: pa.Table) -> list[list[Any]]:
    return [column.to_pylist() for column in table.columns]
