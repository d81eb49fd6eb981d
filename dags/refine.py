"""Silver and gold: one task a table, run when what it reads changes.

The first task, `due`, brings up to date what needs no row for that: tables to which nothing came.
Their own tasks are skipped. To build one all the same, ask for it in the DAG `backfill`.
"""

from airflow.sdk import DAG, AssetAny, TaskGroup

from lakehouse.airflow import assets, documents, tasks
from lakehouse.catalog.load import Catalog
from lakehouse.settings import read_settings

settings = read_settings()
catalog = Catalog.of(settings)

with DAG(
    "refine",
    description="Builds every silver and gold table that is behind what it reads",
    doc_md=__doc__,
    schedule=AssetAny(*assets.sources(settings, catalog)),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["refine", "silver", "gold", "phi"],
    default_args=tasks.DEFAULTS | {"owner": "clinical-data"},
):
    due = tasks.choose(tasks.find_due, task_id="due")()
    groups = {layer: TaskGroup(layer) for layer in ("silver", "gold")}
    built = {}
    for table in catalog.models():
        with groups[table.layer]:
            built[table.name] = tasks.step(
                tasks.build,
                task_id=table.noun,
                # what it reads may have been left as it was
                trigger_rule="none_failed",
                owner=table.owner,
                doc_md=documents.describe_table(catalog, table),
                inlets=assets.read_by(settings, catalog, table),
                outlets=[assets.table_asset(settings, table.name)],
            )(table.name)
        due >> built[table.name]
        for read in catalog.stored_reads(table):
            if read.name in built:
                built[read.name] >> built[table.name]
