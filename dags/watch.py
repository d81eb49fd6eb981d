"""Every ten minutes: is a feed late? It fails while one is, and tells of it when that changes.

Where lineage has a second reader, what still waits for it is sent, too.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from lakehouse.airflow import notices, tasks
from lakehouse.settings import read_settings

with DAG(
    "watch",
    description="Holds what arrived against what each feed's stanza expects",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["govern"],
    default_args=tasks.DEFAULTS
    | {"owner": "data-platform", "on_failure_callback": notices.tell_change},
):
    tasks.step(tasks.watch, task_id="late")()
    if read_settings().lineage_url:
        tasks.step(tasks.relay)()
