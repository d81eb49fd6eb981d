"""The way of the data in this process: fetch, land, load, build, and what people decide of it."""

import argparse
import getpass
import re
from datetime import datetime
from pathlib import Path

from lakehouse.cli.verb import FEED, Told, instant, say, verb, word
from lakehouse.settings import Settings


def _batch(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,17})-([1-9]\d{0,17})", text)
    if not match:
        raise argparse.ArgumentTypeError("not a batch like 4-9")
    return int(match[1]), int(match[2])


def _since(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a date like 2026-11-24") from None


_BATCH = word("batch", metavar="FIRST-LAST", type=_batch, help="as the refusal names it")
_REASON = word("--reason", required=True, help="why; it is kept with your name")


@verb(
    "land",
    "Land files for a feed, as if its sender had written them.",
    FEED,
    word("paths", metavar="PATH", nargs="+", type=Path, help="file or folder"),
)
def land(settings: Settings, told: Told) -> None:
    from lakehouse.transform.river import land_paths

    landed = land_paths(settings, told.feed, told.paths)
    repeated = f", {landed.repeated} came again unchanged" if landed.repeated else ""
    say(f"{told.feed}: landed {len(landed.sequences)} files, {landed.bytes} bytes{repeated}")


@verb(
    "pull",
    "Fetch what a feed's FHIR server has into the feed's inbox.",
    FEED,
    word("--full", action="store_true", help="everything, not what has changed"),
)
def pull(settings: Settings, told: Told) -> None:
    from lakehouse.transform import river

    received = river.pull(settings, told.feed, full=told.full)
    say(f"{told.feed}: pulled {received.files} files, {received.bytes} bytes")


@verb(
    "run",
    "Pull, land, load and build in this process, without Airflow.",
    word("--feed", action="append", default=[], help="only this feed; repeatable"),
    word("--table", action="append", default=[], help="only this table; repeatable"),
    word("--as-of", type=instant, help="what models take for the present"),
)
def run(settings: Settings, told: Told) -> None:
    from lakehouse.transform import river

    river.run(settings, say, feeds=told.feed, tables=told.table, as_of=told.as_of)


@verb(
    "backfill",
    "Load a feed's deliveries, or build a table, once more.",
    word("name", metavar="FEED|TABLE"),
    word("--since", type=_since, metavar="DATE", help="when they were received"),
)
def backfill(settings: Settings, told: Told) -> None:
    from lakehouse.govern.follow import following
    from lakehouse.lineage.emit import running
    from lakehouse.storage.lake import open_lake
    from lakehouse.transform.backfill import as_act, carry_out, role_for

    lake = open_lake(settings, role_for(told.name))
    act = as_act(lake.catalog, told.name, told.since, getpass.getuser())
    with running(f"run.backfill.{told.name}", settings), following(lake):
        done = carry_out(lake, act)
    if act.table:
        said = f"built anew, version {done['version']}, {done['rows']} rows"
    else:
        said = (
            f"{done['deliveries']} deliveries read once more, {done['rows']} rows came to bronze "
            f"or were put right, {done['left']} left the quarantine"
        )
    say(f"{told.name}: {said}")


@verb(
    "accept-missing",
    "Say that what a feed's last complete export lacks is gone; the next load deletes it.",
    FEED,
)
def accept_missing(settings: Settings, told: Told) -> None:
    from lakehouse.transform import river

    landed = river.accept_missing(settings, told.feed)
    said = "accepted" if landed.sequences else "had been accepted"
    say(f"{told.feed}: {said}; the next load deletes what the export lacks")


@verb("accept", "Let a batch be loaded of which much is refused.", FEED, _BATCH, _REASON)
def accept(settings: Settings, told: Told) -> None:
    _decide(settings, told, is_accepted=True)


@verb("leave-out", "Let a batch that waits never be loaded.", FEED, _BATCH, _REASON)
def leave_out(settings: Settings, told: Told) -> None:
    _decide(settings, told, is_accepted=False)


def _decide(settings: Settings, told: Told, *, is_accepted: bool) -> None:
    from lakehouse.ingest.decisions import Decision
    from lakehouse.transform.river import decide_batch

    first, last = told.batch
    decision = Decision(told.feed, first, last, is_accepted, told.reason, getpass.getuser())
    decide_batch(settings, decision)
    done = "is loaded with the next run" if is_accepted else "is left out"
    say(f"{told.feed}: the batch {first}-{last} {done}")
