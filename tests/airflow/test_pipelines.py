"""Whole DAGs in this process: tables, versions and lineage events, and what a failure leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from lakehouse.settings import Settings
from lakehouse.storage.lake import open_lake
from tests.ingest.ehr import CANARY as SERVERS_CANARY
from tests.ingest.ehr import Ehr
from tests.ingest.site import RECORDS

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("airflow")]

CANARY = "Zanzibar-Canary"


def patient(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "name": [{"family": CANARY}],
        "birthDate": "1970-01-01",
    }


@pytest.fixture(scope="module")
def ingested(river: Any) -> Any:
    river.send(patient(1), patient(2))
    return river.run("ingest__ward")


@pytest.fixture(scope="module")
def refined(river: Any, ingested: Any) -> Any:
    return river.run("refine")


@pytest.fixture(scope="module")
def refined_again(river: Any, refined: Any) -> Any:
    return river.run("refine")


@pytest.fixture(scope="module")
def governed(river: Any, refined_again: Any) -> Any:
    return river.run("govern")


def version(output: dict[str, Any]) -> int:
    return int(output["facets"]["version"]["datasetVersion"])


def test_ingest_takes_what_arrived_to_bronze(ingested: Any) -> None:
    assert ingested.state == "success"
    assert ingested.values["land", -1].items() >= {"files": 1, "refused": 0}.items()
    assert ingested.values["load", 0] == {
        "records": 3,
        "good": 2,
        "unchanged": 0,
        "quarantined": 1,
        "blank": 0,
        "missing": 0,
        "tables": {"bronze.fhir_resource": 1, "quarantine.ward": 1},
    }


def test_every_task_tells_its_start_and_its_end_of_one_run(
    ingested: Any, refined: Any, governed: Any
) -> None:
    for ran in (ingested, refined, governed):
        for (task_id, _), state in ran.states.items():
            if state == "skipped":
                continue
            start, end = ran.told(task_id)
            assert start["eventType"] == "START"
            assert end["eventType"] == {"success": "COMPLETE", "failed": "FAIL"}[state]
            assert start["run"]["runId"] == end["run"]["runId"]


def test_at_the_start_a_task_names_what_it_is_going_to_read_and_write(refined: Any) -> None:
    start, _ = refined.told("silver.patient")
    assert [output["name"] for output in start["outputs"]] == ["silver.patient"]
    assert {item["name"] for item in start["inputs"]} == {
        "bronze.fhir_resource",
        "bronze.fhir_seen",
    }


def test_landing_is_told_by_sha256_and_ledger(ingested: Any) -> None:
    _, complete = ingested.told("land")
    ledger, landed = sorted(complete["outputs"], key=lambda output: len(output["name"]))
    assert (ledger["name"], version(ledger)) == ("landing.ledger", 1)
    assert len(landed["name"].removeprefix("landing/")) == 64


def test_loading_is_told_from_object_to_bronze_at_its_version(ingested: Any) -> None:
    _, complete = ingested.told("load")
    assert {output["name"]: version(output) for output in complete["outputs"]} == {
        "bronze.fhir_resource": 1,
        "quarantine.ward": 1,
    }
    assert {item["name"].partition("/")[0] for item in complete["inputs"]} >= {"landing"}


def test_a_build_tells_versions_columns_rows_and_checks(refined: Any, settings: Settings) -> None:
    _, complete = refined.told("silver.patient")
    (output,) = [item for item in complete["outputs"] if item["name"] == "silver.patient"]
    assert output["namespace"] == f"file://{settings.lake_url()}"
    assert version(output) == 1
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert output["facets"]["columnLineage"]["fields"]["birth_on"]["inputFields"]
    assert all(a["success"] for a in output["facets"]["dataQualityAssertions"]["assertions"])
    (read,) = [item for item in complete["inputs"] if item["name"] == "bronze.fhir_resource"]
    assert version(read) == 1


def test_the_commit_names_the_run_that_the_event_names(refined: Any, settings: Settings) -> None:
    _, complete = refined.told("silver.patient")
    state = open_lake(settings, "refine").open("silver.patient").state()
    assert state["run"] == complete["run"]["runId"]
    assert state["job"] == "refine.silver.patient"


def test_whatever_runs_because_a_table_changed_is_told_its_version_and_counts(
    ingested: Any, refined: Any
) -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.execute(
            select(AssetModel.name, AssetEvent.extra).join(
                AssetModel, AssetModel.id == AssetEvent.asset_id
            )
        ).all()
    told = dict(map(tuple, reversed(found)))
    assert told["bronze.fhir_resource"].items() >= {"version": 1, "good": 2}.items()
    assert told["silver.patient"].items() >= {"version": 1, "rows": 2, "mode": "full"}.items()
    assert told["bronze.fhir_seen"] == {}
    assert CANARY not in str(found)


def test_a_check_that_must_hold_fails_its_task_at_once_and_no_other(
    refined: Any, settings: Settings
) -> None:
    assert refined.state == "failed"
    failed = {task for (task, _), state in refined.states.items() if "failed" in state}
    assert failed == {"gold.doomed"}
    assert refined.tries["gold.doomed"] == 1
    _, end = refined.told("gold.doomed")
    message = end["run"]["facets"]["errorMessage"]["message"]
    assert message.startswith("gold.doomed: 1 checks that must hold do not")
    assert open_lake(settings, "refine").open("gold.doomed").measure()[0] == 0


def test_tables_to_which_nothing_came_are_made_ready_by_one_task(refined: Any) -> None:
    settled = {task for (task, _), state in refined.states.items() if state == "skipped"}
    assert "silver.goal" in settled
    assert "silver.patient" not in settled
    (_, end), (begun, made) = refined.told("due"), refined.told("silver.goal")
    assert [item["name"] for item in end["outputs"]] == []
    assert [item["name"] for item in made["outputs"]] == ["silver.goal"]
    assert made["outputs"][0]["facets"]["columnLineage"]["fields"]["goal_status"]["inputFields"]
    assert begun["eventTime"] <= made["eventTime"]
    for event in (begun, made):
        assert event["run"]["facets"]["parent"]["run"]["runId"] == end["run"]["runId"]
        assert event["run"]["facets"]["parent"]["job"]["name"] == "refine.due"


def test_where_nothing_came_no_task_runs_and_nothing_is_written(refined_again: Any) -> None:
    ran = {task for (task, _), state in refined_again.states.items() if state != "skipped"}
    # what was never built is tried again
    assert ran == {"due", "gold.doomed"}
    assert refined_again.told("silver.patient") == []


def test_nothing_of_one_task_is_told_of_the_next(refined: Any) -> None:
    for event in refined.events:
        if event["eventType"] == "COMPLETE" and event["job"]["name"].startswith("refine."):
            table = event["job"]["name"].removeprefix("refine.")
            assert {output["name"] for output in event["outputs"]} <= {
                table,
                f"quarantine.{table.replace('.', '_')}",
            }


def test_govern_moves_the_lineage_into_the_lake_and_finds_it_complete(
    governed: Any, settings: Settings, refined: Any
) -> None:
    assert governed.state == "success"
    lake = open_lake(settings, "govern")
    assert lake.open("lineage.event").measure()[0] >= len(refined.events)
    assert lake.open("lineage.column").measure()[0] > 0


def test_no_patient_value_leaves_the_tables_and_the_landed_bytes(
    governed: Any, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = settings.home.parent
    lake = Path(settings.lake_url())
    allowed = [lake / "landing" / "objects"]
    searched = held = 0
    for path in folder.rglob("*"):
        if not path.is_file() or "config" in path.parts:
            continue
        is_data = path.suffix == ".parquet" and "_delta_log" not in path.parts
        found = CANARY.encode() in path.read_bytes()
        if is_data or any(place in path.parents for place in allowed):
            held += found
            continue
        searched += 1
        assert not found, path.relative_to(folder)
        assert CANARY not in path.name
    assert held
    assert (folder / "airflow" / "airflow.db").is_file()
    assert searched > 30


def test_the_values_that_tasks_hand_on_are_counts_versions_and_names(
    ingested: Any, refined: Any, governed: Any
) -> None:
    for ran in (ingested, refined, governed):
        text = json.dumps([value for value in ran.values.values() if value is not None])
        assert CANARY not in text
        assert "p1" not in text


def test_a_pull_gives_its_slot_back_while_the_server_works_and_then_goes_on(
    river: Any,
    governed: Any,
    distant: Ehr,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("lakehouse.airflow.tasks._LONGEST_SLEEP_SECONDS", 0.5)
    ran = river.run("ingest__distant")
    assert ran.state == "success"
    assert ran.values["pull", -1].items() >= {"files": 4}.items()
    assert ran.values["load", 0].items() >= {"good": len(RECORDS), "quarantined": 0}.items()
    assert (len(distant.asked), ran.tries["pull"]) == (1, 1)
    told = capfd.readouterr()
    assert "UP_FOR_RESCHEDULE" in told.out + told.err
    assert SERVERS_CANARY not in told.out + told.err
    kept = Path(settings.lake_url()) / "landing" / "objects"
    for path in settings.home.parent.rglob("*"):
        if path.is_file() and kept not in path.parents:
            assert SERVERS_CANARY.encode() not in path.read_bytes(), path.name
