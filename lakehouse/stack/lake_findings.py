"""How the work stands: each feed's last good run, and the lineage that waits."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.answers.feeds import FeedState, list_feeds
from lakehouse.catalog.load import Catalog
from lakehouse.errors import LakehouseError
from lakehouse.lineage import outbox
from lakehouse.settings import Settings
from lakehouse.stack.finding import Finding, found, unseen
from lakehouse.state.store import State, open_state

_DECLARED, _STORED = "the declarations can be read", "lineage is stored every night"
_LONGEST_WAIT_HOURS = 36
_NANOSECONDS = 10**9
_RUNS = """
    select outcome, ended_at from run where outcome is not null
      and (job = :dag or job = :task or job = :verb) order by ended_at desc limit 1"""
_GOOD = """
    select max(ended_at) as at from run where outcome = 'COMPLETE'
      and (job = :dag or job = :task or job = :verb)"""


def look_at_work(settings: Settings) -> list[Finding]:
    """Tell how each feed and the outbox stand, from files of this machine; opens no table."""
    try:
        catalog = Catalog.of(settings)
    except LakehouseError as error:
        return [found(_DECLARED, False, error.message, error.hint or "mend that file")]
    tables = len(catalog.tables)
    told = f"{len(catalog.feeds)} feeds, {tables} tables"
    return [
        found(_DECLARED, True, told, ""),
        *_feeds(settings, catalog),
        _outbox(settings),
        *_second_reader(settings),
    ]


def _feeds(settings: Settings, catalog: Catalog) -> list[Finding]:
    try:
        state = open_state(settings)
        known = list_feeds(state, catalog, datetime.now(UTC))
        return [_feed(state, feed) for feed in known]
    except LakehouseError as error:
        return [unseen("the feeds", error.message, error.hint)]


def _feed(state: State, feed: FeedState) -> Finding:
    jobs = {
        "dag": f"{feed.dag_id}.load",
        "task": f"{feed.dag_id}.land",
        "verb": f"run.load.{feed.name}",
    }
    last, good = state.ask(_RUNS, **jobs), state.ask(_GOOD, **jobs)
    has_failed = bool(last) and last[0]["outcome"] != "COMPLETE"
    is_late = feed.lag is not None and feed.lag.is_late
    words = [
        f"last arrival {feed.last_at or 'never'}",
        f"last good run {(good[0]['at'] if good else None) or 'never'}",
        f"{feed.waiting} in quarantine",
        *(["its last run failed"] if has_failed else []),
        *([f"late, expected {feed.expects}"] if is_late else []),
    ]
    return found(
        f"the feed {feed.name}",
        not has_failed and not is_late,
        ", ".join(words),
        "ask its sender, where it is late; else `lakehouse runs` and the log of its last run",
    )


def _outbox(settings: Settings) -> Finding:
    waiting = outbox.waiting(settings.outbox)
    hours = _age_hours(waiting)
    return found(
        _STORED,
        hours <= _LONGEST_WAIT_HOURS,
        f"{len(waiting)} events wait, the oldest for {hours:.0f} hours",
        "`lakehouse govern` stores them; why did the DAG govern not?",
    )


def _second_reader(settings: Settings) -> list[Finding]:
    name = "the second reader of lineage takes events"
    try:
        relay = outbox.relay_of(settings)
    except LakehouseError as error:
        return [found(name, False, error.message, error.hint)]
    if not relay:
        return []
    waiting, refused = relay.waiting(), relay.refused()
    hours = _age_hours(waiting)
    return [
        found(
            name,
            hours <= 1 and not refused,
            f"{len(waiting)} events wait for it, the oldest for {hours:.0f} hours; "
            f"{len(refused)} were refused for good",
            "does it answer at LAKEHOUSE_LINEAGE_URL? docs/lineage.md says what becomes of events",
        )
    ]


def _age_hours(events: Sequence[Path]) -> float:
    """How long the oldest has waited: the name of an event begins with the time of its writing."""
    if not events:
        return 0.0
    oldest = min(int(path.name.partition("-")[0]) for path in events)
    return (time.time_ns() - oldest) / _NANOSECONDS / 3600
