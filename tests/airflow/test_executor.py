"""Workers are forked warm, and anew when what is declared changes."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("airflow")]


@pytest.fixture
def executor(settings: Settings) -> Iterator[Any]:
    from lakehouse.airflow.executor import WarmLocalExecutor

    made = WarmLocalExecutor(parallelism=2)
    made.start()
    yield made
    made.end()


@pytest.fixture
def declaration(settings: Settings) -> Iterator[Any]:
    """A file of a declaration that is not there yet."""
    assert settings.config
    path = settings.config / "sql" / "gold" / "new.sql"
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("text", ["/*---\nabout: Not whole.\n---*/\n", "no declaration"])
def test_workers_end_when_a_declaration_changes_and_others_go_on(
    executor: Any, declaration: Any, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dict(executor.workers)
    executor.sync()
    assert all(worker.is_alive() for worker in first.values())
    declaration.write_text(text)
    monkeypatch.setattr(executor, "_looked_at", 0.0)
    executor.sync()
    for worker in first.values():
        worker.join(60)
        assert worker.exitcode == 0
    _ask(executor)
    executor.sync()
    assert executor.workers.keys().isdisjoint(first)
    assert _answers(executor) == ["key"]


def test_workers_stay_while_declarations_do(executor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = dict(executor.workers)
    monkeypatch.setattr(executor, "_looked_at", 0.0)
    executor.sync()
    _ask(executor)
    assert _answers(executor) == ["key"]
    assert executor.workers == first


def _ask(executor: Any) -> None:
    """Give work to the workers; of a kind that Airflow does not know, so that it fails at once."""
    work = SimpleNamespace(
        key="key", display_name="unknown", running_state=None, failure_state="failed"
    )
    with executor._unread_messages:
        executor._unread_messages.value += 1
    executor.activity_queue.put(work)


def _answers(executor: Any) -> list[str]:
    """The work that was answered."""
    key, state, error = executor.result_queue.get()
    assert (state, type(error)) == ("failed", ValueError)
    return [key]


def test_what_keeps_declarations_from_being_read_is_told(
    settings: Settings, declaration: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from lakehouse.airflow import ready

    declaration.write_text("no declaration")
    ready.load(settings)
    assert "The declarations cannot be read: " in caplog.text
    assert "gold/new.sql" in caplog.text
