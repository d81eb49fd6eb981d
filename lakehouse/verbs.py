"""The verbs that say what the pages show, and act on what waits in quarantine."""

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from lakehouse.errors import SpecError
from lakehouse.settings import Settings

Verb = Callable[[Settings, argparse.Namespace], None]
Add = Callable[[str, Verb, str], argparse.ArgumentParser]

_REASON_HELP = "all that wait for this reason, as `quarantine list` tells it"


def add_verbs(add: Add) -> None:
    """Declare the verbs."""
    _json_option(add("feeds", _feeds, "List the feeds: last arrival, lag, what was refused."))
    found = add("catalogue", _catalogue, "Find tables by words: names, meanings, columns, PHI.")
    found.add_argument("words", metavar="WORD", nargs="*")
    _json_option(found)
    table = add("table", _table, "Describe one table: columns, versions, checks, neighbours.")
    table.add_argument("table", metavar="TABLE")
    _json_option(table)
    runs = add("runs", _runs, "List the newest runs, or follow one object or run.")
    runs.add_argument("--table", help="only those that read or wrote this table")
    runs.add_argument("--object", metavar="SHA256", help="the way of a landed object")
    runs.add_argument("--run", metavar="ID", help="all of one run")
    _json_option(runs)
    _quarantine_verb(add("quarantine", _list, "List, show, replay or dismiss what was refused."))
    state = add("state", _rebuild, "Care for the small store that lists are drawn from.")
    rebuild = _actions(state).add_parser("rebuild", help="make it anew from the lake")
    rebuild.set_defaults(verb=_rebuild)
    _synth_verb(add("synth", _synth, "Write a synthetic hospital, with the truth beside it."))


def _synth_verb(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--patients", type=int, required=True, metavar="N")
    parser.add_argument("--seed", type=int, required=True, metavar="S")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="an empty folder")
    parser.add_argument("--defects", type=_rate, default=500, metavar="RATE", help="0 to 1; 0.05")
    parser.add_argument("--sites", default="north,south", metavar="NAME[=ZONE],…")
    parser.add_argument("--format", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--pixels", choices=("small", "full"), default="small")


def _rate(text: str) -> int:
    """A share as parts of 10,000."""
    try:
        found = int(Decimal(text) * 10_000)
    except (ArithmeticError, ValueError):
        found = -1
    if not 0 <= found <= 10_000:  # noqa: PLR2004
        raise argparse.ArgumentTypeError("not a share like 0.05")
    return found


def _quarantine_verb(parser: argparse.ArgumentParser) -> None:
    _json_option(parser)
    actions = _actions(parser, required=False)
    listed = actions.add_parser("list", help="by table and reason, or the places of one table")
    listed.set_defaults(verb=_list)
    listed.add_argument("--table", metavar="QUARANTINE", help="the places of one quarantine")
    listed.add_argument("--reason", help=_REASON_HELP)
    _json_option(listed)
    show = actions.add_parser("show", help="the content at one place; the look is written down")
    show.set_defaults(verb=_show)
    show.add_argument("table", metavar="QUARANTINE")
    show.add_argument("--by", help=argparse.SUPPRESS)
    _place_options(show, required=True)
    _json_option(show)
    for name, about in (
        ("replay", "judge records again by the rules of today"),
        ("dismiss", "take records out for good"),
    ):
        act = actions.add_parser(name, help=about)
        act.set_defaults(verb=_act, act=name)
        act.add_argument("name", metavar="FEED|TABLE")
        act.add_argument("--reason", help=_REASON_HELP)
        act.add_argument("--why", required=True, help="one of the list in docs/cli.md")
        act.add_argument("--all", action="store_true", help="everything of it")
        _place_options(act, required=False)


def _actions(parser: argparse.ArgumentParser, *, required: bool = True) -> Any:
    return parser.add_subparsers(required=required, metavar="ACTION", title="actions")


def _place_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--delivery", type=int, required=required, help="its number in the ledger")
    parser.add_argument("--line", type=int, required=required, help="line of the file")


def _json_option(parser: argparse.ArgumentParser) -> None:
    # the option may stand before an action or behind it
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="for machines"
    )


def _say(told: argparse.Namespace, answer: Any, header: Sequence[str], rows: Iterable[Any]) -> None:
    from lakehouse.render import table_lines

    if getattr(told, "json", False):
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    for line in table_lines(header, rows):
        sys.stdout.write(line + "\n")


def _asked(settings: Settings) -> tuple[Any, Any]:
    from lakehouse.catalog.load import Catalog
    from lakehouse.state.store import open_state

    return open_state(settings), Catalog.read(settings.sql, settings.feeds)


