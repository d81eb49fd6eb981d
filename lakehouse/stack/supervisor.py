"""The background process that starts the parts in order, again when they die, and stops them."""

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from lakehouse import log
from lakehouse.errors import LakehouseError, StoreError
from lakehouse.settings import Settings, read_settings
from lakehouse.stack import airflow, postgres, store
from lakehouse.stack.component import Component, cut_off, log_of, start
from lakehouse.stack.places import Places, write_json
from lakehouse.stack.process import end_together, kill_session, recorded

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
    is_settled: bool = False

    def settle(self) -> str:
        """Ask whether it answers, and settle it when it does; return what is wrong, or nothing."""
        try:
            wrong = self.component.check()
            if not wrong:
                self.component.settle()
        except StoreError as error:
            return error.message
        self.is_settled = not wrong
        return wrong

    def put_off(self, now: float) -> None:
        """Count a failure; the next start waits twice as long as the last."""
        self.failures += 1
        self.again_at = now + min(_LONGEST_PAUSE_SECONDS, 0.25 * 2**self.failures)


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
            return self._fail(error)
        except OSError as error:
            return self._fail(StoreError(f"the stack could not start: {error.strerror}"))
        finally:
            self._end()
        return 0

    def _fail(self, error: LakehouseError) -> int:
        _log.error("start failed", component=NAME)
        self._report("failed", message=error.message, hint=error.hint)
        return error.exit_code

    def _start(self) -> None:
        for stage in self._stages:
            for component in stage:
                self._tell(f"starting {component.name}")
                self._launch(component)
            self._await(stage)
        self._report("running")

    def _launch(self, component: Component) -> None:
        component.prepare()
        process = start(component, self._places)
        before = self._kept.get(component.name)
        kept = Kept(component, process, time.monotonic())
        if before:
            kept.restarts, kept.failures = before.restarts + 1, before.failures
        self._kept[component.name] = kept
        _log.info("started", component=component.name, pid=process.pid)

    def _await(self, stage: Iterable[Component]) -> None:
        names = [component.name for component in stage]
        end = time.monotonic() + _START_SECONDS
        while True:
            self._tend()
            waiting = [name for name in names if not self._kept[name].is_settled]
            if not waiting:
                return
            wrong = {name: self._kept[name].settle() for name in waiting}
            for name in waiting:
                if not wrong[name]:
                    self._tell(f"{name} answers")
            self._give_up(end, wrong)
            self._pause()

    def _give_up(self, end: float, wrong: Mapping[str, str]) -> None:
        for name, kept in self._kept.items():
            if kept.failures >= _STARTS_BEFORE_GIVING_UP:
                raise StoreError(
                    f"{name} ended {kept.failures} times while the stack started",
                    hint=f"read {log_of(self._places, name)}",
                )
        if time.monotonic() > end:
            told = "; ".join(f"{name}: {text}" for name, text in wrong.items() if text)
            raise StoreError(
                f"the stack did not start in {_START_SECONDS} seconds ({told})",
                hint=f"read the files in {self._places.logs}",
            )

    def _watch(self) -> None:
        while True:
            self._pause()
            with suppress(OSError):  # a full disk must not end what still runs
                if self._tend():
                    self._report("running")
                if self._settle():
                    self._report("running")
                for name in (NAME, *self._kept):
                    bound_log(log_of(self._places, name))

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
            kept.failures = 0 if now - kept.since > _STEADY_SECONDS else kept.failures
            kept.put_off(now)
            _log.warning("ended", component=name, pid=kept.process.pid)
        if kept.again_at is None or now < kept.again_at:
            return False
        self._sweep(name)
        return self._launch_again(kept)

    def _launch_again(self, kept: Kept) -> bool:
        try:
            self._launch(kept.component)
        except (LakehouseError, OSError) as error:
            kept.put_off(time.monotonic())
            name = kept.component.name
            _log.warning("not started", component=name, error=type(error).__name__)
            return False
        return True

    def _settle(self) -> bool:
        """Settle what was started again, as at its first start; return whether something was."""
        waiting = [kept for kept in self._kept.values() if not kept.is_settled]
        wrong = [kept.settle() for kept in waiting if kept.process.poll() is None]
        return "" in wrong

    def _sweep(self, name: str) -> None:
        """Kill what a dead component left behind: its workers would go on with nobody to tell."""
        leader = recorded(self._places.process(name))
        if leader:
            kill_session(leader)

    def _end(self) -> None:
        for stage in reversed(self._stages):
            for is_last in (False, True):
                part = [component for component in stage if component.outlasts is is_last]
                signals = {component.name: component.stop_signal for component in part}
                patience = max((component.stop_seconds for component in part), default=0.0)
                end_together(self._places, signals, patience)
        _log.info("stopped", component=NAME)

    def _tell(self, step: str) -> None:
        self._steps.append(step)
        self._report("starting")

    def _report(self, phase: str, *, message: str = "", hint: str = "") -> None:
        restarts = {name: kept.restarts for name, kept in self._kept.items()}
        settling = [name for name, kept in self._kept.items() if not kept.is_settled]
        told = {"phase": phase, "steps": self._steps, "message": message, "hint": hint}
        write_json(self._places.state, {**told, "restarts": restarts, "settling": settling})


def stages(settings: Settings) -> list[list[Component]]:
    """Return the parts of the stack in the order they start."""
    embedded = store.component(settings, store.resolve(settings))
    database = postgres.component(settings)
    ground = [embedded, database] if embedded else [database]
    return [ground, airflow.components(settings)]


def bound_log(path: Path, most_bytes: int = _LOG_BYTES) -> None:
    """Move a long log to `<name>.1` and begin anew, so that logs do not fill the disk.

    The process keeps its open file, which always writes at the end; a line written in between is
    lost.
    """
    if path.is_file() and path.stat().st_size > most_bytes:
        shutil.copyfile(path, cut_off(path))
        os.truncate(path, 0)


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
