"""What waits in a feed's quarantine, taken up again: judged by the rules of today, or dismissed.

An act of a person is a row of `audit.act` first, and then applied: each act once, in their order,
whatever is killed and run again. A record keeps its place, so it is as old as it was when it came.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.acts import ACTS as ACTS_ON_REFUSED
from lakehouse.catalog.acts import BACKFILL, DISMISS, LOOK, REPLAY, WHY
from lakehouse.catalog.spec import Feed
from lakehouse.errors import SpecError
from lakehouse.ingest.landing import LEDGER, object_key
from lakehouse.ingest.load import find_reader
from lakehouse.ingest.origin import Origin, Parsed, Reader
from lakehouse.ingest.stage import Stage
from lakehouse.ingest.versions import Arrivals
from lakehouse.log import get_logger
from lakehouse.storage.commit import Note, committed
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import OPERATION, Lake, Stored

ACTS = "audit.act"

_ACT = "quarantine"
_ALL = -1
_PLACES = "work.places"

log = get_logger()


@dataclass(frozen=True, slots=True)
class Which:
    """Which records of a feed's quarantine: one place, all of a reason, or all."""

    reason: str | None = None
    sequence: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What a person asked for; what has a `request` is one act, however often it is entered. A
    backfill is of a feed's deliveries `since` then, or of a `table`."""

    feed: str | None
    act: str
    by: str
    why: str | None
    which: Which
    request: str | None = None
    table: str | None = None
    since: datetime | None = None


@dataclass(slots=True)
class Applied:
    """What acts did: places taken up, those that left the quarantine, rows that came to bronze."""

    places: int = 0
    left: int = 0
    loaded: int = 0

    def plus(self, other: "Applied") -> "Applied":
        """What both did together."""
        return Applied(
            self.places + other.places, self.left + other.left, self.loaded + other.loaded
        )


def enter(lake: Lake, act: Act) -> int:
    """Make an act durable and return its number; raises SpecError for one that cannot be."""
    _refuse(lake, act)

    def attempt() -> int:
        acts = lake.open(ACTS)
        if known := _entered(lake, acts, act.request):
            return known
        number = (acts.mark(ACTS) or 0) + 1
        row = {
            "act_number": number,
            "act_at": lake.clock(),
            "act_by": act.by,
            "act": act.act,
            "why": act.why,
            "feed": act.feed,
            "reason": act.which.reason,
            "sequence": act.which.sequence,
            "_line": act.which.line,
            "request_id": act.request,
            "table_name": act.table,
            "since_at": act.since,
        }
        rows = pa.Table.from_pylist([row], schema=acts.schema)
        acts.append(rows, Note({ACTS: number}, {"rows": 1}))
        return number

    return committed(attempt)


def _entered(lake: Lake, acts: Stored, request: str | None) -> int | None:
    if request is None:
        return None
    with engine_for(lake) as engine:
        engine.attach(acts.table, acts.version)
        found = engine.table(
            f"select min(act_number) as number from {ACTS} where request_id = $request",
            {"request": request},
        )
    return cast(int | None, found["number"][0].as_py())


def apply(lake: Lake, feed: Feed) -> Applied:
    """Apply all acts on the feed's quarantine that were not applied yet. Safe to kill and to run
    again."""
    done = Applied()
    while act := _next(lake, feed):
        number, told = act
        one = committed(partial(_attempt, lake, feed, number, told))
        done = done.plus(one)
        log.info("applied", feed=feed.name, sequence=number, count=one.left, rows=one.loaded)
    return done


def _refuse(lake: Lake, act: Act) -> None:
    if act.table and not lake.catalog.table(act.table).is_model:
        raise SpecError(f"{act.table} is not built from a SELECT")
    if not act.table and act.feed not in lake.catalog.feeds:
        raise SpecError(f"no feed is called {act.feed}", hint="nor is a table built by that name")
    if act.act not in (LOOK, REPLAY, DISMISS, BACKFILL):
        raise SpecError("an act is look, replay, dismiss or backfill")
    if act.act in ACTS_ON_REFUSED and act.why not in WHY:
        raise SpecError("the reason is none of the list", hint=f"one of: {'; '.join(WHY)}")
    if (act.which.sequence is None) != (act.which.line is None):
        raise SpecError("a place is a delivery and a line")
    if act.table and act.which.line is not None:
        raise SpecError(f"{act.table}: its rows are taken up by reason, or all")


def _next(lake: Lake, feed: Feed) -> tuple[int, dict[str, Any]] | None:
    refused = lake.find(feed.quarantine)
    return next_act(lake, {"feed": feed.name}, _mark(refused, feed)) if refused else None


def next_act(lake: Lake, of: dict[str, str], after: int) -> tuple[int, dict[str, Any]] | None:
    """The first act on refused records behind the one with that number, of a `feed` or of a
    `table_name`; with its own number. None where there is none."""
    acts, ((column, name),) = lake.find(ACTS), of.items()
    if acts is None:
        return None
    with engine_for(lake) as engine:
        engine.attach(acts.table, acts.version)
        found = engine.table(
            f"select act_number, act, reason, sequence, _line as line from {ACTS} "
            f"where {column} = $name and act in ('{REPLAY}', '{DISMISS}') and act_number > $after "
            "order by act_number limit 1",
            {"name": name, "after": after},
        ).to_pylist()
    return (found[0]["act_number"], found[0]) if found else None


def _mark(stored: Stored, feed: Feed) -> int:
    return stored.mark(f"{_ACT}/{feed.name}") or 0


