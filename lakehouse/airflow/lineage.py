"""What the OpenLineage provider asks of us: which datasets a task read and wrote."""

from typing import Any

from airflow.providers.openlineage.extractors import BaseExtractor, OperatorLineage
from airflow.sdk import Asset
from openlineage.client.event_v2 import InputDataset, OutputDataset

from lakehouse.catalog.load import LAYERS
from lakehouse.lineage import collect
from lakehouse.lineage.events import datasets
from lakehouse.lineage.place import namespace
from lakehouse.settings import read_settings


class LakehouseExtractor(BaseExtractor):
    """At START what the task declares; at COMPLETE and FAIL what it did, at exact versions."""

    @classmethod
    def get_operator_classnames(cls) -> list[str]:
        """All kinds of task that run Python of ours."""
        return [
            "_PythonDecoratedOperator",
            "_BranchPythonDecoratedOperator",
            "_ShortCircuitDecoratedOperator",
            "PythonOperator",
            "Approval",
        ]

    def _execute_extraction(self) -> OperatorLineage[Any, Any]:
        # one process may run many tasks, as `dag.test` does: nothing of the last may stay
        collect.begin("", "")
        return OperatorLineage(inputs=self._declared_inputs(), outputs=self._declared_outputs())

    def extract_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any]:
        """Return what the task's storage calls reported.

        When there was nothing, the declared inputs stand: with no dataset at all the provider
        would name the outlets, as if they had been written.
        """
        inputs, outputs = datasets(namespace(read_settings()), collect.collected())
        return OperatorLineage(inputs=inputs or self._declared_inputs(), outputs=outputs)

    def _declared_inputs(self) -> list[InputDataset]:
        place = namespace(read_settings())
        return [InputDataset(place, name) for name in _tables(self.operator.inlets)]

    def _declared_outputs(self) -> list[OutputDataset]:
        place = namespace(read_settings())
        return [OutputDataset(place, name) for name in _tables(self.operator.outlets)]


def _tables(declared: list[object]) -> list[str]:
    assets = [asset.name for asset in declared if isinstance(asset, Asset)]
    return [name for name in assets if name.partition(".")[0] in LAYERS]
