"""What was refused: listed, shown, judged again, taken out."""

import argparse
import getpass
from dataclasses import asdict
from typing import Any

from lakehouse.cli.verb import JSON, Told, answer, asked, say, table, verb, word
from lakehouse.errors import SpecError
from lakehouse.settings import Settings

_NAME = word("name", metavar="FEED|TABLE")
_REASON = word("--reason", help="all that wait for this reason, as `quarantine list` tells it")
_WHY = word("--why", required=True, help="one of the list in docs/cli.md")
_ALL = word("--all", action="store_true", help="everything of it")
_DELIVERY = {"type": int, "help": "its number in the ledger"}
_LINE = {"type": int, "help": "line of the file"}
_PLACE = (word("--delivery", **_DELIVERY), word("--line", **_LINE))


def _list(settings: Settings, told: Told) -> None:
    from lakehouse.answers.quarantine import list_places, list_waiting

    state, catalog = asked(settings)
    _follow(settings)
    name = getattr(told, "table", None)
    if name:
        places = list_places(state, catalog.table(name).name, told.reason)
        rows: Any = [(p["object_id"], p["sequence"], p["line"], p["reason"]) for p in places.rows]
        answer(told, asdict(places), table(("object", "delivery", "line", "reason"), rows))
        return
    found = list_waiting(state, catalog)
    rows = [(w.table, w.reason, w.rows) for w in found]
    answer(told, [asdict(one) for one in found], table(("table", "reason", "rows"), rows))


def _follow(settings: Settings) -> None:
    """Make sure that the state knows what waits now."""
    from lakehouse.govern.follow import follow
    from lakehouse.storage.lake import open_lake

    lake = open_lake(settings, "read")
    names = [feed.quarantine for feed in lake.catalog.feeds.values()]
    follow(lake, names + [model.quarantine().name for model in lake.catalog.models()])


QUARANTINE = verb("quarantine", "List, show, replay or dismiss what was refused.", JSON)(_list)

LIST = verb(
    "quarantine list",
    "by table and reason, or the places of one table",
    word("--table", metavar="QUARANTINE", help="the places of one quarantine"),
    _REASON,
    JSON,
)(_list)


@verb(
    "quarantine show",
    "the content at one place; the look is written down",
    word("table", metavar="QUARANTINE"),
    word("--by", help=argparse.SUPPRESS),
    word("--delivery", required=True, **_DELIVERY),
    word("--line", required=True, **_LINE),
    JSON,
)
def show(settings: Settings, told: Told) -> None:
    from lakehouse.govern.follow import follow_written
    from lakehouse.ingest.look import look
    from lakehouse.lineage.emit import running
    from lakehouse.storage.lake import open_lake

    lake = open_lake(settings, "govern")
    with running("run.look", settings):
        found = look(lake, told.table, (told.delivery, told.line), told.by or getpass.getuser())
        follow_written(lake)
    cut = "\n(the rest lies in the landed object)" if found.is_cut else ""
    answer(told, asdict(found), [f"{found.feed}, file {found.file_name}\n{found.text}{cut}"])


@verb(
    "quarantine replay", "judge records again by the rules of today", _NAME, _REASON, _WHY, _ALL,
    *_PLACE,
)  # fmt: skip
def replay(settings: Settings, told: Told) -> None:
    _act(settings, told, "replay")


@verb("quarantine dismiss", "take records out for good", _NAME, _REASON, _WHY, _ALL, *_PLACE)
def dismiss(settings: Settings, told: Told) -> None:
    _act(settings, told, "dismiss")


def _act(settings: Settings, told: Told, kind: str) -> None:
    from lakehouse.govern.follow import follow_written
    from lakehouse.ingest.replay import Act, Which
    from lakehouse.lineage.emit import running
    from lakehouse.storage.lake import open_lake
    from lakehouse.transform.backfill import role_for
    from lakehouse.transform.refused import act_on

    which = Which(told.reason, told.delivery, told.line)
    if which == Which() and not told.all:
        raise SpecError("which records?", hint="--delivery N --line N, --reason TEXT or --all")
    feed, built = (None, told.name) if "." in told.name else (told.name, None)
    act = Act(feed, kind, getpass.getuser(), told.why, which, table=built)
    lake = open_lake(settings, role_for(told.name))
    with running(f"run.{kind}.{told.name}", settings):
        done = act_on(lake, act)
        follow_written(lake)
    more = "" if built else f", {done.loaded} rows came to bronze"
    say(f"{told.name}: {done.places} taken up, {done.left} left the quarantine{more}")
