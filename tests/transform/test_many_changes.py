"""A change that is too large for memory, or meets every file, is not merged; what comes out is the
same."""

import shutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest

from lakehouse.storage import engine, runs
from lakehouse.storage.lake import Lake
from lakehouse.storage.runs import Part, find_parts
from lakehouse.transform import changes
from lakehouse.transform import difference as module
from tests.workbench import (
    build_all,
    contents,
    day,
    deletion,
    encounter,
    lake_at,
    pulse,
    take,
    without_empty,
)

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("many changes")]

NAMES = ["silver.encounter", "silver.observation", "gold.vital_sign_daily"]


def take_first(lake: Lake) -> None:
    take(lake, *[pulse(f"o{n}", day(1), who=f"p{n}") for n in range(4)])
    take(lake, encounter("e1", day(1)), encounter("e2", day(1), status="no such"))


def take_second(lake: Lake) -> None:
    """Of each one: changed, moved to another patient, deleted, new, refused, corrected."""
    take(lake, pulse("o0", day(2), who="p0", value=80), pulse("o1", day(2), who="p2"))
    take(lake, deletion("Observation/o3"), pulse("o4", day(2), who="p4"))
    take(lake, encounter("e1", day(2), status="no such"), encounter("e2", day(2)))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """Where two lakes lie that hold both deliveries: `steps` was built in between, and `once` at the
    end. Where they are apart, `steps` has a file that the second delivery does not meet."""
    return cache(lambda is_apart: keep(tmp_path_factory.mktemp("kept"), is_apart=is_apart))


def keep(root: Path, *, is_apart: bool) -> Path:
    steps, once = lake_at(root / "steps"), lake_at(root / "once")
    for lake in (steps, once):
        take_first(lake)
    build_all(steps, NAMES)
    if is_apart:
        for lake in (steps, once):
            take(lake, pulse("apart", day(1), who="apart"))
        build_all(steps, NAMES)
    for lake in (steps, once):
        take_second(lake)
    build_all(once, NAMES)
    return root


def taken(kept: Path, root: Path) -> tuple[Lake, Lake]:
    """A `steps` of one's own, and `once`, which nobody changes any more."""
    shutil.copytree(kept / "steps", root / "steps")
    return lake_at(root / "steps"), lake_at(kept / "once")


def built_rows(lake: Lake) -> dict[str, str]:
    return without_empty(contents(lake, layers=("silver", "gold", "quarantine")))


@pytest.mark.parametrize(
    ("most", "is_apart", "operation"),
    [(0, True, "WRITE"), (3, True, "WRITE"), (4, True, "MERGE"), (4, False, "WRITE")],
    ids=["none fits", "some fit", "all fit", "every file is met"],
)
def test_what_is_written_anew_has_the_rows_that_a_merge_gives(
    kept: Callable[[bool], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    is_apart: bool,
    operation: str,
) -> None:
    steps, once = taken(kept(is_apart), tmp_path)
    monkeypatch.setattr(module, "_MOST_MERGED", most)
    built = build_all(steps, NAMES)["silver.observation"]
    assert (built.mode, built.written, built.deleted) == ("incremental", 3, 1)
    assert built.rows == 4 + is_apart
    assert steps.open("silver.observation").history()[0].operation == operation
    found, told = built_rows(steps), built_rows(once)
    assert found == told
    assert "quarantine.silver_encounter" in told


@pytest.mark.parametrize(("most", "mode"), [(0, "full"), (4, "incremental")])
def test_what_was_rewritten_is_not_compared_where_to_read_it_anew_is_cheaper(
    kept: Callable[[bool], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    mode: str,
) -> None:
    steps, once = taken(kept(False), tmp_path)
    monkeypatch.setattr(changes, "_MOST_COMPARED", most)
    assert build_all(steps, NAMES)["gold.vital_sign_daily"].mode == mode
    found, told = built_rows(steps), built_rows(once)
    assert found == told


def test_what_is_looked_for_first_gives_the_rows_that_a_look_at_all_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_READ", 0)
    for place in (runs, engine):
        monkeypatch.setattr(place, "BLOCK_ROWS", 1)
    monkeypatch.setattr(runs, "_NEAR", 1)
    steps, once = lake_at(tmp_path / "steps"), lake_at(tmp_path / "once")
    for lake in (steps, once):
        take(lake, *[pulse(f"x{n}", day(1), who=f"x{n}") for n in range(30)])
        take_first(lake)
    build_all(steps, NAMES)
    for lake in (steps, once):
        take_second(lake)
    found: list[int] = []
    monkeypatch.setattr(engine, "find_parts", noting(found))
    build_all(steps, NAMES)
    assert max(found) > 1
    build_all(once, NAMES)
    assert built_rows(steps) == built_rows(once)


def noting(found: list[int]) -> Callable[..., list[Part] | None]:
    """The same function, which says how many runs there were."""

    def find(blocks: Iterable[tuple[str, int]], rows: int) -> list[Part] | None:
        told = find_parts(blocks, rows)
        found.append(sum(len(part.runs) for part in told or ()))
        return told

    return find
