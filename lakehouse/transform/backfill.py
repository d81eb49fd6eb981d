"""Backfill as people ask for it: of one built table, or of what one feed delivered since a date."""

from datetime import datetime
from zoneinfo import ZoneInfo

from lakehouse.catalog.acts import BACKFILL
from lakehouse.catalog.load import Catalog
from lakehouse.errors import SpecError
from lakehouse.ingest.backfill import backfill
from lakehouse.ingest.replay import Act, Which, enter
from lakehouse.storage.lake import Lake
from lakehouse.transform.build import build

Counts = dict[str, int]


def role_for(name: str) -> str:
    """Whose keys a backfill needs: of a table it writes the act and the table."""
    return "govern" if "." in name else "ingest"


def as_act(catalog: Catalog, name: str, since: datetime | None, by: str) -> Act:
    """What is asked for, as an act; a time without a zone is one of the feed's own clocks.

    Raises SpecError for what is neither a feed, with a date, nor a table that is built, without.
    """
    if feed := catalog.feeds.get(name):
        if since is None:
            raise SpecError(f"{name}: since when?", hint="--since DATE, when it was received")
        at = since if since.tzinfo else since.replace(tzinfo=ZoneInfo(feed.zone))
        return Act(name, BACKFILL, by, None, Which(), since=at)
    if name not in [table.name for table in catalog.models()]:
        raise SpecError(f"{name} is neither a feed nor a table that is built")
    if since is not None:
        raise SpecError(f"{name}: a table is built whole", hint="leave the date out")
    return Act(None, BACKFILL, by, None, Which(), table=name)


def carry_out(lake: Lake, act: Act) -> Counts:
    """Write the act down, then do it; what it changed. It may be killed and done again.

    A feed's bronze and a table hold the same rows afterwards, unless something was lost, or the
    reader or the model is another by now. What is built from them follows with its next build.
    """
    enter(lake, act)
    if act.table:
        built = build(lake, act.table, is_whole=True)
        return {"version": built.version, "rows": built.rows, "quarantined": built.quarantined}
    assert act.feed is not None  # noqa: S101 (an act without a table has one)
    assert act.since is not None  # noqa: S101 (and a date)
    done = backfill(lake, lake.catalog.feeds[act.feed], act.since)
    return {"deliveries": done.deliveries, "rows": done.rows, "left": done.left}
