"""What keeps the tables in shape, and what the nights did."""

import getpass
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lakehouse.cli.verb import JSON, Told, answer, asked, say, table, verb
from lakehouse.settings import Settings


@verb("govern", "Care for the tables, look through what arrived, and store the lineage.")
def govern(settings: Settings, _: Told) -> None:
    from lakehouse.govern.upkeep import care, find_unread, store_lineage
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
                say(f"{one.table}: {said}")
        looked = find_unread(lake, number, getpass.getuser())
        say(f"looked through {looked.records} records: {looked.values} values could not be read")
        stored = store_lineage(lake, number, getpass.getuser())
    say(f"lineage: {stored.events} events stored, {stored.rebuilt} rebuilt from the tables' logs")
    if relay := relay_of(settings):
        sent = relay.deliver(TURN_SECONDS)
        say(f"lineage: {sent.sent} events sent to the second reader, {sent.waiting} wait")


@verb("upkeep", "Tell what the nights did, and which tables are behind.", JSON)
def upkeep(settings: Settings, told: Told) -> None:
    from lakehouse.answers.upkeep import tell_upkeep

    found = tell_upkeep(*asked(settings))
    answer(told, asdict(found), _upkeep_lines(found))


def _upkeep_lines(found: Any) -> Iterator[str]:
    header = (
        "when", "by", "tables", "joined", "deleted", "left alone", "looked through", "not readable",
        "events", "rebuilt",
    )  # fmt: skip
    nights = [
        (
            n.at, n.by or "schedule", n.tables, n.joined, n.removed, n.left_alone, n.looked,
            n.unread, n.events, n.rebuilt,
        )
        for n in found.nights
    ]  # fmt: skip
    yield from table(header, nights)
    for one in found.unread:
        yield f"not readable: {one.n} values at {one.path} of {one.view}, from {one.feed}"
    for behind in found.behind:
        yield f"behind: {behind.table} by {', '.join(behind.reads)}"
