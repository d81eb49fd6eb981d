"""A piece of work outside Airflow: one run, two events, whatever happens between them."""

import json
from typing import Any

import pytest

from lakehouse.errors import QualityError, StoreError
from lakehouse.lineage import collect, outbox
from lakehouse.lineage.emit import part, running
from lakehouse.settings import Settings


def told(settings: Settings) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in outbox.waiting(settings.outbox)]


def test_start_and_complete_are_told_of_one_run(settings: Settings) -> None:
    with running("run.build.silver.patient", settings) as run:
        assert collect.current_run() == (run.run_id, "run.build.silver.patient")
        collect.read([collect.Dataset("bronze.fhir_resource", 4)])
        collect.wrote(collect.Dataset("silver.patient", 2))
    start, complete = told(settings)
    assert [start["eventType"], complete["eventType"]] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == complete["run"]["runId"] == run.run_id
    assert start["outputs"] == []
    assert complete["inputs"][0]["name"] == "bronze.fhir_resource"
    assert complete["outputs"][0]["facets"]["version"]["datasetVersion"] == "2"
    assert complete["outputs"][0]["namespace"] == f"file://{settings.lake_url()}"


def test_what_comes_behind_a_run_does_not_belong_to_it(settings: Settings) -> None:
    with running("run.land.north", settings):
        pass
    assert collect.current_run() == ("", "")


def test_a_part_is_a_run_of_its_own_and_the_work_goes_on_without_it(settings: Settings) -> None:
    with running("refine.due", settings) as run:
        collect.read([collect.Dataset("bronze.fhir_resource", 4)])
        with part("refine.silver.goal", settings):
            collect.wrote(collect.Dataset("silver.goal", 2))
        with part("refine.silver.device", settings):
            collect.read([collect.Dataset("bronze.fhir_seen", 1)])
        assert collect.current_run() == (run.run_id, run.job)
    _, begun, made, complete = told(settings)
    for event in (begun, made):
        assert event["job"]["name"] == "refine.silver.goal"
        assert event["run"]["facets"]["parent"]["run"]["runId"] == run.run_id
        assert event["run"]["facets"]["parent"]["job"]["name"] == "refine.due"
    assert begun["run"]["runId"] == made["run"]["runId"] != run.run_id
    assert [item["name"] for item in made["outputs"]] == ["silver.goal"]
    # what wrote nothing is not told of, nor do its reads become the work's
    assert [item["name"] for item in complete["inputs"]] == ["bronze.fhir_resource"]
    assert complete["outputs"] == []


def test_what_a_failed_part_reports_is_not_the_works(settings: Settings) -> None:
    with running("refine.due", settings) as run:
        with pytest.raises(QualityError), part("refine.silver.goal", settings):
            raise QualityError("no")
        assert collect.current_run() == (run.run_id, run.job)
    assert [event["job"]["name"] for event in told(settings)] == ["refine.due"] * 2


def test_nothing_of_one_run_is_told_of_the_next(settings: Settings) -> None:
    with running("run.land.north", settings):
        collect.wrote(collect.Dataset("landing.ledger", 1))
    with running("run.load.north", settings):
        pass
    assert told(settings)[-1]["outputs"] == []


@pytest.mark.parametrize(
    "error", [QualityError("Ada Lovelace"), ValueError("Ada Lovelace"), KeyboardInterrupt("Ada")]
)
def test_a_failure_tells_the_class_and_what_was_committed_before_it(
    settings: Settings, error: BaseException
) -> None:
    def fail() -> None:
        with running("run.load.north", settings):
            collect.wrote(collect.Dataset("quarantine.north", 1))
            raise error

    with pytest.raises(type(error)):
        fail()
    failed = told(settings)[-1]
    assert failed["eventType"] == "FAIL"
    assert failed["run"]["facets"]["errorMessage"]["message"] == type(error).__name__
    assert failed["outputs"][0]["name"] == "quarantine.north"
    assert "Ada" not in json.dumps(failed)


def test_work_does_not_begin_when_its_lineage_cannot_be_told(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    settings.outbox.write_text("a file where the folder should be")
    with (
        pytest.raises(StoreError, match="a lineage event could not be written"),
        running("run.land.north", settings),
    ):
        pytest.fail("the work began")
