"""Decisions: what a person said of deliveries of which too much would be refused.

Accepted, a batch is loaded all the same, and what cannot be read waits in quarantine. Left out, its
objects stay landed and are never loaded. A batch is decided once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.errors import SpecError
from lakehouse.storage.commit import Note, committed
from lakehouse.storage.engine import engine_for
from lakehouse.storage.lake import Lake, Stored

DECISIONS = "audit.decision"
_DECIDED = (
    "select first_sequence, last_sequence, is_accepted, decision_reason, decided_by "
    "from audit.decision where feed = $feed order by first_sequence"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """A batch is the ledger entries `first` to `last` of a feed; `by` is who decided."""

    feed: str
    first: int
    last: int
    is_accepted: bool
    reason: str
    by: str


def decide(lake: Lake, decision: Decision) -> None:
    """Write a decision down; raises SpecError when that batch, or a part of it, is decided."""
    if not decide_open(lake, [decision]):
        raise SpecError(
            f"{decision.feed}: entries {decision.first} to {decision.last} are decided already"
        )


def decide_open(lake: Lake, decisions: Sequence[Decision]) -> list[Decision]:
    """Write down, in one commit, those of a feed's decisions that nobody was quicker to make; which
    these are."""

    def attempt() -> list[Decision]:
        stored, feed = lake.open(DECISIONS), decisions[0].feed
        known = _decided(lake, stored, feed)
        fresh = [one for one in decisions if not any(_meet(other, one) for other in known)]
        if fresh:
            # who was overtaken looks again
            mark = f"decide/{feed}"
            note = Note({mark: (stored.mark(mark) or 0) + 1}, {"rows": len(fresh)})
            stored.append(_rows(lake, stored, fresh), note)
        return fresh

    return committed(attempt)


def decided(lake: Lake, feed: str) -> list[Decision]:
    """All decisions on a feed's deliveries, in their order."""
    stored = lake.find(DECISIONS)
    return _decided(lake, stored, feed) if stored else []


def _decided(lake: Lake, stored: Stored, feed: str) -> list[Decision]:
    with engine_for(lake) as engine:
        engine.attach(stored.table, stored.version)
        rows = engine.table(_DECIDED, {"feed": feed}).to_pylist()
    return [Decision(feed, *row.values()) for row in rows]


def _meet(one: Decision, other: Decision) -> bool:
    return one.first <= other.last and other.first <= one.last


def _rows(lake: Lake, stored: Stored, decisions: Sequence[Decision]) -> pa.Table:
    now = lake.clock()
    rows = [
        {
            "feed": decision.feed,
            "first_sequence": decision.first,
            "last_sequence": decision.last,
            "is_accepted": decision.is_accepted,
            "decision_reason": decision.reason,
            "decided_by": decision.by,
            "decided_at": now,
        }
        for decision in decisions
    ]
    return pa.Table.from_pylist(rows, schema=stored.schema)
