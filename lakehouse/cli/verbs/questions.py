"""What is asked of the lake's tables themselves."""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from lakehouse.cli.verb import JSON, TABLE, Told, Verb, answer, instant, say, table, verb, word
from lakehouse.errors import SpecError
from lakehouse.settings import Settings

_FHIR_TABLE = "bronze.fhir_resource"
_VIEW_FILE = word("view", metavar="VIEW.json", type=Path)
_RESOURCES = (
    word("--from", dest="file", metavar="FILE", type=Path, help="NDJSON, or gzip"),
    word("--table", choices=(_FHIR_TABLE,), default=_FHIR_TABLE, help="the default"),
)


@verb(
    "sql",
    "Ask one SELECT of the lake, which is all that can be read.",
    word("query", metavar="QUERY"),
    word("--format", choices=("table", "csv", "json"), default="table"),
    word(
        "--as-of",
        action="append",
        default=[],
        metavar="WHEN",
        help="a time for all tables, or TABLE=VERSION; repeatable",
    ),
    word(
        "--known-at", type=instant, metavar="TIME", help="as the sources had told it by that time"
    ),
)
def sql(settings: Settings, told: Told) -> None:
    from lakehouse.govern.question import When, ask
    from lakehouse.render import write_rows
    from lakehouse.storage.lake import open_lake

    at, versions = _as_of(told.as_of)
    if told.known_at and (at or versions):
        raise SpecError("--known-at and --as-of ask two questions", hint="use one of them")
    when = When(at, told.known_at, versions)
    with ask(open_lake(settings, "read"), told.query, when) as rows:
        write_rows(rows, told.format, sys.stdout)


def _as_of(told: Sequence[str]) -> tuple[datetime | None, dict[str, int]]:
    at: datetime | None = None
    versions: dict[str, int] = {}
    for text in told:
        if match := re.fullmatch(r"(\w+\.\w+)=(\d+)", text):
            versions[match[1]] = int(match[2])
            continue
        try:
            at = instant(text)
        except argparse.ArgumentTypeError:
            raise SpecError("--as-of is neither a time nor TABLE=VERSION") from None
    return at, versions


@verb("tables", "List the tables: rows, version, checks, quarantine.", JSON)
def tables(settings: Settings, told: Told) -> None:
    from lakehouse.govern.overview import list_tables
    from lakehouse.render import state_lines
    from lakehouse.storage.lake import open_lake

    states = list_tables(open_lake(settings, "read"))
    answer(told, [state.to_json() for state in states], state_lines(states))


@verb(
    "lineage",
    "Show where a table or a column comes from.",
    word("name", metavar="TABLE[.COLUMN]"),
    JSON,
)
def lineage(settings: Settings, told: Told) -> None:
    from lakehouse.catalog.load import Catalog
    from lakehouse.provenance import lineage_lines
    from lakehouse.transform.ancestry import ancestors

    found = ancestors(Catalog.of(settings), told.name)
    answer(told, [asdict(ancestor) for ancestor in found], lineage_lines(told.name, found))


@verb(
    "trace",
    "Follow one row back to the lines of the files it came from.",
    TABLE,
    word("key", metavar="KEY", help="the key's value, or column=value pairs separated by commas"),
    JSON,
)
def trace(settings: Settings, told: Told) -> None:
    from lakehouse.provenance import trace_lines
    from lakehouse.storage.lake import open_lake
    from lakehouse.transform.trace import trace as follow

    step = follow(open_lake(settings, "read"), told.table, told.key)
    answer(told, asdict(step), trace_lines(step))


@verb("late", "List the feeds that are expected, and fail if one is late.", JSON)
def late(settings: Settings, told: Told) -> None:
    from lakehouse.ingest.lateness import judge_lateness, refuse_late
    from lakehouse.storage.lake import open_lake

    found = judge_lateness(open_lake(settings, "read"))
    rows = [(f.feed, f.expect, f.last_at or "never", f.late_since or "no") for f in found]
    header = ("feed", "expected", "came last", "late since")
    answer(told, [asdict(feed) for feed in found], table(header, rows))
    refuse_late(found)


VIEW = Verb("view", "Run or check a SQL on FHIR ViewDefinition.")


@verb(
    "view run",
    "The rows of a ViewDefinition.",
    _VIEW_FILE,
    _RESOURCES,
    word("--format", choices=("csv", "json", "parquet"), default="csv"),
)
def view_run(settings: Settings, told: Told) -> None:
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


@verb(
    "view findings",
    "Count what a ViewDefinition comes upon and cannot read.",
    _VIEW_FILE,
    _RESOURCES,
    JSON,
)
def view_findings(settings: Settings, told: Told) -> None:
    from lakehouse.storage.lake import open_lake
    from lakehouse.transform.views import findings_in_file, findings_in_lake, read_definition

    view = read_definition(told.view)
    if told.file:
        found = findings_in_file(view, told.file, settings)
    else:
        found = findings_in_lake(view, open_lake(settings, "read"))
    rows = [(", ".join(each.columns) or "(which rows)", each.path, each.count) for each in found]
    lines = table(("columns", "path", "values"), rows) if rows else ["nothing"]
    answer(told, [asdict(each) for each in found], lines)


@verb("view check", "Say whether a ViewDefinition can run, or where it is wrong.", _VIEW_FILE)
def view_check(_: Settings, told: Told) -> None:
    from lakehouse.transform.views import read_definition
    from lakehouse.viewdefinition.compiler import compile_view

    compiled = compile_view(read_definition(told.view))
    say(f"ok: {len(compiled.columns)} columns of {compiled.resource}")
