"""What waits in the quarantine of a built table, taken up by a person: built anew, or dismissed.

Such a row is made of records that lie in bronze, so a replay is the backfill of its table: what the
model and its checks of today let pass comes to the table. A row that is dismissed need not wait.
"""

from functools import partial
from typing import Any

from lakehouse.catalog.acts import REPLAY
from lakehouse.catalog.spec import Table
from lakehouse.ingest.replay import Act, Applied, apply, enter, next_act
from lakehouse.log import get_logger
from lakehouse.storage.commit import Note, committed
from lakehouse.storage.engine import engine_for
from lakehouse.storage.lake import Lake, Stored
from lakehouse.transform.build import MARK, build
from lakehouse.transform.dismissed import count_waiting, dismiss

_ACT = "act"

log = get_logger()


def act_on(lake: Lake, act: Act) -> Applied:
    """Write an act on refused rows down and apply it, with all that were not applied yet; of a
    feed, or of a built table. Safe to kill and to do again."""
    enter(lake, act)
    if act.table is None:
        return apply(lake, lake.catalog.feeds[str(act.feed)])
    return _take_up(lake, lake.catalog.table(act.table))


def _take_up(lake: Lake, table: Table) -> Applied:
    done = Applied()
    while act := _next(lake, table):
        one = committed(partial(_attempt, lake, table, *act))
        done = done.plus(one)
        log.info("applied", table=table.name, sequence=act[0], count=one.left)
    return done


def _next(lake: Lake, table: Table) -> tuple[int, dict[str, Any]] | None:
    refused = lake.find(table.quarantine().name)
    return next_act(lake, {"table_name": table.name}, refused.mark(_ACT) or 0) if refused else None


def _attempt(lake: Lake, table: Table, number: int, told: dict[str, Any]) -> Applied:
    name, reason = table.quarantine().name, told["reason"]
    refused = lake.open(name)
    if (refused.mark(_ACT) or 0) >= number:
        return Applied()
    places = _count(lake, refused, reason)
    if told["act"] == REPLAY:
        build(lake, table.name, is_whole=True)
        refused = lake.open(name)
        refused.record(_note(refused, table, number))
        return Applied(places=places, left=max(places - _count(lake, refused, reason), 0))
    with engine_for(lake) as engine:
        rows = dismiss(engine, refused, number, reason)
        refused.replace(engine.stream(f"from {rows}"), _note(refused, table, number))
        _tell_waiting(lake, table, count_waiting(engine, refused))
    return Applied(places=places, left=places)


def _note(refused: Stored, table: Table, number: int) -> Note:
    # also the builds' mark: of a build and an act at the same time one is overtaken
    marks = {_ACT: number, MARK: refused.mark(MARK) or 0}
    return Note(marks, {"of": table.name, "act": number})


def _count(lake: Lake, refused: Stored, reason: str | None) -> int:
    with engine_for(lake) as engine:
        return count_waiting(engine, refused, reason)


def _tell_waiting(lake: Lake, table: Table, waiting: int) -> None:
    """Let the table's own log say how many rows wait: pages and lists read it there."""
    target = lake.open(table.name)
    # its rows are as they were: nothing that reads it is behind by this
    told = {**target.state(), "quarantined": waiting, "maintenance": True}
    target.record(Note({MARK: target.version + 1}, told))
