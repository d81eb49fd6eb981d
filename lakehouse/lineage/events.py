"""What was collected, as OpenLineage says it: datasets with their facets, and the run events."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import attr
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    set_producer,
)
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    OutputDatasetFacet,
    RunFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    dataset_version_dataset,
    datasource_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
    storage_dataset,
)

from lakehouse.lineage.collect import EVERY, CheckResult, Collected, Dataset, Edge

JOB_NAMESPACE = "clinical-lakehouse"
PRODUCER = "urn:clinical-lakehouse"

_SEVERITY = {"fail": "error", "quarantine": "warn", "warn": "warn"}


@attr.define
class LakehouseDatasetFacet(DatasetFacet):
    """What OpenLineage has no word for: the rows that a write refused."""

    quarantined: int | None = None

    @staticmethod
    def _get_schema() -> str:
        return "urn:clinical-lakehouse:facet:LakehouseDatasetFacet:1-0-0"


@attr.define
class ReconstructedRunFacet(RunFacet):
    """Says that the event was made from a table's log: the run that wrote was killed first."""

    reason: str = "no event named the version that this run committed"

    @staticmethod
    def _get_schema() -> str:
        return "urn:clinical-lakehouse:facet:ReconstructedRunFacet:1-0-0"


def datasets(
    namespace: str, collected: Collected
) -> tuple[list[InputDataset], list[OutputDataset]]:
    """The inputs and outputs of a run, in the order of their names."""
    inputs, outputs = collected.inputs.values(), collected.outputs.values()
    return (
        [input_dataset(namespace, dataset) for dataset in sorted(inputs, key=_place)],
        [output_dataset(namespace, dataset) for dataset in sorted(outputs, key=_place)],
    )


def input_dataset(namespace: str, dataset: Dataset) -> InputDataset:
    """A dataset that was read."""
    told = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rowCount=dataset.rows, size=dataset.bytes
    )
    measures: dict[str, InputDatasetFacet] = {}
    if _is_measured(dataset):
        measures["inputStatistics"] = told
    return InputDataset(namespace, dataset.name, measures, facets=_facets(namespace, dataset))


def output_dataset(namespace: str, dataset: Dataset) -> OutputDataset:
    """A dataset that was written: also where its columns come from, and how its checks went."""
    # the generated classes allow an output no assertions among its facets; the standard does
    facets: dict[str, Any] = dict(_facets(namespace, dataset))
    if dataset.edges:
        facets["columnLineage"] = _column_lineage(namespace, dataset.edges)
    if dataset.quarantined is not None:
        facets["lakehouse"] = LakehouseDatasetFacet(quarantined=dataset.quarantined)
    if dataset.checks:
        facets["dataQualityAssertions"] = _assertions(dataset.checks)
    told = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=dataset.rows, size=dataset.bytes
    )
    measures: dict[str, OutputDatasetFacet] = {}
    if _is_measured(dataset):
        measures["outputStatistics"] = told
    return OutputDataset(namespace, dataset.name, measures, facets=facets)


def run_event(
    state: RunState,
    namespace: str,
    collected: Collected,
    *,
    failure: str | None = None,
    at: datetime | None = None,
    is_reconstructed: bool = False,
) -> RunEvent:
    """One event of a run that Airflow does not tell of.

    `failure` is the class of the error, never its text. `at` is now where none is given; an event
    `is_reconstructed` where a commit's own was lost.
    """
    set_producer(PRODUCER)
    inputs, outputs = datasets(namespace, collected)
    facets: dict[str, RunFacet] = {}
    if failure:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(failure, "python")
    if collected.parent:
        facets["parent"] = _parent(*collected.parent)
    if is_reconstructed:
        facets["reconstructed"] = ReconstructedRunFacet()
    kind = job_type_job.JobTypeJobFacet("BATCH", "LAKEHOUSE", "JOB")
    return RunEvent(
        eventType=state,
        eventTime=(at or datetime.now(UTC)).isoformat(),
        run=Run(collected.run_id, facets),
        job=Job(JOB_NAMESPACE, collected.job, {"jobType": kind}),
        inputs=inputs,
        outputs=outputs,
        producer=PRODUCER,
    )


def _parent(run_id: str, job: str) -> parent_run.ParentRunFacet:
    return parent_run.ParentRunFacet(parent_run.Run(run_id), parent_run.Job(JOB_NAMESPACE, job))


def _place(dataset: Dataset) -> tuple[str, int]:
    return dataset.name, -1 if dataset.version is None else dataset.version


def _is_measured(dataset: Dataset) -> bool:
    return dataset.rows is not None or dataset.bytes is not None


def _facets(namespace: str, dataset: Dataset) -> dict[str, DatasetFacet]:
    source = datasource_dataset.DatasourceDatasetFacet(name="lake", uri=namespace)
    facets: dict[str, DatasetFacet] = {"dataSource": source}
    if dataset.version is not None:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(str(dataset.version))
        facets["storage"] = storage_dataset.StorageDatasetFacet("delta", "parquet")
    if dataset.fields:
        fields = [
            schema_dataset.SchemaDatasetFacetFields(name=name, type=kind)
            for name, kind in dataset.fields
        ]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields)
    return facets


def _column_lineage(
    namespace: str, edges: Iterable[Edge]
) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    columns: dict[str, list[column_lineage_dataset.InputField]] = {}
    for edge in edges:
        columns.setdefault(edge.column, []).append(_input_field(namespace, edge))
    whole = columns.pop(EVERY, [])
    fields = {name: column_lineage_dataset.Fields(found) for name, found in columns.items()}
    return column_lineage_dataset.ColumnLineageDatasetFacet(fields, whole)


def _input_field(namespace: str, edge: Edge) -> column_lineage_dataset.InputField:
    transformation = column_lineage_dataset.Transformation(
        type=edge.kind if edge.source_column else "INDIRECT",
        subtype=edge.subtype,
        description=": ".join(filter(None, (edge.path, edge.how))) or None,
    )
    if edge.path:
        transformation = transformation.with_additional_properties(path=edge.path)
    return column_lineage_dataset.InputField(
        namespace, edge.source, edge.source_column or EVERY, [transformation]
    )


def _assertions(
    checks: Iterable[CheckResult],
) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
        [
            data_quality_assertions_dataset.Assertion(
                assertion=check.name,
                success=check.broken == 0,
                column=check.column,
                severity=_SEVERITY.get(check.on_fail, check.on_fail),
                actual=str(check.broken),
                expected="0",
            )
            for check in checks
        ]
    )
