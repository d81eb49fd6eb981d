"""The second reader of lineage, over HTTP: events wait for it in a queue of their own.

    <outbox>/second/<time>-<id>.json     waits; a second name of the same file, so it costs no room
    <outbox>/second/<time>-<id>.refused  the reader refused this event; kept, and never sent again
    <outbox>/second/.pause               how often the reader failed, and when it is asked again
    <outbox>/second/.lock                held by the one process that sends

One process sends at a time, oldest first, and an event leaves the queue when the reader has said
that it took it. What a reader took without being able to say so (the connection broke, or we were
killed meanwhile) is sent again byte for byte, under the same `Idempotency-Key`.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from lakehouse.errors import SpecError
from lakehouse.log import get_logger

SUFFIX, _REFUSED = ".json", ".refused"
_FOLDER, _PAUSE, _LOCK = "second", ".pause", ".lock"
_PATH = "/api/v1/lineage"
TURN_SECONDS = 240.0
"""So long a turn of sending may take: the next one is due ten minutes after it began."""
_TIMEOUT = urllib3.Timeout(connect=3, read=5)
_LEAST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 300.0
_LONGEST_ASKED_SECONDS = 600.0
"""A reader may ask for a longer pause than ours (`Retry-After`), up to this."""
_LONGEST_OVERTAKEN_SECONDS = 3600.0
"""So long others are taken behind an event that is not, before it is set aside."""
_MOST_BODY = 2**16
_OF_THE_EVENT = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
_FAILURES = frozenset({"error", "failed", "failure", "partial_success"})

log = get_logger()


class _Verdict(Enum):
    TAKEN = "taken"
    REFUSED = "this event will never be taken"
    FAILED = "this event was not taken now"
    ILL = "no event is taken now"


@dataclass(frozen=True, slots=True)
class _Answer:
    verdict: _Verdict
    status: int = 0
    error: str = ""
    asked_seconds: float = 0.0


@dataclass(slots=True)
class Delivered:
    """What one pass did: events the reader took, those it refused for good, those that wait."""

    sent: int = 0
    refused: int = 0
    waiting: int = 0


@dataclass(slots=True)
class _Pause:
    """How often in a row the reader failed, until when it is left alone, and since when others were
    taken before an event that is not."""

    failures: int = 0
    until: float = 0.0
    overtaken: dict[str, float] = field(default_factory=dict)

    def is_on(self) -> bool:
        # a clock that was set back must not silence us for long
        return 0 < self.until - time.time() <= _LONGEST_ASKED_SECONDS

    def put_off(self, asked_seconds: float) -> None:
        self.failures += 1
        own = min(_LONGEST_PAUSE_SECONDS, _LEAST_PAUSE_SECONDS * 2 ** min(self.failures, 9))
        self.until = time.time() + max(own, min(asked_seconds, _LONGEST_ASKED_SECONDS))


class Relay:
    """The queue of one outbox and the reader at `url`; raises SpecError for an address that is
    none."""

    def __init__(self, outbox: Path, url: str) -> None:
        self._folder = outbox / _FOLDER
        self._url = _checked(url).rstrip("/") + _PATH

    def keep(self, event: Path, name: str) -> None:
        """Let the event that was written to `event` wait under `name`; raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self._folder / name
        try:
            os.link(event, target)
        except PermissionError:  # a file system without a second name for a file
            part = target.with_suffix(".part")
            shutil.copy(event, part)
            part.rename(target)

    def waiting(self) -> list[Path]:
        """What has not been taken yet, oldest first."""
        return sorted(self._folder.glob(f"*{SUFFIX}"))

    def refused(self) -> list[Path]:
        """What the reader will never take."""
        return sorted(self._folder.glob(f"*{_REFUSED}"))

    def deliver(self, patience_seconds: float) -> Delivered:
        """Send what waits, as long as the reader takes it and about so many seconds.

        Returns at once while the reader is left alone, or while another process sends. What is not
        sent waits for the next call; nothing the reader does is raised. Raises OSError where the
        queue itself cannot be read or written.
        """
        done = Delivered()
        if self.waiting():
            with self._alone() as is_alone:
                if is_alone:
                    self._pass(done, time.monotonic() + patience_seconds)
        done.waiting = len(self.waiting())
        return done

    def _pass(self, done: Delivered, end: float) -> None:
        pause = self._read_pause()
        if pause.is_on():
            return
        with urllib3.PoolManager(timeout=_TIMEOUT, retries=False) as pool:
            answer = _Pass(self._url, pool, pause, done).run(self._pending(end))
        if answer:
            pause.put_off(answer.asked_seconds)
            told = {"error": answer.error} if answer.error else {"status": answer.status}
            count = len(self.waiting())
            log.warning("the second reader takes no event", count=count, **told)
        self._write_pause(pause)

    def _pending(self, end: float) -> Iterator[Path]:
        """What waits, also what comes meanwhile, until the time is over; each event once."""
        seen: set[Path] = set()
        while fresh := [path for path in self.waiting() if path not in seen]:
            for path in fresh:
                if time.monotonic() > end:
                    return
                seen.add(path)
                yield path

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)

    def _read_pause(self) -> _Pause:
        try:
            return _Pause(**json.loads((self._folder / _PAUSE).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return _Pause()

    def _write_pause(self, pause: _Pause) -> None:
        part = self._folder / f"{_PAUSE}.part"
        there = {path.name for path in self.waiting()}
        overtaken = {name: since for name, since in pause.overtaken.items() if name in there}
        kept = {"failures": pause.failures, "until": pause.until, "overtaken": overtaken}
        part.write_text(json.dumps(kept))
        part.rename(self._folder / _PAUSE)


class _Pass:
    """One way through the queue. Behind an event that was not taken nothing of its run is sent."""

    def __init__(self, url: str, pool: urllib3.PoolManager, pause: _Pause, done: Delivered) -> None:
        self._url, self._pool = url, pool
        self._pause, self._done = pause, done
        self._held: dict[str, Path] = {}

    def run(self, pending: Iterator[Path]) -> _Answer | None:
        """Send one after the other; the answer that ended it, None where the reader takes events.

        One event that fails may be a bad one; when the next run's fails as well, the reader is.
        """
        in_a_row = 0
        for path in pending:
            text = path.read_bytes()
            run = _run_of(text)
            if run in self._held:
                continue
            answer = _post(self._pool, self._url, text) if run else _Answer(_Verdict.REFUSED)
            in_a_row = in_a_row + 1 if answer.verdict is _Verdict.FAILED else 0
            self._settle(path, run, answer.verdict)
            if answer.verdict is _Verdict.ILL or in_a_row > 1:
                return answer
        return answer if in_a_row else None

    def _settle(self, path: Path, run: str, verdict: _Verdict) -> None:
        match verdict:
            case _Verdict.TAKEN:
                path.unlink()
                self._done.sent += 1
                self._pause.failures = 0
                self._count_against_held()
            case _Verdict.REFUSED:
                self._set_aside(path)
            case _Verdict.FAILED:
                self._held[run] = path

    def _count_against_held(self) -> None:
        """Set aside what has not been taken for an hour in which others behind it were."""
        for path in self._held.values():
            since = self._pause.overtaken.setdefault(path.name, time.time())
            if time.time() - since > _LONGEST_OVERTAKEN_SECONDS and path.exists():
                self._set_aside(path)

    def _set_aside(self, path: Path) -> None:
        path.rename(path.with_suffix(_REFUSED))
        self._done.refused += 1


def _post(pool: urllib3.PoolManager, url: str, text: bytes) -> _Answer:
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": hashlib.sha256(text).hexdigest(),
    }
    try:
        answer = pool.request(
            "POST", url, body=text, headers=headers, redirect=False, preload_content=False
        )
    except urllib3.exceptions.HTTPError as error:
        return _Answer(_Verdict.ILL, error=type(error).__name__)
    verdict = _judge(answer)
    answer.release_conn() if verdict is _Verdict.TAKEN else answer.close()
    return _Answer(verdict, answer.status, asked_seconds=_asked_seconds(answer.headers))


def _judge(answer: urllib3.BaseHTTPResponse) -> _Verdict:
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _Verdict.REFUSED if _tells_of_failure(answer) else _Verdict.TAKEN
    if status in _OF_THE_EVENT:
        return _Verdict.REFUSED
    is_busy = status == HTTPStatus.SERVICE_UNAVAILABLE
    # of any other refusal (a wrong address, a missing right) the next event would tell the same
    is_of_server = status >= HTTPStatus.INTERNAL_SERVER_ERROR and not is_busy
    return _Verdict.FAILED if is_of_server else _Verdict.ILL


def _tells_of_failure(answer: urllib3.BaseHTTPResponse) -> bool:
    """Some receivers answer 200 and say in the body that they did not take the event."""
    body = b""
    with suppress(urllib3.exceptions.HTTPError):  # it said that it took it
        while len(body) < _MOST_BODY and (more := answer.read(_MOST_BODY)):
            body += more
    try:
        told = json.loads(body)
    except ValueError:
        return False
    if not isinstance(told, Mapping):
        return False
    named = any(told.get(name) for name in ("error", "errors", "failed_events"))
    return named or str(told.get("status")).lower() in _FAILURES


def _asked_seconds(headers: Mapping[str, str]) -> float:
    """What `Retry-After` asks for, as seconds or as a date; 0 where it asks for nothing."""
    text = headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return 0.0
    return (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _run_of(text: bytes) -> str:
    """The run that an event is of; empty for what is no event."""
    try:
        told: Any = json.loads(text)
        return str(told["run"]["runId"])
    except (ValueError, KeyError, TypeError):
        return ""


def _checked(url: str) -> str:
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise SpecError(
            "LAKEHOUSE_LINEAGE_URL is no http(s):// address", hint="for example http://host:5000"
        )
    if place.username is not None or place.password is not None:
        raise SpecError(
            "LAKEHOUSE_LINEAGE_URL holds a name or a password",
            hint="let a proxy beside the lakehouse sign in",
        )
    return url
