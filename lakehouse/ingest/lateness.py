"""Which feeds are late: what each must have sent by when, held against what arrived."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lakehouse.catalog.spec import Feed
from lakehouse.errors import QualityError
from lakehouse.ingest.bulk.progress import Progress
from lakehouse.ingest.instant import read_instant
from lakehouse.ingest.landing import LEDGER
from lakehouse.storage.engine import engine_for
from lakehouse.storage.lake import Lake

_LAST_ARRIVALS = "select feed, max(received_at) as at from landing.ledger group by feed"


@dataclass(frozen=True, slots=True)
class Lateness:
    """One feed that is expected: when something came last, and since when it is late, if it is."""

    feed: str
    owner: str
    expect: str
    last_at: datetime | None
    late_since: datetime | None


def judge_lateness(lake: Lake) -> list[Lateness]:
    """Every feed whose stanza says when it is expected, judged at this moment.

    What arrived is in the ledger. A server that was asked and had nothing new has been heard from,
    too; a sender's very same bytes once more are no arrival.
    """
    expected = [(feed, feed.expect) for feed in lake.catalog.feeds.values() if feed.expect]
    arrived = _last_arrivals(lake) if expected else {}
    found = []
    for feed, expect in expected:
        heard = [at for at in (arrived.get(feed.name), _last_answer(lake, feed)) if at]
        last = max(heard, default=None)
        since = expect.missed_since(last, lake.clock())
        found.append(Lateness(feed.name, feed.owner, expect.told, last, since))
    return found


def refuse_late(found: Iterable[Lateness]) -> None:
    """Raise QualityError that names the feeds which are late, where any is."""
    late = [feed for feed in found if feed.late_since]
    if late:
        told = "; ".join(f"{feed.feed} since {feed.late_since:%Y-%m-%d %H:%M} UTC" for feed in late)
        raise QualityError(f"late: {told}", hint="ask who sends it")


def _last_arrivals(lake: Lake) -> dict[str, datetime]:
    ledger = lake.find(LEDGER)
    if ledger is None:
        return {}
    with engine_for(lake) as engine:
        engine.attach(ledger.table, ledger.version)
        rows = engine.table(_LAST_ARRIVALS)
    return {str(row["feed"]): row["at"] for row in rows.to_pylist()}


def _last_answer(lake: Lake, feed: Feed) -> datetime | None:
    """The transaction time of the last export of a feed that is pulled."""
    last = Progress(lake.settings.inbox / feed.name).last if feed.export else None
    return read_instant(last.at) if last else None
