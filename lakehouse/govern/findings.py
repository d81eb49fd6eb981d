"""Each night: what the lake's views came upon, in what arrived since the last, and could not read.

A view gives null for such a value, and no build counts it. Records are looked through once, by the
delivery that brought them and in the order of the ledger, also versions that are current no more.
What a replay or a backfill brings of a delivery that was looked through already is told from the
rest by the version of the table that was looked at last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import pyarrow as pa

from lakehouse.catalog.spec import Table
from lakehouse.catalog.views import compiled_again
from lakehouse.errors import StoreError
from lakehouse.govern.looked import FINDINGS, LOOKED, RESOURCES
from lakehouse.govern.unread import Counting, Place, counting
from lakehouse.lineage import collect
from lakehouse.log import get_logger
from lakehouse.storage.commit import Commit, Note, committed
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import Lake, Stored

_LEDGER = "landing.ledger"
_WAITING, _HERE = "work.waiting", "work.here"
_BEFORE, _CHANGED = "work.before", "work.changed"
_VERSION = "_sequence, _line, _entry, resource_type, resource_id, content_hash"
_REACH = pa.schema([("feed", pa.string()), ("first", pa.int64()), ("last", pa.int64())])
_ALL = 0, 2**62
"""Between these are all entries of the ledger."""
_MOST_RECORDS = 1_000_000
"""Records of a turn that come in more than one delivery: so much a kill may lose."""
_BATCH_RECORDS = 2048
"""Records that are held at once, which may be large: as many as the engine itself takes."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class Looked:
    """What a night looked through: records of which there are views, and the values in them that
    these could not read."""

    records: int = 0
    values: int = 0


def look(lake: Lake, number: int) -> Looked:
    """Look through what came since the last night; what the upkeep of that number found in all.

    It may be killed anywhere: what was looked through is told and marked by the same commit.
    """
    until = lake.find(RESOURCES)
    while until and committed(partial(_turn, lake, until, number)):
        pass
    looked = _sums(lake, number)
    log.info("looked through", records=looked.records, count=looked.values)
    return looked


def _sums(lake: Lake, number: int) -> Looked:
    stored = lake.find(FINDINGS)
    if stored is None:
        return Looked()
    with engine_for(lake) as engine:
        engine.attach(stored.table, stored.version)
        (told,) = engine.table(
            "select coalesce(sum(n_looked) filter (view_name is null), 0)::bigint as records, "
            f"coalesce(sum(n_unread), 0)::bigint as values from {FINDINGS} "
            "where upkeep_number = $number",
            {"number": number},
        ).to_pylist()
    return Looked(**told)


