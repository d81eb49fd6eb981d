"""Follows what the real Airflow does until a river of runs has come to rest."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from lakehouse.airflow.api import Api, Run, Task
from lakehouse.errors import StoreError

REFINE = "refine"
_POLL_SECONDS = 1.0

Say = Callable[[str], None]


@dataclass(slots=True)
class Progress:
    """Tells each task that ran once, when it is over; on a terminal also what runs now."""

    say: Say
    _told: set[tuple[str, str, str]] = field(default_factory=set)

    def show(self, tasks: Iterable[Task]) -> None:
        """Tell what is new since the last time."""
        known = sorted(tasks, key=lambda task: (task.ended_at is None, str(task.ended_at)))
        for task in known:
            place = (task.dag_id, task.run_id, task.name)
            if task.is_over and task.state != "skipped" and place not in self._told:
                self._told.add(place)
                self._wipe()
                self.say(_line(task))
        if sys.stdout.isatty():
            self._rewrite(known)

    def _rewrite(self, tasks: list[Task]) -> None:
        running = sorted({f"{t.dag_id}.{t.task_id}" for t in tasks if t.state == "running"})
        line = f"  … {', '.join(running) or 'Airflow is choosing what to run'}"
        room = shutil.get_terminal_size().columns - 1  # a line that wraps cannot be wiped
        sys.stdout.write(f"\r\x1b[2K{line[:room]}")
        sys.stdout.flush()

    def _wipe(self) -> None:
        if sys.stdout.isatty():
            sys.stdout.write("\r\x1b[2K")

    def end(self) -> None:
        """Leave a clean line behind."""
        self._wipe()


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for: that these DAGs ran since then, and `refine` behind them, and that
    nothing is left for them to take."""

    dag_ids: frozenset[str]
    since: datetime
    seconds: float
    is_left: Callable[[], bool] = lambda: False


def follow(api: Api, say: Say, wait: Wait) -> None:
    """Tell what the tasks do until all has come to rest.

    Raises StoreError when a run failed, or when nothing moves for longer than it may.
    """
    progress, moved = Progress(say), time.monotonic()
    before: list[tuple[str, str, str]] = []
    try:
        while time.monotonic() < moved + wait.seconds:
            # asked before the runs: what becomes a run meanwhile must not fall between the two
            is_coming = wait.is_left() or api.is_called(REFINE)
            shown = wait.dag_ids | {REFINE}
            runs = [run for run in api.runs(wait.since) if run.dag_id in shown]
            tasks = [task for task in api.tasks(wait.since) if task.dag_id in shown]
            progress.show(tasks)
            states = [(task.dag_id, task.name, task.state) for task in tasks]
            if states != before:
                before, moved = states, time.monotonic()
            require_success(api.url, runs, tasks)
            if not is_coming and is_at_rest(wait.dag_ids, runs, tasks):
                return
            time.sleep(_POLL_SECONDS)
    finally:
        progress.end()
    raise StoreError(
        f"nothing has moved in the pipelines for {wait.seconds:.0f} s",
        hint=f"look at them in {api.url}",
    )


def await_dags(api: Api, dag_ids: Iterable[str], seconds: float) -> None:
    """Wait until Airflow has parsed these DAGs; raises StoreError when it does not."""
    waiting = list(dag_ids)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        waiting = [dag_id for dag_id in waiting if not api.knows(dag_id)]
        if not waiting:
            return
        time.sleep(_POLL_SECONDS)
    raise StoreError(
        f"Airflow does not know the DAG {waiting[0]}, or it is paused",
        hint=f"look for import errors in {api.url}",
    )


def is_at_rest(wanted: frozenset[str], runs: list[Run], tasks: list[Task]) -> bool:
    """True when all is over and `refine` began behind the last rows that were loaded."""
    if not all(run.is_over for run in runs) or wanted - {run.dag_id for run in runs}:
        return False
    loaded = [
        task.ended_at
        for task in tasks
        if task.task_id == "load" and task.state == "success" and task.ended_at
    ]
    refined = [run.started_at for run in runs if run.dag_id == REFINE and run.started_at]
    return not loaded or any(begun >= max(loaded) for begun in refined)


def require_success(url: str, runs: list[Run], tasks: list[Task]) -> None:
    """Raise StoreError when a run failed; it names the tasks at which."""
    failed = [run for run in runs if run.state == "failed"]
    if failed:
        names = sorted({f"{t.dag_id}.{t.task_id}" for t in tasks if t.state == "failed"})
        raise StoreError(
            f"{len(failed)} runs failed, at {', '.join(names) or failed[0].dag_id}",
            hint=f"the task's log in {url}/dags/{failed[0].dag_id} says why",
        )


def _line(task: Task) -> str:
    return f"  {task.dag_id:<20} {task.name:<33} {task.state:<8} {task.seconds:5.1f} s"
