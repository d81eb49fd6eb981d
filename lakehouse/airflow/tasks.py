"""What the tasks of the DAGs do. A task returns and logs counts, versions and names, nothing else.

Data libraries are imported when a task runs, so that DAGs parse without them.
"""

import logging
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule, get_current_context, task
from airflow.sdk.exceptions import AirflowRescheduleException

from lakehouse.airflow.assets import table_asset
from lakehouse.airflow.notices import tell_failure
from lakehouse.airflow.rights import require_right
from lakehouse.airflow.shield import Shield
from lakehouse.catalog.policy import ACT
from lakehouse.errors import PolicyError, QualityError, SpecError
from lakehouse.lineage import collect
from lakehouse.settings import read_settings

if TYPE_CHECKING:
    from lakehouse.storage.lake import Lake

_Result = TypeVar("_Result")

DEFAULTS: dict[str, Any] = {
    "retries": 4,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    # trying again mends storage, never a declaration, a broken promise or a missing right
    "retry_policy": ExceptionRetryPolicy(
        [RetryRule([SpecError, QualityError, PolicyError], RetryAction.FAIL)]
    ),
    "on_failure_callback": tell_failure,
}
QUESTION = "question"
"""What the configuration of a run that asks people names: the number of the question."""

_LONGEST_SLEEP_SECONDS = 5.0
# it tells of each array that it reads
logging.getLogger("sqlglot").setLevel(logging.WARNING)


def step(work: Callable[..., Any], **arguments: Any) -> Callable[..., Any]:
    """Return the task of a DAG that does `work`; `arguments` are those of Airflow's `task`.

    What it returns is stored once. Airflow would store each of its items again by itself, which
    takes a request to its server each.
    """
    return task(multiple_outputs=False, **arguments)(work)


def choose(work: Callable[..., list[str]], **arguments: Any) -> Callable[..., Any]:
    """Return the task that does `work` and lets those tasks behind it run whose names that returns,
    and those that come behind them; all others are skipped."""
    return task.branch(multiple_outputs=False, **arguments)(work)


def pull(feed: str) -> dict[str, int]:
    """Fetch what a feed's server has into its inbox; how many files and bytes.

    While the server is at work the task gives its slot back, and goes on where it stood.
    """

    def work(lake: "Lake") -> dict[str, int]:
        from lakehouse.ingest.receive import receive

        received = receive(lake.settings, lake.catalog.feeds[feed], _pause)
        return {"files": received.files, "bytes": received.bytes}

    return on_lake("ingest", work)


def land(feed: str) -> dict[str, int]:
    """Land what has settled in a feed's inbox; how many files and bytes, and what was no file."""

    def work(lake: "Lake") -> dict[str, int]:
        from lakehouse.ingest.landing import land

        landed = land(lake, lake.catalog.feeds[feed])
        return {
            "files": len(landed.sequences),
            "bytes": landed.bytes,
            "refused": landed.refused,
        }

    return on_lake("ingest", work)


def judge(feed: str) -> list[dict[str, Any]]:
    """Read what waits of a feed for its counts alone: the run of its question, where too much of it
    cannot be read and nobody has decided on that. The same question is always the same run."""

    def work(lake: "Lake") -> list[dict[str, Any]]:
        from lakehouse.ingest.waiting import find_questions

        found = find_questions(lake, lake.catalog.feeds[feed])
        told = {
            one.number: f"{one.asked_at:question_{one.number}__%Y-%m-%dT%H%M%SZ}" for one in found
        }
        return [
            {"trigger_run_id": run_id, "conf": {QUESTION: number}}
            for number, run_id in told.items()
        ]

    return on_lake("ingest", work)


def plan(feed: str) -> list[dict[str, Any]]:
    """The batches of a feed that may be loaded now, also those that a killed run left: none behind
    one that a person is asked about."""

    def work(lake: "Lake") -> list[dict[str, Any]]:
        from lakehouse.ingest.waiting import find_loadable

        return [batch.to_json() for batch in find_loadable(lake, lake.catalog.feeds[feed])]

    return on_lake("ingest", work)


def load(batch: dict[str, Any]) -> dict[str, Any]:
    """Load one batch into bronze; how its records were judged."""

    def work(lake: "Lake") -> dict[str, Any]:
        from lakehouse.ingest.load import Batch, load

        loaded = load(lake, Batch.from_json(batch))
        told = {
            "records": loaded.records,
            "good": loaded.good,
            "unchanged": loaded.unchanged,
            "quarantined": loaded.quarantined,
            "blank": loaded.blank,
            "missing": loaded.missing,
        }
        for name, version in loaded.tables.items():
            _tell(name, told | {"version": version})
        return told | {"tables": loaded.tables}

    return on_lake("ingest", work)


def find_due() -> list[str]:
    """Bring up to date all tables for which nothing came; the others, whose tasks are to run."""

    def work(lake: "Lake") -> list[str]:
        from lakehouse.transform.due import settle_all

        return settle_all(lake, get_current_context()["ti"].dag_id)

    return on_lake("refine", work)


