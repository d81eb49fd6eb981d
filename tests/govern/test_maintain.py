"""Nightly care changes no rows, and stands in nobody's way."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.govern import maintain as module
from lakehouse.govern.maintain import Cared, maintain
from lakehouse.storage.commit import Conflict, Note
from lakehouse.storage.lake import Lake, Stored
from tests.processes import kill_now, run
from tests.workbench import build_all, contents, encounter, ingest, lake_at, patient, take

TABLE = "bronze.fhir_resource"
FEW = ("silver.patient", "silver.encounter", "gold.readmission")


@pytest.fixture(autouse=True)
def _soon_crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three files are a crowd here."""
    monkeypatch.setattr(module, "_SMALL_FILES", 2)


def crowd(lake: Lake) -> None:
    """Small files in bronze."""
    for number in range(3):
        take(lake, patient(f"p{number}"), encounter(f"e{number}", who=f"p{number}"))


@pytest.mark.long
def test_small_files_are_joined_and_nothing_else_changes(lake: Lake) -> None:
    crowd(lake)
    build_all(lake, FEW)
    before = contents(lake, envelope=True)
    assert Cared(TABLE, joined=3) in list(maintain(lake))
    assert len(lake.open(TABLE).files()) == 1
    assert contents(lake, envelope=True) == before
    assert {built.mode for built in build_all(lake, FEW).values()} == {"unchanged"}
    assert ingest(lake).records == 0
    assert {(one.joined, one.removed) for one in maintain(lake)} == {(0, 0)}


@pytest.mark.long
def test_old_files_stay_for_the_days_that_are_promised(lake: Lake) -> None:
    crowd(lake)
    version = lake.open(TABLE).version
    list(maintain(lake))
    kept = lake.find(TABLE, version)
    assert kept
    assert all(Path(path).exists() for path in kept.files())


@pytest.mark.long
def test_a_table_that_somebody_writes_meanwhile_is_left_alone(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(lake)

    def overtaken(stored: Stored) -> int:
        raise Conflict(f"{stored.table.name}: another commit came first")

    monkeypatch.setattr(Stored, "compact", overtaken)
    assert Cared(TABLE, is_left_alone=True) in list(maintain(lake))


def kill_while_joining(root: Path) -> None:
    def killed(stored: Stored, keep: timedelta) -> int:
        kill_now()
        return 0

    module._SMALL_FILES = 2
    Stored.vacuum = killed
    list(maintain(lake_at(root)))


@pytest.mark.long
def test_killed_in_its_care_a_table_is_cared_for_the_next_night(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    crowd(lake)
    before = contents(lake, envelope=True)
    assert run(kill_while_joining, tmp_path) == -9
    list(maintain(lake))
    assert contents(lake, envelope=True) == before


@pytest.mark.long
def test_a_load_and_a_night_at_once_lose_nothing(lake: Lake) -> None:
    crowd(lake)
    overtaken = lake.open(TABLE)
    list(maintain(lake))
    rows: Any = overtaken.schema.empty_table()
    overtaken.append(rows, Note({"work": 1}))
    assert lake.open(TABLE).mark("work") == 1
    assert len(lake.open(TABLE).files()) == 1
