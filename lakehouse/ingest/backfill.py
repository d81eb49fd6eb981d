"""Backfill: deliveries that were loaded once are loaded once more, from their landed objects.

Each is judged by what had come before it, as when it came: the same reader gives the same rows.
What bronze lacks of them is added, what it has otherwise is put right, and nothing else is touched;
so it may be killed anywhere and done again. What can be read now leaves the quarantine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise

import pyarrow as pa

from lakehouse.catalog.spec import Feed
from lakehouse.ingest.decisions import decided
from lakehouse.ingest.landing import LEDGER
from lakehouse.ingest.load import find_entries, find_reader, in_batches, last_loaded, read_entries
from lakehouse.ingest.origin import Origin, Parsed, joined
from lakehouse.ingest.stage import Stage
from lakehouse.ingest.versions import Arrivals
from lakehouse.log import get_logger
from lakehouse.storage.commit import Note, committed
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import OPERATION, Lake, Stored

_AGAIN = "work.again"
_EVERY = -1
_PLACE = ("_sequence", "_line")
_REFUSED = pa.schema([*((name, pa.int64()) for name in _PLACE), ("reason", pa.string())])

log = get_logger()


@dataclass(slots=True)
class Backfilled:
    """What was read once more, and what that changed: `rows` came to bronze or were put right
    there, `left` left the quarantine."""

    deliveries: int = 0
    rows: int = 0
    left: int = 0


def backfill(lake: Lake, feed: Feed, since: datetime) -> Backfilled:
    """Load once more what a feed delivered since then and was loaded; what was left out stays out,
    and what was dismissed stays away."""
    done = Backfilled()
    for entries in _batches(lake, feed, since):
        one = committed(partial(_attempt, lake, feed, entries))
        done.deliveries += len(entries)
        done.rows += one.rows
        done.left += one.left
    log.info("backfilled", feed=feed.name, files=done.deliveries, rows=done.rows, count=done.left)
    return done


def _batches(lake: Lake, feed: Feed, since: datetime) -> list[list[Origin]]:
    last = last_loaded(lake, feed)
    left_out = [told for told in decided(lake, feed.name) if not told.is_accepted]
    with engine_for(lake) as engine:
        entries = find_entries(engine, lake, feed, 0)
        begins = _begins(engine, lake, feed)
    wanted = [
        entry
        for entry in entries
        if entry.sequence <= last
        and entry.received_at >= since
        and not any(told.first <= entry.sequence <= told.last for told in left_out)
    ]
    return in_batches(feed, wanted, begins)


def _begins(engine: Engine, lake: Lake, feed: Feed) -> set[int]:
    """Where a delivery of this feed came behind one of another feed of its source: they judge by
    each other's rows."""
    ledger = lake.open(LEDGER)
    engine.attach(ledger.table, ledger.version)
    rows = engine.table(
        f"select feed, sequence from {LEDGER} where source = $source order by sequence",
        {"source": feed.source},
    ).to_pylist()
    return {b["sequence"] for a, b in pairwise(rows) if a["feed"] != b["feed"]}


def _attempt(lake: Lake, feed: Feed, entries: list[Origin]) -> Backfilled:
    reader = find_reader(feed)
    main, seen, refused = (lake.open(n) for n in (reader.TABLE, reader.SEEN, feed.quarantine))
    done = Backfilled()
    with engine_for(lake) as engine:
        for stored in (main, seen, refused):
            engine.attach(stored.table, stored.version)
        first = entries[0].sequence
        arrivals = Arrivals(engine, (reader.TABLE, reader.SEEN), feed.source, [], first)
        with Stage(main.schema, engine.spill) as stage:
            still = _take_in(joined(read_entries(lake, reader, entries)), arrivals, stage)
            judged = arrivals.judge()
            _keep(engine, stage.after(_EVERY, judged.dropped).reader)
            note = _note(main, feed)
            _confirm(engine, (main, seen), arrivals, Note({}, note.state))
            done.rows = _put_right(engine, main, entries, note)
        done.left = _let_leave(engine, refused, entries, pa.Table.from_batches(still))
    return done


def _take_in(pieces: Iterable[Parsed], arrivals: Arrivals, stage: Stage) -> list[pa.RecordBatch]:
    """Judge what can be read; what cannot, by its place and reason."""
    still = [pa.RecordBatch.from_pylist([], _REFUSED)]
    for parsed in pieces:
        stage.add(parsed.rows)
        arrivals.add(parsed.rows)
        still.append(parsed.refused.select(_REFUSED.names).cast(_REFUSED))
        del parsed  # gone while the next is read: one may hold a long line
    return still


def _keep(engine: Engine, rows: pa.RecordBatchReader) -> None:
    engine.register("told", rows)
    engine.execute(f"create or replace table {_AGAIN} as from told")
    engine.unregister("told")


def _put_right(engine: Engine, main: Stored, entries: Sequence[Origin], note: Note) -> int:
    first, last = entries[0].sequence, entries[-1].sequence
    columns = ", ".join(main.table.columns)
    changes = engine.table(
        f"select *, 'upsert' as {OPERATION} from (select {columns} from {_AGAIN} except "
        f"select {columns} from {main.table.name} where _sequence between {first} and {last})"
    )
    if changes.num_rows:
        main.merge(changes, main.table.key, note, ((first, last),))
    return int(changes.num_rows)


def _confirm(engine: Engine, tables: tuple[Stored, Stored], arrivals: Arrivals, note: Note) -> None:
    """Add what confirmed a version at a later time, where neither table has that place."""
    main, seen = tables
    confirmed = arrivals.seen(_EVERY, seen.schema)
    engine.register("confirmed", confirmed.reader)
    places = "_sequence, _line, _entry, resource_type, resource_id"
    missing = engine.table(
        f"select * from confirmed anti join {seen.table.name} using ({places}) "
        f"anti join {main.table.name} using ({places})"
    )
    engine.unregister("confirmed")
    if missing.num_rows:
        seen.append(missing.select(seen.schema.names).cast(seen.schema), note)


def _let_leave(engine: Engine, refused: Stored, entries: Sequence[Origin], still: pa.Table) -> int:
    """Take out of the quarantine what can be read now; what cannot stays, for today's reason."""
    engine.register("still", still)
    changes = engine.table(
        f"""select w.* replace (coalesce(s.reason, w.reason) as reason),
          case when s._line is null then 'delete' else 'upsert' end as {OPERATION}
        from {refused.table.name} as w left join still as s using (_sequence, _line)
        where w.reason is distinct from s.reason and w._sequence in (select unnest($entries))""",
        {"entries": [entry.sequence for entry in entries if entry.manifest is None]},
    )
    engine.unregister("still")
    if changes.num_rows:
        refused.merge(changes, _PLACE, Note({}, {"backfill": True}))
    return sum(told == "delete" for told in changes[OPERATION].to_pylist())


def _note(main: Stored, feed: Feed) -> Note:
    # two feeds of one source judge by each other's rows: who was overtaken judges again
    source = f"source/{feed.source}"
    marks = {source: (main.mark(source) or 0) + 1}
    return Note(marks, {"backfill": True, "feed": feed.name})
