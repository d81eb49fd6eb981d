"""Up, down and status: what a person asks of the embedded stack."""

import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from lakehouse.errors import StoreError
from lakehouse.settings import PROJECT, Settings
from lakehouse.stack import airflow, postgres, seaweed, store, supervisor
from lakehouse.stack.component import base_environment, log_of, open_log, recording
from lakehouse.stack.places import Places, read_json, write_json
from lakehouse.stack.ports import require_free, require_same, running
from lakehouse.stack.process import (
    Process,
    ask,
    await_end,
    end_together,
    kill_session,
    recorded,
)

Say = Callable[[str], None]
_LOOK_SECONDS = 0.25
NEXT_STORE = "store-next"
"""The server of the store that the lake is being moved to."""
_HEAL_SECONDS = 180
_STOP_SECONDS = 120


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One part of the stack; `detail` says what is wrong, or where it answers."""

    name: str
    healthy: bool
    detail: str


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The whole stack, asked now."""

    components: tuple[ComponentStatus, ...]

    @property
    def healthy(self) -> bool:
        """Whether every part answers."""
        return all(component.healthy for component in self.components)

    @property
    def running(self) -> bool:
        """Whether somebody keeps the stack."""
        return self.components[0].healthy


def up(settings: Settings, say: Say) -> None:
    """Start the stack and return when every part answers; nothing is done to one that runs.

    Raises SpecError for settings that disagree with the recorded store, StoreError for a port that
    is taken or a part that does not start.
    """
    places = Places(settings.home)
    places.prepare()
    with alone(places, say):
        keeper = supervisor_of(places)
        if keeper:
            require_same(settings)
            say("the stack is already running")
        else:
            keeper = _launch(settings, places)
        _await_health(running(settings), keeper, say)
    _greet(running(settings), say)


def down(settings: Settings, say: Say) -> None:
    """Stop the stack in order; its data stays."""
    places = Places(settings.home)
    if not places.run.is_dir():
        say("the stack is not running")
        return
    with alone(places, say):
        if not any(process.is_alive() for process in _recorded(places)):
            say("the stack is not running")
            return
        say("stopping")
        keeper = supervisor_of(places)
        if keeper:
            ask(keeper, signal.SIGTERM)
            if not await_end(keeper, _STOP_SECONDS):
                kill_session(keeper)
        end_leftovers(places)
        say(f"stopped; the lake and its history stay in {settings.home}")


def status(settings: Settings) -> StackStatus:
    """Ask every part now; changes nothing."""
    settings = running(settings)
    places = Places(settings.home)
    keeper = supervisor_of(places)
    first = ComponentStatus(
        supervisor.NAME, keeper is not None, f"pid {keeper.pid}" if keeper else "not running"
    )
    asked = [_component_status(settings, name, ask) for name, ask in _checks(settings).items()]
    return StackStatus((first, *asked))


def _checks(settings: Settings) -> dict[str, Callable[[], str]]:
    places = Places(settings.home)
    return {
        "store": partial(store.check, settings),
        postgres.NAME: partial(postgres.check, places),
        **airflow.checks(settings),
    }


def _component_status(settings: Settings, name: str, ask: Callable[[], str]) -> ComponentStatus:
    places = Places(settings.home)
    record = read_json(places.store_record)
    if name != "store" or record.get("store") in store.EMBEDDED or not record:
        process = recorded(places.process(name))
        if not process or not process.is_alive():
            return ComponentStatus(name, False, "not running")
    told = read_json(places.state)
    wrong = ask() or ("starting" if name in told.get("settling", ()) else "")
    restarts = told.get("restarts", {}).get(name, 0)
    seen = f"started again {restarts} times" if restarts else "answers"
    return ComponentStatus(name, not wrong, wrong or seen)


def _recorded(places: Places) -> list[Process]:
    names = (supervisor.NAME, "store", postgres.NAME, *airflow.NAMES)
    found = (recorded(places.process(name)) for name in names)
    return [process for process in found if process]


