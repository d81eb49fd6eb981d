"""Receive: fetch into a feed's inbox what its sender does not bring there itself."""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from lakehouse.catalog.spec import Feed
from lakehouse.errors import SpecError
from lakehouse.settings import Settings

Wait = Callable[[float], None]
"""Lets so many seconds pass; it may raise, and the next call goes on where this one stood."""


@dataclass(frozen=True, slots=True)
class Received:
    """What was put into the inbox."""

    files: int = 0
    bytes: int = 0


class Receiver(Protocol):
    """A module under receivers/: found by the scheme of a feed's `receives`, + as _."""

    def receive(
        self, settings: Settings, feed: Feed, wait: Wait, *, full: bool = False
    ) -> Received:
        """Fetch what is new, all or nothing; `full` asks for everything again.

        Safe to kill and to call again at any moment.
        """


def receive(
    settings: Settings, feed: Feed, wait: Wait = time.sleep, *, full: bool = False
) -> Received:
    """Fetch what a feed's server has for us; nothing where senders write to the inbox themselves.

    Raises SpecError when no receiver knows the scheme, and what the receiver raises.
    """
    scheme = feed.receives.partition(":")[0]
    name = f"lakehouse.ingest.receivers.{scheme.replace('+', '_')}"
    try:
        receiver = cast(Receiver, importlib.import_module(name))
    except ModuleNotFoundError:
        raise SpecError(f"[feed.{feed.name}] nothing receives {scheme}") from None
    return receiver.receive(settings, feed, wait, full=full)
