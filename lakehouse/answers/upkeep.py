"""Upkeep: what the last nights did for the tables, and which tables are behind what they read."""

from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse.answers.findings import Unread, list_unread
from lakehouse.catalog.load import Catalog
from lakehouse.state.store import Row, State

NIGHTS = 14
"""So many upkeeps are told of."""

_NIGHTS = """
    select number, min(at) as at, max(by_whom) as by_whom,
      sum(case when table_name <> '' then 1 else 0 end) as tables,
      coalesce(sum(joined), 0) as joined, coalesce(sum(removed), 0) as removed,
      coalesce(sum(is_left_alone), 0) as left_alone, max(events) as events,
      max(rebuilt) as rebuilt, max(n_looked) as looked, max(n_unread) as unread
    from upkeep where number > (select max(number) from upkeep) - :most
    group by number order by number desc"""
_TOUCHED = """
    select table_name, joined, removed, is_left_alone from upkeep
    where number = :number and table_name <> '' and (joined > 0 or removed > 0 or is_left_alone > 0)
    order by table_name"""
_RUNS = """
    select job, run_id, started_at, ended_at, outcome, error from (
      select *, row_number() over (partition by job order by started_at desc) as nth from run
      where job in ('govern.maintain', 'govern.findings', 'govern.lineage', 'run.govern')
    ) as newest where nth = 1 order by job"""
_CHANGED = """
    select table_name, max(at) as at from version where is_maintenance = 0 group by table_name"""


@dataclass(frozen=True, slots=True)
class Night:
    """One upkeep: `by` is who started it, None where the schedule did; `events` is None where the
    lineage was not stored. `looked` are the records that were looked through, None where none were;
    `unread` the values in them that views could not read."""

    number: int
    at: str
    by: str | None
    tables: int
    joined: int
    removed: int
    left_alone: int
    events: int | None
    rebuilt: int | None
    looked: int | None
    unread: int | None


@dataclass(frozen=True, slots=True)
class Behind:
    """A built table, when it was built last, and what it reads that has changed since."""

    table: str
    built_at: str | None
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The last upkeeps, newest first; the tables that the last one touched or left alone, and what
    views could not read in what it looked through; the newest run of each of its jobs; the built
    tables that are behind, and how many there are."""

    nights: tuple[Night, ...]
    touched: tuple[Row, ...]
    unread: tuple[Unread, ...]
    runs: tuple[Row, ...]
    behind: tuple[Behind, ...]
    built: int


def tell_upkeep(state: State, catalog: Catalog) -> Upkeep:
    """What the last nights did, and how fresh the tables are now."""
    rows = state.ask(_NIGHTS, most=NIGHTS)
    nights = tuple(Night(*(row[name] for name in row)) for row in rows)
    last = nights[0].number if nights else 0
    changed = {row["table_name"]: str(row["at"]) for row in state.ask(_CHANGED)}
    return Upkeep(
        nights,
        tuple(state.ask(_TOUCHED, number=last)),
        tuple(list_unread(state, catalog.tables, last)) if nights else (),
        tuple(state.ask(_RUNS)),
        tuple(_behind(catalog, changed)),
        len(catalog.models()),
    )


def _behind(catalog: Catalog, changed: Mapping[str, str]) -> list[Behind]:
    found = []
    for table in catalog.models():
        own = changed.get(table.name)
        reads = [read.name for read in catalog.stored_reads(table) if read.name in changed]
        newer = tuple(sorted(name for name in reads if own is None or changed[name] > own))
        if newer:
            found.append(Behind(table.name, own, newer))
    return found
