"""Questions to the lake: one SELECT over its tables."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from lakehouse.catalog.load import LAYERS
from lakehouse.catalog.spec import PENDING, Check, Table, Write
from lakehouse.errors import LakehouseError, SpecError
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Lake

_CURRENT, _ALL = "fhir.resource", "fhir.version"
_KNOWN = (
    f"select {{0}} from {_ALL} where not is_deleted and known_from <= timestamptz '{{1}}' "
    "and (known_to is null or known_to > timestamptz '{1}')"
)
_NAMES = re.compile(rf"\b(?:{'|'.join(LAYERS)})\.[a-z_]\w*", re.I)


@dataclass(frozen=True, slots=True)
class When:
    """Which state of the lake a question is about.

    `at` reads the tables as they were at that time, `versions` some of them at a version, both as
    long as old files are kept. `known_at` makes them anew from all that was ever received: as they
    would be if the sources had said nothing after that time.
    """

    at: datetime | None = None
    known_at: datetime | None = None
    versions: Mapping[str, int] = field(default_factory=dict)


NOW = When()


@contextmanager
def ask(lake: Lake, query: str, when: When = NOW) -> Iterator[pa.RecordBatchReader]:
    """The rows of one SELECT over the tables of the lake.

    Raises SpecError for a query that cannot run or is not one SELECT.
    """
    with Engine(lake) as engine:
        for name in sorted({found.lower() for found in _NAMES.findall(query)}):
            _show(engine, lake, name, when)
        yield engine.answer(query)


def _show(engine: Engine, lake: Lake, name: str, when: When) -> None:
    if name.startswith("codes."):
        return
    try:
        table = lake.catalog.table(name)
    except LakehouseError:
        return  # the engine will say that there is no such table, and what is near
    if when.known_at and not table.is_model and table.write is not Write.VIEW:
        raise SpecError(
            f"{name} holds what arrived, not what was known at a time",
            hint="ask for a silver or gold table, or for fhir.version",
        )
    if table.write is Write.VIEW or when.known_at:
        for read in lake.catalog.stored_reads(table):
            _show_read(engine, lake, read, when)
        _show_views(engine, lake, table, when)
        return
    engine.attach(table, _version(lake, table, when))


def _show_read(engine: Engine, lake: Lake, read: Table, when: When) -> None:
    if when.known_at and read.is_model:
        _show(engine, lake, read.name, when)
    else:
        engine.attach(read, _version(lake, read, when))


def _show_views(engine: Engine, lake: Lake, table: Table, when: When) -> None:
    """Show a view, or a model as one, after the views that it reads."""
    for name in table.reads:
        read = lake.catalog.tables.get(name)
        if read and read.write is Write.VIEW:
            _show_views(engine, lake, read, when)
    if when.known_at and table.name == _CURRENT:
        # through which whatever stands above it sees that time
        _show_views(engine, lake, lake.catalog.table(_ALL), when)
        engine.attach_query(table, _KNOWN.format(", ".join(table.columns), when.known_at))
    elif table.is_model:
        passed = " and ".join(f"({check.broken}) is not true" for check in _judging(table))
        hidden = f", false as {PENDING}" if PENDING in table.columns else ""
        rows = f"select *{hidden} from ({table.sql}\n) where {passed or 'true'}"
        engine.attach_query(table, rows)
    else:
        engine.attach_view(table)


def _judging(table: Table) -> Iterator[Check]:
    return (check for check in table.checks if check.on_fail == "quarantine")


def _version(lake: Lake, table: Table, when: When) -> int | None:
    if table.name in when.versions:
        return _known(lake, table, when.versions[table.name])
    if when.at is not None:
        return lake.version_at(table.name, when.at)
    stored = lake.find(table.name)
    return stored.version if stored else None


def _known(lake: Lake, table: Table, version: int) -> int:
    stored = lake.find(table.name)
    if stored is None or version > stored.version:
        newest = f"the newest is {stored.version}" if stored else "nothing was ever written"
        raise SpecError(f"{table.name} has no version {version}: {newest}")
    return version
