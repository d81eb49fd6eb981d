"""The river without Airflow: receive, land, load and build in this process, in order."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from lakehouse.catalog.feeds import read_feeds
from lakehouse.catalog.spec import Feed
from lakehouse.errors import LakehouseError, SpecError
from lakehouse.govern.follow import following
from lakehouse.ingest.decisions import Decision, decide
from lakehouse.ingest.landing import Landed, deliver, land
from lakehouse.ingest.load import Loaded, load, pending
from lakehouse.ingest.receive import Received, receive
from lakehouse.ingest.reconcile import find_last
from lakehouse.lineage.emit import running
from lakehouse.settings import Settings
from lakehouse.storage.lake import Clock, Lake, open_lake
from lakehouse.transform.build import Built, build

Say = Callable[[str], None]


def land_paths(
    settings: Settings, feed: str, paths: Iterable[Path], clock: Clock | None = None
) -> Landed:
    """Land copies of files and folders for a feed."""
    lake = open_lake(settings, "ingest", clock)
    with _working(f"land.{feed}", lake):
        return deliver(lake, _feed(lake, feed), paths)


def accept_missing(settings: Settings, feed: str, clock: Clock | None = None) -> Landed:
    """Say for a person that what the feed's last complete export lacks is gone: its manifest is
    delivered once more, and the next load deletes. Raises SpecError where there was no such export.
    """
    lake = open_lake(settings, "ingest", clock)
    declared = _feed(lake, feed)
    manifest = find_last(lake, feed)
    if manifest is None:
        raise SpecError(f"{feed}: it never had a complete export")
    with _working(f"land.{feed}", lake), TemporaryDirectory() as folder:
        path = Path(folder, "manifest.json")
        path.write_bytes(manifest)
        return deliver(lake, declared, [path])


def decide_batch(settings: Settings, decision: Decision, clock: Clock | None = None) -> None:
    """Write down what a person says of a batch that waits; raises SpecError where none does."""
    lake = open_lake(settings, "ingest", clock)
    declared = _feed(lake, decision.feed)
    found = [(batch.first, batch.last) for batch in pending(lake, declared)]
    if (decision.first, decision.last) not in found:
        told = ", ".join(f"{first}-{last}" for first, last in found)
        raise SpecError(
            f"{decision.feed}: no batch {decision.first}-{decision.last} waits",
            hint=f"waiting: {told or 'none'}",
        )
    with _working(f"decide.{decision.feed}", lake):
        decide(lake, decision)


def pull(settings: Settings, feed: str, *, full: bool = False) -> Received:
    """Fetch into its inbox what a feed's server has; raises SpecError for a feed without one."""
    feeds = read_feeds(settings.feeds)
    if feed not in feeds:
        raise _unknown(feed, feeds)
    if feeds[feed].export is None:
        raise SpecError(f"{feed}: its senders write to the inbox, there is nothing to pull")
    return receive(settings, feeds[feed], full=full)


def run(
    settings: Settings,
    say: Say,
    *,
    feeds: Iterable[str] = (),
    tables: Iterable[str] = (),
    as_of: datetime | None = None,
    clock: Clock | None = None,
) -> None:
    """Take what waits in inboxes and at servers to gold; only some feeds or tables where named.

    A feed that cannot be taken in keeps nothing else back; raises why at the end, of the first.
    """
    only_tables = tuple(tables)
    lake = open_lake(settings, "ingest", clock)
    failed: list[LakehouseError] = []
    if not only_tables or feeds:
        for name in tuple(feeds) or lake.catalog.feeds:
            failed += _taken_in(lake, _feed(lake, name).name, say)
    lake = open_lake(settings, "refine", clock)
    known = [table.name for table in lake.catalog.models()]
    for name in only_tables:
        if name not in known:
            raise SpecError(f"{name} is not a table that is built")
    for name in known:
        if not only_tables or name in only_tables:
            with _working(f"build.{name}", lake):
                say(_told(build(lake, name, as_of)))
    if failed:
        raise failed[0]


@contextmanager
def _working(job: str, lake: Lake) -> Iterator[None]:
    """Do work of a run that is told of; the state then follows what was written."""
    with running(f"run.{job}", lake.settings), following(lake):
        yield


def _taken_in(lake: Lake, feed: str, say: Say) -> list[LakehouseError]:
    """Take in what waits for a feed; why it could not be, where its server or its files fail."""
    try:
        for line in _ingest(lake, feed):
            say(line)
    except LakehouseError as error:
        say(f"{feed}: {error}")
        return [error]
    return []


def _feed(lake: Lake, name: str) -> Feed:
    if name not in lake.catalog.feeds:
        raise _unknown(name, lake.catalog.feeds)
    return lake.catalog.feeds[name]


def _unknown(name: str, feeds: Iterable[str]) -> SpecError:
    return SpecError(f"no feed is called {name}", hint=f"feeds: {', '.join(feeds)}")


def _ingest(lake: Lake, name: str) -> Iterator[str]:
    feed = lake.catalog.feeds[name]
    if feed.export:
        received = receive(lake.settings, feed)
        yield f"{name}: pulled {received.files} files, {received.bytes} bytes"
    with _working(f"land.{name}", lake):
        landed = land(lake, feed)
    yield f"{name}: landed {len(landed.sequences)} files, {landed.bytes} bytes"
    for batch in pending(lake, feed):
        with _working(f"load.{name}", lake):
            yield _counted(name, load(lake, batch))


def _counted(name: str, loaded: Loaded) -> str:
    if loaded.left_out:
        return f"{name}: {loaded.left_out} files left out, as was decided"
    missing = f"; {loaded.missing} deleted that a complete export lacks" if loaded.missing else ""
    return (
        f"{name}: {loaded.records} records: {loaded.good} good, {loaded.unchanged} unchanged, "
        f"{loaded.quarantined} quarantined, {loaded.blank} blank{missing}"
    )


def _told(built: Built) -> str:
    waiting = f", {built.quarantined} in quarantine" if built.quarantined else ""
    return (
        f"{built.table}: {built.mode}, version {built.version}, {built.rows} rows "
        f"({built.written} written, {built.deleted} deleted{waiting})"
    )
