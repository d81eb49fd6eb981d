"""The DAGs as Airflow reads them: what is there, whose it is, when it runs, what parsing costs."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.catalog.load import Catalog
from lakehouse.errors import PolicyError, QualityError, SpecError, StoreError
from lakehouse.settings import PROJECT, Settings

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("airflow")]

DATA_LIBRARIES = {
    "deltalake", "duckdb", "minio", "numpy", "orjson", "pandas", "polars", "pyarrow", "sqlglot",
}  # fmt: skip


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return Catalog.of(settings)


def said(program: str) -> list[str]:
    """The lines that a program prints in a process of its own."""
    done = subprocess.run(
        (sys.executable, "-c", program),
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


INGEST = {"ingest__ward", "ingest__quiet", "ingest__strict", "ingest__distant"}
QUESTIONS = {"approve__strict"}
OTHERS = {"refine", "govern", "watch", "quarantine", "backfill"}


def test_there_is_one_ingest_dag_a_feed_and_one_that_asks_where_a_feed_says_so(
    dags: dict[str, Any],
) -> None:
    assert dags.keys() == {*INGEST, *QUESTIONS, *OTHERS}


def test_a_feed_of_which_little_may_be_refused_is_judged_before_it_is_loaded(
    dags: dict[str, Any],
) -> None:
    dag = dags["ingest__strict"]
    order = [task.task_id for task in dag.topological_sort()]
    assert order.index("land") < order.index("judge") < order.index("plan") < order.index("load")
    assert dag.get_task("ask").upstream_task_ids == {"judge"}
    assert dag.get_task("ask").partial_kwargs["trigger_dag_id"] == "approve__strict"
    # it is woken by what arrives and by answers
    assert [asset.name for asset in dag.timetable.asset_condition.objects] == [
        "inbox/strict", "answer/strict",
    ]  # fmt: skip
    (question,) = dags["approve__strict"].tasks
    assert [asset.name for asset in question.outlets] == ["answer/strict"]
    assert (question.options, question.owner) == (["Load", "Leave out"], "strict-team")


def test_only_feeds_and_built_tables_can_be_asked_for_once_more(
    dags: dict[str, Any], catalog: Catalog
) -> None:
    names = dags["backfill"].params.get_param("name").schema["enum"]
    assert set(names) == {*catalog.feeds, *(table.name for table in catalog.models())}


def test_parsing_all_dags_loads_no_data_library(settings: Settings) -> None:
    program = (
        "import json, sys\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "before = set(sys.modules)\n"
        f"bag = DagBag(dag_folder={str(PROJECT / 'dags')!r})\n"
        "assert bag.dags and not bag.import_errors\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
        "print(len(set(sys.modules) - before))\n"
    )
    loaded, added = said(program)[-2:]
    assert set(json.loads(loaded)) & DATA_LIBRARIES == set()
    # 127 when this was written; Airflow itself has loaded more than 2,500 by then
    assert int(added) < 250


@pytest.mark.parametrize("path", sorted((PROJECT / "dags").glob("*.py")), ids=lambda p: p.name)
def test_a_dag_file_is_short_and_holds_no_logic(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    assert "def " not in text
    assert "lambda" not in text


def test_every_dag_says_what_it_does_and_whose_it_is(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        assert dag.doc_md
        assert dag.description
        assert dag.tags
        assert {task.owner for task in dag.tasks}.isdisjoint({"airflow", ""})
        assert dag.max_active_runs == (16 if dag.dag_id in QUESTIONS else 1)
        assert not dag.catchup


def test_a_feeds_dag_lands_plans_and_loads_its_batches_one_after_another(
    dags: dict[str, Any],
) -> None:
    dag = dags["ingest__ward"]
    assert [task.task_id for task in dag.topological_sort()] == ["land", "plan", "load"]
    assert dag.get_task("load").is_mapped
    assert dag.get_task("load").max_active_tis_per_dagrun == 1
    assert {task.owner for task in dag.tasks} == {"ward-team"}


def test_loading_changes_the_bronze_tables_of_the_feeds_format(dags: dict[str, Any]) -> None:
    outlets = dags["ingest__ward"].get_task("load").outlets
    assert sorted(asset.name for asset in outlets) == ["bronze.fhir_resource", "bronze.fhir_seen"]


def test_a_feed_runs_when_something_arrives_and_at_its_times_in_its_own_zone(
    dags: dict[str, Any], settings: Settings
) -> None:
    timetable = dags["ingest__ward"].timetable
    (inbox,) = timetable.asset_condition.objects
    assert inbox.uri == f"file://{settings.inbox / 'ward'}"
    (watcher,) = inbox.watchers
    assert watcher.trigger.serialize() == (
        "lakehouse.airflow.triggers.InboxTrigger",
        {"feed": "ward", "poll_seconds": 5.0},
    )
    assert timetable.timetable.expression == "15 4 * * *"
    assert str(timetable.timetable.timezone) == "America/New_York"


def test_a_feed_without_times_runs_only_when_something_arrives(dags: dict[str, Any]) -> None:
    timetable = dags["ingest__quiet"].timetable
    assert not hasattr(timetable, "timetable")
    (inbox,) = timetable.asset_condition.objects
    assert inbox.name == "inbox/quiet"


def test_a_feed_that_is_pulled_begins_with_that_and_runs_at_its_times_alone(
    dags: dict[str, Any],
) -> None:
    dag = dags["ingest__distant"]
    assert [task.task_id for task in dag.topological_sort()] == ["pull", "land", "plan", "load"]
    assert dag.timetable.expression == "45 3 * * *"
    # what it puts into the inbox would wake it again
    assert type(dag.timetable).__name__ == "CronTriggerTimetable"


def test_refine_has_one_task_a_model_named_like_its_table(
    dags: dict[str, Any], catalog: Catalog
) -> None:
    models = {table.name: table for table in catalog.models()}
    tasks = dags["refine"].task_dict
    assert tasks.keys() == {"due", *models}
    for name, table in models.items():
        assert tasks[name].owner == table.owner
        assert table.about.strip() in tasks[name].doc_md
        assert [asset.name for asset in tasks[name].outlets] == [name]
        reads = {read.name for read in catalog.stored_reads(table)}
        assert {asset.name for asset in tasks[name].inlets} == reads
        assert tasks[name].upstream_task_ids == {"due", *(reads & models.keys())}


def test_refine_runs_when_any_table_changes_that_it_reads_and_does_not_build(
    dags: dict[str, Any],
) -> None:
    condition = dags["refine"].timetable.asset_condition
    assert type(condition).__name__ == "AssetAny"
    names = {asset.name for asset in condition.objects}
    assert names == {"bronze.fhir_resource", "bronze.fhir_seen"}


def test_an_assets_address_is_where_the_table_lies(
    dags: dict[str, Any], settings: Settings
) -> None:
    (asset,) = dags["refine"].get_task("silver.patient").outlets
    assert asset.uri == f"file://{settings.lake_url()}/silver/patient"


def test_govern_runs_every_night(dags: dict[str, Any]) -> None:
    dag = dags["govern"]
    behind = {task.task_id: task.upstream_task_ids for task in dag.tasks}
    assert behind == {"maintain": set(), "findings": {"maintain"}, "lineage": {"maintain"}}
    assert dag.timetable.expression == "30 2 * * *"


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (SpecError("x"), "fail"),
        (QualityError("x"), "fail"),
        (PolicyError("x"), "fail"),
        (StoreError("x"), "default"),
    ],
)
def test_only_storage_is_worth_another_try(
    dags: dict[str, Any], error: Exception, action: str
) -> None:
    tasks = [task for name, dag in dags.items() if name not in QUESTIONS for task in dag.tasks]
    for task in tasks:
        decision = task.retry_policy.evaluate(error, try_number=1, max_tries=4)
        assert decision.action.value == action
        assert task.retries == 4
        assert task.retry_exponential_backoff
        assert task.retry_delay == timedelta(seconds=10)


@pytest.mark.parametrize(
    ("error", "action"),
    [(SpecError("x"), "fail"), (PolicyError("x"), "default"), (StoreError("x"), "default")],
)
def test_a_question_is_put_again_to_whoever_may_answer_it(
    dags: dict[str, Any], error: Exception, action: str
) -> None:
    (task,) = dags["approve__strict"].tasks
    assert task.retry_policy.evaluate(error, try_number=99, max_tries=9999).action.value == action
    assert task.retries > 1000
    assert not task.retry_exponential_backoff


def test_every_component_loads_the_plugin_without_a_data_library_or_the_pages(
    settings: Settings,
) -> None:
    program = (
        "import json, sys\n"
        "from airflow import plugins_manager\n"
        "views, _ = plugins_manager._get_ui_plugins()\n"
        "assert [view['name'] for view in views] == ['Lakehouse'] * 3, views\n"
        "print(json.dumps(sorted(name for name in sys.modules if name.startswith('lakehouse'))))\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    own, loaded = map(json.loads, said(program)[-2:])
    assert "lakehouse.airflow.pages" in own
    # what else is there came with our lineage extractor
    assert not [name for name in own if name.startswith(("lakehouse.pages", "lakehouse.answers"))]
    # the OpenLineage provider's own plugin may load what it likes
    assert set(loaded) & (DATA_LIBRARIES - {"orjson"}) == set()
