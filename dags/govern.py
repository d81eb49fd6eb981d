"""Every night: small files are joined, old ones removed, logs checkpointed, lineage stored.

What arrived is looked through for values that the views cannot read. The lineage task also proves
that no commit lacks its event, and rebuilds those that a kill took. The page Upkeep says what all
that did.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from lakehouse.airflow import tasks

with DAG(
    "govern",
    description="Keeps the lake small, fast and accounted for",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("30 2 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["govern"],
    default_args=tasks.DEFAULTS | {"owner": "data-platform"},
):
    upkeep = tasks.step(tasks.maintain)()
    tasks.step(tasks.find_unread, task_id="findings")(upkeep)
    tasks.step(tasks.store_lineage, task_id="lineage")(upkeep)
