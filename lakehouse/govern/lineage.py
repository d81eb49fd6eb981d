"""Lineage in the lake: events move from the outbox to tables, and no commit goes without one."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from openlineage.client.event_v2 import RunState
from openlineage.client.uuid import generate_new_uuid

from lakehouse.errors import QualityError, StoreError
from lakehouse.govern.maintain import stored_tables
from lakehouse.lineage import collect, outbox
from lakehouse.lineage.emit import emit
from lakehouse.lineage.events import run_event
from lakehouse.lineage.told import column_edges, keep_events, named_version
from lakehouse.log import get_logger
from lakehouse.state.store import open_state
from lakehouse.storage.commit import Commit, Note, committed
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import Lake, Stored

EVENTS = "lineage.event"
EDGES = "lineage.column"
SETTLED = timedelta(hours=1)
"""Work that committed longer ago and has not told of it yet was killed."""

_MARK = "outbox"
_BATCH = 2000
_REFUSED = ".refused"
_HELD_EVENTS = "select event_id from lineage.event join arriving on event_id = identity"
_HELD_EDGES = """
    select distinct identity from lineage.column
    join arriving on identity = run_id || ' ' || table_name || ' ' || version
"""

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Told:
    """One event: its row, and the rows of its column edges."""

    row: Mapping[str, Any]
    edges: tuple[Mapping[str, Any], ...]

    @property
    def event_id(self) -> str:
        return str(self.row["event_id"])


def store_events(lake: Lake) -> int:
    """Move all events of the outbox into the lake, each once; how many.

    Safe to kill and to run again. A file that is no event is set aside as `.refused`.
    """
    moved = refused = 0
    state = open_state(lake.settings)
    files = iter(outbox.waiting(lake.settings.outbox))
    while batch := list(islice(files, _BATCH)):
        read = {path: _read(path) for path in batch}
        events = {told.event_id: told for told in read.values() if told}
        moved += committed(partial(_append, lake, events))
        keep_events(state, [str(told.row["payload"]) for told in read.values() if told])
        refused += _clear(read)
    log.info("stored lineage", count=moved, refused=refused)
    return moved


def missing(lake: Lake, before: datetime | None = None) -> list[Commit]:
    """The commits that brought rows and that no event names as an output.

    Those after `before` are not judged: the work that made them may still be going on.
    """
    told = _named(lake)
    mine = collect.current_run()[0]
    return [
        commit
        for stored in stored_tables(lake)
        for commit in stored.history()
        if _brings_rows(commit)
        and (commit.table, commit.version) not in told
        and not (before and commit.at > before)
        and not (mine and commit.state.get("run") == mine)
    ]


def rebuild(lake: Lake, before: datetime | None = None) -> int:
    """Emit the events that a kill between commit and COMPLETE swallowed; how many."""
    found = missing(lake, before)
    for commit in found:
        _emit_again(lake, commit)
    return len(found)


def require_told(lake: Lake, before: datetime | None = None) -> None:
    """Raise QualityError when a commit up to `before` has no event."""
    if left := missing(lake, before):
        names = sorted({commit.table for commit in left})
        raise QualityError(f"{len(left)} commits have no lineage event, in {', '.join(names)}")


def require_explained(lake: Lake) -> None:
    """Raise QualityError when a built column has no source and is declared no constant."""
    if columns := unexplained(lake):
        raise QualityError(
            f"{len(columns)} columns have no source: {', '.join(columns)}",
            hint="declare under `constants` in the table's file what comes from nothing it reads",
        )


def unexplained(lake: Lake) -> list[str]:
    """The columns of built tables without a source in the lineage that are declared no constant."""
    stored = lake.find(EDGES)
    if stored is None:
        return []
    with engine_for(lake) as engine:
        engine.attach(stored.table, stored.version)
        found = engine.table("select distinct table_name, column_name from lineage.column")
    known = set(zip(*(column.to_pylist() for column in found.columns), strict=True))
    tables = {table for table, _ in known}
    return [
        f"{table.name}.{name}"
        for table in lake.catalog.models()
        if table.name in tables
        for name in table.columns
        if not name.startswith("_") and (table.name, name) not in known
        if name not in (table.constants or {})
    ]


def _append(lake: Lake, told: Mapping[str, _Told]) -> int:
    """Commit what is not there yet; edges first, because an event that is there counts as whole."""
    events, edges = lake.open(EVENTS), lake.open(EDGES)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for edge in (edge for event in told.values() for edge in event.edges):
        groups.setdefault(f"{edge['run_id']} {edge['table_name']} {edge['version']}", []).append(
            edge
        )
    with engine_for(lake) as engine:
        engine.attach(events.table, events.version)
        engine.attach(edges.table, edges.version)
        fresh = told.keys() - _held(engine, _HELD_EVENTS, told)
        news = groups.keys() - _held(engine, _HELD_EDGES, groups)
    _commit(edges, [dict(edge) for name in groups if name in news for edge in groups[name]])
    _commit(events, [dict(told[name].row) for name in told if name in fresh])
    return len(fresh)


def _held(engine: Engine, sql: str, arriving: Iterable[str]) -> set[str]:
    """Which of these the tables hold at the snapshot that the commit will follow."""
    engine.register("arriving", pa.table({"identity": pa.array(list(arriving), pa.string())}))
    return set(map(str, engine.table(sql).column(0).to_pylist()))


def _commit(stored: Stored, rows: list[dict[str, Any]]) -> None:
    if rows:
        note = Note({_MARK: (stored.mark(_MARK) or 0) + 1}, {"rows": len(rows)})
        stored.append(pa.Table.from_pylist(rows, schema=stored.schema), note)


def _read(path: Path) -> _Told | None:
    try:
        return _parse(path.read_text(encoding="utf-8", errors="replace"))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None  # no event, or another process has stored it meanwhile


def _parse(text: str) -> _Told:
    told = json.loads(text)
    run = told["run"]["runId"]
    row = {
        "event_id": hashlib.sha256(text.encode()).hexdigest(),
        "event_at": datetime.fromisoformat(told["eventTime"]),
        "event_type": told.get("eventType"),
        "run_id": run,
        "job": told["job"]["name"],
        "inputs": json.dumps([named_version(item) for item in told.get("inputs") or ()]),
        "outputs": json.dumps([named_version(item) for item in told.get("outputs") or ()]),
        "payload": text,
    }
    edges = (edge for item in told.get("outputs") or () for edge in column_edges(run, item))
    return _Told(row, tuple(edges))


def _clear(read: Mapping[Path, _Told | None]) -> int:
    """Remove the files whose events are in the lake; set aside, and count, what is no event."""
    refused = [path for path, told in read.items() if told is None]
    for path in refused:
        with suppress(FileNotFoundError):
            path.rename(path.with_suffix(_REFUSED))
    for path in read.keys() - set(refused):
        path.unlink(missing_ok=True)
    return len(refused)


def _brings_rows(commit: Commit) -> bool:
    """False for what changes no rows: no reader is ever pinned to such a version."""
    return not commit.operation.startswith(("CREATE", "VACUUM")) and not commit.state.get(
        "maintenance"
    )


def _named(lake: Lake) -> set[tuple[str, int]]:
    """All versions that events name as outputs: events in the lake and events in the outbox."""
    waiting = filter(None, map(_read, outbox.waiting(lake.settings.outbox)))
    named = {pair for told in waiting for pair in _pairs(json.loads(told.row["outputs"]))}
    stored = lake.find(EVENTS)
    if stored is None:
        return named
    with engine_for(lake) as engine:
        engine.attach(stored.table, stored.version)
        lists = engine.table("select distinct outputs from lineage.event where outputs <> '[]'")
    for text in lists["outputs"].to_pylist():
        named |= set(_pairs(json.loads(str(text))))
    return named


def _pairs(outputs: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
    for output in outputs:
        if output["version"] is not None:
            yield output["name"], output["version"]


def _emit_again(lake: Lake, commit: Commit) -> None:
    state = commit.state
    rows, size = _measure(lake, commit)
    run = collect.Collected(
        str(state.get("run") or generate_new_uuid()), str(state.get("job") or "unknown")
    )
    run.outputs[commit.table, commit.version] = collect.Dataset(
        commit.table, commit.version, rows=rows, bytes=size, quarantined=state.get("quarantined")
    )
    for name, version in dict(state.get("inputs", {})).items():
        run.inputs[name, version] = collect.Dataset(name, version)
    end, at = RunState.COMPLETE, commit.at
    emit(lake.settings, run_event(end, lake.namespace, run, at=at, is_reconstructed=True))


def _measure(lake: Lake, commit: Commit) -> tuple[int | None, int | None]:
    try:
        stored = lake.find(commit.table, commit.version)
    except StoreError:  # the log no longer tells of that version's files
        return None, None
    return stored.measure() if stored else (None, None)