def _attempt(lake: Lake, feed: Feed, number: int, told: dict[str, Any]) -> Applied:
    reader = find_reader(feed)
    main, seen, refused = (lake.open(n) for n in (reader.TABLE, reader.SEEN, feed.quarantine))
    if _mark(refused, feed) >= number:
        return Applied()
    with engine_for(lake) as engine:
        done = Applied(places=_find_places(engine, lake, refused, told))
        still = refused.schema.empty_table()
        if told["act"] == REPLAY and done.places:
            judging = _Judging(lake, feed, engine, reader, number)
            still = judging.run(main, seen, refused.schema)
            done.loaded = judging.loaded
        engine.register("still", still)
        changes = engine.table(_LEAVING.format(name=refused.table.name, places=_PLACES))
        engine.unregister("still")
        done.left = changes.num_rows - still.num_rows
    _commit(refused, changes, feed, number)
    return done


_LEAVING = f"""
    select w.* replace (coalesce(s.reason, w.reason) as reason),
      case when s._line is null then 'delete' else 'upsert' end as {OPERATION}
    from {{name}} as w semi join {{places}} using (_sequence, _line)
    left join still as s using (_sequence, _line)"""


def _commit(refused: Stored, changes: pa.Table, feed: Feed, number: int) -> None:
    note = Note({f"{_ACT}/{feed.name}": number}, {"act": number, "feed": feed.name})
    if changes.num_rows:
        refused.merge(changes, ("_sequence", "_line"), note)
    else:
        refused.record(note)


def _find_places(engine: Engine, lake: Lake, refused: Stored, told: dict[str, Any]) -> int:
    """Fill `places` with the places that an act means. A manifest that waits for a person is none:
    it is accepted by its own verb."""
    ledger = lake.open(LEDGER)
    engine.attach(refused.table, refused.version)
    engine.attach(ledger.table, ledger.version)
    engine.execute(
        f"""create or replace table {_PLACES} as
        select distinct _sequence, _line from {refused.table.name}
        where ($reason is null or reason = $reason) and ($sequence is null or _sequence = $sequence)
          and ($line is null or _line = $line)
          and _sequence not in (select sequence from {LEDGER} where is_manifest)""",
        {name: told[name] for name in ("reason", "sequence", "line")},
    )
    return engine.count(f"select count(*) from {_PLACES}")


class _Judging:
    """Places read anew from the landed objects, and judged as when they came."""

    def __init__(self, lake: Lake, feed: Feed, engine: Engine, reader: Reader, number: int) -> None:
        self._lake, self._feed, self._engine = lake, feed, engine
        self._reader, self._number = reader, number
        self.loaded = 0

    def run(self, main: Stored, seen: Stored, refused: pa.Schema) -> pa.Table:
        """Commit to bronze what can be read now, once; what still cannot, with its reason."""
        engine, reader, feed = self._engine, self._reader, self._feed
        engine.attach(main.table, main.version)
        engine.attach(seen.table, seen.version)
        arrivals = Arrivals(engine, (reader.TABLE, reader.SEEN), feed.source, [])
        still: list[pa.RecordBatch] = []
        with Stage(main.schema, engine.spill) as stage:
            for parsed in self._read():
                stage.add(parsed.rows)
                arrivals.add(parsed.rows)
                still.append(parsed.refused.select(refused.names).cast(refused))
            if _mark(main, feed) < self._number:
                judged = arrivals.judge()
                note = self._note(main, judged.touched)
                confirmed = arrivals.seen(_ALL, seen.schema)
                if confirmed.count and _mark(seen, feed) < self._number:
                    seen.append(confirmed.reader, Note(self._own_mark(), note.state))
                rows = stage.after(_ALL, judged.dropped)
                self.loaded = rows.count
                _ = main.append(rows.reader, note) if rows.count else main.record(note)
        return pa.Table.from_batches(still, refused)

    def _own_mark(self) -> dict[str, int]:
        return {f"{_ACT}/{self._feed.name}": self._number}

    def _note(self, main: Stored, touched: list[int] | None) -> Note:
        # two feeds of one source judge by each other's rows: who was overtaken judges again
        source = f"source/{self._feed.source}"
        marks = self._own_mark() | {source: (main.mark(source) or 0) + 1}
        ends = self._engine.table(f"select min(_sequence), max(_sequence) from {_PLACES}")
        entries = [column[0].as_py() for column in ends.columns]
        state = {"act": self._number, "feed": self._feed.name}
        return Note(marks, state | {"entries": entries, "touched": touched})

    def _read(self) -> Iterator[Parsed]:
        for origin, lines in self._origins():
            wanted = pa.array(lines, pa.int64())
            with self._lake.objects.open(object_key(origin.object_id)) as stream:
                for parsed in self._reader.read(stream, origin):
                    rows, refused = (
                        batch.filter(pc.is_in(batch["_line"], value_set=wanted))
                        for batch in (parsed.rows, parsed.refused)
                    )
                    if rows.num_rows or refused.num_rows:
                        yield Parsed(rows, refused, 0, 0)

    def _origins(self) -> list[tuple[Origin, list[int]]]:
        found = self._engine.table(
            f"""select any_value(l) as entry, list(_line order by _line) as lines
            from {_PLACES} join (select feed, source, sequence, object_id, bytes, received_at,
              export_at from {LEDGER}) as l on sequence = _sequence
            group by _sequence order by _sequence"""
        )
        return [(Origin(**row["entry"]), row["lines"]) for row in found.to_pylist()]
