"""What was loaded or built once is loaded or built once more, in the name of the person who asks.

A feed's deliveries since a date are read again from the landed objects, or a table is built anew by
its model. What is there already stays as it is; `policy.yml` says who may ask (the right to act).
"""

from airflow.sdk import DAG, Param

from lakehouse.airflow import assets, tasks
from lakehouse.catalog.load import Catalog
from lakehouse.settings import read_settings

settings = read_settings()
catalog = Catalog.of(settings)
names = [*catalog.feeds, *(table.name for table in catalog.models())]

with DAG(
    "backfill",
    description="Loads a feed's deliveries, or builds a table, once more",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["backfill", "phi"],
    params={
        "name": Param(
            type="string",
            enum=names,
            title="Feed or table",
            description="What a feed delivered is loaded again; a table is built anew, whole.",
        ),
        "since": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Since",
            description="For a feed: what was received since this day began there. For a table: "
            "leave it empty.",
        ),
    },
    default_args=tasks.DEFAULTS | {"owner": "data-platform"},
):
    tasks.step(tasks.backfill, outlets=assets.sources(settings, catalog))()
