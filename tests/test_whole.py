"""Exactly once: whatever is killed, races or comes between, the tables end as if nothing had."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from lakehouse.ingest import landing
from tests.guillotine import COMMITS, RENAMES, Boundaries, raise_guillotine
from tests.processes import ended, race, run, start
from tests.workbench import (
    REACHED,
    build_all,
    contents,
    day,
    deletion,
    drop,
    encounter,
    ingest,
    lake_at,
    lines,
    manifest,
    patient,
    pulse,
    rows,
)

pytestmark = pytest.mark.long

SHARED = [patient("p1", day(1)), pulse("o1", day(1)), encounter("e1", day(1))]
Work = Callable[[Path], None]


def deliver_north(root: Path) -> None:
    """Records, one confirmed later, one older that comes late, and lines that are no records."""
    lake = lake_at(root)
    drop(lake, "north_ehr", "shared.ndjson", SHARED)
    drop(lake, "north_ehr", "a.ndjson", [patient("p2", day(2)), encounter("e2", day(2), who="p2")])
    late = [patient("p2", day(5)), patient("p2", day(3), gender="male")]
    refused = [encounter("e3", day(1)), encounter("e3", day(2), status="no such")]
    drop(lake, "north_ehr", "b.ndjson", lines([*late, *refused]) + b'{broken\n\n{"id":1}\n')


def deliver_first(root: Path) -> None:
    """The same bytes to three feeds, two of one source."""
    deliver_north(root)
    for feed in ("north_lab", "south_ehr"):
        drop(lake_at(root), feed, "shared.ndjson", SHARED)


def deliver_second(root: Path) -> None:
    """An export that corrects, moves and deletes."""
    lake = lake_at(root)
    drop(lake, "north_ehr", "x/records.ndjson", [encounter("e1", day(8), who="p2")])
    drop(lake, "north_ehr", "x/deleted.ndjson", [deletion("Encounter/e2")])
    drop(lake, "north_ehr", "x/manifest.json", manifest(day(9), "records.ndjson", "deleted.ndjson"))
    drop(lake, "north_ehr", "y.ndjson", [encounter("e3", day(3))])


def deliver_between(root: Path) -> None:
    """A file that nobody waited for."""
    drop(lake_at(root), "north_ehr", "between.ndjson", [patient("p9", day(1))])


def take_north(root: Path) -> None:
    ingest(lake_at(root), "north_ehr")


def land_north(root: Path) -> None:
    lake = lake_at(root)
    landing.land(lake, lake.catalog.feeds["north_ehr"])


def hand_over(root: Path) -> None:
    """Land copies of what somebody holds in a folder."""
    lake = lake_at(root)
    landing.deliver(lake, lake.catalog.feeds["north_ehr"], [root / "held"])


def take_all(root: Path) -> None:
    lake = lake_at(root)
    for feed in lake.catalog.feeds:
        ingest(lake, feed)


def build_one(root: Path) -> None:
    build_all(lake_at(root), ["silver.encounter"])


def build_every(root: Path) -> None:
    build_all(lake_at(root), REACHED)


def flow(root: Path) -> None:
    take_all(root)
    build_all(lake_at(root), ["silver.encounter", "gold.readmission"])


def flow_through(root: Path) -> None:
    take_all(root)
    build_every(root)


def killed_at(root: Path, work: Work, boundaries: Boundaries, falls_at: int) -> None:
    raise_guillotine(boundaries, falls_at)
    work(root)


def count_boundaries(root: Path, work: Work, boundaries: Boundaries) -> None:
    crossed = raise_guillotine(boundaries)
    work(root)
    (root / "crossed").write_text(str(crossed()))


def told(root: Path, *, ordered: bool = True) -> dict[str, str]:
    """All that the tables hold; without the order of arrival, where that may differ."""
    lake = lake_at(root)
    found = contents(lake, envelope=ordered)
    objects = sorted(p for p in (root / "lake" / "landing" / "objects").rglob("*") if p.is_file())
    hashes = [sha256(path.read_bytes()).hexdigest() for path in objects]
    assert hashes == [path.name for path in objects]
    found["landing/objects"] = repr(hashes)
    if not ordered:
        ledger = [dict(row, sequence=0) for row in rows(lake, "landing.ledger")]
        found["landing.ledger"] = repr(sorted(ledger, key=repr))
    return found


@dataclass(frozen=True)
class Step:
    """Work that is killed: from which lake it starts, at which boundaries it may fall, and what
    comes between the kill and the next run; `every` leaves boundaries out."""

    name: str
    begins: str
    work: Work
    boundaries: Boundaries = COMMITS
    between: Work | None = None
    every: int = 1


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lakes to start from: `north` and `all` have full inboxes, `loaded` has full bronze, and in
    `changed` bronze has changed since the tables were built."""
    root = tmp_path_factory.mktemp("base")
    deliver_north(root / "north")
    deliver_first(root / "all")
    shutil.copytree(root / "north" / "home" / "inbox" / "north_ehr", root / "holds" / "held")
    shutil.copytree(root / "north", root / "loaded")
    assert run(take_north, root / "loaded") == 0
    shutil.copytree(root / "loaded", root / "changed")
    assert run(build_every, root / "changed") == 0
    deliver_second(root / "changed")
    assert run(take_north, root / "changed") == 0
    return root


