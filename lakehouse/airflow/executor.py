"""Airflow's LocalExecutor, whose workers have loaded what the lake's tasks need.

A task is a process forked from a worker. One that finds modules and declarations there costs a
third of one that must load them itself, and most of a small build is that.
"""

import time
from importlib import import_module

from airflow.executors.local_executor import LocalExecutor

from lakehouse.catalog.load import Catalog
from lakehouse.errors import SpecError
from lakehouse.settings import read_settings
from lakehouse.warm import warm

_LOOK_SECONDS = 10.0
# what Airflow itself imports only when a task runs
_OF_TASKS = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.operators.python",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.openlineage.plugins.macros",
    "lakehouse.airflow.tasks",
)


class WarmLocalExecutor(LocalExecutor):
    """LocalExecutor for a lake: its workers are forked warm, and anew when a declaration changes.

    A worker that changed declarations made stale ends with the task that it runs. Tasks read
    declarations themselves in any case: what a worker knows only spares them the work.
    """

    def start(self) -> None:
        """Load what tasks need, then fork the workers."""
        self._settings = read_settings()
        for name in _OF_TASKS:
            import_module(name)
        self._declared = self._warm()
        self._looked_at = time.monotonic()
        super().start()

    def sync(self) -> None:
        """Take the results of tasks, and see from time to time that the workers are not stale."""
        super().sync()
        if time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._looked_at = time.monotonic()
            if Catalog.digest(self._settings.sql) != self._declared:
                self._renew()

    def _renew(self) -> None:
        self._declared = self._warm()
        for _ in self.workers:
            self.activity_queue.put(None)

    def _warm(self) -> str:
        digest = Catalog.digest(self._settings.sql)
        try:
            warm(self._settings)
        except SpecError as error:
            # the DAG processor says so too, and each task that needs it
            self.log.warning("The declarations cannot be read: %s", error)
        return digest
