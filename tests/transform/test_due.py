"""What needs no row is brought up to date at once; the rest is named, with all that reads it."""

import shutil
from pathlib import Path

import pytest

from lakehouse.errors import StoreError
from lakehouse.lineage.emit import running
from lakehouse.storage.lake import Lake
from lakehouse.transform.build import build, settle
from lakehouse.transform.due import settle_all
from tests.workbench import build_all, day, lake_at, patient, pulse, take


def find_due(lake: Lake) -> list[str]:
    with running("refine.due", lake.settings):
        return settle_all(lake, "refine")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a lake lies in which every table was built: that takes longer than all that is asked of it."""
    root = tmp_path_factory.mktemp("whole")
    lake = lake_at(root)
    take(lake, patient("p1", day(1)), pulse("o1", day(1)))
    build_all(lake, find_due(lake))
    return root


@pytest.fixture
def built(whole: Path, tmp_path: Path) -> Lake:
    """A lake in which every table is up to date."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return lake_at(tmp_path)


@pytest.mark.long
@pytest.mark.xdist_group("due")
def test_a_table_is_due_when_its_kind_came_or_when_it_reads_one_that_is(built: Lake) -> None:
    assert find_due(built) == []
    take(built, patient("p2", day(2)))
    due = find_due(built)
    assert "silver.patient" in due
    assert "silver.goal" not in due
    for name in due:
        reads = {read.name for read in built.catalog.stored_reads(built.catalog.table(name))}
        assert reads & {*due, "bronze.fhir_resource"}
    everything = [table.name for table in built.catalog.models()]
    assert due == [name for name in everything if name in due], "not in the order of building"
    for table in built.catalog.models():
        if {read.name for read in built.catalog.stored_reads(table)} & set(due):
            assert table.name in due


@pytest.mark.long
@pytest.mark.xdist_group("due")
def test_what_is_settled_or_built_has_nothing_left_to_do(built: Lake) -> None:
    take(built, patient("p2", day(2)))
    due = find_due(built)
    assert {build(built, name).mode for name in due} == {"incremental"}
    assert {one.mode for one in build_all(built).values()} == {"unchanged"}


@pytest.mark.long
@pytest.mark.xdist_group("due")
def test_a_version_without_rows_names_the_run_that_made_it(built: Lake) -> None:
    before = built.open("silver.goal")
    take(built, patient("p2", day(2)))
    find_due(built)
    after = built.open("silver.goal")
    assert after.version == before.version + 1
    assert after.state()["job"] == "refine.silver.goal"
    assert after.files() == before.files()


@pytest.mark.long
@pytest.mark.xdist_group("due")
def test_one_that_cannot_be_looked_at_is_due_and_keeps_no_other_back(built: Lake) -> None:
    place = built.settings.home.parent / "lake" / "silver" / "goal" / "_delta_log"
    for log in place.iterdir():
        log.write_bytes(b"no log")
    take(built, patient("p2", day(2)))
    due = find_due(built)
    assert "silver.goal" in due
    assert "silver.device" not in due
    with pytest.raises(StoreError):
        build(built, "silver.goal")


def test_what_has_rows_to_compute_is_left_as_it_is(lake: Lake) -> None:
    take(lake, patient())
    assert settle(lake, "silver.patient") is None
    assert lake.open("silver.patient").version == 0
