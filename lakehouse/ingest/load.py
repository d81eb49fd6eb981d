"""Load: landed objects to bronze rows, each ledger entry once, whatever is killed and run again."""

import gc
import importlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Self, cast

from lakehouse.catalog.spec import Feed
from lakehouse.errors import QualityError, SpecError, StoreError
from lakehouse.ingest.decisions import Decision, decided
from lakehouse.ingest.landing import LEDGER, object_key
from lakehouse.ingest.origin import Origin, Parsed, Reader, joined
from lakehouse.ingest.questions import Doubt, ask, asked
from lakehouse.ingest.reconcile import find_complete, reconcile, reconcile_late
from lakehouse.ingest.stage import Selected, Stage
from lakehouse.ingest.versions import Arrivals
from lakehouse.lineage import collect
from lakehouse.log import get_logger
from lakehouse.storage.commit import Note, committed
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import Lake, Stored
from lakehouse.storage.memory import give_back

_MOST_OBJECTS = 2000

log = get_logger()


@dataclass(frozen=True, slots=True)
class Batch:
    """Ledger entries of one feed, `first` to `last`, that are loaded in one commit."""

    feed: str
    first: int
    last: int
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """A form that can be handed between tasks."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The batch that `to_json` gave."""
        return cls(**told)


@dataclass(slots=True)
class Loaded:
    """What loading did. good + unchanged + quarantined + blank = records. `missing` deletes were
    made of records that a complete export lacks; nobody sent those. `left_out` entries were not
    read, because a person decided so."""

    records: int = 0
    good: int = 0
    unchanged: int = 0
    quarantined: int = 0
    blank: int = 0
    missing: int = 0
    left_out: int = 0
    tables: dict[str, int] = field(default_factory=dict)


def find_reader(feed: Feed) -> Reader:
    """The module that reads what this feed sends; raises SpecError when there is none."""
    try:
        return cast(Reader, importlib.import_module(f"lakehouse.ingest.readers.{feed.reads}"))
    except ModuleNotFoundError:
        raise SpecError(f"[feed.{feed.name}] nothing reads {feed.reads}") from None


def pending(lake: Lake, feed: Feed) -> list[Batch]:
    """The batches that wait to be loaded, in the order in which they must be."""
    mark = last_loaded(lake, feed)
    with engine_for(lake) as engine:
        entries = find_entries(engine, lake, feed, mark)
    # what was asked about or decided on stays the batch that it was
    told: list[Doubt | Decision] = [*asked(lake, feed.name), *decided(lake, feed.name)]
    begins = {place for one in told for place in (one.first, one.last + 1)}
    return [
        Batch(feed.name, batch[0].sequence, batch[-1].sequence, sum(e.bytes for e in batch))
        for batch in in_batches(feed, entries, begins)
    ]


def in_batches(
    feed: Feed, entries: Iterable[Origin], begins: Collection[int]
) -> list[list[Origin]]:
    """Ledger entries of a feed as batches that fit into memory, each of which begins anew at a
    sequence of `begins`."""
    batches: list[list[Origin]] = []
    size = 0
    for entry in entries:
        is_whole = not batches or size > feed.batch_bytes or _is_full(batches[-1])
        if is_whole or entry.sequence in begins:
            batches.append([])
            size = 0
        batches[-1].append(entry)
        size += entry.bytes
    return batches


def _is_full(batch: list[Origin]) -> bool:
    # what follows a complete export is judged by what that left
    return len(batch) == _MOST_OBJECTS or batch[-1].manifest is not None


class TooMuchRefusedError(QualityError):
    """More of a batch would be refused than its feed allows."""

    def __init__(self, doubt: Doubt, share: float) -> None:
        batch = f"{doubt.feed} {doubt.first}-{doubt.last}"
        super().__init__(
            f"{batch}: {doubt.refused} of {doubt.records} records would be refused, "
            f"more than {share:.1%}; nothing was loaded",
            hint=f"decide: `lakehouse accept {batch} --reason …`, or `lakehouse leave-out …`",
        )
        self.doubt = doubt


def judge(lake: Lake, batch: Batch) -> Doubt | None:
    """Read a batch for its counts alone: the doubt, where more of it cannot be read than the feed
    allows and nobody has decided on it."""
    feed = lake.catalog.feeds[batch.feed]
    if feed.most_refused is None or _answer(lake, batch):
        return None
    with engine_for(lake) as engine:
        waiting = find_entries(engine, lake, feed, batch.first - 1)
    entries = [entry for entry in waiting if entry.sequence <= batch.last]
    records = refused = 0
    with _without_collector():
        for parsed in read_entries(lake, find_reader(feed), entries):
            records += parsed.lines - parsed.blank
            refused += parsed.refused.num_rows
            del parsed  # gone while the next is read: one may hold a long line
    give_back()
    doubt = Doubt(feed.name, batch.first, batch.last, records, refused)
    return doubt if _is_too_much(doubt, feed.most_refused) else None