def _turn(lake: Lake, until: Stored, number: int) -> bool:
    """One commit for some of what nobody looked through; False where that is nothing."""
    stored = lake.open(FINDINGS)
    at = stored.mark(LOOKED)
    if at is not None and at > until.version:
        # another night is at work, and knows more
        until = lake.find(RESOURCES, at) or until
    with engine_for(lake) as engine, counting(lake.settings) as session:
        turn = _Turn(lake, engine, session, stored, until, number)
        return turn.look_at_changed(at) or turn.look_at_waiting(at)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One attempt to look through records as they stand at one version, and to say so."""

    lake: Lake
    engine: Engine
    counting: Counting
    stored: Stored
    until: Stored
    number: int

    def look_at_changed(self, at: int | None) -> bool:
        """Look at what replays and backfills after the version `at` brought of deliveries that were
        looked through; False where there is nothing."""
        acts = list(filter(_is_act, self._commits(at))) if at is not None else []
        reach = [
            {"feed": feed, "first": first, "last": min(last, self._mark(feed))}
            for feed, first, last in map(_reach, acts)
        ]
        before = self._find_before(at) if at is not None and self._show(reach) else None
        if before is None:
            return False
        self.engine.execute(f"create or replace table {_HERE} as from {_WAITING}")
        self._attach(before, _BEFORE)
        self.engine.execute(
            f"create or replace table {_CHANGED} as select {_VERSION} from {RESOURCES} "
            f"except select {_VERSION} from {_BEFORE}"
        )
        if not self.engine.count(f"select count(*) from {_CHANGED}"):
            return False
        self._commit({}, f"semi join {_CHANGED} using ({_VERSION})")
        return True

    def look_at_waiting(self, at: int | None) -> bool:
        """Look at the first deliveries that nobody looked through; False where all is done."""
        reach = [
            {"feed": feed, "first": self._mark(feed) + 1, "last": self._loaded(feed)}
            for feed in self._feeds()
        ]
        if self._show(reach):
            self._commit(self._take_first())
            return True
        if at == self.until.version:
            return False
        self.stored.record(self._note({}))
        return True

    def _mark(self, feed: str) -> int:
        return self.stored.mark(_mark_of(feed)) or 0

    def _loaded(self, feed: str) -> int:
        return self.until.mark(f"load/{feed}") or 0

    def _feeds(self) -> list[str]:
        """All that ever delivered, also those that are declared no more."""
        ledger = self.lake.open(_LEDGER)
        self.engine.attach(ledger.table, ledger.version)
        found = self.engine.table(f"select distinct feed from {_LEDGER}")
        return sorted(map(str, found["feed"].to_pylist()))

    def _commits(self, at: int) -> list[Commit]:
        found = self.until.since(at)
        if len(found) < self.until.version - at:
            self._warn(at)
        return found

    def _find_before(self, at: int) -> Stored | None:
        try:
            found = self.lake.find(RESOURCES, at)
        except StoreError:
            if any(commit.version == at for commit in self.until.history()):
                raise
            found = None
        if found is None:
            self._warn(at)
        return found

    def _warn(self, at: int) -> None:
        """Say that the log has forgotten what was looked at last: no night was for a month."""
        log.warning("what acts brought cannot be told apart", table=RESOURCES, version=at)

    def _show(self, reach: list[dict[str, Any]]) -> bool:
        """Show the deliveries within reach, and what the table holds of them; False where there are
        none."""
        ledger = self.lake.open(_LEDGER)
        self.engine.attach(ledger.table, ledger.version)
        self.engine.register("reach", pa.Table.from_pylist(reach, schema=_REACH))
        self.engine.execute(
            f"create or replace table {_WAITING} as select distinct feed, sequence from {_LEDGER} "
            "join reach using (feed) where sequence between first and last"
        )
        self.engine.unregister("reach")
        is_any = self.engine.count(f"select count(*) from {_WAITING}") > 0
        if is_any:
            self._attach(self.until, RESOURCES)
        return is_any

    def _attach(self, stored: Stored, name: str, among: str = _WAITING) -> None:
        ends = self.engine.table(f"select min(sequence), max(sequence) from {among}")
        first, last = (column[0].as_py() for column in ends.columns)
        where = (
            f"_sequence between {first} and {last} and not is_deleted "
            f"and _sequence in (select sequence from {among})"
        )
        files = stored.files(((first, last),))
        self.engine.attach_files(stored.table, files, where, name=name)

    def _take_first(self) -> dict[str, int]:
        """Keep of the deliveries that wait those that fit into a turn; their feeds' marks."""
        entries = self.engine.table(
            f"select feed, sequence, count(_sequence) as n from {_WAITING} "
            f"left join {RESOURCES} on _sequence = sequence group by all order by feed, sequence"
        )
        sums = accumulate(entries["n"].to_pylist())
        here = entries.slice(0, max(1, sum(one <= _MOST_RECORDS for one in sums)))
        self.engine.register("here", here)
        self.engine.execute(f"create or replace table {_HERE} as select feed, sequence from here")
        self.engine.unregister("here")
        self._attach(self.until, RESOURCES, _HERE)
        last = zip(here["feed"].to_pylist(), here["sequence"].to_pylist(), strict=True)
        return {_mark_of(feed): sequence for feed, sequence in last}

    def _commit(self, marks: dict[str, int], only: str = "") -> None:
        """Count in the records shown, and commit the counts with the marks."""
        ledger = self.lake.open(_LEDGER)
        collect.read(
            collect.Dataset(told.table.name, told.version) for told in (self.until, ledger)
        )
        rows = list(self._rows(only))
        note = self._note(marks, len(rows))
        if rows:
            self.stored.append(pa.Table.from_pylist(rows, schema=self.stored.schema), note)
        else:
            self.stored.record(note)

    def _note(self, marks: dict[str, int], rows: int = 0) -> Note:
        # all commits bear this mark: of two at once the second is overtaken, and looks again
        told = {"rows": rows, "inputs": {RESOURCES: self.until.version}}
        return Note({LOOKED: self.until.version} | marks, told)

    def _rows(self, only: str) -> Iterator[dict[str, Any]]:
        views = [table for table in self.lake.catalog.tables.values() if table.definition]
        looked = self._count_looked({view.resources[0] for view in views}, only)
        ends = self.engine.table(
            "select feed, min(sequence) as first_sequence, max(sequence) as last_sequence "
            f"from {_HERE} group by feed order by feed"
        ).to_pylist()
        own = {"upkeep_number": self.number, "looked_at": self.lake.clock()}
        of = {told["feed"]: told | own for told in ends}
        for feed, told in of.items():
            records = sum(n for (one, _), n in looked.items() if one == feed)
            if records:
                yield told | {"n_looked": records}
        types = {kind for _, kind in looked}
        for view in views:
            (kind,) = view.resources
            for (feed, columns, path), n in self._count_unread(view, only) if kind in types else ():
                counts = {"n_unread": n, "n_looked": looked[feed, kind]}
                told = {"view_name": view.name, "column_names": columns, "json_path": path}
                yield of[feed] | told | counts

    def _count_looked(self, types: set[str], only: str) -> dict[tuple[str, str], int]:
        """The records by feed and type, of the types that views show."""
        listed = ", ".join(f"'{name}'" for name in sorted(types)) or "''"
        found = self.engine.table(
            f"select feed, resource_type, count(*) from {RESOURCES} {only} "
            f"join {_HERE} on _sequence = sequence where resource_type in ({listed}) group by all"
        )
        rows = zip(*(column.to_pylist() for column in found.columns), strict=True)
        return {(feed, kind): n for feed, kind, n in rows}

    def _count_unread(self, view: Table, only: str) -> list[tuple[Place, int]]:
        compiled = compiled_again(self.lake.settings.sql, view)
        records = self.engine.stream(
            f"select feed, resource from {RESOURCES} {only} join {_HERE} on _sequence = sequence "
            f"where resource_type = '{compiled.resource}'",
            _BATCH_RECORDS,
        )
        return sorted(self.counting.count(compiled, records).items())


def _mark_of(feed: str) -> str:
    return f"looked/feed/{feed}"


def _is_act(commit: Commit) -> bool:
    """True where deliveries that were loaded were judged again."""
    return not commit.is_upkeep and ("act" in commit.state or "backfill" in commit.state)


def _reach(commit: Commit) -> tuple[str, int, int]:
    """The feed, and between which entries of the ledger those lie whose records were touched."""
    first, last = commit.state.get("entries", _ALL)
    return commit.state["feed"], first, last
