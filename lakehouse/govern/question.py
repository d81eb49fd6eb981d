"""Questions to the lake: one SELECT over its tables, and what waits in quarantine."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from lakehouse.catalog.load import LAYERS
from lakehouse.catalog.spec import BROKE, Table, Write
from lakehouse.errors import LakehouseError, SpecError
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import Lake

_NAMES = re.compile(rf"\b(?:{'|'.join(LAYERS)})\.[a-z_]\w*", re.I)


@dataclass(frozen=True, slots=True)
class Refusal:
    """How many rows wait in a quarantine for one reason."""

    table: str
    reason: str
    rows: int


@contextmanager
def ask(
    lake: Lake, query: str, at: datetime | None, versions: Mapping[str, int]
) -> Iterator[pa.RecordBatchReader]:
    """The rows of one SELECT over tables as they are, as they were at `at`, or at these versions.

    Raises SpecError for a query that cannot run or is not one SELECT.
    """
    with Engine(lake) as engine:
        for name in sorted({found.lower() for found in _NAMES.findall(query)}):
            _show(engine, lake, name, at, versions)
        yield engine.answer(query)


def _show(
    engine: Engine, lake: Lake, name: str, at: datetime | None, versions: Mapping[str, int]
) -> None:
    if name.startswith("codes."):
        return
    try:
        table = lake.catalog.table(name)
    except LakehouseError:
        return  # the engine will say that there is no such table, and what is near
    if table.write is Write.VIEW:
        for read in lake.catalog.stored_reads(table):
            engine.attach(read, _version(lake, read, at, versions))
        engine.attach_views(table)
        engine.attach_view(table)
        return
    engine.attach(table, _version(lake, table, at, versions))


def _version(
    lake: Lake, table: Table, at: datetime | None, versions: Mapping[str, int]
) -> int | None:
    if table.name in versions:
        return _known(lake, table, versions[table.name])
    if at is not None:
        return lake.version_at(table.name, at)
    stored = lake.find(table.name)
    return stored.version if stored else None


def _known(lake: Lake, table: Table, version: int) -> int:
    stored = lake.find(table.name)
    if stored is None or version > stored.version:
        newest = f"the newest is {stored.version}" if stored else "nothing was ever written"
        raise SpecError(f"{table.name} has no version {version}: {newest}")
    return version


def refusals(lake: Lake) -> list[Refusal]:
    """What waits in every quarantine, by reason."""
    names = [feed.quarantine for feed in lake.catalog.feeds.values()]
    names += [table.quarantine().name for table in lake.catalog.models()]
    found: list[Refusal] = []
    with engine_for(lake) as engine:
        for name in names:
            stored = lake.find(name)
            if stored is None:
                continue
            engine.attach(stored.table, stored.version)
            column = f"unnest({BROKE})" if BROKE in stored.table.columns else "reason"
            rows = engine.table(
                f"select reason, count(*) as rows from (select {column} as reason from {name}) "
                "group by reason order by reason"
            )
            found += [Refusal(name, row["reason"], row["rows"]) for row in rows.to_pylist()]
    return found
