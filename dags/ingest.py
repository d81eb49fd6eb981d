"""One DAG a feed: what arrived or was pulled is landed byte for byte, then loaded into bronze.

Where its stanza says how much may be refused, what waits is judged first. About what is in doubt
people are asked by a run of its own (approve.py); nothing behind it is loaded before they answer.
"""

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

from lakehouse.airflow import assets, documents, tasks
from lakehouse.catalog.load import Catalog
from lakehouse.settings import read_settings

settings = read_settings()
catalog = Catalog.of(settings)

for feed in catalog.feeds.values():
    with DAG(
        feed.dag_id,
        description=feed.about,
        doc_md=documents.describe_feed(feed),
        schedule=assets.arrival(settings, feed),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["ingest", "bronze", feed.source, "phi"],
        default_args=tasks.DEFAULTS | {"owner": feed.owner},
    ):
        landed = tasks.step(tasks.land)(feed.name)
        batches = tasks.step(tasks.plan)(feed.name)
        landed >> batches
        if feed.most_refused is not None:
            questions = tasks.step(tasks.judge)(feed.name)
            landed >> questions >> batches
            TriggerDagRunOperator.partial(
                task_id="ask",
                trigger_dag_id=feed.question_dag_id,
                logical_date=None,
                skip_when_already_exists=True,
                openlineage_inject_parent_info=False,
            ).expand_kwargs(questions)
        if feed.export:
            tasks.step(tasks.pull)(feed.name) >> landed
        # batches of one feed go one after another: their order decides which version is current
        tasks.step(
            tasks.load,
            inlets=[assets.table_asset(settings, "landing.ledger")],
            outlets=assets.loaded(settings, catalog, feed),
            max_active_tis_per_dagrun=1,
        ).expand(batch=batches)
