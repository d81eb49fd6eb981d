"""Deletes of what a complete export lacks are made exactly once: killed anywhere, or two runs at once."""

import shutil
from pathlib import Path

import pytest

from tests.guillotine import count_boundaries, killed_at
from tests.ingest.test_reconcile import MANY, complete, export
from tests.processes import race, run
from tests.workbench import contents, day, drop, ingest, lake_at, patient, rows

pytestmark = pytest.mark.long


def begin(root: Path) -> None:
    """All is known; waiting are a late change, an export that lacks two, one that lacks many, and more."""
    lake = lake_at(root)
    export(lake, day(2), *MANY)
    drop(
        lake,
        "north_ehr",
        "a.ndjson",
        [patient("p5", day(3), name="changed"), patient("p900", day(4))],
    )
    lacking_two = [
        patient("p5", day(3), name="changed"),
        patient("p900", day(4)),
        *MANY[2:5],
        *MANY[6:],
    ]
    drop(lake, "north_ehr", "x/all.ndjson", lacking_two)
    drop(lake, "north_ehr", "x/manifest.json", complete(day(5), "all.ndjson"))
    drop(
        lake, "north_ehr", "b.ndjson", [patient("p0", day(4), name="late"), patient("p901", day(4))]
    )
    drop(lake, "north_ehr", "y/all.ndjson", MANY[90:])
    drop(lake, "north_ehr", "y/manifest.json", complete(day(6), "all.ndjson"))
    drop(lake, "north_lab", "c.ndjson", [patient("p1", day(9), name="newer"), *MANY[10:12]])


def take_all(root: Path) -> None:
    for feed in ("north_ehr", "north_lab"):
        ingest(lake_at(root), feed)


def take_north(root: Path) -> None:
    ingest(lake_at(root), "north_ehr")


def test_a_kill_at_any_commit_and_a_run_after_it_leave_what_one_run_leaves(tmp_path: Path) -> None:
    base = tmp_path / "base"
    assert run(begin, base) == 0
    shutil.copytree(base, tmp_path / "calm")
    assert run(count_boundaries, tmp_path / "calm", take_north) == 0
    expected = contents(lake_at(tmp_path / "calm"), envelope=True)
    missing = [
        r for r in rows(lake_at(tmp_path / "calm"), "bronze.fhir_resource") if r["is_deleted"]
    ]
    assert sorted(r["resource_id"] for r in missing) == ["north/p0", "north/p1", "north/p901"]
    for falls_at in range(1, int((tmp_path / "calm" / "crossed").read_text()) + 1):
        root = tmp_path / f"killed{falls_at}"
        shutil.copytree(base, root)
        assert run(killed_at, root, take_north, falls_at) < 0
        assert run(take_north, root) == 0
        assert contents(lake_at(root), envelope=True) == expected, f"killed at {falls_at}"
        shutil.rmtree(root)


def test_runs_at_once_leave_what_one_run_leaves(tmp_path: Path) -> None:
    base = tmp_path / "base"
    assert run(begin, base) == 0
    shutil.copytree(base, tmp_path / "calm")
    assert run(take_north, tmp_path / "calm") == 0
    expected = contents(lake_at(tmp_path / "calm"), envelope=True)
    assert race([(take_north, (base,))] * 3) == [0, 0, 0]
    assert contents(lake_at(base), envelope=True) == expected


def test_another_feed_of_the_source_at_the_same_time_changes_nothing_of_it(tmp_path: Path) -> None:
    base = tmp_path / "base"
    assert run(begin, base) == 0
    assert race([(take_all, (base,)), (take_all, (base,)), (take_north, (base,))]) == [0, 0, 0]
    found = rows(lake_at(base), "bronze.fhir_resource")
    deleted = [row["resource_id"] for row in found if row["is_deleted"]]
    assert len(deleted) == len(set(deleted))
    assert {"north/p0", "north/p901"} <= set(deleted) <= {"north/p0", "north/p1", "north/p901"}
