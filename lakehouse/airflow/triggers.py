"""What wakes a DAG or a task from outside: files that arrive in an inbox, or in the store for one,
and what people answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext, suppress
from http import HTTPStatus
from math import inf
from typing import Any
from uuid import UUID

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time.hitl import get_hitl_detail_content_detail
from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from lakehouse.answers.feeds import is_answered
from lakehouse.catalog.feeds import read_feeds
from lakehouse.errors import LakehouseError
from lakehouse.ingest.receivers import store
from lakehouse.ingest.receivers.inbox import waiting
from lakehouse.log import get_logger
from lakehouse.settings import read_settings
from lakehouse.state.store import open_state

POLL_SECONDS = 5.0
STORE_POLL_SECONDS = 10.0
"""For an inbox in the store; its events, where it has them, wake the watcher before."""
_MOST_SECONDS = 900.0

NEVER_PUT = {"never_put": True}
"""The event of a question that Airflow does not know: it was killed before it was put."""
ELSEWHERE = {"elsewhere": True}
"""The event of a question that was answered without Airflow."""

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
        """Poll until the triggerer ends it; where the store tells of what senders put into it, look
        at once."""
        watch, woken = Watch(self.poll_seconds), asyncio.Event()
        with self._listening(asyncio.get_running_loop(), woken):
            while True:
                due = await asyncio.to_thread(self._due_in)
                if watch.is_news(due == 0):
                    yield TriggerEvent({"feed": self.feed})  # type: ignore[no-untyped-call]  # nor this
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), min(due or inf, self.poll_seconds))
                    woken.clear()
                    watch.forget()

    def _is_waiting(self) -> bool:
        return self._due_in() == 0

    def _due_in(self) -> float | None:
        """In how many seconds something could be taken; None also when the inbox, the store or
        feeds.toml cannot be read now: a watcher must not die."""
        settings = read_settings()
        try:
            feed = read_feeds(settings.feeds).get(self.feed)
            if feed is None:
                return None
            if waiting(settings, feed):
                return 0.0
            return store.due_in(settings, feed) if store.is_sent_to_store(feed) else None
        except (OSError, LakehouseError) as error:
            log.warning("inbox not read", feed=self.feed, error=type(error).__name__)
            return None

    def _listening(
        self, loop: asyncio.AbstractEventLoop, woken: asyncio.Event
    ) -> AbstractContextManager[None]:
        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(woken.set)

        settings = read_settings()
        try:
            feed = read_feeds(settings.feeds).get(self.feed)
            if feed is None or not store.is_sent_to_store(feed):
                return nullcontext()
            place = settings.lake_url(), settings.credentials("ingest"), store.folder_of(feed)
        except (OSError, LakehouseError):
            return nullcontext()
        from lakehouse.objects.events import listening

        return listening(*place, wake)


class Watch:
    """Turns the answers of one poll after another into what is worth an event."""

    def __init__(self, poll_seconds: float, pause_seconds: float = 60.0) -> None:
        self._poll_seconds = poll_seconds
        self._first_pause = pause_seconds
        self._pause = 0.0
        self._until = 0.0

    def forget(self) -> None:
        """Something came just now: the next that waits is news, whatever was told before."""
        self._pause = self._until = 0.0

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


class AnswerTrigger(BaseTrigger):
    """Ends the wait for an answer that Airflow does not hand to the task by itself.

    That is one which was given before the task had come to wait, one which a try that was killed
    had in hand already, and one which was given on the command line: that is looked for in the
    state every `poll_seconds`. What is answered while the task waits, Airflow hands over.
    """

    def __init__(
        self, feed: str, number: int, ti_id: str, poll_seconds: float = POLL_SECONDS
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow does not type it
        self.feed, self.number, self.ti_id = feed, number, ti_id
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How the triggerer makes it anew."""
        names = ("feed", "number", "ti_id", "poll_seconds")
        told = {name: getattr(self, name) for name in names}
        return "lakehouse.airflow.triggers.AnswerTrigger", told

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: the answer as Airflow has it, or what kept it from having one."""
        given = await sync_to_async(self._given)()
        while given is None:
            if await asyncio.to_thread(self._is_answered):
                given = ELSEWHERE
            else:
                await asyncio.sleep(self.poll_seconds)
        yield TriggerEvent(given)  # type: ignore[no-untyped-call]  # nor this

    def _given(self) -> dict[str, Any] | None:
        try:
            found = get_hitl_detail_content_detail(UUID(self.ti_id))
        except AirflowRuntimeError as error:
            if (error.error.detail or {}).get("status_code") == HTTPStatus.NOT_FOUND:
                return NEVER_PUT
            raise
        if not found.response_received:
            return None
        person = found.responded_by_user
        return {
            "chosen_options": list(found.chosen_options or []),
            "params_input": found.params_input or {},
            "responded_at": found.responded_at,
            "responded_by_user": {"id": person.id, "name": person.name} if person else None,
        }

    def _is_answered(self) -> bool:
        """False also where the state cannot be read now: a wait must not end by that."""
        try:
            return is_answered(open_state(read_settings()), self.feed, self.number)
        except LakehouseError as error:
            log.warning("answers not read", feed=self.feed, error=type(error).__name__)
            return False