def build(table: str) -> dict[str, Any]:
    """Bring a silver or gold table up to date; its version and counts."""

    def work(lake: "Lake") -> dict[str, Any]:
        from lakehouse.transform.build import build

        built = build(lake, table)
        told = {
            "version": built.version,
            "mode": built.mode,
            "rows": built.rows,
            "written": built.written,
            "deleted": built.deleted,
            "quarantined": built.quarantined,
            "checks": len(built.checks),
            "checks_passed": sum(check.broken == 0 for check in built.checks),
        }
        _tell(table, told)
        return told

    return on_lake("refine", work)


def watch() -> None:
    """Hold what arrived against what the feeds' stanzas expect; raises QualityError that names the
    feeds which are late."""

    def work(lake: "Lake") -> None:
        from lakehouse.ingest.lateness import judge_lateness, refuse_late

        refuse_late(judge_lateness(lake))

    on_lake("ingest", work)


def relay() -> dict[str, int]:
    """Send what waits for the second reader of lineage; how many it took, refused, and wait on.

    A reader that takes nothing is no failure: it is asked again, and the doctor tells of it.
    """
    from dataclasses import asdict

    from lakehouse.lineage.outbox import relay_of
    from lakehouse.lineage.relay import TURN_SECONDS

    found = relay_of(read_settings())
    return asdict(found.deliver(TURN_SECONDS)) if found else {}


def act() -> dict[str, int]:
    """Apply what a person decided about refused records of a feed, or rows of a built table; how
    many places were taken up, how many left the quarantine, and the rows that came to bronze.

    Raises PolicyError for a run that was not asked for on the lake's pages.
    """
    from lakehouse.airflow.permit import require_permit

    run = get_current_context()["dag_run"]
    person, run_id = run.triggering_user_name or "", run.run_id
    told = require_permit(run.conf or {}, run_id, person)

    table = told.get("table")

    def work(lake: "Lake") -> dict[str, int]:
        from dataclasses import asdict

        from lakehouse.ingest.replay import Act, Which
        from lakehouse.transform.refused import act_on

        which = Which(told["reason"], told["sequence"], told["line"])
        act = Act(told["feed"], told["act"], person, told["why"], which, run_id, table)
        return asdict(act_on(lake, act))

    return on_lake("govern" if table else "ingest", work)


def backfill() -> dict[str, int]:
    """Load or build once more what the form of this run names; what that changed.

    Raises PolicyError where policy.yml does not let the person who asked act.
    """
    context = get_current_context()
    told, person = context["params"], context["dag_run"].triggering_user_name or ""
    name, since = str(told["name"]), told["since"]

    def work(lake: "Lake") -> dict[str, int]:
        from dataclasses import replace

        from lakehouse.transform.backfill import as_act, carry_out

        require_right(lake.settings, person, ACT)
        at = datetime.fromisoformat(since) if since else None
        act = as_act(lake.catalog, name, at, person)
        return carry_out(lake, replace(act, request=context["dag_run"].run_id))

    return on_lake("govern" if "." in name else "ingest", work)


def maintain() -> dict[str, int]:
    """Compact, vacuum and checkpoint all tables; how many, and the number of this upkeep."""

    def work(lake: "Lake") -> dict[str, int]:
        from lakehouse.govern.upkeep import care

        number, cared = care(lake, _person())
        return {"number": number, "tables": len(cared)}

    return on_lake("govern", work)


def find_unread(upkeep: dict[str, int]) -> dict[str, int]:
    """Look through what arrived since the last night for values that the views cannot read; how
    many, in how many records."""

    def work(lake: "Lake") -> dict[str, int]:
        from dataclasses import asdict

        from lakehouse.govern.upkeep import find_unread

        return asdict(find_unread(lake, upkeep["number"], _person()))

    return on_lake("govern", work)


def store_lineage(upkeep: dict[str, int]) -> dict[str, int]:
    """Move lineage into the lake, rebuild what a kill swallowed, and prove that nothing lacks.

    Raises QualityError when a commit still has no event or a column no source.
    """

    def work(lake: "Lake") -> dict[str, int]:
        from dataclasses import asdict

        from lakehouse.govern.upkeep import store_lineage

        return asdict(store_lineage(lake, upkeep["number"], _person()))

    return on_lake("govern", work)


def _person() -> str | None:
    """Who started this run; None where its schedule did."""
    return get_current_context()["dag_run"].triggering_user_name or None


def on_lake(role: str, work: Callable[["Lake"], _Result]) -> _Result:
    """Do `work` on the lake with the keys of `role`, as the task instance that runs now."""
    # Airflow takes whatever comes on stderr for an error; our own lines tell their level
    with Shield() as shield, redirect_stderr(sys.stdout):
        from airflow.providers.openlineage.plugins.macros import lineage_job_name, lineage_run_id

        from lakehouse.govern.follow import following
        from lakehouse.storage.lake import open_lake

        instance = get_current_context()["ti"]
        collect.begin(lineage_run_id(instance), lineage_job_name(instance))
        lake = open_lake(read_settings(), role)
        with following(lake):
            return work(lake)
    raise shield.withheld


def _pause(seconds: float) -> None:
    """Let time pass: a short time in this process, a longer one without it."""
    if seconds > _LONGEST_SLEEP_SECONDS:
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        raise AirflowRescheduleException(until)  # type: ignore[no-untyped-call]  # not typed there
    time.sleep(seconds)


def _tell(table: str, counts: dict[str, Any]) -> None:
    """Hand counts to whatever runs because this table changed."""
    events = get_current_context()["outlet_events"]
    events[table_asset(read_settings(), table)].extra = counts
