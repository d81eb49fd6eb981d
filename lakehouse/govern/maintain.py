"""Nightly care: join small files, drop old ones, write checkpoints."""

from collections.abc import Iterator
from datetime import timedelta

from lakehouse.catalog.spec import Write
from lakehouse.log import get_logger
from lakehouse.storage.commit import Conflict
from lakehouse.storage.lake import Lake

_SMALL_FILES = 8

log = get_logger()


def maintain(lake: Lake) -> Iterator[str]:
    """Care for every stored table in turn; one line each that was touched.

    It may be killed anywhere. A table that somebody is writing is left for the next night.
    """
    for name in stored_names(lake):
        try:
            told = care_for(lake, name)
        except Conflict:
            log.info("left alone", table=name, reason="busy")
            continue
        if told:
            yield told


def stored_names(lake: Lake) -> list[str]:
    """The names of all tables that exist, quarantines of built tables among them."""
    declared = [table for table in lake.catalog.tables.values() if table.write is not Write.VIEW]
    names = [table.name for table in declared]
    names += [table.quarantine().name for table in declared if table.is_model]
    return [name for name in names if lake.find(name)]


def care_for(lake: Lake, name: str) -> str | None:
    """Compact, vacuum and checkpoint one table; what was done, or None when nothing was due."""
    crowded = len(lake.open(name).files()) > _SMALL_FILES
    joined = lake.open(name).compact() if crowded else 0
    gone = lake.open(name).vacuum(timedelta(days=lake.settings.keep_days))
    lake.open(name).checkpoint()
    if not joined and not gone:
        return None
    log.info("cared for", table=name, files=joined, count=gone)
    return f"{name}: {joined} files joined, {gone} old files deleted"
