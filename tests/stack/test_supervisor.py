"""The supervisor starts in order, starts again what dies, gives up while starting, and ends all."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.errors import StoreError
from lakehouse.stack.component import Component
from lakehouse.stack.places import Places, read_json
from lakehouse.stack.process import Process, recorded
from lakehouse.stack.supervisor import Supervisor, bound_log

STAYS = "import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAYS}"
DIES = "raise SystemExit(3)"


def until(found: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something another process does; fail when it does not."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


class Keeper:
    """A supervisor in a thread."""

    def __init__(self, home: Path, *stages: list[Component]) -> None:
        self.places = Places(home)
        self.places.prepare()
        self.supervisor = Supervisor(self.places, stages)
        self.result: list[int] = []
        self._thread = threading.Thread(target=lambda: self.result.append(self.supervisor.run()))
        self._thread.start()

    @property
    def state(self) -> dict:
        return read_json(self.places.state)

    def process(self, name: str) -> Process:
        found = recorded(self.places.process(name))
        assert found is not None
        return found

    def end(self) -> int:
        self.supervisor.stop()
        self._thread.join(20)
        return self.result[0]


@pytest.fixture
def keep(tmp_path):
    made: list[Keeper] = []

    def make(*stages: list[Component]) -> Keeper:
        made.append(Keeper(tmp_path / "home", *stages))
        return made[-1]

    yield make
    for keeper in made:
        keeper.end()


def part(name: str, code: str = STAYS, **more) -> Component:
    more = {"check": lambda: "", "stop_seconds": 2, **more}
    return Component(name, (sys.executable, "-c", code), {"PATH": os.environ["PATH"]}, **more)


def test_a_stage_starts_when_the_one_before_it_answers_and_is_settled(keep):
    order: list[str] = []
    keeper = keep(
        [part("a", settle=lambda: order.append("a settled"))],
        [part("b", prepare=lambda: order.append("b prepared"))],
    )
    until(lambda: keeper.state["phase"] == "running")
    assert order == ["a settled", "b prepared"]
    assert keeper.process("a").is_alive()
    assert keeper.end() == 0


@pytest.mark.long
def test_what_is_killed_starts_again_alone(keep):
    keeper = keep([part("a"), part("b")])
    until(lambda: keeper.state["phase"] == "running")
    killed, other = keeper.process("a"), keeper.process("b")
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: keeper.process("a") != killed and keeper.process("a").is_alive())
    assert keeper.process("b") == other
    until(lambda: keeper.state["restarts"] == {"a": 1, "b": 0})


def test_the_workers_of_what_died_do_not_outlive_it(keep, tmp_path):
    worker = tmp_path / "worker"
    code = f"""
import os, pathlib
if pid := os.fork():
    pathlib.Path({str(worker)!r}).write_text(str(pid))
{STAYS}
"""
    keeper = keep([part("a", code)])
    until(lambda: worker.is_file() and worker.read_text())
    orphan = Process(int(worker.read_text()), keeper.process("a").started)
    os.kill(keeper.process("a").pid, signal.SIGKILL)
    until(lambda: not orphan.is_alive())


def test_what_others_speak_to_is_stopped_when_they_have_ended(keep, tmp_path):
    told, worker = tmp_path / "told", Places(tmp_path / "home").process("worker")
    server = f"""
