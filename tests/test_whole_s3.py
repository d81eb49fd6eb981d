"""Exactly once on a real S3 server, with the keys of each role: what a folder proves does not prove it there."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.objects import S3Objects
from lakehouse.settings import Settings, read_settings
from lakehouse.stack import store
from lakehouse.stack.places import Places
from lakehouse.stack.ports import find
from lakehouse.stack.supervisor import Supervisor
from lakehouse.storage.lake import open_lake
from lakehouse.transform import river
from tests.guillotine import COMMITS, raise_guillotine
from tests.processes import race, run
from tests.test_whole import deliver_first, deliver_second
from tests.workbench import NOW, contents, settings_at, without_empty

pytestmark = pytest.mark.stack
TABLES = ("silver.encounter", "gold.readmission")


def on_s3(root: Path) -> Settings:
    """Settings of the workbench whose lake is the recorded store's."""
    given = dict(settings_at(root).environment)
    del given["LAKEHOUSE_URL"]
    return read_settings(given)


def flow(settings: Settings) -> None:
    feeds = ("north_ehr", "north_lab", "south_ehr")
    river.run(settings, lambda _: None, feeds=feeds, tables=TABLES, clock=lambda: NOW)


def flow_on_s3(root: Path, falls_at: int | None = None) -> None:
    raise_guillotine((*COMMITS, (S3Objects, "put")), falls_at)
    flow(on_s3(root))


def flow_in_folder(root: Path) -> None:
    flow(settings_at(root))


def told(settings: Settings) -> dict[str, str]:
    return without_empty(contents(open_lake(settings, "govern"), envelope=True))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A home with a running store."""
    settings = read_settings({**on_s3(tmp_path).environment, "LAKEHOUSE_S3_PORT": str(find())})
    places = Places(settings.home)
    places.prepare()
    embedded = store.component(settings, store.resolve(settings))
    assert embedded
    supervisor = Supervisor(places, [(embedded,)])
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        while "running" not in places.state.read_text():
            thread.join(0.1)
            assert thread.is_alive()
        yield tmp_path
    finally:
        supervisor.stop()
        thread.join(60)
        places.remove_sockets()


def test_killed_again_and_again_and_raced_it_ends_as_a_folder_does(root: Path) -> None:
    whole = root / "whole"
    for turn, deliver in enumerate((deliver_first, deliver_second)):
        deliver(whole)
        deliver(root)
        assert run(flow_in_folder, whole) == 0
        chosen = random.Random(turn)
        codes = [-9]
        while codes[-1] == -9 and len(codes) < 60:
            codes.append(run(flow_on_s3, root, chosen.randint(1, 7)))
        assert codes[-1] == 0
        assert len(codes) > 4, "it was hardly ever killed"
        assert told(on_s3(root)) == told(settings_at(whole))


def test_three_processes_that_race_on_s3_do_it_once(root: Path) -> None:
    whole = root / "whole"
    for deliver in (deliver_first, deliver_second):
        deliver(whole)
        deliver(root)
        assert run(flow_in_folder, whole) == 0
        assert race([(flow_on_s3, (root,))] * 3) == [0, 0, 0]
        assert told(on_s3(root)) == told(settings_at(whole))