def load(lake: Lake, batch: Batch) -> Loaded:
    """Read a batch and commit its rows, what was refused first.

    Raises StoreError when an earlier batch of the feed is still to be loaded: the order of
    deliveries decides which version is current when nothing else does. Raises QualityError when
    more of it would be refused than the feed allows, and nobody has decided on it yet: then that
    is asked.
    """
    try:
        loaded = committed(lambda: _attempt(lake, batch))
    except TooMuchRefusedError as error:
        ask(lake, [error.doubt])
        raise
    log.info(
        "loaded",
        feed=batch.feed,
        records=loaded.records,
        good=loaded.good,
        unchanged=loaded.unchanged,
        quarantined=loaded.quarantined,
        blank=loaded.blank,
        missing=loaded.missing,
    )
    return loaded


def _attempt(lake: Lake, batch: Batch) -> Loaded:
    feed = lake.catalog.feeds[batch.feed]
    reader = find_reader(feed)
    tables = lake.open(reader.TABLE), lake.open(reader.SEEN), lake.open(feed.quarantine)
    main = tables[0]
    with engine_for(lake) as engine:
        waiting = find_entries(engine, lake, feed, _mark(main, feed))
        entries = _due(batch, waiting)
        if not entries:
            return Loaded(tables={reader.TABLE: main.version})
        answer = _answer(lake, batch)
        if answer and not answer.is_accepted:
            return _Commits(feed, entries, Loaded(left_out=len(entries)), []).leave(main)
        for stored in tables[:2]:
            engine.attach(stored.table, stored.version)
        sequences = [entry.sequence for entry in waiting]
        arrivals = Arrivals(engine, (reader.TABLE, reader.SEEN), feed.source, sequences)
        return _Loading(lake, engine, feed, entries, arrivals).run(tables, is_decided=bool(answer))


@dataclass(frozen=True, slots=True)
class _Loading:
    """One attempt to load entries, against one snapshot of the tables."""

    lake: Lake
    engine: Engine
    feed: Feed
    entries: list[Origin]
    arrivals: Arrivals

    def run(self, tables: tuple[Stored, Stored, Stored], *, is_decided: bool) -> Loaded:
        """Read the entries, judge their records and commit them."""
        main, seen, refused = tables
        with ExitStack() as stack:
            stages = [
                stack.enter_context(Stage(stored.schema, self.engine.spill))
                for stored in (refused, main)
            ]
            loaded = self._read(stages)
            judged = self.arrivals.judge()
            loaded.unchanged = judged.unchanged
            loaded.good = loaded.records - loaded.blank - loaded.unchanged - loaded.quarantined
            if not is_decided:
                _refuse_too_much(self.feed, self.entries, loaded)
            commit = _Commits(self.feed, self.entries, loaded, judged.touched)
            # what was refused commits first: nobody sees a table whose quarantine is still to come
            commit.append(refused, stages[0].after(commit.mark(refused)))
            commit.append(seen, self.arrivals.seen(commit.mark(seen), seen.schema))
            commit.append(main, stages[1].after(commit.mark(main), judged.dropped), is_last=True)
        return loaded

    def _read(self, stages: list[Stage]) -> Loaded:
        lake, engine, entries = self.lake, self.engine, self.entries
        reader = find_reader(self.feed)
        with _without_collector():
            read = joined(read_entries(lake, reader, entries))
            # each is begun when all before it is known
            late = reconcile_late(lake, engine, reader, entries)
            last = reconcile(lake, engine, reader, entries[-1])
            return _take_in(chain(read, late, last), self.arrivals, stages)


def _answer(lake: Lake, batch: Batch) -> Decision | None:
    told = decided(lake, batch.feed)
    return next((one for one in told if one.first <= batch.first and batch.last <= one.last), None)


def _refuse_too_much(feed: Feed, entries: list[Origin], loaded: Loaded) -> None:
    told, ends = loaded.records - loaded.blank, (entries[0].sequence, entries[-1].sequence)
    doubt = Doubt(feed.name, *ends, told, loaded.quarantined)
    if feed.most_refused is not None and _is_too_much(doubt, feed.most_refused):
        raise TooMuchRefusedError(doubt, feed.most_refused)


