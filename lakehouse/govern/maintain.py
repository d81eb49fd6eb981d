"""Nightly care: join small files, drop old ones, write checkpoints."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from lakehouse.catalog.spec import Write
from lakehouse.govern.looked import since_look
from lakehouse.log import get_logger
from lakehouse.storage.commit import Conflict
from lakehouse.storage.lake import Lake, Stored

_SMALL_FILES = 8

log = get_logger()


@dataclass(frozen=True, slots=True)
class Cared:
    """What was done for one table: small files that were joined, old files that were deleted; or
    that it was left alone, because somebody was writing it."""

    table: str
    joined: int = 0
    removed: int = 0
    is_left_alone: bool = False


def maintain(lake: Lake) -> Iterator[Cared]:
    """Care for every stored table in turn.

    It may be killed anywhere. A table that somebody is writing is left for the next night.
    """
    for name in stored_names(lake):
        try:
            yield care_for(lake, name)
        except Conflict:
            log.info("left alone", table=name, reason="busy")
            yield Cared(name, is_left_alone=True)


def stored_tables(lake: Lake) -> Iterator[Stored]:
    """All tables that exist, each opened once, quarantines of built tables among them."""
    declared = [table for table in lake.catalog.tables.values() if table.write is not Write.VIEW]
    names = [table.name for table in declared]
    names += [table.quarantine().name for table in declared if table.is_model]
    return filter(None, map(lake.find, names))


def stored_names(lake: Lake) -> list[str]:
    """The names of these."""
    return [stored.table.name for stored in stored_tables(lake)]


def care_for(lake: Lake, name: str) -> Cared:
    """Compact, vacuum and checkpoint one table, as far as that is due."""
    stored = lake.open(name)
    joined = stored.compact() if len(stored.files()) > _SMALL_FILES else 0
    if joined:
        stored = lake.open(name)
    keep = timedelta(days=lake.settings.keep_days)
    gone = stored.vacuum(max(keep, since_look(lake, stored)))
    if gone:
        stored = lake.open(name)
    stored.checkpoint()
    if joined or gone:
        log.info("cared for", table=name, files=joined, count=gone)
    return Cared(name, joined, gone)
