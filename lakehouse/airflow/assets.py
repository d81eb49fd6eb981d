"""The lake's tables and inboxes as Airflow's assets, named as everywhere else."""

from airflow.sdk import Asset, AssetAny, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable

from lakehouse.airflow.triggers import POLL_SECONDS, STORE_POLL_SECONDS, InboxTrigger
from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Feed, Table
from lakehouse.ingest.receivers.store import is_sent_to_store
from lakehouse.lineage.place import namespace
from lakehouse.settings import Settings


def table_asset(settings: Settings, name: str) -> Asset:
    """The asset of a table; its address is where the table lies."""
    layer, _, noun = name.partition(".")
    return Asset(name, uri=f"{namespace(settings)}/{layer}/{noun}", group=layer)


def inbox_asset(settings: Settings, feed: Feed) -> Asset:
    """The asset of a feed's inbox; it changes when a delivery has settled there."""
    poll = STORE_POLL_SECONDS if is_sent_to_store(feed) else POLL_SECONDS
    watcher = AssetWatcher(f"{feed.name} arrives", trigger=InboxTrigger(feed.name, poll))
    return Asset(
        f"inbox/{feed.name}",
        uri=f"file://{settings.inbox / feed.name}",
        group="inbox",
        watchers=[watcher],
    )


def answer_asset(feed: Feed) -> Asset:
    """The asset that changes when a person has answered a question about a feed's deliveries."""
    return Asset(f"answer/{feed.name}", group="answer")


def arrival(
    settings: Settings, feed: Feed
) -> AssetOrTimeSchedule | CronTriggerTimetable | AssetAny:
    """When a feed is ingested: when something arrived, when a person answered a question about it,
    and at the times its stanza names.

    One that is pulled is not woken by its inbox: what it puts there would wake it again.
    """
    wakes = [] if feed.export else [inbox_asset(settings, feed)]
    if feed.most_refused is not None:
        wakes.append(answer_asset(feed))
    if feed.every is None:
        return AssetAny(*wakes)
    times = CronTriggerTimetable(feed.every, timezone=feed.zone)
    return AssetOrTimeSchedule(timetable=times, assets=AssetAny(*wakes)) if wakes else times


def loaded(settings: Settings, catalog: Catalog, feed: Feed) -> list[Asset]:
    """The bronze tables that a feed's reader fills: `bronze.<format>_<record>`."""
    names = sorted(name for name in catalog.tables if name.startswith(f"bronze.{feed.reads}_"))
    return [table_asset(settings, name) for name in names]


def read_by(settings: Settings, catalog: Catalog, table: Table) -> list[Asset]:
    """The stored tables that a model reads."""
    return [table_asset(settings, read.name) for read in catalog.stored_reads(table)]


def sources(settings: Settings, catalog: Catalog) -> list[Asset]:
    """The stored tables that models read and nothing builds."""
    names = {
        read.name
        for table in catalog.models()
        for read in catalog.stored_reads(table)
        if not read.is_model
    }
    return [table_asset(settings, name) for name in sorted(names)]