def _is_too_much(doubt: Doubt, share: float) -> bool:
    return doubt.refused > share * doubt.records


def _due(batch: Batch, waiting: list[Origin]) -> list[Origin]:
    entries = [entry for entry in waiting if entry.sequence <= batch.last]
    if entries and entries[0].sequence < batch.first:
        raise StoreError(f"{batch.feed}: an earlier batch has not been loaded yet")
    return entries


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of values come and go, none of them in a cycle: looking for cycles takes a tenth."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_entries(lake: Lake, reader: Reader, entries: list[Origin]) -> Iterator[Parsed]:
    """The records of landed objects, read; manifests are none."""
    for entry in entries:
        if entry.manifest:
            continue
        with lake.objects.open(object_key(entry.object_id)) as stream:
            yield from reader.read(stream, entry)
        collect.read([collect.Dataset(f"landing/{entry.object_id}", bytes=entry.bytes)])


def _take_in(pieces: Iterable[Parsed], arrivals: Arrivals, stages: list[Stage]) -> Loaded:
    loaded = Loaded()
    for parsed in pieces:
        for stage, rows in zip(stages, (parsed.refused, parsed.rows), strict=True):
            stage.add(rows)
        arrivals.add(parsed.rows)
        loaded.records += parsed.lines
        loaded.blank += parsed.blank
        loaded.quarantined += parsed.refused.num_rows
        loaded.missing += 0 if parsed.lines else parsed.rows.num_rows
        del parsed, rows  # gone while the next is read: one may hold a long line
    give_back()  # for the writer, which takes as much as the reader did
    return loaded


@dataclass(frozen=True, slots=True)
class _Commits:
    """The commits of one batch, each of which carries the batch's mark."""

    feed: Feed
    entries: list[Origin]
    loaded: Loaded
    touched: list[int] | None

    def mark(self, stored: Stored) -> int:
        return _mark(stored, self.feed)

    def append(self, stored: Stored, rows: Selected, *, is_last: bool = False) -> None:
        """Add rows, or only the mark where there are none and this is the batch's last commit."""
        if not rows.count and not is_last:
            return
        note = Note(self._marks(stored, is_last=is_last), self._state(rows.count))
        made = stored.append(rows.reader, note) if rows.count else stored.record(note)
        self.loaded.tables[stored.table.name] = made

    def leave(self, stored: Stored) -> Loaded:
        """Add only the mark: a person decided that these entries are never loaded."""
        note = Note(self._marks(stored, is_last=True), self._state(0))
        self.loaded.tables[stored.table.name] = stored.record(note)
        return self.loaded

    def _marks(self, stored: Stored, *, is_last: bool) -> dict[str, int]:
        marks = {f"load/{self.feed.name}": self.entries[-1].sequence}
        if is_last:
            # two feeds of one source judge by each other's rows: who was overtaken judges again
            source = f"source/{self.feed.source}"
            marks[source] = (stored.mark(source) or 0) + 1
        return marks

    def _state(self, rows: int) -> dict[str, Any]:
        counts = asdict(self.loaded)
        del counts["tables"]
        ends = self.entries[0].sequence, self.entries[-1].sequence
        own = {"rows": rows, "feed": self.feed.name, "entries": ends}
        return own | {"touched": self.touched} | counts


def last_loaded(lake: Lake, feed: Feed) -> int:
    """The last ledger entry of a feed that was loaded, 0 where none was."""
    return _mark(lake.find(find_reader(feed).TABLE), feed)


def _mark(stored: Stored | None, feed: Feed) -> int:
    return (stored.mark(f"load/{feed.name}") or 0) if stored else 0


def find_entries(engine: Engine, lake: Lake, feed: Feed, after: int) -> list[Origin]:
    """The ledger entries of a feed behind a sequence: files, and manifests of complete exports."""
    ledger = lake.find(LEDGER)
    if ledger is None:
        return []
    engine.attach(ledger.table, ledger.version)
    found = engine.table(
        f"""select * exclude (file_name, is_manifest),
          case when is_manifest then file_name end as manifest_name from {LEDGER}
        where feed = $feed and sequence > $after order by sequence""",
        {"feed": feed.name, "after": after},
    )
    return list(_origins(lake, found.to_pylist()))


def _origins(lake: Lake, rows: list[dict[str, Any]]) -> Iterator[Origin]:
    """The files, and of the manifests those of complete exports."""
    for row in rows:
        name = row.pop("manifest_name")
        manifest = find_complete(lake, row["object_id"], name) if name else None
        if manifest or not name:
            yield Origin(**row, manifest=manifest)
