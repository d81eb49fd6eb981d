"""Feeds: what arrived last, whether it is late, how much of it was refused, and what comes next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehouse.catalog.expectation import Expectation
from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Feed
from lakehouse.state.store import Row, State

LOADS = 30
"""So many loads make the line of refused shares."""

_ARRIVED = """
    select feed, max(received_at) as last_at, count(*) as files, sum(bytes) as bytes
    from arrival group by feed"""
_LAST = """
    select a.feed, count(*) as files, sum(a.bytes) as bytes from arrival as a
    join (select feed, max(received_at) as last_at from arrival group by feed) as l
      on l.feed = a.feed and l.last_at = a.received_at
    group by a.feed"""
_LOADS = """
    select * from (
      select feed, at, records, good, unchanged, quarantined, blank, missing,
        row_number() over (partition by feed order by last_sequence desc) as nth from load
    ) as numbered where nth <= :most order by feed, nth desc"""
_QUESTIONS = """
    select feed, number, at, first_sequence, last_sequence, records, refused from question as q
    where not exists (select 1 from decision as d where d.feed = q.feed
        and d.first_sequence <= q.last_sequence and q.first_sequence <= d.last_sequence)
      and not exists (select 1 from load as l where l.feed = q.feed
        and l.last_sequence >= q.first_sequence)
    order by feed, number, first_sequence"""
_ASKED = "select 1 from question where feed = :feed and number = :number"
_DECISIONS = """
    select first_sequence, last_sequence, is_accepted, by_whom, at from decision
    where feed = :feed order by first_sequence desc limit :most"""
_WAITING = "select table_name, count(*) as n from refusal group by table_name"


@dataclass(frozen=True, slots=True)
class Load:
    """What one load counted."""

    at: str
    records: int
    good: int
    unchanged: int
    quarantined: int
    blank: int
    missing: int

    @property
    def refused_share(self) -> float:
        """The share of its records that went to quarantine, 0 to 1."""
        return self.quarantined / self.records if self.records else 0.0


@dataclass(frozen=True, slots=True)
class Waits:
    """What a feed waits for: an answer about batches (`4-9`) of which `refused` of `records` cannot
    be read. Nothing behind them is loaded before."""

    number: int
    asked_at: str
    batches: tuple[str, ...]
    records: int
    refused: int


@dataclass(frozen=True, slots=True)
class Lag:
    """How a feed stands: `due_at` is when something should come next, `late_seconds` how long the
    first time has passed by which nothing came, 0 where nothing is missing."""

    due_at: str
    late_seconds: int

    @property
    def is_late(self) -> bool:
        """True when a delivery is missing."""
        return self.late_seconds > 0


@dataclass(frozen=True, slots=True)
class FeedState:
    """One feed as it stands. `last_*` are of its last delivery; `loads` its last loads, oldest
    first; `lag` is None where its stanza expects nothing, `question` where nothing is asked."""

    name: str
    about: str
    source: str
    owner: str
    zone: str
    dag_id: str
    expects: str | None
    last_at: str | None
    last_files: int
    last_bytes: int
    last_records: int | None
    files: int
    bytes: int
    waiting: int
    lag: Lag | None
    question: Waits | None
    next_at: str | None
    loads: tuple[Load, ...]


def list_feeds(
    state: State, catalog: Catalog, now: datetime, next_runs: Mapping[str, str] | None = None
) -> list[FeedState]:
    """Every declared feed, by source; `next_runs` are the times of the next runs by DAG."""
    told: dict[str, Mapping[str, Any]] = {
        "arrived": _by(state.ask(_ARRIVED), "feed"),
        "last": _by(state.ask(_LAST), "feed"),
        "waiting": _by(state.ask(_WAITING), "table_name"),
        "question": _questions(state),
    }
    loads: dict[str, list[Load]] = {}
    for row in state.ask(_LOADS, most=LOADS):
        known = {name: row[name] for name in Load.__dataclass_fields__}
        loads.setdefault(row["feed"], []).append(Load(**known))
    feeds = sorted(catalog.feeds.values(), key=lambda feed: (feed.source, feed.name))
    return [
        _feed(feed, told, loads.get(feed.name, []), now, (next_runs or {}).get(feed.dag_id))
        for feed in feeds
    ]


def _feed(
    feed: Feed,
    told: Mapping[str, Mapping[str, Any]],
    loads: Sequence[Load],
    now: datetime,
    next_at: str | None,
) -> FeedState:
    arrived, last = told["arrived"].get(feed.name, {}), told["last"].get(feed.name, {})
    last_at = arrived.get("last_at")
    moment = datetime.fromisoformat(last_at) if last_at else None
    return FeedState(
        name=feed.name,
        about=feed.about,
        source=feed.source,
        owner=feed.owner,
        zone=feed.zone,
        dag_id=feed.dag_id,
        expects=feed.expect.told if feed.expect else None,
        last_at=last_at,
        last_files=last.get("files") or 0,
        last_bytes=last.get("bytes") or 0,
        last_records=loads[-1].records if loads else None,
        files=arrived.get("files") or 0,
        bytes=arrived.get("bytes") or 0,
        waiting=told["waiting"].get(feed.quarantine, {}).get("n", 0),
        lag=_lag(feed.expect, moment, now) if feed.expect else None,
        question=told["question"].get(feed.name) if feed.most_refused is not None else None,
        next_at=next_at,
        loads=tuple(loads),
    )


def list_decisions(state: State, feed: str, most: int = 10) -> list[Row]:
    """What people decided on batches of a feed that were in doubt, newest first."""
    return state.ask(_DECISIONS, feed=feed, most=most)


def is_answered(state: State, feed: str, number: int) -> bool:
    """Whether nothing of a question is open any more; False for one the state does not know."""
    asked = (feed, number)
    is_known = bool(state.ask(_ASKED, feed=feed, number=number))
    return is_known and asked not in {(row["feed"], row["number"]) for row in state.ask(_QUESTIONS)}


def _questions(state: State) -> dict[str, Waits]:
    asked: dict[str, list[Row]] = {}
    for row in state.ask(_QUESTIONS):
        asked.setdefault(row["feed"], []).append(row)
    return {
        feed: Waits(
            rows[0]["number"],
            rows[0]["at"],
            tuple(f"{row['first_sequence']}-{row['last_sequence']}" for row in rows),
            sum(row["records"] for row in rows),
            sum(row["refused"] for row in rows),
        )
        for feed, rows in asked.items()
    }


def _lag(expect: Expectation, last: datetime | None, now: datetime) -> Lag:
    missed = expect.missed_since(last, now)
    # of a time that has just passed a delivery is missing, too
    late = max(1, int((now - missed).total_seconds())) if missed else 0
    return Lag(expect.next_due(last, now).astimezone(UTC).isoformat(), late)


def _by(rows: Sequence[Row], name: str) -> dict[str, Row]:
    return {row[name]: row for row in rows}