import pathlib, signal, sys
worker, told = pathlib.Path({str(worker)!r}), pathlib.Path({str(told)!r})
signal.signal(signal.SIGTERM, lambda *_: sys.exit(told.write_text(f"worker: {{worker.exists()}}")))
told.touch()
{STAYS}
"""
    keeper = keep(
        [part("server", server, outlasts=True), part("worker", STUBBORN, stop_seconds=0.3)]
    )
    until(told.exists)
    assert keeper.end() == 0
    assert told.read_text() == "worker: False"


@pytest.mark.long
def test_a_part_that_keeps_dying_while_starting_ends_the_start_and_says_where_to_read(keep):
    keeper = keep([part("a"), part("b", DIES, check=lambda: "no answer")])
    until(lambda: keeper.result, seconds=20)
    state = keeper.state
    assert keeper.result == [13]
    assert state["phase"] == "failed"
    assert state["message"].startswith("b ended 4 times")
    assert state["hint"].endswith("logs/b.log")
    assert recorded(keeper.places.process("a")) is None


def test_a_part_that_answers_before_it_can_be_settled_is_asked_again(keep):
    tries: list[int] = []

    def settle() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise StoreError("not initialised")

    keeper = keep([part("a", settle=settle)])
    until(lambda: keeper.state["phase"] == "running")
    assert len(tries) == 3


def test_what_is_started_again_is_settled_again_and_told_of_until_then(keep):
    tries: list[int] = []
    may_settle = threading.Event()
    may_settle.set()

    def settle() -> None:
        tries.append(1)
        if not may_settle.is_set():
            raise StoreError("not initialised")

    keeper = keep([part("a", settle=settle), part("b")])
    until(lambda: keeper.state["phase"] == "running")
    assert keeper.state["settling"] == []
    may_settle.clear()
    os.kill(keeper.process("a").pid, signal.SIGKILL)
    until(lambda: keeper.state["settling"] == ["a"] and len(tries) > 2)
    may_settle.set()
    until(lambda: keeper.state["settling"] == [])
    assert keeper.state["restarts"] == {"a": 1, "b": 0}


def test_a_full_disk_while_settling_again_does_not_end_the_others(keep):
    fails: list[bool] = []

    def settle() -> None:
        if fails and fails.pop():
            raise OSError(28, "No space left on device")

    keeper = keep([part("a", settle=settle), part("b")])
    until(lambda: keeper.state["phase"] == "running")
    other = keeper.process("b")
    fails.append(True)
    os.kill(keeper.process("a").pid, signal.SIGKILL)
    until(lambda: not fails and keeper.state["settling"] == [])
    assert keeper.process("b") == other
    assert other.is_alive()


@pytest.mark.long
def test_a_part_that_cannot_be_prepared_again_is_tried_again_and_the_others_go_on(keep):
    fails: list[bool] = []

    def prepare() -> None:
        if fails and fails.pop():
            raise OSError(28, "No space left on device")

    keeper = keep([part("a", prepare=prepare), part("b")])
    until(lambda: keeper.state["phase"] == "running")
    killed, other = keeper.process("a"), keeper.process("b")
    fails.append(True)
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: not fails)
    until(lambda: keeper.process("a") != killed and keeper.process("a").is_alive())
    assert keeper.process("b") == other
    assert other.is_alive()


def test_a_long_log_begins_anew_while_its_process_goes_on_writing(tmp_path):
    path = tmp_path / "a.log"
    with path.open("ab", buffering=0) as log:
        log.write(b"old\n")
        bound_log(path, most_bytes=4)
        assert path.read_bytes() == b"old\n"
        bound_log(path, most_bytes=3)
        log.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "a.log.1").read_bytes() == b"old\n"


@pytest.mark.long
def test_an_end_is_orderly_and_kills_only_what_does_not_listen(keep):
    keeper = keep([part("a")], [part("b", STUBBORN, stop_seconds=0.3)])
    until(lambda: keeper.state["phase"] == "running")
    processes = [keeper.process("a"), keeper.process("b")]
    assert keeper.end() == 0
    assert not [process for process in processes if process.is_alive()]


def test_an_end_while_starting_leaves_nothing(keep):
    keeper = keep([part("a", check=lambda: "not yet")])
    until(lambda: recorded(keeper.places.process("a")))
    process = keeper.process("a")
    assert keeper.end() == 0
    assert not process.is_alive()


def test_the_environment_of_a_part_is_what_was_given_and_its_output_goes_to_its_log(keep):
    code = f"import os; print(sorted(os.environ), flush=True); {STAYS}"
    keeper = keep([part("a", code)])
    log = keeper.places.logs / "a.log"
    until(lambda: log.is_file() and log.read_text().endswith("\n"))
    assert set(eval(log.read_text())) <= {"PATH", "LC_CTYPE"}
    assert log.stat().st_mode & 0o077 == 0
