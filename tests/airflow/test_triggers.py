"""The watcher on an inbox: one event when something has settled there, and no endless circle."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("airflow")]


@pytest.fixture
def inbox(settings: Settings) -> Path:
    folder = settings.inbox / "quiet"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


async def _first(events: AsyncIterator[Any]) -> Any:
    return await asyncio.wait_for(anext(events), timeout=10)


def test_it_fires_once_something_has_settled(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehouse.airflow.triggers import InboxTrigger
    from lakehouse.ingest.receivers import inbox as receiver

    polls = []
    whole = receiver.waiting

    def polled(*arguments: Any) -> bool:
        polls.append(whole(*arguments))
        # the delivery arrives between the second poll and the third
        if len(polls) == 2:
            (inbox / "a.ndjson").write_text("{}")
            monkeypatch.setattr(receiver, "_has_held", lambda *_: True)
        return polls[-1]

    monkeypatch.setattr("lakehouse.airflow.triggers.waiting", polled)
    event = asyncio.run(_first(InboxTrigger("quiet", poll_seconds=0.001).run()))
    assert event.payload == {"feed": "quiet"}
    assert polls == [False, False, True]


def test_a_file_that_is_still_being_copied_is_no_news(inbox: Path) -> None:
    from lakehouse.airflow.triggers import InboxTrigger

    (inbox / "a.ndjson").write_text("{}")
    assert not InboxTrigger("quiet")._is_waiting()


def test_an_inbox_or_a_feed_that_is_not_there_does_not_end_the_watch(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from lakehouse.airflow.triggers import InboxTrigger

    assert not InboxTrigger("quiet")._is_waiting()
    assert not InboxTrigger("gone")._is_waiting()
    monkeypatch.setenv("LAKEHOUSE_CONFIG", str(tmp_path))
    (tmp_path / "feeds.toml").write_text("[feed.quiet")
    assert not InboxTrigger("quiet")._is_waiting()


def test_the_triggerer_makes_the_same_watch_anew() -> None:
    from airflow._shared.module_loading import import_string

    from lakehouse.airflow.triggers import InboxTrigger

    path, arguments = InboxTrigger("quiet", poll_seconds=7.0).serialize()
    again = import_string(path)(**arguments)
    assert (type(again), again.feed, again.poll_seconds) == (InboxTrigger, "quiet", 7.0)


@pytest.mark.parametrize(
    ("waiting", "fired_at"),
    [
        # one poll every 5 s; a letter a poll, w: something waits, a dot: nothing does
        ("..w..w..", [2, 5]),
        ("ww.ww", [0, 3]),
        ("w" * 40, [0, 12, 36]),
        ("." * 9, []),
    ],
)
def test_what_waits_on_is_told_again_only_after_ever_longer_pauses(
    waiting: str, fired_at: list[int]
) -> None:
    from lakehouse.airflow.triggers import Watch

    watch = Watch(poll_seconds=5, pause_seconds=60)
    fired = [watch.is_news(letter == "w") for letter in waiting]
    assert [place for place, is_fired in enumerate(fired) if is_fired] == fired_at


def test_a_delivery_that_cannot_be_landed_starts_at_most_four_runs_an_hour() -> None:
    from lakehouse.airflow.triggers import Watch

    watch = Watch(poll_seconds=5)
    a_day = [watch.is_news(is_waiting=True) for _ in range(24 * 720)]
    assert sum(a_day) < 24 * 4 + 5
    assert sum(a_day[-720:]) == 4
