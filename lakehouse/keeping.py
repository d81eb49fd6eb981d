"""The verbs that keep a lake: loading or building once more, and what the nights did."""

import argparse
import getpass
import sys
from datetime import datetime

from lakehouse.settings import Settings
from lakehouse.verbs import Add


def add_keeping_verbs(add: Add) -> None:
    """Declare the verbs."""
    about = "Load a feed's deliveries, or build a table, once more."
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
