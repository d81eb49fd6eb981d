"""Exactly once on a real S3 server, with the keys of each role: what a folder proves, it does not
prove there."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.settings import Settings, read_settings
from lakehouse.stack.places import Places
from lakehouse.storage.lake import open_lake
from lakehouse.transform import river
from tests.guillotine import COMMITS, raise_guillotine
from tests.processes import ended, race, run, start
from tests.stack.conftest import store_alone
from tests.test_whole import deliver_between, deliver_first, deliver_second
from tests.workbench import NOW, contents, settings_at, without_empty

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("s3")]
FEEDS = ("north_ehr", "north_lab", "south_ehr")
TABLES = ("silver.encounter", "gold.readmission")
LAST = 10
"""A run is killed at one of so many boundaries, counted from where the last one was killed."""
MOMENTS = 6


def on_s3(root: Path) -> Settings:
    """Settings of the workbench whose lake is the recorded store's."""
    given = dict(settings_at(root).environment)
    del given["LAKEHOUSE_URL"]
    return read_settings(given)


def flow(settings: Settings) -> None:
    river.run(settings, lambda _: None, feeds=FEEDS, tables=TABLES, clock=lambda: NOW)


def flow_on_s3(root: Path, falls_at: int | None = None) -> None:
    raise_guillotine(COMMITS, falls_at)
    flow(on_s3(root))


def flow_in_folder(root: Path) -> None:
    flow(settings_at(root))


def told(settings: Settings) -> dict[str, str]:
    return without_empty(contents(open_lake(settings, "govern"), envelope=True))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a running store, whose lake these tests fill in their order."""
    folder = tmp_path_factory.mktemp("s3")
    settings = on_s3(folder)
    Places(settings.home).prepare()
    with store_alone(settings):
        yield folder


@pytest.fixture(scope="module")
def whole(root: Path) -> Path:
    """Where the same is done in a folder, and nothing is killed."""
    return root / "whole"


def test_killed_at_one_boundary_after_the_other_it_ends_as_a_folder_does(
    root: Path, whole: Path
) -> None:
    for place in (whole, root):
        deliver_first(place)
    assert run(flow_in_folder, whole) == 0
    chosen = random.Random(1)
    codes = [-9]
    while codes[-1] == -9 and len(codes) < 60:
        codes.append(run(flow_on_s3, root, chosen.randint(1, LAST)))
    assert codes[-1] == 0
    assert len(codes) > 5, "it was hardly ever killed"
    assert told(on_s3(root)) == told(settings_at(whole))


def test_killed_at_random_moments_it_ends_as_a_folder_does(root: Path, whole: Path) -> None:
    for place in (whole, root):
        deliver_second(place)
    assert run(flow_in_folder, whole) == 0
    chosen = random.Random(2)
    for _ in range(MOMENTS):
        process = start(flow_on_s3, root)
        process.join(chosen.uniform(0.1, 1.5))
        process.kill()
        assert ended(process) in (0, -9)
    assert run(flow_on_s3, root) == 0
    assert told(on_s3(root)) == told(settings_at(whole))


def test_three_processes_that_race_do_it_once(root: Path, whole: Path) -> None:
    for place in (whole, root):
        deliver_between(place)
    assert run(flow_in_folder, whole) == 0
    assert race([(flow_on_s3, (root,))] * 3) == [0, 0, 0]
    assert told(on_s3(root)) == told(settings_at(whole))