def _feeds(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.answers.feeds import list_feeds

    found = list_feeds(*_asked(settings), datetime.now(UTC))
    rows = (
        (f.name, f.last_at, f.last_files, f.last_bytes, f.waiting, _lateness(f), _question(f))
        for f in found
    )
    header = ("feed", "last arrival", "files", "bytes", "in quarantine", "late", "waits for")
    _say(told, [asdict(feed) for feed in found], header, rows)


def _lateness(feed: Any) -> str:
    if feed.lag is None:
        return ""
    return f"{feed.lag.late_seconds // 60} min" if feed.lag.is_late else "no"


def _question(feed: Any) -> str:
    asked = feed.question
    if asked is None:
        return ""
    return f"an answer: {asked.refused} of {asked.records} refused in {', '.join(asked.batches)}"


def _catalogue(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.answers.catalogue import list_tables

    found = list_tables(*_asked(settings), " ".join(told.words))
    rows = ((t.name, t.rows, t.version, t.changed_at, " ".join(t.found[:5])) for t in found)
    header = ("table", "rows", "version", "changed", "columns found")
    _say(told, [asdict(table) for table in found], header, rows)


def _table(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.answers.catalogue import describe_table

    found = describe_table(*_asked(settings), told.table)
    rows = ((c.name, c.type, c.unit, c.phi, c.system, c.means) for c in found.columns)
    _say(told, asdict(found), ("column", "type", "unit", "phi", "code system", "means"), rows)


def _runs(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.answers.runs import describe_run, follow_object, list_runs

    state, _ = _asked(settings)
    if told.run:
        run = describe_run(state, told.run)
        if run is None:
            raise SpecError("no run has this id")
        rows: Any = [(d, r["name"], r["version"], r["rows"]) for d, r in _datasets(run)]
        _say(told, asdict(run), ("direction", "table", "version", "rows"), rows)
    elif told.object:
        steps = follow_object(state, told.object)
        rows = [(s.arrival["feed"], s.arrival["sequence"], *_taken(s)) for s in steps]
        header = ("feed", "delivery", "loaded", "by run", "tables built")
        _say(told, [asdict(step) for step in steps], header, rows)
    else:
        runs = list_runs(state, table=told.table)
        rows = [(r.started_at, r.job, r.outcome, r.seconds, r.run_id) for r in runs]
        header = ("started", "job", "outcome", "seconds", "run")
        _say(told, [asdict(run) for run in runs], header, rows)


def _datasets(run: Any) -> list[tuple[str, Any]]:
    return [("read", row) for row in run.inputs] + [("wrote", row) for row in run.outputs]


def _taken(step: Any) -> tuple[Any, ...]:
    load = step.load or {}
    return load.get("at"), load.get("run_id"), len(step.builds)


def _list(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.answers.quarantine import list_places, list_waiting

    state, catalog = _asked(settings)
    _follow(settings)
    table = getattr(told, "table", None)
    if table:
        places = list_places(state, catalog.table(table).name, told.reason)
        rows: Any = [(p["object_id"], p["sequence"], p["line"], p["reason"]) for p in places.rows]
        _say(told, asdict(places), ("object", "delivery", "line", "reason"), rows)
        return
    found = list_waiting(state, catalog)
    rows = [(w.table, w.reason, w.rows) for w in found]
    _say(told, [asdict(waiting) for waiting in found], ("table", "reason", "rows"), rows)


def _follow(settings: Settings) -> None:
    """Make sure that the state knows what waits now."""
    from lakehouse.govern.follow import follow
    from lakehouse.storage.lake import open_lake

    lake = open_lake(settings, "read")
    names = [feed.quarantine for feed in lake.catalog.feeds.values()]
    follow(lake, names + [table.quarantine().name for table in lake.catalog.models()])


def _show(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.govern.follow import follow_written
    from lakehouse.ingest.look import look
    from lakehouse.lineage.emit import running
    from lakehouse.storage.lake import open_lake

    lake = open_lake(settings, "govern")
    with running("run.look", settings):
        found = look(lake, told.table, (told.delivery, told.line), told.by or getpass.getuser())
        follow_written(lake)
    if getattr(told, "json", False):
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
        return
    cut = "\n(the rest lies in the landed object)" if found.is_cut else ""
    sys.stdout.write(f"{found.feed}, file {found.file_name}\n{found.text}{cut}\n")


def _act(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.govern.follow import follow_written
    from lakehouse.ingest.replay import Act, Which
    from lakehouse.lineage.emit import running
    from lakehouse.storage.lake import open_lake
    from lakehouse.transform.backfill import role_for
    from lakehouse.transform.refused import act_on

    which = Which(told.reason, told.delivery, told.line)
    if which == Which() and not told.all:
        raise SpecError("which records?", hint="--delivery N --line N, --reason TEXT or --all")
    feed, table = (None, told.name) if "." in told.name else (told.name, None)
    act = Act(feed, told.act, getpass.getuser(), told.why, which, table=table)
    lake = open_lake(settings, role_for(told.name))
    with running(f"run.{told.act}.{told.name}", settings):
        done = act_on(lake, act)
        follow_written(lake)
    more = "" if table else f", {done.loaded} rows came to bronze"
    sys.stdout.write(
        f"{told.name}: {done.places} taken up, {done.left} left the quarantine{more}\n"
    )


def _synth(_: Settings, told: argparse.Namespace) -> None:
    from lakehouse.datasets.synthetic import Population, sites_of, write_hospital

    population = Population(
        told.patients, told.seed, sites_of(told.sites), told.defects, told.pixels
    )
    write_hospital(population, told.out, told.format, _tell_number)
    sys.stdout.write(f"{told.patients} synthetic patients are in {told.out}\n")


def _tell_number(number: int) -> None:
    sys.stdout.write(f"{number} patients\n")
    sys.stdout.flush()


def _rebuild(settings: Settings, _: argparse.Namespace) -> None:
    from lakehouse.govern.follow import rebuild
    from lakehouse.storage.lake import open_lake

    count = rebuild(open_lake(settings, "govern"))
    sys.stdout.write(f"the state tells of {count} tables\n")
