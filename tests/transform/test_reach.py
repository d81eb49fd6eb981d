"""What an increment needs to look at, and that it looks at nothing else."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.spec import Table
from lakehouse.storage.lake import Lake
from lakehouse.storage.snapshots import Snapshots
from lakehouse.transform import reach as module
from lakehouse.transform.build import build
from lakehouse.transform.reach import find_reach
from tests.workbench import build_all, contents, day, deletion, lake_at, pulse, rows, take

pytestmark = pytest.mark.long

BRONZE, SILVER, GOLD = "bronze.fhir_resource", "silver.observation", "gold.vital_sign_daily"
RAW = "bronze.fhir_seen"


def reach(lake: Lake, before: dict[str, int | None]) -> list[int]:
    """The ledger entries in reach since these versions."""
    now = {name: lake.open(name).version for name in (BRONZE, RAW)}
    found = find_reach(Snapshots(lake), reads(lake), before, now)
    assert found is not None
    return [entry for first, last in found for entry in range(first, last + 1)]


def reads(lake: Lake) -> list[Table]:
    return lake.catalog.stored_reads(lake.catalog.table(SILVER))


def versions(lake: Lake) -> dict[str, int | None]:
    return {name: lake.open(name).version for name in (BRONZE, RAW)}


def test_in_reach_are_what_came_and_the_older_versions_of_it(lake: Lake) -> None:
    for number in range(6):
        take(lake, pulse(f"o{number}", day(1)))
    before = versions(lake)
    take(lake, pulse("o1", day(2)), pulse("o6", day(1)))
    assert reach(lake, before) == [2, 7]
    take(lake, pulse("o1", day(3)), deletion("Observation/o4"))
    assert reach(lake, before) == [2, 5, 7, 8]
    before = versions(lake)
    take(lake, pulse("o2", day(4)))
    take(lake, pulse("o2", day(5)))
    assert reach(lake, before) == [3, 9, 10]


def test_in_reach_is_where_the_current_version_was_confirmed(lake: Lake) -> None:
    take(lake, pulse("o1", day(1), value=60))
    take(lake, pulse("o2", day(1)))
    take(lake, pulse("o1", day(5), value=60))
    take(lake, pulse("o3", day(1)))
    before = versions(lake)
    take(lake, pulse("o1", day(3), value=99))
    assert reach(lake, before) == [1, 3, 5]


def test_what_touches_too_many_entries_to_name_reaches_everything(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.ingest.versions._MOST_TOUCHED", 1)
    for number in range(3):
        take(lake, pulse(f"o{number}", day(1)))
    before = versions(lake)
    take(lake, pulse("o0", day(2)))
    assert find_reach(Snapshots(lake), reads(lake), before, versions(lake)) is not None
    take(lake, pulse("o0", day(3)), pulse("o1", day(3)))
    assert find_reach(Snapshots(lake), reads(lake), before, versions(lake)) is None


def test_an_increment_opens_no_file_that_it_does_not_need(tmp_path: Path) -> None:
    steps, once = lake_at(tmp_path / "steps"), lake_at(tmp_path / "once")
    for number in range(5):
        sent = [pulse(f"o{number}", day(1), who=f"p{number}"), pulse(f"x{number}", day(1), who="p")]
        take(steps, *sent)
        build(steps, SILVER)
        take(once, *sent)
    later = [
        pulse("o1", day(2), value=99, who="p3"),
        pulse("o9", day(1)),
        deletion("Observation/o3"),
    ]
    for lake in (steps, once):
        take(lake, *later)
    for name in (BRONZE, SILVER):
        stored = steps.open(name)
        for path in set(stored.files()) - set(stored.files(((2, 2), (4, 4), (6, 6)))):
            hide(path)
    built = build(steps, SILVER)
    assert (built.mode, built.written, built.deleted) == ("incremental", 2, 1)
    for path in tmp_path.rglob("*.hidden"):
        path.rename(path.with_suffix(""))
    build_all(once, [SILVER])
    assert contents(steps, layers=("silver",)) == contents(once, layers=("silver",))


def hide(path: str) -> None:
    Path(path).rename(f"{path}.hidden")


def test_what_is_all_new_is_added_and_nothing_is_rewritten(lake: Lake) -> None:
    take(lake, pulse("o1", day(1)))
    build_all(lake, [SILVER])
    take(lake, pulse("o2", day(1)))
    built = build(lake, SILVER)
    commit = lake.open(SILVER).history()[0]
    assert (built.mode, commit.operation, commit.files_removed) == ("incremental", "WRITE", 0)
    assert len(rows(lake, SILVER)) == 2


def test_new_rows_of_a_patient_with_older_ones_are_added_and_nothing_is_rewritten(
    lake: Lake,
) -> None:
    take(lake, pulse("o1", day(1)))
    build_all(lake, [SILVER, GOLD])
    take(lake, pulse("o2", day(2), effectiveDateTime="2026-01-04T08:00:00Z"))
    assert {built.written for built in build_all(lake, [SILVER, GOLD]).values()} == {1}
    commit = lake.open(GOLD).history()[0]
    assert (commit.operation, commit.files_removed) == ("WRITE", 0)
    # what changes a row that is there, is merged
    take(lake, pulse("o3", day(3), effectiveDateTime="2026-01-04T09:00:00Z", value=90))
    build_all(lake, [SILVER, GOLD])
    assert lake.open(GOLD).history()[0].operation == "MERGE"
    assert len(rows(lake, GOLD)) == 2


def test_a_value_that_moves_to_another_day_or_to_none_leaves_the_day_that_it_was_of(
    lake: Lake,
) -> None:
    take(lake, pulse("o1", day(1), value=60), pulse("o2", day(1), value=80))
    build_all(lake, [SILVER, GOLD])
    counts = lambda: {r["observed_on"].day: r["n_measurement"] for r in rows(lake, GOLD)}  # noqa: E731
    assert counts() == {3: 2}
    for number, time, expected in (
        (2, "2026-01-04T08:00:00Z", {3: 1, 4: 1}),
        (3, "2026-01", {3: 1}),
        (4, "2026-01-03T09:00:00Z", {3: 2}),
    ):
        take(lake, pulse("o1", day(number), effectiveDateTime=time))
        modes = {built.mode for built in build_all(lake, [SILVER, GOLD]).values()}
        assert (modes, counts()) == ({"incremental"}, expected)


entries = st.sets(st.tuples(st.integers(0, 500), st.integers(0, 9)).map(lambda t: (t[0], sum(t))))


@given(entries, st.integers(1, 6))
def test_few_ranges_cover_all_entries(told: set[tuple[int, int]], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MOST", most)
        found = module._joined(told)
    assert len(found) <= most
    assert all(any(a <= first and last <= b for a, b in found) for first, last in told)
    assert all(after[0] > before[1] + 1 for before, after in pairwise(found))
    if len(found) < most:
        exact = {n for first, last in told for n in range(first, last + 1)}
        assert {n for a, b in found for n in range(a, b + 1)} == exact
