"""One row back to the lines of the files it came from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lakehouse.catalog.spec import Table
from lakehouse.errors import SpecError
from lakehouse.ingest.landing import LEDGER
from lakehouse.lineage.collect import Edge
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import Lake
from lakehouse.transform.columns import trace_columns

_MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Landing:
    """A line of a landed object: its sha256, the ledger entry and the line, counted from 1."""

    feed: str
    object_id: str
    sequence: int
    line: int
    received_at: str


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of one table on the way back; `by` are the columns that tie them to the row asked."""

    table: str
    version: int
    rows: int
    by: tuple[str, ...]
    landings: tuple[Landing, ...]
    steps: tuple["Step", ...]


def trace(lake: Lake, name: str, key: str) -> Step:
    """Follow a row of a built table, named by its key (`value` or `column=value,…`).

    Silver rows name their line; a gold row is followed to the rows of its inputs that share the
    values it took over unchanged. Raises SpecError when there is no such row.
    """
    table = lake.catalog.table(name)
    with engine_for(lake) as engine:
        values = {column: [value] for column, value in _parse(table, key).items()}
        step = _step(engine, lake, table, values)
    if step is None or step.rows == 0:
        raise SpecError(f"{name} has no row with this key", hint=f"key: {', '.join(table.key)}")
    return step


def _parse(table: Table, key: str) -> dict[str, str]:
    parts = key.split(",")
    if len(parts) == len(table.key) and not all("=" in part for part in parts):
        return dict(zip(table.key, parts, strict=True))
    told = dict(part.partition("=")[::2] for part in parts)
    if told.keys() - set(table.columns) or not told.keys() & set(table.key):
        raise SpecError(f"the key of {table.name} is {', '.join(table.key)}")
    return told


def _step(engine: Engine, lake: Lake, table: Table, values: Mapping[str, list[Any]]) -> Step | None:
    stored = lake.find(table.name)
    if stored is None:
        return None
    engine.attach(table, stored.version)
    rows = _matching(engine, table, values)
    landings = tuple(_landings(engine, lake, rows)) if "_object" in table.columns else ()
    steps = () if landings else tuple(_inputs(engine, lake, table, rows))
    return Step(table.name, stored.version, rows.num_rows, tuple(values), landings, steps)


def _matching(engine: Engine, table: Table, values: Mapping[str, list[Any]]) -> pa.Table:
    columns = {name: pa.array([str(v) for v in found]) for name, found in values.items()}
    where = " and ".join(
        f"{name}::varchar in (select unnest(${name})::varchar)" for name in columns
    )
    return engine.table(
        f"select * from {table.name} where {where} limit {_MOST_ROWS}",
        {name: found.to_pylist() for name, found in columns.items()},
    )


def _inputs(engine: Engine, lake: Lake, table: Table, rows: pa.Table) -> Iterator[Step]:
    edges = trace_columns(table, lake.catalog) if table.is_model else ()
    for read in lake.catalog.stored_reads(table):
        values: dict[str, list[Any]] = {}
        for source_column, column in sorted(_shared(table, read, edges)):
            found = [value for value in rows[column].to_pylist() if value is not None]
            values.setdefault(source_column, []).extend(found)
        step = _step(engine, lake, read, values) if any(values.values()) else None
        if step and step.rows:
            yield step


def _shared(table: Table, read: Table, edges: Iterable[Edge]) -> set[tuple[str, str]]:
    """Which columns of an input find the rows of one output row, with the output's columns.

    A name has one meaning in the lake: `next_encounter_id` holds an `encounter_id`. An input that
    shares no key is found by the unit of recomputation.
    """
    shared = {
        (edge.source_column, edge.column)
        for edge in edges
        if edge.source == read.name
        and edge.source_column
        and edge.kind == "DIRECT"
        and (edge.column in table.key or edge.source_column in read.key)
        and (edge.subtype == "IDENTITY" or f"_{edge.column}".endswith(f"_{edge.source_column}"))
    }
    unit = table.by
    if not shared and unit and unit.is_told(read):
        return set(zip(unit.sources, unit.columns, strict=True))
    return shared


def _landings(engine: Engine, lake: Lake, rows: pa.Table) -> Iterator[Landing]:
    ledger = lake.find(LEDGER)
    if ledger is None:
        return
    engine.attach(ledger.table, ledger.version)
    engine.register("traced", rows.select(["_object", "_sequence", "_line"]))
    found = engine.table(
        f"""select distinct feed, object_id, sequence, _line as line,
               received_at::varchar as received_at
        from traced join {LEDGER} on sequence = _sequence order by sequence, line"""
    )
    engine.unregister("traced")
    for row in found.to_pylist():
        yield Landing(**row)