STEPS = [
    Step("land and load", "north", take_north),
    Step("build", "loaded", build_one),
    Step("build what changed", "changed", build_one),
    Step("take from the inbox", "north", land_north, RENAMES),
    Step("hand over", "holds", hand_over, RENAMES),
    # after each commit, which leaves what stands before the next but for an inbox that is not cleared
    # yet; the first step dies at both
    Step("news comes between", "all", take_all, COMMITS, deliver_between, every=2),
    # each table crosses the boundaries that one table does above
    Step("build all", "loaded", build_every, every=3),
    Step("build all that changed", "changed", build_every, every=3),
]


@pytest.mark.parametrize(
    "step",
    STEPS,
    ids=lambda step: step.name,
)
def test_killed_at_any_boundary_and_run_again_it_ends_the_same(
    base: Path, tmp_path: Path, step: Step
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(base / step.begins, whole)
    assert run(count_boundaries, whole, step.work, step.boundaries) == 0
    if step.between:
        step.between(whole)
        step.work(whole)
    expected = told(whole, ordered=not step.between)
    boundaries = int((whole / "crossed").read_text())
    assert boundaries >= 4
    for falls_at in range(step.every, boundaries + 1, step.every):
        root = tmp_path / str(falls_at)
        shutil.copytree(base / step.begins, root)
        assert run(killed_at, root, step.work, step.boundaries, falls_at) == -9
        if step.between:
            step.between(root)
        assert run(step.work, root) == 0
        assert told(root, ordered=not step.between) == expected, f"killed at {falls_at}"
        shutil.rmtree(root)


def test_what_comes_between_a_kill_and_the_next_run_changes_nothing_but_itself(
    base: Path, tmp_path: Path
) -> None:
    for name, falls_at in (("whole", None), ("early", 6), ("late", -1)):
        root = tmp_path / name
        shutil.copytree(base / "north", root)
        if falls_at is not None:
            last = int((tmp_path / "whole" / "crossed").read_text())
            assert run(killed_at, root, take_north, COMMITS, falls_at % last) == -9
        else:
            assert run(count_boundaries, root, take_north, COMMITS) == 0
        deliver_between(root)
        assert run(take_north, root) == 0
    for name in ("early", "late"):
        assert told(tmp_path / name, ordered=False) == told(tmp_path / "whole", ordered=False)


@pytest.mark.parametrize(
    ("seed", "work"),
    [(0, flow), *[(n, flow_through) for n in range(1, 5)]],
)
def test_killed_at_random_moments_it_ends_the_same(
    base: Path, tmp_path: Path, seed: int, work: Work
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for root in (whole, killed):
        shutil.copytree(base / "all", root)
    for delay in _moments(seed):
        process = start(work, killed)
        process.join(delay)
        process.kill()
        assert ended(process) in (0, -9)
    for root in (whole, killed):
        assert run(work, root) == 0
    assert told(killed) == told(whole)


def _moments(seed: int) -> Iterator[float]:
    chosen = random.Random(seed)
    for _ in range(5):
        yield chosen.uniform(0.02, 0.8)


def test_three_processes_that_race_over_everything_do_it_once(base: Path, tmp_path: Path) -> None:
    whole, raced = tmp_path / "whole", tmp_path / "raced"
    for root in (whole, raced):
        shutil.copytree(base / "all", root)
    for deliver in (lambda _: None, deliver_second):
        deliver(whole)
        deliver(raced)
        assert run(flow, whole) == 0
        assert race([(flow, (raced,))] * 3) == [0, 0, 0]
        assert told(raced) == told(whole)
