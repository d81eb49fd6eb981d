"""Exactly once: whatever is killed, races or comes between, the tables end as if nothing had."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.guillotine import raise_guillotine
from tests.processes import ended, race, run, start
from tests.workbench import (
    build_all,
    contents,
    day,
    deletion,
    drop,
    encounter,
    ingest,
    lake_at,
    manifest,
    patient,
    pulse,
)

FEEDS = ("north_ehr", "north_lab", "south_ehr")
FEW = ("silver.encounter", "gold.readmission")
SHARED = [patient("p1", day(1)), pulse("o1", day(1)), encounter("e1", day(1))]


def deliver_first(root: Path) -> None:
    """What waits in three inboxes: records, corrections, a broken line, and the same bytes twice."""
    lake = lake_at(root)
    for feed in FEEDS:
        drop(lake, feed, "shared.ndjson", SHARED)
    for name, told in (("a", patient("p2", day(2))), ("b", patient("p2", day(5)))):
        drop(lake, "north_ehr", f"{name}.ndjson", [told, encounter("e2", day(2), who="p2")])
    drop(lake, "north_ehr", "late.ndjson", [patient("p2", day(3), gender="male")])
    drop(lake, "north_ehr", "bad.ndjson", b"{broken\n\n" + b'{"id":1}\n')
    drop(lake, "south_ehr", "odd.ndjson", [encounter("e1", day(2), status="no such")])


def deliver_second(root: Path) -> None:
    """An export that corrects, moves and deletes."""
    lake = lake_at(root)
    drop(lake, "north_ehr", "x/records.ndjson", [encounter("e1", day(8), who="p2")])
    drop(lake, "north_ehr", "x/deleted.ndjson", [deletion("Encounter/e2")])
    drop(lake, "north_ehr", "x/manifest.json", manifest(day(9), "records.ndjson", "deleted.ndjson"))
    drop(lake, "south_ehr", "odd.ndjson", [encounter("e1", day(3))])


def deliver_between(root: Path) -> None:
    """A file that nobody waited for."""
    drop(lake_at(root), "north_ehr", "between.ndjson", [patient("p9", day(1))])


def take_all(root: Path) -> None:
    lake = lake_at(root)
    for feed in FEEDS:
        ingest(lake, feed)


def build_few(root: Path) -> None:
    build_all(lake_at(root), FEW)


def flow(root: Path) -> None:
    take_all(root)
    build_few(root)


def killed_at(root: Path, work: Callable[[Path], None], falls_at: int) -> None:
    raise_guillotine(falls_at)
    work(root)


def count_boundaries(root: Path, work: Callable[[Path], None]) -> None:
    crossed = raise_guillotine(None)
    work(root)
    (root / "crossed").write_text(str(crossed()))


def undisturbed(root: Path, *work: Callable[[Path], None]) -> dict[str, str]:
    for part in work:
        part(root)
    return contents(lake_at(root), envelope=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lakes to start from: `waiting` has only full inboxes, `loaded` full bronze, `changed` built
    tables and changed bronze. None was touched by an engine of this process while it is copied."""
    root = tmp_path_factory.mktemp("base")
    deliver_first(root / "waiting")
    shutil.copytree(root / "waiting", root / "loaded")
    assert run(take_all, root / "loaded") == 0
    shutil.copytree(root / "loaded", root / "changed")
    assert run(build_few, root / "changed") == 0
    deliver_second(root / "changed")
    assert run(take_all, root / "changed") == 0
    return root


# what is killed, the lake it starts from, and what is delivered between the kill and the next run
STEPS = [
    (take_all, "waiting", None),
    (take_all, "waiting", deliver_between),
    (build_few, "loaded", None),
    (build_few, "changed", None),
]


@pytest.mark.parametrize(
    ("work", "begin", "between"), STEPS, ids=["load", "load with news", "build", "build again"]
)
def test_killed_at_any_boundary_and_run_again_it_ends_the_same(
    base: Path,
    tmp_path: Path,
    work: Callable[[Path], None],
    begin: str,
    between: Callable[[Path], None] | None,
) -> None:
    shutil.copytree(base / begin, tmp_path / "whole")
    assert run(count_boundaries, tmp_path / "whole", work) == 0
    boundaries = int((tmp_path / "whole" / "crossed").read_text())
    expected = undisturbed(tmp_path / "whole", *([between, work] if between else []))
    assert boundaries > 8
    for falls_at in range(1, boundaries + 1, 4 if between else 1):
        root = tmp_path / str(falls_at)
        shutil.copytree(base / begin, root)
        assert run(killed_at, root, work, falls_at) == -9
        if between:
            between(root)
        assert run(work, root) == 0
        assert contents(lake_at(root), envelope=True) == expected, f"killed at {falls_at}"
        shutil.rmtree(root)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_it_ends_the_same(base: Path, tmp_path: Path, seed: int) -> None:
    shutil.copytree(base / "waiting", tmp_path / "whole")
    expected = undisturbed(tmp_path / "whole", flow)
    shutil.copytree(base / "waiting", tmp_path / "killed")
    for delay in _moments(seed):
        process = start(flow, tmp_path / "killed")
        process.join(delay)
        process.kill()
        assert ended(process) in (0, -9)
    assert run(flow, tmp_path / "killed") == 0
    assert contents(lake_at(tmp_path / "killed"), envelope=True) == expected


def _moments(seed: int) -> Iterator[float]:
    chosen = random.Random(seed)
    for _ in range(5):
        yield chosen.uniform(0.02, 0.6)


def test_three_processes_that_race_over_everything_do_it_once(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base / "waiting", tmp_path / "whole")
    expected = undisturbed(tmp_path / "whole", flow)
    shutil.copytree(base / "waiting", tmp_path / "raced")
    assert race([(flow, (tmp_path / "raced",))] * 3) == [0, 0, 0]
    assert contents(lake_at(tmp_path / "raced"), envelope=True) == expected
    deliver_second(tmp_path / "raced")
    deliver_second(tmp_path / "whole")
    assert race([(flow, (tmp_path / "raced",))] * 3) == [0, 0, 0]
    expected = undisturbed(tmp_path / "whole", flow)
    assert contents(lake_at(tmp_path / "raced"), envelope=True) == expected
