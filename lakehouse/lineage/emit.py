"""Lineage of work outside Airflow: START before it, COMPLETE or FAIL behind it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from openlineage.client.event_v2 import RunEvent, RunState
from openlineage.client.transport import get_default_factory
from openlineage.client.uuid import generate_new_uuid

from lakehouse.errors import StoreError
from lakehouse.lineage import collect
from lakehouse.lineage.events import run_event
from lakehouse.lineage.outbox import OutboxConfig, OutboxTransport, transport_config
from lakehouse.lineage.place import namespace
from lakehouse.settings import Settings

__all__ = ["OutboxConfig", "OutboxTransport", "Running", "emit", "running"]


@dataclass(frozen=True, slots=True)
class Running:
    """The run that is going on."""

    run_id: str
    job: str


@contextmanager
def running(job: str, settings: Settings) -> Iterator[Running]:
    """Do a piece of work whose reads and writes are collected and told as one run.

    Raises StoreError when the outbox takes no events, and whatever the work raises.
    """
    run = Running(str(generate_new_uuid()), job)
    collect.begin(run.run_id, run.job)
    _tell(settings, RunState.START)
    try:
        yield run
    except BaseException as error:
        _tell(settings, RunState.FAIL, type(error).__name__)
        raise
    else:
        _tell(settings, RunState.COMPLETE)
    finally:
        collect.begin("", "")


@contextmanager
def part(job: str, settings: Settings) -> Iterator[None]:
    """Do a part of the work now running as a run of its own, with that work's as its parent. It is
    told of when it is over, if it wrote anything; the work then goes on as if it had not been.

    Raises StoreError when the outbox takes no events, and whatever the part raises.
    """
    outer, begun = collect.collected(), datetime.now(UTC)
    parent = (outer.run_id, outer.job) if outer.run_id else None
    own = collect.Collected(str(generate_new_uuid()), job, parent=parent)
    collect.resume(own)
    try:
        yield
        if own.outputs:
            start = collect.Collected(own.run_id, own.job, parent=own.parent)
            emit(settings, run_event(RunState.START, namespace(settings), start, at=begun))
            emit(settings, run_event(RunState.COMPLETE, namespace(settings), own))
    finally:
        collect.resume(outer)


def emit(settings: Settings, event: RunEvent) -> None:
    """Hand an event to the outbox and, when one is set, to the second reader.

    Raises StoreError when the outbox does not take it.
    """
    transport = get_default_factory().create(transport_config(settings))
    try:
        with closing(transport):
            transport.emit(event)
    except (OSError, RuntimeError) as error:
        raise StoreError(
            f"a lineage event could not be written: {type(error).__name__}",
            hint=f"is there room in {settings.outbox}?",
        ) from None


def _tell(settings: Settings, state: RunState, failure: str | None = None) -> None:
    event = run_event(state, namespace(settings), collect.collected(), failure=failure)
    emit(settings, event)
