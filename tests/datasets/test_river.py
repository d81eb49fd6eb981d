"""The river runs on the synthetic hospital: what it loads, refuses, corrects and forgets is what the truth says."""

import json
from pathlib import Path
from typing import Any

import pytest

from lakehouse.govern.question import ask
from lakehouse.settings import read_settings
from lakehouse.storage.lake import Lake, open_lake
from lakehouse.transform.river import land_paths, run
from tests.datasets.hospital import write

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("synthetic river")]

TABLES = ["silver.patient", "silver.encounter", "silver.observation", "silver.patient_link"]
SITES = ("north", "south")
FEEDS = [f"{site}_ehr" for site in SITES]
Told = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    place = write(tmp_path_factory.mktemp("hospital") / "out", "fhir")
    told = {
        path.stem: [json.loads(line) for line in path.read_text().splitlines()]
        for path in (place / "truth").iterdir()
    }
    return place, told


@pytest.fixture(scope="module", params=[(1, 2), (1, 2, 3)], ids=["two", "three"])
def lake(
    request: pytest.FixtureRequest,
    truth: tuple[Path, Told],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Lake, int]:
    """Both sites' exports landed, loaded and built, one after the other."""
    folder = tmp_path_factory.mktemp("lake")
    told = {"LAKEHOUSE_HOME": str(folder / "home"), "LAKEHOUSE_URL": str(folder / "lake")}
    settings = read_settings(told)
    for export in request.param:
        for site in SITES:
            land_paths(settings, f"{site}_ehr", [truth[0] / "fhir" / site / str(export)])
        run(settings, lambda _: None, feeds=FEEDS, tables=TABLES)
    return open_lake(settings, "read"), request.param[-1]


def asked(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with ask(lake, query) as rows:
        return [tuple(row.values()) for row in rows.read_all().to_pylist()]


def test_silver_counts_deletes_and_merges_as_the_truth_does(
    lake: tuple[Lake, int], truth: tuple[Path, Told]
) -> None:
    (opened, export), (_, told) = lake, truth
    changes = [row for row in told["change"] if row["export"] <= export]
    gone = {(row["site"], row["target"]) for row in changes if row["kind"] == "encounter_deleted"}
    kept = {
        f"{row['site']}/{row['encounter']}"
        for row in told["encounter"]
        if (row["site"], row["encounter"]) not in gone and row["start"] < "2026-11-15"
    }
    assert gone
    assert {key for (key,) in asked(opened, "select encounter_id from silver.encounter")} == kept
    patients = {f"{row['site']}/{row['patient']}" for row in told["registration"]}
    assert {key for (key,) in asked(opened, "select patient_id from silver.patient")} == patients
    merged = {(row["site"], row["target"]) for row in changes if row["kind"] == "patient_merged"}
    merged -= {(row["site"], row["target"]) for row in changes if row["kind"] == "patient_unmerged"}
    query = "select patient_id from silver.patient_link where link_type_code = 'replaced-by'"
    assert {key for (key,) in asked(opened, query)} == {f"{site}/{key}" for site, key in merged}


def test_a_result_keeps_its_older_version_while_the_newer_one_waits(
    lake: tuple[Lake, int], truth: tuple[Path, Told]
) -> None:
    (opened, export), (_, told) = lake, truth
    uncoded = {
        f"{row['site']}/{row['target']}" for row in told["defect"] if row["kind"] == "uncoded"
    }
    waiting = asked(opened, "select observation_id from quarantine.silver_observation")
    assert {key for (key,) in waiting} == (uncoded if export == 2 else set())
    keys = asked(opened, "select observation_id from silver.observation where component_number = 0")
    assert uncoded <= {key for (key,) in keys}
    assert uncoded


def test_half_a_line_waits_in_quarantine(lake: tuple[Lake, int], truth: tuple[Path, Told]) -> None:
    cut = [row["site"] for row in truth[1]["defect"] if row["kind"] == "cut_line"]
    for site in SITES:
        ((count,),) = asked(lake[0], f"select count(*) from quarantine.{site}_ehr")
        assert count == cut.count(site)
    assert cut


def test_references_are_of_every_kind_and_point_to_what_is_there(lake: tuple[Lake, int]) -> None:
    query = (
        "select reference_kind, reference_status, count(*) from fhir.reference "
        "group by all order by all"
    )
    told = {(kind, status): count for kind, status, count in asked(lake[0], query)}
    kinds = {"relative", "absolute", "versioned", "contained", "conditional", "identifier"}
    assert {kind for kind, _ in told} == kinds
    assert {status for _, status in told} == {"resolved"}
