"""Tells when something is put into a place: by the events of a MinIO server.

Events only wake who polls anyway. One that is lost or late, a server that has none and a connection
that breaks cost nothing but the time to the next poll.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from lakehouse.log import get_logger
from lakehouse.settings import Credentials

_KIND = "text/event-stream"
_EVENTS = ("s3:ObjectCreated:*",)
# a healthy server sends a blank twice a second; the last commit of MinIO's upstream holds back what
# it sends until it fills 4 KiB, which four events do
_TIMEOUT = urllib3.Timeout(connect=3, read=30)
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0

log = get_logger()


@contextmanager
def listening(
    url: str, credentials: Credentials | None, folder: str, tell: Callable[[], None]
) -> Iterator[None]:
    """Meanwhile call `tell`, in a thread of its own, whenever something was put into `folder`.

    Does nothing for a store without events. Raises nothing that a store does.
    """
    if credentials is None:
        yield
        return
    place = urlsplit(url)
    prefix = "/".join(filter(None, (place.path.strip("/"), folder))) + "/"
    listener = _Listener((place.netloc, prefix), credentials, tell)
    thread = threading.Thread(target=listener.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.stop()


class _NoEventsError(Exception):
    """The store tells of no events."""


class _Line(urllib3.PoolManager):
    """Connections for one listener: each is told of, can be cut from another thread, and comes some
    time after the last one."""

    def __init__(self, over: threading.Event, connected: Callable[[], None]) -> None:
        super().__init__(timeout=_TIMEOUT, retries=False)
        self._over, self._connected = over, connected
        self._last = 0.0
        self.answer: Any = None

    def urlopen(self, *arguments: Any, **options: Any) -> Any:
        self._over.wait(max(0.0, self._last + _PAUSE_SECONDS - time.monotonic()))
        if self._over.is_set():
            raise urllib3.exceptions.HTTPError
        self._last = time.monotonic()
        self.answer = super().urlopen(*arguments, **options)
        if self.answer.status == 200:  # noqa: PLR2004 (else the client makes an error of it)
            if not self.answer.headers.get("Content-Type", "").startswith(_KIND):
                raise _NoEventsError
            self._connected()
        return self.answer


class _Listener:
    def __init__(
        self, place: tuple[str, str], credentials: Credentials, tell: Callable[[], None]
    ) -> None:
        self._bucket, self._prefix = place
        self._tell = tell
        self._over = threading.Event()
        # what came while nobody listened is no event any more
        self._line = _Line(self._over, tell)
        address = urlsplit(credentials.endpoint)
        self._client = Minio(
            address.netloc,
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
            secure=address.scheme == "https",
            region=credentials.region,
            http_client=self._line,
        )

    def stop(self) -> None:
        self._over.set()
        with suppress(AttributeError, ValueError, RuntimeError):  # none has come, or it has ended
            self._line.answer.shutdown()

    def run(self) -> None:
        """Listen until it is over; connect again when the connection ends."""
        pause = _PAUSE_SECONDS
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                self._listen()
            except (_NoEventsError, S3Error):
                log.info("the store tells of no events")
                return
            except urllib3.exceptions.ReadTimeoutError:
                continue
            except (OSError, ValueError, MinioException, urllib3.exceptions.HTTPError):
                held = time.monotonic() - begun > _LONGEST_PAUSE_SECONDS
                pause = _PAUSE_SECONDS if held else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            self._over.wait(pause)

    def _listen(self) -> None:
        with self._client.listen_bucket_notification(
            self._bucket, prefix=self._prefix, events=_EVENTS
        ) as events:
            for _ in events:
                self._tell()
