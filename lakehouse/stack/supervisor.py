"""The background process that starts the parts in order, again when they die, and stops them."""

import fcntl
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import FrameType

from lakehouse import log
from lakehouse.errors import LakehouseError, StoreError
from lakehouse.settings import Settings, read_settings
from lakehouse.stack import airflow, postgres, store
from lakehouse.stack.component import Component, log_of, start
from lakehouse.stack.places import Places, write_json
from lakehouse.stack.process import ask_to_stop, await_end, kill_session, recorded

NAME = "supervisor"
_TICK_SECONDS = 0.25
_STARTS_BEFORE_GIVING_UP = 4
_START_SECONDS = 600
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0
_LOG_BYTES = 32 * 2**20

_log = log.get_logger()


class StopAsked(Exception):  # noqa: N818 (no error: somebody wants us to end)
    """We were asked to stop."""


@dataclass(slots=True)
class Kept:
    """A component and the process that is it now."""

    component: Component
    process: "subprocess.Popen[bytes]"
    since: float
    restarts: int = 0
    failures: int = 0
    again_at: float | None = None


class Supervisor:
    """Keeps one stack. `stages` start one after the other; the parts of a stage start together."""

    def __init__(self, places: Places, stages: Sequence[Sequence[Component]]) -> None:
        self._places = places
        self._stages = stages
        self._kept: dict[str, Kept] = {}
        self._steps: list[str] = []
        self._stopping = threading.Event()
        self._report("starting")

    def stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Ask for an orderly end."""
        self._stopping.set()

    def run(self) -> int:
        """Start, watch, stop; return 0, or the exit code of the error that ended the start."""
        try:
            self._start()
            self._watch()
        except StopAsked:
            return 0
        except LakehouseError as error:
            _log.error("start failed", component=NAME)
            self._report("failed", message=error.message, hint=error.hint)
            return error.exit_code
        finally:
            self._end()
        return 0

    def _start(self) -> None:
        for stage in self._stages:
            for component in stage:
                self._tell(f"starting {component.name}")
                self._launch(component)
            self._await(stage)
        self._report("running")

    def _launch(self, component: Component) -> None:
        component.prepare()
        _bound(self._places, component.name)
        process = start(component, self._places)
        before = self._kept.get(component.name)
        kept = Kept(component, process, time.monotonic())
        if before:
            kept.restarts, kept.failures = before.restarts + 1, before.failures
        self._kept[component.name] = kept
        _log.info("started", component=component.name, pid=process.pid)

    def _await(self, stage: Iterable[Component]) -> None:
        waiting = list(stage)
        end = time.monotonic() + _START_SECONDS
        while waiting:
            self._tend()
            self._give_up(end, waiting)
            for component in [waits for waits in waiting if not waits.check()]:
                component.settle()
                self._tell(f"{component.name} answers")
                waiting.remove(component)
            self._pause()

    def _give_up(self, end: float, waiting: Iterable[Component]) -> None:
        for name, kept in self._kept.items():
            if kept.failures >= _STARTS_BEFORE_GIVING_UP:
                raise StoreError(
                    f"{name} ended {kept.failures} times while the stack started",
                    hint=f"read {log_of(self._places, name)}",
                )
        if time.monotonic() > end:
            wrong = ", ".join(f"{component.name} {component.check()}" for component in waiting)
            raise StoreError(
                f"the stack did not start in {_START_SECONDS} seconds: {wrong}",
                hint=f"read the files in {self._places.logs}",
            )

    def _watch(self) -> None:
        while True:
            self._pause()
            if self._tend():
                self._report("running")

    def _pause(self) -> None:
        if self._stopping.wait(_TICK_SECONDS):
            raise StopAsked

    def _tend(self) -> bool:
        """Start again what has ended, after a pause that grows; return whether something was."""
        started = [self._tend_one(kept) for kept in list(self._kept.values())]
        return any(started)

    def _tend_one(self, kept: Kept) -> bool:
        now, name = time.monotonic(), kept.component.name
        if kept.process.poll() is None:
            return False
        if kept.again_at is None:
            kept.failures = 1 if now - kept.since > _STEADY_SECONDS else kept.failures + 1
            kept.again_at = now + min(_LONGEST_PAUSE_SECONDS, 0.25 * 2**kept.failures)
            _log.warning("ended", component=name, pid=kept.process.pid)
        if now < kept.again_at:
            return False
        self._sweep(name)
        self._launch(kept.component)
        return True

    def _sweep(self, name: str) -> None:
        """Kill what a dead component left behind: its workers would go on with nobody to tell."""
        leader = recorded(self._places.process(name))
        if leader:
            kill_session(leader)

    def _end(self) -> None:
        for stage in reversed(self._stages):
            end_components(self._places, stage)
        _log.info("stopped", component=NAME)

    def _tell(self, step: str) -> None:
        self._steps.append(step)
        self._report("starting")

    def _report(self, phase: str, *, message: str = "", hint: str = "") -> None:
        restarts = {name: kept.restarts for name, kept in self._kept.items()}
        told = {"phase": phase, "steps": self._steps, "message": message, "hint": hint}
        write_json(self._places.state, {**told, "restarts": restarts})


def end_components(places: Places, components: Iterable[Component]) -> None:
    """Ask all of them to stop, wait, kill what stays, and forget their records."""
    found = [(component, recorded(places.process(component.name))) for component in components]
    for component, leader in found:
        if leader:
            ask_to_stop(leader, component.stop_signal)
    for component, leader in found:
        if leader:
            await_end(leader, component.stop_seconds)
            kill_session(leader)
        places.process(component.name).unlink(missing_ok=True)


def stages(settings: Settings) -> list[list[Component]]:
    """Return the parts of the stack in the order they start."""
    embedded = store.component(settings, store.resolve(settings))
    database = postgres.component(settings)
    ground = [embedded, database] if embedded else [database]
    return [ground, airflow.components(settings)]


def _bound(places: Places, name: str) -> None:
    """Keep one older log beside the present one, so that logs do not fill the disk."""
    path = log_of(places, name)
    if path.is_file() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))


def main() -> int:
    """Be the supervisor of the stack that LAKEHOUSE_HOME names; return its exit code."""
    settings = read_settings()
    places = Places(settings.home)
    with (places.run / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        keeper = Supervisor(places, stages(settings))
        signal.signal(signal.SIGTERM, keeper.stop)
        signal.signal(signal.SIGINT, keeper.stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return keeper.run()
