"""Which units of recomputation changed between two versions of what a model reads."""

from collections.abc import Mapping

from lakehouse.catalog.spec import Table
from lakehouse.errors import StoreError
from lakehouse.log import get_logger
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Lake

CHANGED = "work.changed"

log = get_logger()


def find_changed(
    engine: Engine,
    lake: Lake,
    table: Table,
    before: Mapping[str, int | None],
    now: Mapping[str, int | None],
) -> bool:
    """Fill the relation `changed` with the units whose rows differ, those of the old and the new
    version alike; False when that cannot be told, and the table must be rebuilt whole.

    The cost follows the files that differ: a version's log names its files, and rows that were
    only copied to another file cancel out.
    """
    engine.execute(f"create or replace table {CHANGED} (value varchar)")
    for read in lake.catalog.stored_reads(table):
        old, new = before.get(read.name), now[read.name]
        if old == new:
            continue
        if table.by is None or table.by.source not in read.columns or new is None:
            log.info("rebuilding whole", table=table.name, reason="a reference table changed")
            return False
        try:
            if not _has_todays_columns(lake, read, old):
                log.info("rebuilding whole", table=table.name, reason="an input has other columns")
                return False
            _add_changed(engine, lake, read, table.by.source, (old, new))
        except StoreError:
            log.info("rebuilding whole", table=table.name, reason="old files are gone")
            return False
    return True


def _has_todays_columns(lake: Lake, read: Table, version: int | None) -> bool:
    stored = lake.find(read.name, version) if version is not None else None
    return stored is None or stored.is_current_shape()


def _add_changed(
    engine: Engine, lake: Lake, read: Table, unit: str, versions: tuple[int | None, int]
) -> None:
    old, new = (set(_files(lake, read, version)) for version in versions)
    added, removed = sorted(new - old), sorted(old - new)
    values = [c for c in read.columns if not c.startswith("_")]
    if not added and not removed:
        return
    if not removed:
        differing = f"select {unit} as unit from {engine.files(added)}"
    elif not added:
        differing = f"select {unit} as unit from {engine.files(removed)}"
    else:
        row = f"select {unit} as unit, hash({', '.join(values)}) as content from "
        new_rows, old_rows = row + engine.files(added), row + engine.files(removed)
        differing = (
            f"select unit from (({new_rows} except all {old_rows}) "
            f"union all ({old_rows} except all {new_rows}))"
        )
    engine.execute(
        f"insert into {CHANGED} select distinct unit from ({differing}) where unit is not null"
    )


def _files(lake: Lake, read: Table, version: int | None) -> list[str]:
    if version is None:
        return []
    stored = lake.find(read.name, lake.alike(read.name, version))
    return stored.files() if stored else []
