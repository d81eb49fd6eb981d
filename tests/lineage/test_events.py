"""What OpenLineage is told of datasets; every event is read back the way a consumer reads it."""

import json
from typing import Any

import pytest
from openlineage.client.event_v2 import RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    schema_dataset,
)
from openlineage.client.serde import Serde
from openlineage.client.uuid import generate_new_uuid

from lakehouse.lineage.collect import CheckResult, Collected, Dataset, Edge
from lakehouse.lineage.events import run_event

LAKE = "s3://lake"


def told(*outputs: Dataset, inputs: tuple[Dataset, ...] = (), **more: Any) -> dict[str, Any]:
    collected = Collected(
        str(generate_new_uuid()),
        "run.build.silver.patient",
        {dataset.name: dataset for dataset in inputs},
        {dataset.name: dataset for dataset in outputs},
    )
    event = run_event(more.pop("state", RunState.COMPLETE), LAKE, collected, **more)
    return dict(json.loads(Serde.to_json(event)))


def test_an_output_tells_version_shape_rows_and_bytes() -> None:
    event = told(Dataset("silver.patient", 3, (("patient_id", "string"),), rows=5, bytes=999))
    (output,) = event["outputs"]
    assert (output["namespace"], output["name"]) == (LAKE, "silver.patient")
    assert output["facets"]["version"]["datasetVersion"] == "3"
    (field,) = output["facets"]["schema"]["fields"]
    assert (field["name"], field["type"]) == ("patient_id", "string")
    assert output["facets"]["storage"]["storageLayer"] == "delta"
    assert output["facets"]["dataSource"]["uri"] == LAKE
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 5
    assert output["outputFacets"]["outputStatistics"]["size"] == 999


def test_version_zero_and_zero_rows_are_told_and_not_left_out() -> None:
    (output,) = told(Dataset("silver.patient", 0, rows=0, bytes=0, quarantined=0))["outputs"]
    assert output["facets"]["version"]["datasetVersion"] == "0"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 0
    assert output["facets"]["lakehouse"]["quarantined"] == 0


def test_an_input_tells_version_and_rows_where_a_consumer_looks_for_them() -> None:
    event = told(inputs=(Dataset("bronze.fhir_resource", 7, rows=12, bytes=34),))
    (read,) = event["inputs"]
    assert read["facets"]["version"]["datasetVersion"] == "7"
    assert read["inputFacets"]["inputStatistics"]["rowCount"] == 12


def test_a_landed_object_has_bytes_and_neither_version_nor_table_storage() -> None:
    (output,) = told(Dataset("landing/" + "a" * 64, bytes=12))["outputs"]
    assert output["facets"].keys() == {"dataSource"}
    assert output["outputFacets"]["outputStatistics"]["size"] == 12


EDGES = {
    "a value out of JSON": (
        Edge("born_on", "fhir", "resource", "$.birthDate", "DIRECT", "TRANSFORMATION", "cast it"),
        {"field": "resource", "type": "DIRECT", "description": "$.birthDate: cast it"},
    ),
    "a value taken over": (
        Edge("born_on", "fhir", "birth", None, "DIRECT", "IDENTITY"),
        {"field": "birth", "type": "DIRECT", "subtype": "IDENTITY"},
    ),
    "a count of rows": (
        Edge("born_on", "fhir", None, None, "DIRECT", "AGGREGATION", "count(*)"),
        {"field": "*", "type": "INDIRECT", "description": "count(*)"},
    ),
}


@pytest.mark.parametrize("case", EDGES)
def test_a_column_edge_names_source_path_and_transformation(case: str) -> None:
    edge, expected = EDGES[case]
    (output,) = told(Dataset("silver.patient", 1, edges=(edge,)))["outputs"]
    (field,) = output["facets"]["columnLineage"]["fields"]["born_on"]["inputFields"]
    (step,) = field["transformations"]
    assert (field["namespace"], field["name"]) == (LAKE, "fhir")
    assert {"field": field["field"]} | step == {"field": field["field"]} | step | expected


def test_what_decides_all_rows_is_an_edge_of_the_dataset_not_of_a_column() -> None:
    edge = Edge("*", "fhir", "status", None, "INDIRECT", "FILTER")
    (output,) = told(Dataset("silver.patient", 1, edges=(edge,)))["outputs"]
    lineage = output["facets"]["columnLineage"]
    assert lineage["fields"] == {}
    assert [item["field"] for item in lineage["dataset"]] == ["status"]


def test_a_check_tells_its_name_whether_it_held_and_how_many_rows_broke_it() -> None:
    checks = (
        CheckResult("patient_id is present", "patient_id", "fail", 0),
        CheckResult("discharged after admitted", None, "quarantine", 2),
    )
    (output,) = told(Dataset("silver.patient", 1, checks=checks))["outputs"]
    held, broken = output["facets"]["dataQualityAssertions"]["assertions"]
    assert held["assertion"] == "patient_id is present"
    assert (held["success"], held["column"], held["severity"]) == (True, "patient_id", "error")
    assert (broken["success"], broken["actual"], broken["severity"]) == (False, "2", "warn")
    assert "column" not in broken


def test_facets_are_readable_by_the_classes_of_the_standards_client() -> None:
    edge = Edge("born_on", "fhir", "resource", "$.birthDate", "DIRECT", "IDENTITY")
    check = CheckResult("born_on is present", "born_on", "fail", 0)
    dataset = Dataset("silver.patient", 1, (("born_on", "date"),), edges=(edge,), checks=(check,))
    facets = told(dataset)["outputs"][0]["facets"]
    for name, kind in {
        "schema": schema_dataset.SchemaDatasetFacet,
        "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
        "dataQualityAssertions": data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    }.items():
        body = {key: value for key, value in facets[name].items() if not key.startswith("_")}
        assert facets[name]["_schemaURL"] == kind._get_schema()
        assert Serde.to_dict(kind(**body)).keys() == facets[name].keys()


def test_datasets_stand_in_the_order_of_their_names() -> None:
    event = told(*(Dataset(f"silver.{name}", 1) for name in "cab"))
    assert [output["name"] for output in event["outputs"]] == ["silver.a", "silver.b", "silver.c"]


def test_a_failure_tells_the_class_of_the_error_alone() -> None:
    event = told(state=RunState.FAIL, failure="QualityError")
    error = event["run"]["facets"]["errorMessage"]
    assert event["eventType"] == "FAIL"
    assert error["message"] == "QualityError"
    assert "stackTrace" not in error
