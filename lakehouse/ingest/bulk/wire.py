"""Requests to a FHIR server: which addresses, with the token or without, how often, how long.

Nothing of an address or an answer gets into an error: it may name a patient, or be a key itself.
"""

import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import urllib3

from lakehouse.catalog.feeds import is_loopback
from lakehouse.errors import PolicyError, QualityError, StoreError

# it writes whole addresses
logging.getLogger("urllib3").setLevel(logging.ERROR)

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})
_MOST_HOPS = 3
_CHUNK = 2**20

Headers = Mapping[str, str]
Response = urllib3.BaseHTTPResponse


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what. A server's Retry-After counts within these bounds only.

    `wait` lets time pass between two questions whether an export is done, `sleep` between tries.
    """

    wait: Callable[[float], None] = time.sleep
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    least_seconds: float = 1.0
    most_seconds: float = 30.0
    most_held_off_seconds: float = 300.0
    tries: int = 6
    connect_seconds: float = 15.0
    read_seconds: float = 120.0

    def before_asking(self, elapsed: float, retry_after: float | None) -> float:
        """Seconds until an export is asked for again: a quarter of its age, or as it says."""
        wanted = elapsed / 4 if retry_after is None else retry_after
        return min(max(wanted, self.least_seconds), self.most_seconds)

    def before_trying(self, attempt: int, retry_after: float | None) -> float:
        """Seconds until the next try, twice those of the last, or as the server says."""
        if retry_after is None:
            return min(self.least_seconds * float(2**attempt), self.most_seconds)
        return min(max(retry_after, self.least_seconds), self.most_held_off_seconds)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. A `trusted` one carries the token, at the server's own origin.

    The body is made anew for each try: an assertion may be shown once only.
    """

    method: str
    url: str
    headers: Headers
    body: Callable[[], bytes] | None = None
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, small enough for memory."""

    status: int
    headers: Headers
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server would like to pass, where it says so."""
        return read_retry_after(self.headers)


