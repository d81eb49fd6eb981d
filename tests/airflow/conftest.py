"""One Airflow for these tests: its home is a folder of their own, its database migrated once."""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse.lineage import outbox
from lakehouse.lineage.outbox import transport_config
from lakehouse.settings import PROJECT, Settings, read_settings
from tests.ingest.ehr import Ehr, serving
from tests.ingest.site import RECORDS

FOLDER = Path(tempfile.mkdtemp(prefix="lakehouse-airflow-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
CANARY = "Zanzibar-Canary"
FEEDS = """
[feed.ward]
about = "A ward's records, for tests"
source = "ward"
reads = "fhir"
zone = "America/New_York"
owner = "ward-team"
every = "15 4 * * *"
settle = "0 seconds"

[feed.quiet]
about = "A feed without fixed times"
source = "quiet"
reads = "fhir"
zone = "Europe/Berlin"
owner = "quiet-team"
expect = "daily by 00:01"

[feed.strict]
about = "A feed of which little may be refused"
source = "strict"
reads = "fhir"
zone = "Europe/Berlin"
owner = "strict-team"
settle = "0 seconds"
most_refused = 0.2

[feed.distant]
about = "A feed that is pulled"
source = "distant"
reads = "fhir"
zone = "Europe/Berlin"
owner = "distant-team"
every = "45 3 * * *"
receives = "fhir+{distant}/fhir"
"""
DOOMED = """/*---
about: A table whose check never holds.
owner: tests
keep: 1 day
write: merge
key: [patient_id]
by: patient_id
checks:
  - expr: patient_id is null
---*/
select patient_id
from silver.patient
"""

_LAKE = {
    "LAKEHOUSE_HOME": str(FOLDER / "home"),
    "LAKEHOUSE_URL": str(FOLDER / "lake"),
    "LAKEHOUSE_CONFIG": str(FOLDER / "config"),
    "LAKEHOUSE_MEMORY": "1GiB",
}
# Airflow reads its configuration when it is imported: this must stand before any import of it
os.environ |= {
    "AIRFLOW_HOME": str(FOLDER / "airflow"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport_config(read_settings(_LAKE))),
    "AIRFLOW__OPENLINEAGE__NAMESPACE": "clinical-lakehouse",
    "AIRFLOW__OPENLINEAGE__EXTRACTORS": "lakehouse.airflow.lineage.LakehouseExtractor",
    "AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD": "True",
}


@pytest.fixture(scope="session")
def distant() -> Iterator[Ehr]:
    """The server of the feed that is pulled."""
    with serving(Ehr(RECORDS, retry_after=None)) as ehr:
        yield ehr


@pytest.fixture(scope="session")
def settings(distant: Ehr) -> Iterator[Settings]:
    """The lake that the DAGs of these tests see."""
    (FOLDER / "config" / "sql" / "gold").mkdir(parents=True, exist_ok=True)
    (FOLDER / "config" / "feeds.toml").write_text(FEEDS.format(distant=distant.base))
    (FOLDER / "config" / "sql" / "gold" / "doomed.sql").write_text(DOOMED)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _LAKE.items():
            patch.setenv(name, value)
        yield read_settings()


@pytest.fixture(scope="session")
def dags(settings: Settings) -> dict[str, Any]:
    """All DAGs by id; parsing them needs no database."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=PROJECT / "dags")
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture(scope="session")
def database(settings: Settings) -> None:
    """The metadata database, at the schema of this Airflow."""
    from airflow.utils.db import initdb

    initdb()


class River:
    """Runs whole DAGs in this process, and keeps what each told of itself."""

    def __init__(self, settings: Settings, dags: dict[str, Any]) -> None:
        self.settings = settings
        self._dags = dags

    def send(self, *resources: dict[str, Any]) -> None:
        """Put a file into the ward's inbox, with a name and a line that must not be told."""
        inbox = self.settings.inbox / "ward"
        inbox.mkdir(parents=True, exist_ok=True)
        lines = [*map(json.dumps, resources), f"{{not json {CANARY}"]
        (inbox / f"{CANARY}-{len(resources)}.ndjson").write_text("\n".join(lines))

    def run(self, dag_id: str) -> "Ran":
        before = self._events()
        run = self._dags[dag_id].test()
        return Ran(dag_id, run, [event for event in self._events() if event not in before])

    def _events(self) -> list[dict[str, Any]]:
        """All events ever sent: `govern` moves them from the outbox into the lake."""
        from lakehouse.govern.question import ask
        from lakehouse.storage.lake import open_lake

        lake = open_lake(self.settings, "read")
        texts = [path.read_text() for path in outbox.waiting(self.settings.outbox)]
        if lake.find("lineage.event"):
            with ask(lake, "select payload from lineage.event") as rows:
                texts += rows.read_all()["payload"].to_pylist()
        return sorted(map(json.loads, texts), key=lambda event: event["eventTime"])


class Ran:
    """One DAG run that is over: the states of its tasks, and the events they sent."""

    def __init__(self, dag_id: str, run: Any, events: list[dict[str, Any]]) -> None:
        tasks = run.get_task_instances()
        self.dag_id = dag_id
        self.state = str(run.state)
        self.states = {(task.task_id, task.map_index): str(task.state) for task in tasks}
        self.tries = {task.task_id: task.try_number for task in tasks}
        self.values = {
            (task.task_id, task.map_index): task.xcom_pull(
                task_ids=task.task_id, map_indexes=task.map_index
            )
            for task in tasks
        }
        self.events = events

    def told(self, task_id: str) -> list[dict[str, Any]]:
        """The events of one task, in their order."""
        job = f"{self.dag_id}.{task_id}"
        return [event for event in self.events if event["job"]["name"] == job]


@pytest.fixture(scope="session")
def river(settings: Settings, dags: dict[str, Any], database: None) -> River:
    return River(settings, dags)
