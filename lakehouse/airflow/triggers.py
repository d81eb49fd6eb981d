"""What wakes a DAG from outside: files that arrive in an inbox."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from lakehouse.catalog.feeds import read_feeds
from lakehouse.errors import SpecError
from lakehouse.ingest.receivers.inbox import waiting
from lakehouse.log import get_logger
from lakehouse.settings import read_settings

POLL_SECONDS = 5.0
_MOST_SECONDS = 900.0

log = get_logger()


class InboxTrigger(BaseEventTrigger):
    """Fires when something in a feed's inbox could be taken, at most once a poll.

    While something still waits it fires again after one minute, then two, four, … up to fifteen:
    often enough for a delivery that came behind one which is being landed, seldom enough not to
    start runs in a circle when landing fails. Runs read the inbox and the ledger, not the event.
    """

    def __init__(self, feed: str, poll_seconds: float = POLL_SECONDS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow does not type it
        self.feed = feed
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How the triggerer makes it anew."""
        return (
            "lakehouse.airflow.triggers.InboxTrigger",
            {"feed": self.feed, "poll_seconds": self.poll_seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the triggerer ends it."""
        watch = Watch(self.poll_seconds)
        while True:
            if watch.is_news(await asyncio.to_thread(self._is_waiting)):
                yield TriggerEvent({"feed": self.feed})  # type: ignore[no-untyped-call]  # nor this
            await asyncio.sleep(self.poll_seconds)

    def _is_waiting(self) -> bool:
        """False also when the inbox or feeds.toml cannot be read now: a watcher must not die."""
        settings = read_settings()
        try:
            feed = read_feeds(settings.feeds).get(self.feed)
            return feed is not None and waiting(settings, feed)
        except (OSError, SpecError) as error:
            log.warning("inbox not read", feed=self.feed, error=type(error).__name__)
            return False


class Watch:
    """Turns the answers of one poll after another into what is worth an event."""

    def __init__(self, poll_seconds: float, pause_seconds: float = 60.0) -> None:
        self._poll_seconds = poll_seconds
        self._first_pause = pause_seconds
        self._pause = 0.0
        self._until = 0.0

    def is_news(self, is_waiting: bool) -> bool:
        """True when something waits that did not at the last poll, or has waited for a pause."""
        if not is_waiting:
            self._pause = self._until = 0.0
            return False
        self._until -= self._poll_seconds
        if self._until > 0:
            return False
        self._pause = min(self._pause * 2 or self._first_pause, _MOST_SECONDS)
        self._until = self._pause
        return True