class Broken(Exception):  # noqa: N818 (a passing state of the network, to be tried again)
    """The connection failed, or the server said that it is busy; `retry_after` is its wish."""

    def __init__(
        self, reason: str, retry_after: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.status = status


class Tokens(Protocol):
    """Who gives the access token."""

    def token(self, wire: "Wire") -> str:
        """The token that holds now."""

    def forget(self, token: str) -> None:
        """This token was refused: get another."""


class Wire:
    """Speaks to the server at `base`, and to places that it names.

    A token goes to the server's own origin only. Certificates are checked. What is not https is
    asked only on loopback, and only where the server itself is there.
    """

    def __init__(self, feed: str, base: str, patience: Patience, tokens: Tokens | None) -> None:
        self.feed = feed
        self.base = base.rstrip("/")
        self.patience = patience
        self.deadline = float("inf")
        self._tokens = tokens
        self._origin = _origin(base)
        timeout = urllib3.Timeout(connect=patience.connect_seconds, read=patience.read_seconds)
        self._pool = urllib3.PoolManager(maxsize=8, timeout=timeout, retries=False)

    def ask(self, request: Request, *, most_bytes: int = 2**20, tries: int | None = None) -> Answer:
        """The answer, whatever its status; a busy server and a lost connection are tried again.

        Raises UnreachableError when no try gets through.
        """
        tries = tries or self.patience.tries
        for attempt in range(tries):
            try:
                with self.stream(request) as response:
                    content = b"".join(self.chunks(response, most_bytes))
                    return Answer(response.status, dict(_lower(response.headers)), content)
            except Broken as broken:
                if attempt + 1 == tries:
                    raise self.given_up(broken) from None
                self.patience.sleep(self.patience.before_trying(attempt, broken.retry_after))
        raise AssertionError("unreachable")

    @contextmanager
    def stream(self, request: Request, *, follow: bool = False) -> Iterator[Response]:
        """The beginning of an answer. Raises Broken when it is worth another try.

        A redirect is followed where `follow` is set, and never with the token to another origin.
        """
        response = self._send(request)
        try:
            for _ in range(_MOST_HOPS):
                if not follow or response.status not in _MOVED:
                    break
                url = urljoin(request.url, response.headers.get("Location", ""))
                stays = _origin(url) == _origin(request.url)
                request = replace(request, url=url, trusted=request.trusted and stays)
                response.close()
                response = self._send(request)
            if response.status in _MOVED:
                raise QualityError(f"{self.feed}: the FHIR server sends us elsewhere")
            if response.status in _PASSING:
                retry_after = read_retry_after(dict(_lower(response.headers)))
                raise Broken(f"status {response.status}", retry_after, response.status)
            yield response
        finally:
            response.close()

    def chunks(self, response: Response, most_bytes: int | None = None) -> Iterator[bytes]:
        """The bytes of an answer as they come; raises Broken when they end early.

        Raises QualityError for more than `most_bytes`, StoreError when the time is over.
        """
        size = 0
        with _reaching():
            while chunk := response.read1(_CHUNK):
                size += len(chunk)
                self.require_time()
                if most_bytes is not None and size > most_bytes:
                    raise QualityError(f"{self.feed}: an answer is longer than {most_bytes} bytes")
                yield chunk

    def require_time(self) -> None:
        """Raise StoreError when the export has taken longer than it may."""
        if self.patience.now() > self.deadline:
            raise OutOfTimeError(
                f"{self.feed}: the export has taken longer than it may",
                hint="the next run asks for a new one; `within` in its stanza is the limit",
            )

    def given_up(self, broken: Broken) -> "UnreachableError":
        """What to raise when no try got through."""
        return UnreachableError(
            f"{self.feed}: the FHIR server cannot be reached or is busy: {broken.reason}",
            broken.status,
        )

    def is_own(self, url: str) -> bool:
        """True for an address at the server's own origin."""
        return _origin(url) == self._origin

    def _send(self, request: Request) -> Response:
        self._refuse_unsafe(request.url)
        tokens = self._tokens if request.trusted and self.is_own(request.url) else None
        token = tokens.token(self) if tokens else None
        response = self._open(request, token)
        if response.status == HTTPStatus.UNAUTHORIZED and tokens and token:
            # it ran out before its time: once anew
            response.close()
            tokens.forget(token)
            response = self._open(request, tokens.token(self))
        return response

    def _open(self, request: Request, token: str | None) -> Response:
        signed = {"Authorization": f"Bearer {token}"} if token else {}
        self.require_time()
        with _reaching():
            try:
                return self._pool.request(
                    request.method,
                    request.url,
                    headers={**request.headers, **signed},
                    body=request.body() if request.body else None,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
            except urllib3.exceptions.SSLError as error:
                if not isinstance(error.args[0], ssl.SSLCertVerificationError):
                    raise
                raise PolicyError(
                    f"{self.feed}: nobody vouches for the FHIR server's certificate",
                    hint="SSL_CERT_FILE names the authorities that this machine trusts",
                ) from None

    def _refuse_unsafe(self, url: str) -> None:
        place = _origin(url)
        clear = place[0] == "http" and is_loopback(place[1]) and self._origin[0] == "http"
        if place[0] != "https" and not clear:
            raise QualityError(f"{self.feed}: the FHIR server names an address that is not https")


class OutOfTimeError(StoreError):
    """The export took longer than it may."""


class UnreachableError(StoreError):
    """No try got through; `status` is what the last one was answered, where it was."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status


def read_retry_after(headers: Headers) -> float | None:
    """Seconds of a Retry-After header, a number or a date (RFC 9110 §10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None


def _lower(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        yield name.lower(), value


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port; an address that cannot be read has none, and is refused."""
    try:
        place = urlsplit(url)
        port = place.port or {"https": 443, "http": 80}.get(place.scheme, 0)
    except ValueError:
        return "", "", 0
    if place.username is not None:
        return "", "", 0
    return place.scheme, (place.hostname or "").lower(), port


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise Broken(type(error).__name__) from None
