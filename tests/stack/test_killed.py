"""While files trickle in, each part of the stack is killed, one after the other: nothing is lost, and
the tables end as those of a run that nobody disturbed."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.errors import LakehouseError
from lakehouse.settings import read_settings
from lakehouse.stack import status
from lakehouse.stack.airflow import NAMES
from lakehouse.stack.process import recorded
from lakehouse.storage.lake import open_lake
from lakehouse.transform import river
from tests.stack.conftest import Running, settings_at
from tests.stack.test_stack import ask, sign_in, until
from tests.workbench import contents, day, drop, encounter, lines, patient, pulse, without_empty
from tests.workbench import settings_at as folder_at

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("the stack")]

PARTS = ("store", "postgres", *NAMES, "supervisor")
FEED = "north_ehr"
FEEDS = f"""
[feed.{FEED}]
about = "A site whose files trickle in"
source = "north"
reads = "fhir"
zone = "America/New_York"
owner = "tests"
settle = "0 seconds"
"""
LAYERS = ("bronze", "silver", "gold", "quarantine")
PATIENCE = 900.0
EVERY = 0.5
"""Seconds; who asks more often takes from the stack what it needs to come back."""


def delivery(number: int) -> bytes:
    """A patient with a stay and a pulse, one of an earlier file corrected, and a line that is no record."""
    who = f"p{number}"
    earlier = [patient("p0", day(2 + number), gender="male")] if number else []
    records = [patient(who, day(1)), *earlier]
    records += [encounter(f"e{number}", day(1), who=who), pulse(f"o{number}", day(1), who=who)]
    return lines(records) + b"{broken\n"


def configured(folder: Path) -> Path:
    config = folder / "config"
    config.mkdir(parents=True)
    (config / "feeds.toml").write_text(FEEDS)
    return config


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Running]:
    """A stack whose lake holds nothing but what this test delivers."""
    config = str(configured(tmp_path))
    running = Running(settings_at(tmp_path / "home", LAKEHOUSE_CONFIG=config))
    try:
        running.up()
        yield running
    finally:
        running.down()


def undisturbed(folder: Path, files: int) -> dict[str, str]:
    """What the same files make of a lake in a folder, in one process, one file after the other."""
    configured(folder)
    settings = folder_at(folder)
    lake = open_lake(settings, "govern")
    for number in range(files):
        drop(lake, FEED, f"{number}.ndjson", delivery(number))
        river.run(settings, lambda _: None, feeds=[FEED], tables=[])
    return without_empty(contents(lake, layers=LAYERS))


def told(stack: Running) -> dict[str, str]:
    """The tables now; nothing while the store cannot say."""
    seen = read_settings({**stack.settings.environment, "LAKEHOUSE_HOME": str(stack.settings.home)})
    try:
        return without_empty(contents(open_lake(seen, "govern"), layers=LAYERS))
    except LakehouseError:
        return {}


def is_at_work(stack: Running) -> bool:
    path = "/api/v2/dags/~/dagRuns/~/taskInstances?state=running&limit=1"
    code, body = ask(stack, path, token=sign_in(stack))
    return code == 200 and body["total_entries"] > 0


def kill(stack: Running, name: str) -> None:
    found = recorded(stack.places.process(name))
    assert found
    os.kill(found.pid, signal.SIGKILL)
    until(lambda: not found.is_alive())


def test_each_part_is_killed_while_files_trickle_in_and_the_tables_are_the_undisturbed_ones(
    own_stack: Running, tmp_path: Path
) -> None:
    whole = undisturbed(tmp_path / "whole", len(PARTS))
    inbox = own_stack.settings.inbox / FEED
    inbox.mkdir(parents=True, exist_ok=True)
    begun, spent = time.monotonic(), {}
    for number, name in enumerate(PARTS):
        part = inbox / ".part"
        part.write_bytes(delivery(number))
        part.rename(inbox / f"{number}.ndjson")
        until(lambda: is_at_work(own_stack), PATIENCE)
        kill(own_stack, name)
        if name == "supervisor":
            own_stack.up()
        killed = time.monotonic()
        until(lambda: status(own_stack.settings).healthy, PATIENCE, EVERY)
        spent[name] = round(time.monotonic() - killed, 1)
    until(lambda: not is_at_work(own_stack) and told(own_stack) == whole, PATIENCE, 4 * EVERY)
    # told with -s: docs/operate.md has the numbers of one run
    sys.stdout.write(
        f"healthy again after {spent} s; equal after {time.monotonic() - begun:.0f} s in all\n"
    )