def supervisor_of(places: Places) -> Process | None:
    """The process that keeps the stack, None where it does not run."""
    found = recorded(places.process(supervisor.NAME))
    return found if found and found.is_alive() else None


def _launch(settings: Settings, places: Places) -> Process:
    end_leftovers(places)
    choice = store.resolve(settings)
    supervisor.stages(settings)  # what cannot be had is told here, and not in a log
    if choice.kind in store.EMBEDDED:
        require_free("s3", settings.ports["s3"])
    require_free("airflow", settings.ports["airflow"])
    write_json(places.outer_ports, settings.ports)
    write_json(places.state, {"phase": "starting"})
    with open_log(places, supervisor.NAME) as log:
        process = subprocess.Popen(
            (sys.executable, "-m", "lakehouse.stack"),
            env=base_environment(settings),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
            preexec_fn=recording(places.process(supervisor.NAME)),  # noqa: PLW1509 (one thread)
        )
    found = recorded(places.process(supervisor.NAME))
    if not found or found.pid != process.pid:
        raise StoreError("the supervisor did not start", hint=f"read the files in {places.logs}")
    return found


def _await_health(settings: Settings, keeper: Process, say: Say) -> None:
    places = Places(settings.home)
    _follow_start(places, keeper, say)
    end = time.monotonic() + _HEAL_SECONDS
    while not (found := status(settings)).healthy:
        _require_alive(keeper, places)
        if time.monotonic() > end:
            ill = ", ".join(part.name for part in found.components if not part.healthy)
            raise StoreError(f"not healthy: {ill}", hint=f"read the files in {places.logs}")
        time.sleep(_LOOK_SECONDS)


def _follow_start(places: Places, keeper: Process, say: Say) -> None:
    """Say each step of a start, also of one that an interrupted `up` began."""
    state = read_json(places.state)
    told = 0 if state["phase"] == "starting" else len(state["steps"])
    while True:
        for step in state.get("steps", [])[told:]:
            say(step)
            told += 1
        if state["phase"] != "starting":
            break
        _require_alive(keeper, places)
        time.sleep(_LOOK_SECONDS)
        state = read_json(places.state)
    _require_started(keeper, places)


def _greet(settings: Settings, say: Say) -> None:
    """Say where Airflow is; the password goes to a terminal only, not into a log or a pipe."""
    found = airflow.access(settings)
    say(f"the stack is up: Airflow is at {found.url}, its user is {found.user}")
    if sys.stdout.isatty():
        say(f"the password is {found.password}")
    else:
        say(f"the password is in {found.password_file}")


def _require_alive(keeper: Process, places: Places) -> None:
    if not keeper.is_alive():
        _require_started(keeper, places)
        raise StoreError(
            "the stack was stopped while it started",
            hint=f"read {log_of(places, supervisor.NAME)}",
        )


def _require_started(keeper: Process, places: Places) -> None:
    state = read_json(places.state)
    if state.get("phase") == "failed":
        await_end(keeper, _STOP_SECONDS)
        raise StoreError(str(state["message"]), hint=str(state["hint"]))


def end_leftovers(places: Places) -> None:
    """End what a killed supervisor left running, in the order of an orderly stop."""
    workers = [name for name in airflow.NAMES if name != airflow.SERVER]
    end_together(places, dict.fromkeys(workers, signal.SIGTERM), 20)
    end_together(places, {airflow.SERVER: signal.SIGTERM}, 20)
    stores = dict.fromkeys(("store", NEXT_STORE), signal.SIGTERM)
    end_together(places, {**stores, postgres.NAME: signal.SIGINT}, 30)
    places.process(supervisor.NAME).unlink(missing_ok=True)
    places.outer_ports.unlink(missing_ok=True)
    seaweed.sweep(places)
    places.remove_sockets()


@contextmanager
def alone(places: Places, say: Say) -> Iterator[None]:
    """Hold the stack's lock; whoever comes second says so and waits."""
    with (places.run / "control.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another `lakehouse up` or `down` is at work on this stack: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
