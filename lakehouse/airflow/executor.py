"""Airflow's LocalExecutor, whose workers have loaded what the lake's tasks need."""

import time

from airflow.executors.local_executor import LocalExecutor

from lakehouse.airflow import ready
from lakehouse.catalog.load import Catalog
from lakehouse.settings import read_settings

_LOOK_SECONDS = 10.0


class WarmLocalExecutor(LocalExecutor):
    """LocalExecutor for a lake: its workers are forked warm, and anew when a declaration changes.

    A worker that changed declarations made stale ends with the task that it runs.
    """

    def start(self) -> None:
        """Load what tasks need, then fork the workers."""
        self._settings = read_settings()
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
        ready.load(self._settings)
        return digest
