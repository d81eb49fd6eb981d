"""A MinIO server tells at once what senders put into the store; where that fails, polling finds it."""

import asyncio
import io
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from lakehouse.objects.events import listening
from lakehouse.settings import Settings, read_settings
from lakehouse.stack import minio, store
from lakehouse.stack.places import Places
from lakehouse.stack.process import recorded
from tests.stack.conftest import settings_at, store_alone
from tests.workbench import FEEDS

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("the stack")]
SENT = FEEDS.replace("[feed.north_lab]", 'receives = "store:"\n\n[feed.north_lab]', 1)
NEVER = 3600.0
"""So rarely it polls that only an event can have woken it."""
PATIENCE = 60.0


def on(kind: str, folder: Path) -> Iterator[Settings]:
    (folder / "config").mkdir()
    (folder / "config" / "feeds.toml").write_text(SENT)
    settings = settings_at(
        folder / "home", LAKEHOUSE_STORE=kind, LAKEHOUSE_CONFIG=str(folder / "config")
    )
    Places(settings.home).prepare()
    with store_alone(settings) as there:
        yield there


@pytest.fixture(scope="module")
def with_minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    if not minio.find_binary():
        pytest.skip("no minio program is here (`make minio` builds one)")
    yield from on("minio", tmp_path_factory.mktemp("minio"))


@pytest.fixture(scope="module")
def with_seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    yield from on("seaweedfs", tmp_path_factory.mktemp("seaweedfs"))


def put(settings: Settings, name: str) -> None:
    key = f"inbox/north_ehr/{name}"
    store.client(settings, "ingest").put_object("lake", key, io.BytesIO(b"{}"), 2)


def empty(settings: Settings) -> None:
    client = store.client(settings, "govern")
    for entry in list(client.list_objects("lake", prefix="inbox/", recursive=True)):
        client.remove_object("lake", str(entry.object_name))


@pytest.fixture
def trigger(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make the watcher of a feed, which sees the lake as a component of the stack does."""

    def make(settings: Settings, poll_seconds: float) -> Any:
        empty(settings)
        for name, value in settings.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LAKEHOUSE_HOME", str(settings.home))
        assert read_settings().lake_url() == "s3://lake"
        from lakehouse.airflow.triggers import InboxTrigger

        return InboxTrigger("north_ehr", poll_seconds)

    return make


def looked(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts how often the watcher has looked."""
    from lakehouse.airflow import triggers

    looks, whole = threading.Semaphore(0), triggers.store.due_in

    def due_in(*arguments: Any) -> float | None:
        found = whole(*arguments)
        looks.release()
        return found

    monkeypatch.setattr(triggers.store, "due_in", due_in)
    return looks


async def first(events: AsyncIterator[Any], act: Callable[[], None]) -> Any:
    """The first event of a watcher while `act` is done again and again."""
    coming = asyncio.ensure_future(anext(events))
    try:
        async with asyncio.timeout(PATIENCE):
            while not coming.done():
                await asyncio.to_thread(act)
                await asyncio.wait({coming}, timeout=0.1)
        return await coming
    finally:
        await events.aclose()  # type: ignore[attr-defined]


def sender(settings: Settings) -> Callable[[], None]:
    """Puts a file more each time. (MinIO's last commit sends events four at a time.)"""
    numbers = count(1)
    return lambda: put(settings, f"{next(numbers)}.ndjson")


def ready(looks: threading.Semaphore, act: Callable[[], None]) -> Callable[[], None]:
    """Do `act` once the watcher has looked, so that its first look finds nothing."""

    def wait_and_act() -> None:
        if not seen:
            assert looks.acquire(timeout=PATIENCE)
            seen.append(True)
        act()

    seen: list[bool] = []
    return wait_and_act


@pytest.mark.peer
def test_events_wake_a_watcher_that_would_not_have_looked_for_an_hour(
    with_minio: Settings, trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = trigger(with_minio, NEVER)
    act = ready(looked(monkeypatch), sender(with_minio))
    event = asyncio.run(first(watching.run(), act))
    assert event.payload == {"feed": "north_ehr"}


@pytest.mark.peer
def test_when_the_server_was_killed_its_events_are_heard_again(
    with_minio: Settings, trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, send = threading.Event(), sender(with_minio)
    trigger(with_minio, NEVER)
    with listening("s3://lake", with_minio.credentials("ingest"), "inbox/north_ehr", told.set):
        for _ in range(2):
            while not told.wait(0.2):
                send()
            server = recorded(Places(with_minio.home).process("store"))
            assert server
            os.kill(server.pid, signal.SIGKILL)
            while store.check(with_minio):
                threading.Event().wait(0.1)
            told.clear()


@pytest.mark.peer
def test_an_event_that_is_lost_costs_one_poll(
    with_minio: Settings, trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.objects.events.listening", lambda *_: nullcontext())
    watching = trigger(with_minio, 0.05)
    act = ready(looked(monkeypatch), lambda: put(with_minio, "one.ndjson"))
    event = asyncio.run(first(watching.run(), act))
    assert event.payload == {"feed": "north_ehr"}


def test_a_store_without_events_is_polled(
    with_seaweedfs: Settings, trigger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = trigger(with_seaweedfs, 0.05)
    act = ready(looked(monkeypatch), lambda: put(with_seaweedfs, "one.ndjson"))
    event = asyncio.run(first(watching.run(), act))
    assert event.payload == {"feed": "north_ehr"}


def listeners() -> int:
    return sum("_Listener" in repr(getattr(t, "_target", "")) for t in threading.enumerate())


@pytest.mark.peer
@pytest.mark.parametrize("role", ["read", "publish", "refine"])
def test_who_may_not_take_from_the_inbox_is_told_nothing(with_minio: Settings, role: str) -> None:
    told: list[bool] = []
    before = listeners()
    keys = with_minio.credentials(role)
    with listening("s3://lake", keys, "inbox/north_ehr", lambda: told.append(True)):
        while listeners() > before:
            threading.Event().wait(0.02)
    assert told == []


@pytest.mark.peer
def test_a_listener_ends_when_it_is_told_to(with_minio: Settings) -> None:
    told, before, send = threading.Event(), listeners(), sender(with_minio)
    keys = with_minio.credentials("ingest")
    with listening("s3://lake", keys, "inbox/north_ehr", told.set):
        while not told.wait(0.1):
            send()
    while listeners() > before:
        threading.Event().wait(0.02)


def test_one_that_cannot_connect_does_no_harm_and_ends(with_seaweedfs: Settings) -> None:
    keys = with_seaweedfs.credentials("ingest")
    assert keys
    before = listeners()
    with listening("s3://lake", keys, "inbox/north_ehr", lambda: None):
        pass
    while listeners() > before:
        threading.Event().wait(0.02)
