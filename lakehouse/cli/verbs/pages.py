"""What the pages show, in words: from the state store, no table is opened."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from lakehouse.cli.verb import JSON, TABLE, Told, Verb, answer, asked, say, table, verb, word
from lakehouse.errors import SpecError
from lakehouse.settings import Settings


@verb("feeds", "List the feeds: last arrival, lag, what was refused.", JSON)
def feeds(settings: Settings, told: Told) -> None:
    from lakehouse.answers.feeds import list_feeds

    found = list_feeds(*asked(settings), datetime.now(UTC))
    rows = (
        (f.name, f.last_at, f.last_files, f.last_bytes, f.waiting, _lateness(f), _question(f))
        for f in found
    )
    header = ("feed", "last arrival", "files", "bytes", "in quarantine", "late", "waits for")
    answer(told, [asdict(feed) for feed in found], table(header, rows))


def _lateness(feed: Any) -> str:
    if feed.lag is None:
        return ""
    return f"{feed.lag.late_seconds // 60} min" if feed.lag.is_late else "no"


def _question(feed: Any) -> str:
    put = feed.question
    if put is None:
        return ""
    return f"an answer: {put.refused} of {put.records} refused in {', '.join(put.batches)}"


@verb(
    "catalogue",
    "Find tables by words: names, meanings, columns, PHI.",
    word("words", metavar="WORD", nargs="*"),
    JSON,
)
def catalogue(settings: Settings, told: Told) -> None:
    from lakehouse.answers.catalogue import list_tables

    found = list_tables(*asked(settings), " ".join(told.words))
    rows = ((t.name, t.rows, t.version, t.changed_at, " ".join(t.found[:5])) for t in found)
    header = ("table", "rows", "version", "changed", "columns found")
    answer(told, [asdict(one) for one in found], table(header, rows))


@verb("table", "Describe one table: columns, versions, checks, neighbours.", TABLE, JSON)
def describe(settings: Settings, told: Told) -> None:
    from lakehouse.answers.catalogue import describe_table

    found = describe_table(*asked(settings), told.table)
    rows = ((c.name, c.type, c.unit, c.phi, c.system, c.means) for c in found.columns)
    header = ("column", "type", "unit", "phi", "code system", "means")
    answer(told, asdict(found), table(header, rows))


@verb(
    "runs",
    "List the newest runs, or follow one object or run.",
    word("--table", help="only those that read or wrote this table"),
    word("--object", metavar="SHA256", help="the way of a landed object"),
    word("--run", metavar="ID", help="all of one run"),
    JSON,
)
def runs(settings: Settings, told: Told) -> None:
    from lakehouse.answers.runs import describe_run, follow_object, list_runs

    state, _ = asked(settings)
    if told.run:
        run = describe_run(state, told.run)
        if run is None:
            raise SpecError("no run has this id")
        header: Sequence[str] = ("direction", "table", "version", "rows")
        rows: Any = [(d, r["name"], r["version"], r["rows"]) for d, r in _datasets(run)]
        answer(told, asdict(run), table(header, rows))
    elif told.object:
        steps = follow_object(state, told.object)
        rows = [(s.arrival["feed"], s.arrival["sequence"], *_taken(s)) for s in steps]
        header = ("feed", "delivery", "loaded", "by run", "tables built")
        answer(told, [asdict(step) for step in steps], table(header, rows))
    else:
        newest = list_runs(state, table=told.table)
        rows = [(r.started_at, r.job, r.outcome, r.seconds, r.run_id) for r in newest]
        header = ("started", "job", "outcome", "seconds", "run")
        answer(told, [asdict(run) for run in newest], table(header, rows))


def _datasets(run: Any) -> list[tuple[str, Any]]:
    return [("read", row) for row in run.inputs] + [("wrote", row) for row in run.outputs]


def _taken(step: Any) -> tuple[Any, ...]:
    load = step.load or {}
    return load.get("at"), load.get("run_id"), len(step.builds)


STATE = Verb("state", "Care for the small store that lists are drawn from.")


@verb("state rebuild", "make it anew from the lake")
def rebuild(settings: Settings, _: Told) -> None:
    from lakehouse.govern import follow
    from lakehouse.storage.lake import open_lake

    count = follow.rebuild(open_lake(settings, "govern"))
    say(f"the state tells of {count} tables")
