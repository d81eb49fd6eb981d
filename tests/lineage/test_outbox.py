"""The outbox: whole events or none, for its owner only, in the order they were written."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.event_v2 import RunEvent, RunState
from openlineage.client.transport import get_default_factory
from openlineage.client.uuid import generate_new_uuid

from lakehouse.lineage import outbox
from lakehouse.lineage.collect import Collected
from lakehouse.lineage.events import run_event
from lakehouse.settings import Settings, read_settings


def event(job: str = "run.land.north") -> RunEvent:
    return run_event(RunState.START, "s3://lake", Collected(str(generate_new_uuid()), job))


def transport(config: dict[str, Any]) -> Any:
    return get_default_factory().create(config)


def test_openlineage_makes_the_transport_from_its_class_path(settings: Settings) -> None:
    transport(outbox.transport_config(settings)).emit(event())
    (path,) = outbox.waiting(settings.outbox)
    assert json.loads(path.read_text())["job"]["name"] == "run.land.north"


def test_only_the_owner_may_read_events(settings: Settings) -> None:
    transport(outbox.transport_config(settings)).emit(event())
    (path,) = outbox.waiting(settings.outbox)
    assert path.stat().st_mode & 0o777 == 0o600
    assert settings.outbox.stat().st_mode & 0o777 == 0o700


def test_names_sort_by_the_time_of_writing(settings: Settings) -> None:
    writer = transport(outbox.transport_config(settings))
    for number in range(20):
        writer.emit(event(f"job.{number}"))
    told = [json.loads(path.read_text()) for path in outbox.waiting(settings.outbox)]
    assert [item["job"]["name"] for item in told] == [f"job.{number}" for number in range(20)]


def test_an_event_being_written_is_not_seen_and_a_torn_one_never_becomes_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_self: Path, _target: Path) -> Path:
        assert outbox.waiting(settings.outbox) == []
        raise OSError("power cut")

    monkeypatch.setattr(Path, "rename", die)
    with pytest.raises(OSError, match="power cut"):
        transport(outbox.transport_config(settings)).emit(event())
    assert outbox.waiting(settings.outbox) == []


def test_eight_writers_at_once_lose_nothing(settings: Settings) -> None:
    writer = transport(outbox.transport_config(settings))

    def write() -> None:
        for _ in range(10):
            writer.emit(event())

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [json.loads(path.read_text()) for path in outbox.waiting(settings.outbox)]
    assert len({item["run"]["runId"] for item in told}) == 80


def test_a_second_reader_that_is_down_costs_the_outbox_nothing(settings: Settings) -> None:
    # port 9 (discard) has no listener on loopback
    also = read_settings(settings.environment | {"LAKEHOUSE_LINEAGE_URL": "http://127.0.0.1:9"})
    transport(outbox.transport_config(also)).emit(event())
    assert len(outbox.waiting(also.outbox)) == 1
