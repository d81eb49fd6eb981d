"""What a night did is told, and a night that was killed anywhere is made up for by the next."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lakehouse.answers.upkeep import tell_upkeep
from lakehouse.govern import maintain as module
from lakehouse.govern.maintain import stored_names
from lakehouse.govern.upkeep import care, store_lineage
from lakehouse.lineage.emit import running
from lakehouse.lineage.outbox import waiting
from lakehouse.state.store import open_state
from lakehouse.storage.lake import Lake, Stored
from lakehouse.transform.river import run
from tests.guillotine import COMMITS, raise_guillotine
from tests.processes import run as run_apart
from tests.workbench import NOW, contents, drop, lake_at, patient

FEED, TABLE = "north_ehr", "silver.patient"
NIGHTLY = (*COMMITS, (Stored, "compact"), (Stored, "vacuum"), (Stored, "checkpoint"))


@pytest.fixture(autouse=True)
def _soon_crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three files are a crowd here."""
    monkeypatch.setattr(module, "_SMALL_FILES", 2)


def flow(lake: Lake) -> None:
    """Three deliveries through the river, as the command line does."""
    for number in range(3):
        drop(lake, FEED, f"{number}.ndjson", [patient(f"p{number}")])
        run(lake.settings, lambda _: None, feeds=[FEED], tables=[TABLE], clock=lambda: NOW)


def night(lake: Lake, by: str | None = None) -> None:
    module._SMALL_FILES = 2
    with running("run.govern", lake.settings):
        number, _ = care(lake, by)
        store_lineage(lake, number, by)


def told(lake: Lake) -> Any:
    return tell_upkeep(open_state(lake.settings), lake.catalog)


@pytest.mark.long
def test_a_night_tells_what_it_did_and_who_started_it(lake: Lake) -> None:
    flow(lake)
    tables = len(stored_names(lake))
    events = len(list(waiting(lake.settings.outbox)))
    night(lake, "jane")
    night(lake)
    second, first = told(lake).nights
    at = NOW.isoformat(timespec="milliseconds")
    assert first.number == 1
    assert (first.at, first.by, first.tables, first.left_alone) == (at, "jane", tables, 0)
    assert first.joined >= 6
    assert first.events >= events
    assert (second.by, second.joined, second.rebuilt) == (None, 0, 0)
    assert second.tables > tables, "its own table, and that of lineage, are cared for too"


@pytest.mark.long
def test_what_the_last_night_touched_is_told_by_table(lake: Lake) -> None:
    flow(lake)
    night(lake)
    rows = {row["table_name"]: (row["joined"], row["removed"]) for row in told(lake).touched}
    assert rows["bronze.fhir_resource"] == (3, 0)


@pytest.mark.long
def test_a_table_is_behind_while_what_it_reads_has_changed_since(lake: Lake) -> None:
    drop(lake, FEED, "a.ndjson", [patient("p1")])
    run(lake.settings, lambda _: None, feeds=[FEED], tables=["silver.encounter"])
    behind = {one.table: one for one in told(lake).behind}
    assert behind[TABLE].reads == ("bronze.fhir_resource",)
    assert behind[TABLE].built_at is None
    assert "silver.encounter" not in behind
    assert told(lake).built == len(lake.catalog.models())


def test_where_no_night_was_there_is_nothing_to_tell(lake: Lake) -> None:
    assert (told(lake).nights, told(lake).touched, told(lake).behind) == ((), (), ())


def night_killed_at(root: Path, falls_at: int) -> None:
    raise_guillotine(NIGHTLY, falls_at)
    night(lake_at(root))


def night_counted(root: Path) -> None:
    crossed = raise_guillotine(NIGHTLY)
    night(lake_at(root))
    (root / "crossed").write_text(str(crossed()))


@pytest.mark.long
def test_a_night_that_is_killed_anywhere_leaves_all_rows_and_the_next_one_is_whole(
    tmp_path: Path,
) -> None:
    base = tmp_path / "base"
    flow(lake_at(base))
    before = kept(lake_at(base))
    shutil.copytree(base, tmp_path / "counted")
    assert run_apart(night_counted, tmp_path / "counted") == 0
    boundaries = int((tmp_path / "counted" / "crossed").read_text())
    assert boundaries >= 40
    for falls_at in range(1, boundaries, 4):
        root = tmp_path / f"killed{falls_at}"
        shutil.copytree(base, root)
        assert run_apart(night_killed_at, root, falls_at) < 0
        lake = lake_at(root)
        assert kept(lake) == before, f"killed at {falls_at}"
        night(lake)
        assert kept(lake) == before, f"after a kill at {falls_at}"
        assert told(lake).nights[0].events is not None
        shutil.rmtree(root)


def kept(lake: Lake) -> dict[str, str]:
    """All rows, but for those that tell of nights."""
    return {
        name: rows for name, rows in contents(lake, envelope=True).items() if name != "audit.upkeep"
    }
