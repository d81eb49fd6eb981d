"""The verbs that keep a lake: loading or building once more, and what the nights did."""

import argparse
import getpass
import json
import sys
from dataclasses import asdict
from datetime import datetime

from lakehouse.settings import Settings
from lakehouse.verbs import Add


def add_keeping_verbs(add: Add) -> None:
    """Declare the verbs."""
    about = "Load a feed's deliveries, or build a table, once more."
    add("govern", _govern, "Compact, vacuum and checkpoint the tables, and store the lineage.")
    upkeep = add("upkeep", _upkeep, "Tell what the nights did, and which tables are behind.")
    upkeep.add_argument("--json", action="store_true", help="for machines")
    backfill = add("backfill", _backfill, about)
    backfill.add_argument("name", metavar="FEED|TABLE")
    backfill.add_argument("--since", type=_since, metavar="DATE", help="when they were received")


def _since(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a date like 2026-11-24") from None


def _backfill(settings: Settings, told: argparse.Namespace) -> None:
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
    sys.stdout.write(f"{told.name}: {said}\n")


def _govern(settings: Settings, _: argparse.Namespace) -> None:
    from lakehouse.govern.upkeep import care, store_lineage
    from lakehouse.lineage.emit import running
    from lakehouse.lineage.outbox import relay_of
    from lakehouse.lineage.relay import TURN_SECONDS
    from lakehouse.storage.lake import open_lake

    lake = open_lake(settings, "govern")
    with running("run.govern", settings):
        number, cared = care(lake, getpass.getuser())
        for one in cared:
            if one.joined or one.removed:
                said = f"{one.joined} files joined, {one.removed} old files deleted"
                sys.stdout.write(f"{one.table}: {said}\n")
        stored = store_lineage(lake, number, getpass.getuser())
    said = f"{stored.events} events stored, {stored.rebuilt} rebuilt from the tables' logs"
    sys.stdout.write(f"lineage: {said}\n")
    if relay := relay_of(settings):
        sent = relay.deliver(TURN_SECONDS)
        said = f"{sent.sent} events sent to the second reader, {sent.waiting} wait"
        sys.stdout.write(f"lineage: {said}\n")


def _upkeep(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.answers.upkeep import tell_upkeep
    from lakehouse.catalog.load import Catalog
    from lakehouse.render import table_lines
    from lakehouse.state.store import open_state

    found = tell_upkeep(open_state(settings), Catalog.read(settings.sql, settings.feeds))
    if told.json:
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
        return
    nights = [
        (n.at, n.by or "schedule", n.tables, n.joined, n.removed, n.left_alone, n.events, n.rebuilt)
        for n in found.nights
    ]
    header = ("when", "by", "tables", "joined", "deleted", "left alone", "events", "rebuilt")
    for line in table_lines(header, nights):
        sys.stdout.write(line + "\n")
    for behind in found.behind:
        sys.stdout.write(f"behind: {behind.table} by {', '.join(behind.reads)}\n")
