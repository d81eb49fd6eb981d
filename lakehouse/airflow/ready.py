"""What a process of Airflow has loaded before tasks are forked from it.

A task that finds modules and declarations there costs a third of one that must load them itself,
and most of a small build is that. Tasks read declarations themselves in any case: what is known
before only spares them the work.
"""

import logging
from importlib import import_module

from lakehouse.errors import SpecError
from lakehouse.settings import Settings
from lakehouse.warm import warm

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


def load(settings: Settings) -> None:
    """Load modules and declarations; what keeps these from being read is told in a warning."""
    for name in _OF_TASKS:
        import_module(name)
    try:
        warm(settings)
    except SpecError as error:
        # the DAG processor says so too, and each task that needs it
        logging.getLogger(__name__).warning("The declarations cannot be read: %s", error)
