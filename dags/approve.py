"""One DAG a feed that may hold deliveries back: its runs are questions, which people answer.

Each waits under Required Actions, and holds up what it asks about and what stands behind that: the
feed goes on landing. The answer wakes the feed's DAG, which loads.
"""

from airflow.sdk import DAG

from lakehouse.airflow import assets
from lakehouse.airflow.approval import DEFAULTS_OF_QUESTIONS, Approval
from lakehouse.catalog.load import Catalog
from lakehouse.settings import read_settings

settings = read_settings()
catalog = Catalog.of(settings)

for feed in catalog.feeds.values():
    if feed.most_refused is None:
        continue
    with DAG(
        feed.question_dag_id,
        description=f"Asks what is to be done where too much of {feed.name} cannot be read",
        doc_md=__doc__,
        schedule=None,
        catchup=False,
        # one that was answered on the command line waits until somebody opens it
        max_active_runs=16,
        is_paused_upon_creation=False,
        tags=["approve", feed.source],
        default_args=DEFAULTS_OF_QUESTIONS | {"owner": feed.owner},
    ):
        Approval(task_id="approve", feed=feed.name, outlets=[assets.answer_asset(feed)])
