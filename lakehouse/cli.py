"""The command line. Exit codes: 0 done, 2 wrong usage, 10 declaration, 11 check, 12 not granted,
13 storage; docs/cli.md lists every verb."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from lakehouse import log
from lakehouse.errors import LakehouseError, SpecError, StoreError
from lakehouse.keeping import add_keeping_verbs
from lakehouse.operations import add_operations
from lakehouse.settings import Settings, read_settings
from lakehouse.verbs import add_verbs

Verb = Callable[[Settings, argparse.Namespace], None]

FHIR_TABLE = "bronze.fhir_resource"
_KEY_HELP = "the key's value, or column=value pairs separated by commas"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; errors go to stderr, without any traceback."""
    parsed = _parser().parse_args(arguments)
    # the verbs say themselves what they did; logs are for what went wrong
    log.configure("warning")
    verb: Verb = parsed.verb
    try:
        verb(read_settings(), parsed)
    except LakehouseError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        # the reader of our output has gone; that is its right
        sys.stderr.close()
    return 0


def say(line: str) -> None:
    """Write one line for a person, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lakehouse", description="Clinical Lakehouse: governed, traced tables for hospitals."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB", title="verbs")

    def add(name: str, verb: Verb, about: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=about, description=about)
        added.set_defaults(verb=verb)
        return added

    add("up", _up, "Start the embedded stack: object store, PostgreSQL, Airflow.")
    add("down", _down, "Stop the embedded stack; everything it knows is kept.")
    status = add("status", _status, "Tell which parts of the embedded stack are healthy.")
    _json_option(status)
    about = "Make the secrets of a server, as files; what is there is kept."
    server = add("init-server", _init_server, about)
    server.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, default=Path("secrets"))
    server.add_argument("--host", default="localhost", metavar="NAME", help="of the certificate")
    demo = add("demo", _demo, "Bring a small synthetic hospital through the pipelines.")
    demo.add_argument("--patients", type=int, default=200, metavar="N", help="at two sites; 200")
    _river_verbs(add)
    _question_verbs(add)
    add_operations(add)
    add_verbs(add)
    add_keeping_verbs(add)
    return parser


def _river_verbs(add: Callable[[str, Verb, str], argparse.ArgumentParser]) -> None:
    landing = add("land", _land, "Land files for a feed, as if its sender had written them.")
    landing.add_argument("feed", metavar="FEED")
    landing.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="file or folder")
    pulling = add("pull", _pull, "Fetch what a feed's FHIR server has into the feed's inbox.")
    pulling.add_argument("feed", metavar="FEED")
    pulling.add_argument("--full", action="store_true", help="everything, not what has changed")
    about = "Say that what a feed's last complete export lacks is gone; the next load deletes it."
    add("accept-missing", _accept_missing, about).add_argument("feed", metavar="FEED")
    _decision_verb(add("accept", _accept, "Let a batch be loaded of which much is refused."))
    _decision_verb(add("leave-out", _leave_out, "Let a batch that waits never be loaded."))
    run = add("run", _run, "Pull, land, load and build in this process, without Airflow.")
    run.add_argument("--feed", action="append", default=[], help="only this feed; repeatable")
    run.add_argument("--table", action="append", default=[], help="only this table; repeatable")
    run.add_argument("--as-of", type=_instant, help="what models take for the present")


def _decision_verb(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", metavar="FEED")
    parser.add_argument("batch", metavar="FIRST-LAST", type=_batch, help="as the refusal names it")
    parser.add_argument("--reason", required=True, help="why; it is kept with your name")


def _batch(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,17})-([1-9]\d{0,17})", text)
    if not match:
        raise argparse.ArgumentTypeError("not a batch like 4-9")
    return int(match[1]), int(match[2])


def _question_verbs(add: Callable[[str, Verb, str], argparse.ArgumentParser]) -> None:
    sql = add("sql", _sql, "Ask one SELECT of the lake, which is all that can be read.")
    sql.add_argument("query", metavar="QUERY")
    sql.add_argument("--format", choices=("table", "csv", "json"), default="table")
    sql.add_argument(
        "--as-of",
        action="append",
        default=[],
        metavar="WHEN",
        help="a time for all tables, or TABLE=VERSION; repeatable",
    )
    sql.add_argument(
        "--known-at", type=_instant, metavar="TIME", help="as the sources had told it by that time"
    )
    _json_option(add("tables", _tables, "List the tables: rows, version, checks, quarantine."))
    lineage = add("lineage", _lineage, "Show where a table or a column comes from.")
    lineage.add_argument("name", metavar="TABLE[.COLUMN]")
    _json_option(lineage)
    trace = add("trace", _trace, "Follow one row back to the lines of the files it came from.")
    trace.add_argument("table", metavar="TABLE")
    trace.add_argument("key", metavar="KEY", help=_KEY_HELP)
    _json_option(trace)
    _view_verb(add("view", _view_check, "Run or check a SQL on FHIR ViewDefinition."))
    _json_option(add("late", _late, "List the feeds that are expected, and fail if one is late."))


def _view_verb(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION", title="actions")
    run = actions.add_parser("run", help="its rows", description="The rows of a ViewDefinition.")
    run.set_defaults(verb=_view_run)
    run.add_argument("view", metavar="VIEW.json", type=Path)
    source = run.add_mutually_exclusive_group()
    source.add_argument("--from", dest="file", metavar="FILE", type=Path, help="NDJSON, or gzip")
    source.add_argument("--table", choices=(FHIR_TABLE,), default=FHIR_TABLE, help="the default")
    run.add_argument("--format", choices=("csv", "json", "parquet"), default="csv")
    told = "Say whether a ViewDefinition can run, or where it is wrong."
    check = actions.add_parser("check", help="is it right?", description=told)
    check.set_defaults(verb=_view_check)
    check.add_argument("view", metavar="VIEW.json", type=Path)


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for machines")


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a time like 2026-11-24T08:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _up(settings: Settings, _: argparse.Namespace) -> None:
    from lakehouse.stack.control import up

    up(settings, say)


def _init_server(_: Settings, words: argparse.Namespace) -> None:
    from lakehouse.stack.server import NAMES, init_server

    made = init_server(words.folder, words.host)
    say(f"{words.folder}: {len(made)} secrets made, {len(NAMES) - len(made)} were there")


def _down(settings: Settings, _: argparse.Namespace) -> None:
    from lakehouse.stack.control import down

    down(settings, say)


def _status(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.stack.control import status

    found = status(settings)
    if told.json:
        say(json.dumps(asdict(found)))
    else:
        for part in found.components:
            say(f"{part.name:<21} {'healthy' if part.healthy else 'DOWN':<7} {part.detail}")
    if not found.healthy:
        n_ill = sum(not part.healthy for part in found.components)
        heals = "the supervisor starts them again; `lakehouse up` waits for it"
        raise StoreError(
            f"{n_ill} of {len(found.components)} parts of the stack are down",
            hint=heals if found.running else "`lakehouse up` starts them",
        )


def _demo(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.airflow.demo import run_demo
    from lakehouse.stack.airflow import access
    from lakehouse.stack.control import up

    up(settings, say)
    run_demo(settings, say, patients=told.patients, access=access(settings))


def _land(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.transform.river import land_paths

    landed = land_paths(settings, told.feed, told.paths)
    repeated = f", {landed.repeated} came again unchanged" if landed.repeated else ""
    say(f"{told.feed}: landed {len(landed.sequences)} files, {landed.bytes} bytes{repeated}")


def _pull(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.transform.river import pull

    received = pull(settings, told.feed, full=told.full)
    say(f"{told.feed}: pulled {received.files} files, {received.bytes} bytes")


def _accept_missing(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.transform.river import accept_missing

    landed = accept_missing(settings, told.feed)
    said = "accepted" if landed.sequences else "had been accepted"
    say(f"{told.feed}: {said}; the next load deletes what the export lacks")


def _accept(settings: Settings, told: argparse.Namespace) -> None:
    _decide(settings, told, is_accepted=True)


def _leave_out(settings: Settings, told: argparse.Namespace) -> None:
    _decide(settings, told, is_accepted=False)


def _decide(settings: Settings, told: argparse.Namespace, *, is_accepted: bool) -> None:
    from getpass import getuser

    from lakehouse.ingest.decisions import Decision
    from lakehouse.transform.river import decide_batch

    first, last = told.batch
    decision = Decision(told.feed, first, last, is_accepted, told.reason, getuser())
    decide_batch(settings, decision)
    done = "is loaded with the next run" if is_accepted else "is left out"
    say(f"{told.feed}: the batch {first}-{last} {done}")


def _run(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.transform.river import run

    run(settings, say, feeds=told.feed, tables=told.table, as_of=told.as_of)


def _sql(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.govern.question import When, ask
    from lakehouse.render import write_rows
    from lakehouse.storage.lake import open_lake

    at, versions = _as_of(told.as_of)
    if told.known_at and (at or versions):
        raise SpecError("--known-at and --as-of ask two questions", hint="use one of them")
    when = When(at, told.known_at, versions)
    with ask(open_lake(settings, "read"), told.query, when) as rows:
        write_rows(rows, told.format, sys.stdout)


def _view_run(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.render import write_parquet, write_rows
    from lakehouse.storage.lake import open_lake
    from lakehouse.transform.views import over_file, over_lake, read_definition

    view = read_definition(told.view)
    if told.file:
        opened = over_file(view, told.file, settings)
    else:
        opened = over_lake(view, open_lake(settings, "read"))
    with opened as rows:
        if told.format == "parquet":
            write_parquet(rows, sys.stdout.buffer)
        else:
            write_rows(rows, told.format, sys.stdout)


def _view_check(_: Settings, told: argparse.Namespace) -> None:
    from lakehouse.transform.views import read_definition
    from lakehouse.viewdefinition.compiler import compile_view

    compiled = compile_view(read_definition(told.view))
    say(f"ok: {len(compiled.columns)} columns of {compiled.resource}")


def _as_of(told: Sequence[str]) -> tuple[datetime | None, dict[str, int]]:
    at: datetime | None = None
    versions: dict[str, int] = {}
    for text in told:
        if match := re.fullmatch(r"(\w+\.\w+)=(\d+)", text):
            versions[match[1]] = int(match[2])
            continue
        try:
            at = _instant(text)
        except argparse.ArgumentTypeError:
            raise SpecError("--as-of is neither a time nor TABLE=VERSION") from None
    return at, versions


def _tables(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.govern.overview import list_tables
    from lakehouse.render import state_lines
    from lakehouse.storage.lake import open_lake

    states = list_tables(open_lake(settings, "read"))
    if told.json:
        say(json.dumps([state.to_json() for state in states]))
        return
    for line in state_lines(states):
        say(line)


def _lineage(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.catalog.load import Catalog
    from lakehouse.provenance import lineage_lines
    from lakehouse.transform.ancestry import ancestors

    found = ancestors(Catalog.read(settings.sql, settings.feeds), told.name)
    if told.json:
        say(json.dumps([asdict(ancestor) for ancestor in found]))
        return
    for line in lineage_lines(told.name, found):
        say(line)


def _trace(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.provenance import trace_lines
    from lakehouse.storage.lake import open_lake
    from lakehouse.transform.trace import trace

    step = trace(open_lake(settings, "read"), told.table, told.key)
    if told.json:
        say(json.dumps(asdict(step)))
        return
    for line in trace_lines(step):
        say(line)


def _late(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.ingest.lateness import judge_lateness, refuse_late
    from lakehouse.render import table_lines
    from lakehouse.storage.lake import open_lake

    found = judge_lateness(open_lake(settings, "read"))
    if told.json:
        say(json.dumps([asdict(feed) for feed in found], default=str))
    else:
        rows = [(f.feed, f.expect, f.last_at or "never", f.late_since or "no") for f in found]
        for line in table_lines(("feed", "expected", "came last", "late since"), rows):
            say(line)
    refuse_late(found)
