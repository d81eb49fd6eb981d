"""The outbox: lineage events wait here, one file an event, until they are moved into the lake."""

import os
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import attr
from openlineage.client.client import Event
from openlineage.client.serde import Serde
from openlineage.client.transport import Config, Transport, get_default_factory

from lakehouse.errors import SpecError, StoreError
from lakehouse.lineage.told import keep_events
from lakehouse.log import get_logger
from lakehouse.settings import Settings
from lakehouse.state.store import State, state_place

SUFFIX = ".json"
_HTTP_SECONDS = 3

log = get_logger()


@attr.define
class OutboxConfig(Config):
    """`path` is the folder that holds the events, `second` the transport to a second reader,
    `state` the state store that is told of them."""

    path: str
    second: dict[str, Any] | None = None
    state: str | None = None

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> Self:
        """The configuration as OpenLineage hands it over; other keys are ignored."""
        return cls(str(params["path"]), params.get("second"), params.get("state"))


class OutboxTransport(Transport):
    """Writes each event whole or not at all, readable by its owner only.

    Names sort by the time of writing. A name that does not end in `.json` is being written.
    A second reader is told what is safe here already; what becomes of it there changes nothing.
    """

    kind = "outbox"
    config_class = OutboxConfig

    def __init__(self, config: OutboxConfig) -> None:
        self._folder = Path(config.path)
        self._second = get_default_factory().create(config.second) if config.second else None
        self._state = State(Path(config.state)) if config.state else None

    def emit(self, event: Event) -> None:
        """Return when the event would survive a power cut; raises OSError."""
        self._keep(event)
        self._tell_state(event)
        try:
            if self._second:
                self._second.emit(event)
        except (OSError, RuntimeError) as error:
            log.warning("a second reader took no event", error=type(error).__name__)

    def _tell_state(self, event: Event) -> None:
        try:
            if self._state:
                keep_events(self._state, [Serde.to_json(event)])
        except StoreError as error:
            # `govern` tells it when it moves the event into the lake
            log.warning("the state was not written", error=type(error).__name__)

    def close(self, timeout: float = -1) -> bool:
        """Close the connection to the second reader."""
        return self._second.close(timeout) if self._second else True

    def _keep(self, event: Event) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self._folder / f"{time.time_ns():020d}-{uuid4().hex[:12]}{SUFFIX}"
        part = target.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(Serde.to_json(event))
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(target)
        _sync(self._folder)


def transport_config(settings: Settings) -> dict[str, Any]:
    """The `[openlineage] transport` of this lake: its outbox, and over HTTP a second reader if set.

    A reader that is down delays each event by some seconds and loses it; the outbox never does.
    Raises SpecError when the second reader's address is none.
    """
    outbox = {"type": "lakehouse.lineage.emit.OutboxTransport", "path": str(settings.outbox)}
    if state := state_place(settings):
        outbox["state"] = str(state)
    if not settings.lineage_url:
        return outbox
    place = urlsplit(settings.lineage_url)
    if place.scheme not in ("http", "https") or not place.netloc:
        raise SpecError(
            "LAKEHOUSE_LINEAGE_URL is no http(s):// address", hint="for example http://host:5000"
        )
    http = {
        "type": "http",
        "url": settings.lineage_url,
        "timeout": _HTTP_SECONDS,
        "retry": {"total": 1, "connect": 1, "read": 1},
    }
    return {**outbox, "second": http}


def waiting(folder: Path) -> list[Path]:
    """The events in the outbox, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
