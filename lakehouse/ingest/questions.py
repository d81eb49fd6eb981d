"""Questions: batches of which more would be refused than their feed allows wait for a person.

A question is kept once, and names the batches that are decided together; what arrives later is not
joined with them. Answered it is by decisions, whoever makes them and wherever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from lakehouse.ingest.decisions import Decision, decide_open, decided
from lakehouse.storage.commit import Note, committed
from lakehouse.storage.engine import engine_for
from lakehouse.storage.lake import Lake, Stored

QUESTIONS = "audit.question"
_ASKED = (
    "select feed, first_sequence, last_sequence, n_record, n_refused, question_number, asked_at "
    "from audit.question where feed = $feed order by first_sequence"
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Of the ledger entries `first` to `last` of a feed `refused` of `records` records cannot be
    read, which is more than the feed allows."""

    feed: str
    first: int
    last: int
    records: int
    refused: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says of all batches of a question."""

    is_accepted: bool
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Question(Doubt):
    """A doubt that was put before people; several with one `number` are answered together."""

    number: int
    asked_at: datetime


def ask(lake: Lake, doubts: Sequence[Doubt]) -> None:
    """Keep doubts of one feed as one question, but for what was asked already."""

    def attempt() -> None:
        stored, feed = lake.open(QUESTIONS), doubts[0].feed
        known = _asked(lake, stored, feed)
        fresh = [one for one in doubts if not any(meet(other, one) for other in known)]
        if fresh:
            # who was overtaken looks again, for the number is taken
            number = (stored.mark(QUESTIONS) or 0) + 1
            rows = _rows(lake, stored, number, fresh)
            stored.append(rows, Note({QUESTIONS: number}, {"rows": len(fresh)}))

    committed(attempt)


def asked(lake: Lake, feed: str) -> list[Question]:
    """All batches of a feed that were ever asked about, in their order."""
    stored = lake.find(QUESTIONS)
    return _asked(lake, stored, feed) if stored else []


def still_open(lake: Lake, feed: str) -> list[Question]:
    """Those of them that nobody has decided on."""
    known = asked(lake, feed)
    answers = decided(lake, feed) if known else []
    return [one for one in known if not any(meet(answer, one) for answer in answers)]


def answer(lake: Lake, question: Sequence[Question], given: Answer) -> list[Decision]:
    """Decide on all batches of a question that are not decided yet; the decisions made now."""
    told = (given.is_accepted, given.reason, given.by)
    return decide_open(lake, [Decision(one.feed, one.first, one.last, *told) for one in question])


def _asked(lake: Lake, stored: Stored, feed: str) -> list[Question]:
    with engine_for(lake) as engine:
        engine.attach(stored.table, stored.version)
        rows = engine.table(_ASKED, {"feed": feed}).to_pylist()
    return [Question(*row.values()) for row in rows]


def meet(one: Decision | Doubt, other: Decision | Doubt) -> bool:
    """Whether two have a ledger entry in common."""
    return one.first <= other.last and other.first <= one.last


def _rows(lake: Lake, stored: Stored, number: int, doubts: Sequence[Doubt]) -> pa.Table:
    now = lake.clock()
    rows = [
        {
            "question_number": number,
            "feed": doubt.feed,
            "first_sequence": doubt.first,
            "last_sequence": doubt.last,
            "n_record": doubt.records,
            "n_refused": doubt.refused,
            "asked_at": now,
        }
        for doubt in doubts
    ]
    return pa.Table.from_pylist(rows, schema=stored.schema)
