"""A pull that is killed at any step, and run again, ends with the same export in the inbox, once."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakehouse.ingest.bulk import parts, wire
from lakehouse.ingest.bulk.wire import Wire
from tests.guillotine import COMMITS, Boundaries, raise_guillotine
from tests.ingest.ehr import Ehr, serving
from tests.ingest.site import RECORDS, Site
from tests.processes import race, run
from tests.workbench import contents, day, deletion, ingest, lines, patient, pulse, rows

pytestmark = pytest.mark.long

STEPS: Boundaries = ((Wire, "_send"), (Path, "replace"), (Path, "rename"))
CHANGED = [*RECORDS, patient("p1", day(21), gender="male"), patient("p3", day(22))]


@pytest.fixture(scope="module")
def server() -> Iterator[Ehr]:
    with serving(Ehr(RECORDS, polls=0)) as ehr:
        yield ehr


def fetch(root: Path, port: int) -> None:
    Site(root, Ehr(port=port)).pull()


def fetch_and_load(root: Path, port: int) -> None:
    site = Site(root, Ehr(port=port))
    site.pull()
    ingest(site.lake)


def killed_at(root: Path, port: int, step: "Step", falls_at: int) -> None:
    raise_guillotine(step.boundaries, falls_at)
    step.work(root, port)


def count_boundaries(root: Path, port: int, step: "Step") -> None:
    crossed = raise_guillotine(step.boundaries)
    step.work(root, port)
    (root / "crossed").write_text(str(crossed()))


@dataclass(frozen=True)
class Step:
    """Work, where it may be killed, and at each how-manieth place it is."""

    name: str
    work: Callable[[Path, int], None]
    boundaries: Boundaries
    every: int = 1


def fetch_in_pieces(root: Path, port: int) -> None:
    """Pull with a checkpoint after every few records."""
    parts._CHECKPOINT_BYTES, wire._CHUNK = 8192, 4096
    fetch(root, port)


def held(root: Path, port: int) -> dict[str, Any]:
    """What lies in the inbox and in the lake."""
    site = Site(root, Ehr(port=port))
    lake = site.lake
    names = [(row["sequence"], row["file_name"]) for row in rows(lake, "landing.ledger")]
    return contents(lake, envelope=True) | {"names": names, "inbox": site.inbox_files()}


def turn(server: Ehr, number: int) -> None:
    """What the server holds before the first export, and before the second."""
    server.resources, server.at = (RECORDS, day(20)) if number == 1 else (CHANGED, day(25))
    server.deleted = [] if number == 1 else [deletion("Encounter/e1")]


KILLED = [
    Step("pull", fetch, STEPS, every=6),
    Step("pull and load", fetch_and_load, (*STEPS, *COMMITS), every=5),
]


@pytest.mark.parametrize("number", [1, 2], ids=["everything", "what changed"])
@pytest.mark.parametrize("step", KILLED, ids=lambda step: step.name)
def test_killed_at_a_step_and_run_again_it_ends_the_same(
    server: Ehr, tmp_path: Path, step: Step, number: int
) -> None:
    base, whole, port = tmp_path / "base", tmp_path / "whole", server.port
    for before in range(1, number):
        turn(server, before)
        fetch_and_load(base, port)
    base.mkdir(exist_ok=True)
    turn(server, number)
    shutil.copytree(base, whole)
    assert run(count_boundaries, whole, port, step) == 0
    expected = held(whole, port)
    crossed = int((whole / "crossed").read_text())
    assert crossed > 30
    for falls_at in range(1 + number, crossed + 1, step.every):
        root = tmp_path / str(falls_at)
        shutil.copytree(base, root)
        assert run(killed_at, root, port, step, falls_at) == -9
        assert run(step.work, root, port) == 0
        assert held(root, port) == expected, f"killed at {falls_at} of {crossed}"
        shutil.rmtree(root)


def test_two_runs_that_race_pull_one_after_the_other(server: Ehr, tmp_path: Path) -> None:
    turn(server, 1)
    assert race([(fetch, (tmp_path, server.port))] * 2) == [0, 0]
    site = Site(tmp_path, server)
    assert site.records() == RECORDS


@pytest.mark.parametrize("falls_at", [20, 25, 30])
def test_a_file_that_a_kill_left_in_the_middle_goes_on_at_its_last_checkpoint(
    server: Ehr, tmp_path: Path, falls_at: int
) -> None:
    long = [pulse(f"o{number}", day(3)) for number in range(400)]
    server.resources, server.at, server.seen = long, day(20), []
    step = Step("pieces", fetch_in_pieces, ((Path, "replace"),))
    assert run(killed_at, tmp_path, server.port, step, falls_at) == -9
    assert run(fetch_in_pieces, tmp_path, server.port) == 0
    assert Site(tmp_path, server).records() == long
    first, second = (told.get("Range", "") for name, told in server.seen if name == "file")
    assert first == ""
    reached = int(second.removeprefix("bytes=").removesuffix("-"))
    assert 8192 <= reached < len(lines(long))
