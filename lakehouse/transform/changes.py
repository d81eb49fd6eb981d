"""Which units of recomputation changed between two versions of what a model reads."""

from collections.abc import Mapping

from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Table, Unit
from lakehouse.errors import StoreError
from lakehouse.log import get_logger
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Stored
from lakehouse.storage.snapshots import Snapshots

CHANGED = "work.changed"
_MOST_COMPARED = 500_000
"""Rows; a comparison reads every column of both versions, a model few of one."""

log = get_logger()


def may_see(catalog: Catalog, table: Table, read: Table) -> str:
    """The condition on the rows of an input that a model may see: of bronze those resource types
    that it names."""
    types = catalog.resource_types(table)
    if read.layer != "bronze" or not types:
        return "true"
    listed = ", ".join(f"'{name}'" for name in sorted(types))
    return f"resource_type in ({listed})"


def find_changed(
    engine: Engine,
    catalog: Catalog,
    seen: Snapshots,
    table: Table,
    before: Mapping[str, int | None],
    now: Mapping[str, int | None],
) -> bool:
    """Fill the relation `changed` with the units whose rows differ, those of the old and the new
    version alike; False when that cannot be told, and the table must be rebuilt whole.

    The cost follows the files that differ: a version's log names its files, and rows that were
    only copied to another file cancel out.
    """
    _empty(engine, catalog, table)
    for read in catalog.stored_reads(table):
        old, new = before.get(read.name), now[read.name]
        if old == new:
            continue
        if table.by is None or not table.by.is_told(read) or new is None:
            log.info("rebuilding whole", table=table.name, reason="a reference table changed")
            return False
        try:
            if not _has_todays_columns(seen, read, old):
                log.info("rebuilding whole", table=table.name, reason="an input has other columns")
                return False
            files = _differing(seen, read, old, new)
            if all(files) and _is_rewritten(seen.find(read.name, new), files[0]):
                log.info("rebuilding whole", table=table.name, reason="an input was rewritten")
                return False
            where = f"{_is_whole(table.by)} and {may_see(catalog, table, read)}"
            _add_changed(engine, read, (table.by, where), files)
        except StoreError:
            log.info("rebuilding whole", table=table.name, reason="old files are gone")
            return False
    return True


def _empty(engine: Engine, catalog: Catalog, table: Table) -> None:
    names = table.by.columns if table.by else ()
    columns = ", ".join(f"{name} {catalog.columns[name].type}" for name in names)
    engine.execute(f"create or replace table {CHANGED} ({columns or 'nothing boolean'})")


def _is_whole(unit: Unit) -> str:
    return " and ".join(f"{source} is not null" for source in unit.sources)


def _has_todays_columns(seen: Snapshots, read: Table, version: int | None) -> bool:
    stored = seen.find(read.name, version) if version is not None else None
    return stored is None or stored.is_current_shape()


def _differing(
    seen: Snapshots, read: Table, old: int | None, new: int
) -> tuple[list[str], list[str]]:
    """The files that only the new version has, and those that only the old one has."""
    old_files, new_files = (set(_files(seen, read, version)) for version in (old, new))
    return sorted(new_files - old_files), sorted(old_files - new_files)


def _is_rewritten(stored: Stored | None, added: list[str]) -> bool:
    """True when half of a large table, or more, lies in files that it did not have before."""
    count = stored.count(added) if stored else 0
    return count > _MOST_COMPARED and stored is not None and 2 * count >= stored.measure()[0]


def _add_changed(
    engine: Engine,
    read: Table,
    unit_and_where: tuple[Unit, str],
    files: tuple[list[str], list[str]],
) -> None:
    unit, where = unit_and_where
    units = ", ".join(unit.sources)
    added, removed = files
    values = [c for c in read.columns if not c.startswith("_")]
    if not added and not removed:
        return
    if not added or not removed:
        differing = f"select {units} from {engine.files(added or removed)} where {where}"
    else:
        row = f"select {units}, hash({', '.join(values)}) as content from "
        new_rows, old_rows = (f"{row}{engine.files(some)} where {where}" for some in files)
        differing = (
            f"select {units} from (({new_rows} except all {old_rows}) "
            f"union all ({old_rows} except all {new_rows}))"
        )
    engine.execute(f"insert into {CHANGED} select distinct * from ({differing})")


def _files(seen: Snapshots, read: Table, version: int | None) -> list[str]:
    if version is None:
        return []
    stored = seen.find(read.name, seen.alike(read.name, version))
    return stored.files() if stored else []
