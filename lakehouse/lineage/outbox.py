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

from lakehouse.settings import Settings

SUFFIX = ".json"
_HTTP_SECONDS = 3


@attr.define
class OutboxConfig(Config):
    """`path` is the folder that holds the events."""

    path: str

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> Self:
        """The configuration as OpenLineage hands it over; other keys are ignored."""
        return cls(path=str(params["path"]))


class OutboxTransport(Transport):
    """Writes each event whole or not at all, readable by its owner only.

    Names sort by the time of writing. A name that does not end in `.json` is being written.
    """

    kind = "outbox"
    config_class = OutboxConfig

    def __init__(self, config: OutboxConfig) -> None:
        self._folder = Path(config.path)

    def emit(self, event: Event) -> None:
        """Return when the event would survive a power cut; raises OSError."""
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
    """
    outbox = {"type": "lakehouse.lineage.emit.OutboxTransport", "path": str(settings.outbox)}
    if not settings.lineage_url:
        return outbox
    http = {
        "type": "http",
        "url": settings.lineage_url,
        "timeout": _HTTP_SECONDS,
        "retry": {"total": 1, "connect": 1, "read": 1},
    }
    return {"type": "composite", "continue_on_failure": True, "transports": [outbox, http]}


def waiting(folder: Path) -> list[Path]:
    """The events in the outbox, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
