"""Processes we started, told from others that may carry the same number later."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

from lakehouse.stack.places import Places, read_json, write_json

_SAME_START_SECONDS = 2.0  # the clock may have been set while the process ran


@dataclass(frozen=True, slots=True)
class Process:
    """A process by number and by the moment it started (seconds since the epoch)."""

    pid: int
    started: float

    def is_alive(self) -> bool:
        """Whether this very process still runs; one that ended and was not waited for does not."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < _SAME_START_SECONDS
            return same and not _has_ended(found)
        except psutil.Error:
            return False


def record_self(path: Path) -> None:
    """Write down who this process is, before it becomes a component or begins its work."""
    own = psutil.Process()
    write_json(path, {"pid": own.pid, "started": own.create_time()})


def recorded(path: Path) -> Process | None:
    """Return the process that was written down, if there was one; it may have ended since."""
    found = read_json(path)
    return Process(int(found["pid"]), float(found["started"])) if found else None


def session_of(leader: Process) -> list[int]:
    """Return the processes of the session that `leader` opened, whether it still lives or not.

    While anyone is in it the kernel gives the number to nobody else, so a living process of that
    number that did not start when `leader` did means that the session is gone.
    """
    if psutil.pid_exists(leader.pid) and not _started_as(leader):
        return []
    return [pid for pid in psutil.pids() if _session(pid) == leader.pid and _is_running(pid)]


def ask(leader: Process, number: int) -> None:
    """Send the signal `number` to the process if it is still the one that was recorded."""
    if leader.is_alive():
        _send(leader.pid, number)


def await_end(leader: Process, patience_seconds: float) -> bool:
    """Wait until the process has ended; return whether it did."""
    end = time.monotonic() + patience_seconds
    while leader.is_alive():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def end_together(places: Places, signals: Mapping[str, int], patience_seconds: float) -> None:
    """Ask the named components to stop, each by its signal, wait, kill what stays, forget them."""
    leaders = {name: recorded(places.process(name)) for name in signals}
    known = {name: leader for name, leader in leaders.items() if leader}
    for name, leader in known.items():
        ask(leader, signals[name])
    for name, leader in known.items():
        await_end(leader, patience_seconds)
        kill_session(leader)
        places.process(name).unlink(missing_ok=True)


def kill_session(leader: Process) -> None:
    """Kill what is left of the session that `leader` opened."""
    for pid in session_of(leader):
        _send(pid, signal.SIGKILL)


def _has_ended(process: psutil.Process) -> bool:
    """Whether nothing of it is left but its number: a killed one is called a zombie when its first
    thread is gone, and the others keep its ports and files open for a moment more."""
    return bool(process.status() == psutil.STATUS_ZOMBIE and process.num_threads() == 1)


def _started_as(leader: Process) -> bool:
    try:
        started = psutil.Process(leader.pid).create_time()
    except psutil.Error:
        return True
    return bool(abs(started - leader.started) < _SAME_START_SECONDS)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _is_running(pid: int) -> bool:
    try:
        return not _has_ended(psutil.Process(pid))
    except psutil.Error:
        return False


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
