"""What a person decided on the lake's pages about refused records: judged again, or dismissed.

A run is asked for on the page Quarantine and carries its permit; `policy.yml` says who may. The run
shows who did it, its configuration what: a feed, and one place or one reason.
"""

from airflow.sdk import DAG

from lakehouse.airflow import assets, tasks
from lakehouse.catalog.acts import DAG as DAG_ID
from lakehouse.catalog.load import Catalog
from lakehouse.settings import read_settings

settings = read_settings()
catalog = Catalog.of(settings)

with DAG(
    DAG_ID,
    description="Applies what people decide about refused records",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["quarantine", "phi"],
    default_args=tasks.DEFAULTS | {"owner": "data-platform"},
):
    tasks.step(tasks.act, outlets=assets.sources(settings, catalog))()
