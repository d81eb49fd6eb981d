"""Build: run a model, judge its rows, commit what passed. Nobody ever sees an unjudged row."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from lakehouse.catalog.spec import PENDING, VERSION, Table
from lakehouse.errors import SpecError
from lakehouse.govern import quality
from lakehouse.lineage.collect import CheckResult, Edge
from lakehouse.log import get_logger
from lakehouse.storage.commit import Conflict, Note, Ranges, committed
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import Lake, Stored
from lakehouse.storage.snapshots import Snapshots
from lakehouse.storage.types import arrow_schema
from lakehouse.transform.changes import CHANGED, find_changed, may_see
from lakehouse.transform.columns import trace_columns
from lakehouse.transform.difference import Difference
from lakehouse.transform.dismissed import count_waiting, keep_dismissed
from lakehouse.transform.reach import SEQUENCE, find_reach

ROWS, REFUSED, RETRIED = "work.rows", "work.refused", "work.retried"
MARK = "build"
_VERSION = ", ".join(VERSION)

_Result = TypeVar("_Result")

log = get_logger()


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did: `mode` is unchanged, incremental or full; `rows` are all there are now."""

    table: str
    version: int
    mode: str
    rows: int
    written: int
    deleted: int
    quarantined: int
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class _Work:
    """What identifies a build: the same work is never committed twice."""

    model: str
    inputs: Mapping[str, int | None]
    as_of: str | None

    @property
    def identity(self) -> str:
        told = json.dumps([self.model, sorted(self.inputs.items()), self.as_of])
        return hashlib.sha256(told.encode()).hexdigest()[:32]


def build(lake: Lake, name: str, as_of: datetime | None = None, *, is_whole: bool = False) -> Built:
    """Bring one silver or gold table up to date with what it reads; `is_whole` makes it anew, also
    where nothing has changed.

    Only the units that changed are recomputed, where the model names one (`by`) and the log still
    tells the difference; else the table is rebuilt whole. Raises QualityError when a check that
    must hold does not, SpecError when the model is wrong.
    """
    table = lake.catalog.table(name)
    if not table.is_model:
        raise SpecError(f"{name} is not built from a SELECT")
    built = committed(lambda: _attempt(lake, table, as_of, _Build.run, is_whole=is_whole))
    _log(built)
    return built


def settle(lake: Lake, name: str) -> Built | None:
    """Bring a table up to date where that takes no row to be computed, because nothing of its kind
    came. None where rows must be: then it stays as it is.

    Raises StoreError, and SpecError when what the model reads is not there.
    """
    table = lake.catalog.table(name)
    settled = committed(lambda: _attempt(lake, table, None, _Build.settle))
    if settled:
        _log(settled)
    return settled


def _log(built: Built) -> None:
    log.info(
        "built",
        table=built.table,
        version=built.version,
        mode=built.mode,
        rows=built.rows,
        written=built.written,
        deleted=built.deleted,
        quarantined=built.quarantined,
    )


def _attempt(
    lake: Lake,
    table: Table,
    as_of: datetime | None,
    how: Callable[["_Build", Mapping[str, Any]], _Result],
    *,
    is_whole: bool = False,
) -> Built | _Result:
    # before the target: whoever is overtaken then conflicts at the first of the two commits
    refused = lake.find(table.quarantine().name)
    target = lake.open(table.name)
    moment = as_of or lake.clock()
    seen = Snapshots(lake)
    work = _Work(
        lake.catalog.fingerprint(table),
        seen.pin(lake.catalog.stored_reads(table)),
        moment.isoformat() if table.uses_as_of else None,
    )
    # without what the last build says of itself, nothing can be left as it is
    state = {} if is_whole else target.state()
    if state.get("work") == work.identity and target.is_current_shape():
        return _unchanged(table, target, state)
    with engine_for(lake) as engine:
        return how(_Build(lake, table, (target, refused, seen), work, engine, moment), state)


def _unchanged(table: Table, target: Stored, state: Mapping[str, Any]) -> Built:
    checks = tuple(CheckResult(**told) for told in state.get("checks", ()))
    rows = target.measure()[0]
    return Built(
        table.name, target.version, "unchanged", rows, 0, 0, state.get("quarantined", 0), checks
    )


