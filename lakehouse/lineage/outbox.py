"""The outbox: lineage events wait here, one file an event, until they are moved into the lake."""

import os
import time
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import attr
from openlineage.client.client import Event
from openlineage.client.serde import Serde
from openlineage.client.transport import Config, Transport

from lakehouse.errors import StoreError
from lakehouse.lineage.relay import SUFFIX, Relay
from lakehouse.lineage.told import keep_events
from lakehouse.log import get_logger
from lakehouse.settings import Settings
from lakehouse.state.store import State, state_place

_RELAY_SECONDS = 1.0
"""About so long an emission sends what waits for the second reader; `watch` sends the rest."""

log = get_logger()


@attr.define
class OutboxConfig(Config):
    """`path` is the folder that holds the events, `second` the address of a second reader (or
    empty), `state` the state store that is told of them."""

    path: str
    second: str | None = None
    state: str | None = None

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> Self:
        """The configuration as OpenLineage hands it over; other keys are ignored."""
        return cls(str(params["path"]), params.get("second") or None, params.get("state"))


class OutboxTransport(Transport):
    """Writes each event whole or not at all, readable by its owner only.

    Names sort by the time of writing. A name that does not end in `.json` is being written.
    A second reader is told what is safe here already, and what it does not take waits for it; what
    becomes of it there changes nothing.
    """

    kind = "outbox"
    config_class = OutboxConfig

    def __init__(self, config: OutboxConfig) -> None:
        self._folder = Path(config.path)
        self._relay = Relay(self._folder, config.second) if config.second else None
        self._state = State(Path(config.state)) if config.state else None

    def emit(self, event: Event) -> None:
        """Return when the event would survive a power cut; raises OSError."""
        text = Serde.to_json(event)
        self._keep(text)
        self._tell_state(text)
        try:
            if self._relay:
                self._relay.deliver(_RELAY_SECONDS)
        except OSError as error:
            log.warning("the second reader was not told", error=type(error).__name__)

    def _tell_state(self, text: str) -> None:
        try:
            if self._state:
                keep_events(self._state, [text])
        except StoreError as error:
            # `govern` tells it when it moves the event into the lake
            log.warning("the state was not written", error=type(error).__name__)

    def _keep(self, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self._folder / f"{time.time_ns():020d}-{uuid4().hex[:12]}{SUFFIX}"
        part = target.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if self._relay:
            # first, because once it stands in the outbox, `govern` may store and remove it
            self._relay.keep(part, target.name)
        part.rename(target)
        _sync(self._folder)


def transport_config(settings: Settings) -> dict[str, Any]:
    """The `[openlineage] transport` of this lake: its outbox, and over HTTP a second reader if set.

    Raises SpecError when the second reader's address is none.
    """
    outbox = {"type": "lakehouse.lineage.emit.OutboxTransport", "path": str(settings.outbox)}
    if state := state_place(settings):
        outbox["state"] = str(state)
    if settings.lineage_url:
        relay_of(settings)
        outbox["second"] = settings.lineage_url
    return outbox


def relay_of(settings: Settings) -> Relay | None:
    """The queue of the second reader, None where no reader is set; raises SpecError for an address
    that is none."""
    return Relay(settings.outbox, settings.lineage_url) if settings.lineage_url else None


def waiting(folder: Path) -> list[Path]:
    """The events in the outbox, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
