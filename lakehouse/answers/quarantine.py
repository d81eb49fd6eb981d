"""Quarantine: how many records wait, where and why; never what they hold."""

from dataclasses import dataclass

from lakehouse.catalog.load import Catalog
from lakehouse.state.store import Row, State

PAGE = 100
"""So many places are shown at once."""

_GROUPS = """
    select g.table_name, g.reason, g.n, o.received_at as oldest_at, w.received_at as newest_at
    from (
      select table_name, reason, count(*) as n, min(sequence) as oldest, max(sequence) as newest
      from refusal where :name is null or table_name = :name group by table_name, reason
    ) as g
    left join arrival as o on o.sequence = g.oldest
    left join arrival as w on w.sequence = g.newest
    order by g.table_name, g.n desc, g.reason"""
_PLACES = """
    select coalesce(r.object_id, a.object_id) as object_id, a.feed, r.sequence, r.line, r.entry,
      r.byte_offset, r.reason, a.received_at, a.is_manifest
    from (
      select * from refusal
      where table_name = :name and (:reason is null or reason = :reason)
      order by reason, sequence, line, entry limit :most offset :start
    ) as r left join arrival as a on a.sequence = r.sequence
    order by r.reason, r.sequence, r.line, r.entry"""
_COUNT = """
    select count(*) as n from refusal
    where table_name = :name and (:reason is null or reason = :reason)"""
_PLACE = """
    select r.*, a.feed, a.received_at, a.is_manifest from refusal as r
    left join arrival as a on a.sequence = r.sequence
    where r.table_name = :name and r.sequence = :sequence and r.line = :line"""
_ACTS = """
    select number, feed, at, by_whom, act, why, reason, sequence, line, table_name, since_at
    from act
    where :feed is null or feed = :feed order by number desc limit :most"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many rows wait in one quarantine for one reason. `of` is the feed or the built table
    they were refused from; `oldest_at` and `newest_at` are when they were received, if known."""

    table: str
    of: str
    is_feed: bool
    reason: str
    rows: int
    oldest_at: str | None
    newest_at: str | None


@dataclass(frozen=True, slots=True)
class Places:
    """Where some of the records stand that wait for one reason, and how many there are."""

    table: str
    reason: str | None
    total: int
    start: int
    rows: tuple[Row, ...]


def list_waiting(state: State, catalog: Catalog, name: str | None = None) -> list[Waiting]:
    """What waits in every quarantine, or in the one of that name, by reason."""
    of = {feed.quarantine: feed.name for feed in catalog.feeds.values()}
    built = {table.quarantine().name: table.name for table in catalog.models()}
    return [
        Waiting(
            row["table_name"],
            (of | built).get(row["table_name"], str(row["table_name"])),
            row["table_name"] in of,
            row["reason"],
            row["n"],
            row["oldest_at"],
            row["newest_at"],
        )
        for row in state.ask(_GROUPS, name=name)
    ]


def list_places(state: State, name: str, reason: str | None = None, start: int = 0) -> Places:
    """Where the records of one quarantine stand: object by sha256, line and byte."""
    rows = state.ask(_PLACES, name=name, reason=reason, most=PAGE, start=start)
    total = state.ask(_COUNT, name=name, reason=reason)
    return Places(name, reason, total[0]["n"] if total else 0, start, tuple(rows))


def find_place(state: State, name: str, sequence: int, line: int) -> list[Row]:
    """What is known of one place: a row a reason, none where nothing waits there."""
    return state.ask(_PLACE, name=name, sequence=sequence, line=line)


def list_acts(state: State, feed: str | None = None, most: int = 50) -> list[Row]:
    """What people did, newest first."""
    return state.ask(_ACTS, feed=feed, most=most)