class _Build:
    """One attempt, against one snapshot of the target, of its quarantine, where there is one, and
    of all that it reads."""

    def __init__(
        self,
        lake: Lake,
        table: Table,
        snapshots: tuple[Stored, Stored | None, Snapshots],
        work: _Work,
        engine: Engine,
        as_of: datetime,
    ) -> None:
        self._lake = lake
        self._table = table
        self._target, self._refused, self._seen = snapshots
        self._work = work
        self._engine = engine
        self._values = {"as_of": as_of} if table.uses_as_of else None
        self._columns = ", ".join(table.columns)
        self._reach: Ranges | None = None
        self._shown = {name: self._seen.alike(name, is_) for name, is_ in work.inputs.items()}

    @property
    def _difference(self) -> Difference:
        return Difference(self._engine, self._table.by, self._reach)

    def settle(self, state: Mapping[str, Any]) -> Built | None:
        """What `run` does where no row must be computed; None, and nothing done, elsewhere."""
        if self._can_be_partial(state):
            is_idle = self._find_changed(state["inputs"]) and not self._has_changed()
            return self._leave() if is_idle else None
        self._attach(None)
        return None if self._has_units() else self.run(state)

    def run(self, state: Mapping[str, Any]) -> Built:
        is_partial = self._can_be_partial(state) and self._find_changed(state["inputs"])
        if is_partial and not self._has_changed():
            return self._leave()
        results = self._compute(is_partial)
        waiting = self._commit_refused(is_partial)
        note = self._note(waiting, results, "incremental" if is_partial else "full")
        if is_partial:
            written, deleted, version = self._merge(note)
        else:
            written, deleted = self._engine.count(f"select count(*) from {ROWS}"), 0
            version = self._target.replace(
                self._engine.stream(f"select {self._columns} from {ROWS}"), note
            )
        rows = self._target.measure()[0]
        mode = str(note.state["mode"])
        return Built(self._table.name, version, mode, rows, written, deleted, waiting, results)

    def _can_be_partial(self, state: Mapping[str, Any]) -> bool:
        return (
            self._table.by is not None
            and state.get("model") == self._work.model
            and state.get("as_of") == self._work.as_of
            and self._target.is_current_shape()
            and (self._refused is None or self._refused.is_current_shape())
        )

    def _find_changed(self, before: Mapping[str, int | None]) -> bool:
        """Fill `changed`, and tell where its rows lie; False when the table must be made anew."""
        catalog, table, now = self._lake.catalog, self._table, self._work.inputs
        if not find_changed(self._engine, catalog, self._seen, table, before, now):
            return False
        if SEQUENCE in table.columns:
            self._reach = find_reach(self._seen, catalog.stored_reads(table), before, now)
        return True

    def _has_changed(self) -> bool:
        return bool(self._engine.count(f"select count(*) from {CHANGED}"))

    def _leave(self) -> Built:
        """Commit only that these inputs, too, are in the table: what came is not of its kind."""
        waiting = count_waiting(self._engine, self._refused) if self._refused else 0
        results = quality.untouched(self._table)
        version = self._target.record(self._note(waiting, results, "incremental"))
        rows = self._target.measure()[0]
        return Built(self._table.name, version, "incremental", rows, 0, 0, waiting, results)

    def _compute(self, is_partial: bool) -> tuple[CheckResult, ...]:
        """Fill `rows` with what passed and `refused` with what did not."""
        unit = self._table.by
        self._attach(f"{unit.source_row} in (from {CHANGED})" if is_partial and unit else None)
        if not is_partial and not self._has_units():
            return self._compute_nothing()
        self._select(ROWS, is_pending=False)
        self._refuse_wrong_types()
        quality.empty_refused(self._engine, self._table, ROWS, REFUSED)
        verdict = quality.judge(self._engine, self._table, ROWS, REFUSED)
        if verdict.refused and PENDING in self._table.columns:
            self._fall_back()
        return verdict.results

    def _has_units(self) -> bool:
        """Whether there is anything to compute from; without units rows may be made of nothing."""
        unit = self._table.by
        reads = self._lake.catalog.stored_reads(self._table)
        names = [read.name for read in reads if unit and unit.is_told(read)]
        # counted to the end: to leave a scan of a store's log half read may abort the process
        return not names or any(
            self._engine.count(self._engine.inline(f"select count(*) from {name}"))
            for name in names
        )

    def _compute_nothing(self) -> tuple[CheckResult, ...]:
        """What `_compute` does where no unit is: most of a first build's types were never sent."""
        self._engine.execute(f"create or replace table {ROWS} as {self._engine.empty(self._table)}")
        quality.empty_refused(self._engine, self._table, ROWS, REFUSED)
        return quality.untouched(self._table)

    def _attach(self, where: str | None) -> None:
        """Show what the model reads; of what tells of units those rows that a condition names."""
        for read in self._lake.catalog.stored_reads(self._table):
            version, among = self._shown[read.name], may_see(self._lake.catalog, self._table, read)
            is_unit = self._table.by is not None and self._table.by.is_told(read)
            stored = self._seen.find(read.name, version) if version is not None else None
            if where and is_unit and stored:
                self._difference.attach_units(stored, f"{among} and {where}", read.name)
            else:
                self._engine.attach(read, version, among)

    def _select(self, target: str, *, is_pending: bool) -> None:
        self._engine.attach_views(self._table)
        hidden = f", {is_pending} as {PENDING}" if PENDING in self._table.columns else ""
        self._engine.fill(target, f"select *{hidden} from ({self._table.sql}\n)", self._values)

    def _refuse_wrong_types(self) -> None:
        made = self._engine.table(f"select * from {ROWS} limit 0").schema
        declared = arrow_schema(self._lake.catalog.columns[c] for c in self._table.columns)
        if made.names != declared.names:
            raise SpecError(f"{self._table.path}: it selects {made.names}, not {declared.names}")
        wrong = [
            f"{is_.name} is {is_.type}, not {should.type}"
            for is_, should in zip(made, declared, strict=True)
            if is_.type != should.type
        ]
        if wrong:
            raise SpecError(f"{self._table.path}: {'; '.join(wrong)}", hint="cast where it is born")

    def _fall_back(self) -> None:
        """Let the newest version that passes stand for a refused one, marked as pending.

        Each turn leaves out the versions refused so far, until every key has passed or has none.
        """
        key = ", ".join(self._table.key)
        unit = self._table.by
        source, column = (unit.source_row, unit.row) if unit else ("", "")
        turn = "work.turn"
        self._engine.execute(f"create or replace table {RETRIED} as from {REFUSED}")
        while self._engine.count(f"select count(*) from {RETRIED}"):
            self._attach(
                f"{source} in (select {column} from {RETRIED}) and row({_VERSION}) "
                f"not in (select row({_VERSION}) from {REFUSED})"
            )
            self._select(turn, is_pending=True)
            self._engine.execute(
                f"create or replace table {turn} as select t.* from {turn} as t "
                f"semi join {RETRIED} as r using ({key})"
            )
            quality.empty_refused(self._engine, self._table, turn, RETRIED)
            quality.judge(self._engine, self._table, turn, RETRIED)
            self._engine.execute(f"insert into {ROWS} by name from {turn}")
            self._engine.execute(f"insert into {REFUSED} by name from {RETRIED}")

    def _commit_refused(self, is_partial: bool) -> int:
        """Commit what was refused, before the table; the number of rows that wait there now."""
        quarantine = self._table.quarantine()
        if self._refused is None and not self._engine.count(f"select count(*) from {REFUSED}"):
            return 0
        stored = self._refused or self._open_new(quarantine.name)
        state = {"of": self._table.name, "inputs": dict(self._work.inputs)}
        note = Note({MARK: self._target.version + 1}, state)
        columns = ", ".join(quarantine.columns)
        keep_dismissed(self._engine, self._table, self._refused, REFUSED)
        if is_partial:
            version_key = tuple(c for c in VERSION if c in quarantine.columns)
            self._difference.put(stored, REFUSED, (*quarantine.key, *version_key), note)
        else:
            stored.replace(self._engine.stream(f"select {columns} from {REFUSED}"), note)
        return count_waiting(self._engine, stored)

    def _open_new(self, name: str) -> Stored:
        opened = self._lake.open(name)
        if opened.version > 0:
            raise Conflict(f"{name}: another build came first")
        return opened

    def _merge(self, note: Note) -> tuple[int, int, int]:
        """Commit the difference, or only that there is none; rows written, deleted, version."""
        written, deleted = self._difference.put(self._target, ROWS, self._table.key, note)
        version = self._target.version if written or deleted else self._target.record(note)
        return written, deleted, version

    def _note(self, waiting: int, results: tuple[CheckResult, ...], mode: str) -> Note:
        state = {
            "work": self._work.identity,
            "model": self._work.model,
            "inputs": dict(self._work.inputs),
            "as_of": self._work.as_of,
            "mode": mode,
            "quarantined": waiting,
            "checks": [asdict(result) for result in results],
        }
        edges: tuple[Edge, ...] = trace_columns(self._table, self._lake.catalog)
        return Note({MARK: self._target.version + 1}, state, edges, results)
