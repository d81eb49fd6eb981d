"""What waits of a feed: which batches may be loaded now, and which a person is asked about."""

from collections.abc import Sequence

from lakehouse.catalog.spec import Feed
from lakehouse.errors import SpecError
from lakehouse.ingest.decisions import decided
from lakehouse.ingest.load import Batch, judge, pending
from lakehouse.ingest.questions import Question, ask, asked, meet, still_open
from lakehouse.storage.lake import Lake


def find_questions(lake: Lake, feed: Feed) -> list[Question]:
    """What a person is asked about the batches that wait, where too much of them cannot be read.

    While a question is open nothing behind it is read: it could not be loaded. Without one all that
    waits is read, for its counts alone, and one question is put that names every batch in doubt.
    """
    waiting = pending(lake, feed)
    found = _still_open(lake, feed, waiting)
    if found or feed.most_refused is None:
        return found
    doubts = [doubt for doubt in (judge(lake, batch) for batch in waiting) if doubt]
    if doubts:
        ask(lake, doubts)
    return _still_open(lake, feed, waiting)


def find_loadable(lake: Lake, feed: Feed) -> list[Batch]:
    """The batches that may be loaded now, in their order: those before the first that a person is
    asked about."""
    waiting = pending(lake, feed)
    first = min((one.first for one in _still_open(lake, feed, waiting)), default=None)
    return [batch for batch in waiting if first is None or batch.last < first]


def find_open(lake: Lake, feed: Feed, number: int) -> tuple[list[Question], list[str]]:
    """What is still open of a question, and who has decided on the rest; raises SpecError for a
    number that no question of this feed has."""
    known = [one for one in asked(lake, feed.name) if one.number == number]
    if not known:
        raise SpecError(
            f"{feed.name}: no such question was ever put",
            hint=f"the DAG {feed.dag_id} asks by itself",
        )
    still = _still_open(lake, feed, pending(lake, feed))
    answers = decided(lake, feed.name)
    people = {told.by for told in answers if any(meet(told, one) for one in known)}
    return [one for one in still if one.number == number], sorted(people)


def _still_open(lake: Lake, feed: Feed, waiting: Sequence[Batch]) -> list[Question]:
    """Without those that were loaded all the same, as when the stanza allows more by now."""
    if feed.most_refused is None or not waiting:
        return []
    return [one for one in still_open(lake, feed.name) if one.first >= waiting[0].first]
