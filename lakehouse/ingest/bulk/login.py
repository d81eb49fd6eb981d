"""SMART Backend Services: a signed assertion for a short-lived token (HL7 SMART App Launch 2.2,
Backend Services, and Client Authentication: Asymmetric)."""

import json
import secrets
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import jwt

from lakehouse.catalog.spec import Export, Feed
from lakehouse.errors import PolicyError, QualityError, SpecError
from lakehouse.ingest.bulk.wire import Request, Wire
from lakehouse.settings import Settings

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 240  # at most five minutes
_TOKEN_SECONDS = 300  # what a token lives when nobody says
_EARLY_SECONDS = 20
_ALGORITHMS = {"RSA": "RS384", "EC": "ES384"}
# RFC 6749 §5.2: the words that may stand in an error of ours
_REFUSALS = frozenset(
    {
        "invalid_client", "invalid_grant", "invalid_request", "invalid_scope",
        "unauthorized_client", "unsupported_grant_type",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """A private key, the name that the server knows it by, and how it signs."""

    name: str
    algorithm: str
    signing: Any = field(repr=False)


class Login:
    """Gives the token of one client, and gets another when it is about to run out."""

    def __init__(self, feed: str, client_id: str, scope: str, key: Key) -> None:
        self._feed = feed
        self._client_id = client_id
        self._scope = scope
        self._key = key
        self._lock = Lock()
        self._token = ""
        self._until = 0.0

    def token(self, wire: Wire) -> str:
        """The token that holds now; raises PolicyError when the server refuses the login."""
        with self._lock:
            if time.monotonic() >= self._until:
                told = self._log_in(wire)
                lives = told.get("expires_in")
                seconds = lives if isinstance(lives, int | float) else _TOKEN_SECONDS
                self._token = told["access_token"]
                self._until = time.monotonic() + max(seconds - _EARLY_SECONDS, 1)
            return self._token

    def forget(self, token: str) -> None:
        """The server refused this token before its time."""
        with self._lock:
            if token == self._token:
                self._until = 0.0

    def _log_in(self, wire: Wire) -> Mapping[str, Any]:
        endpoint = self._endpoint(wire)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        form = partial(self._form, endpoint)
        answer = wire.ask(Request("POST", endpoint, headers, form, trusted=False))
        told = _object(answer.body)
        if answer.status != HTTPStatus.OK:
            reason = told.get("error")
            word = reason if reason in _REFUSALS else f"status {answer.status}"
            raise PolicyError(
                f"{self._feed}: the server refuses the login: {word}",
                hint="does it know the client_id, the public half of the key, and the scope?",
            )
        if not isinstance(told.get("access_token"), str) or not told["access_token"]:
            raise QualityError(f"{self._feed}: the server's login gives no token")
        return told

    def _endpoint(self, wire: Wire) -> str:
        place = f"{wire.base}/.well-known/smart-configuration"
        answer = wire.ask(Request("GET", place, {"Accept": "application/json"}, trusted=False))
        endpoint = _object(answer.body).get("token_endpoint")
        if answer.status != HTTPStatus.OK or not isinstance(endpoint, str):
            raise SpecError(
                f"{self._feed}: the server does not say where to log in",
                hint="without a login leave client_id and key_file out",
            )
        return endpoint

    def _form(self, endpoint: str) -> bytes:
        told = {
            "grant_type": "client_credentials",
            "scope": self._scope,
            "client_assertion_type": _ASSERTION,
            "client_assertion": self._assertion(endpoint),
        }
        return urlencode(told).encode()

    def _assertion(self, endpoint: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": endpoint,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
            "jti": secrets.token_hex(16),
        }
        return jwt.encode(
            claims,
            self._key.signing,
            algorithm=self._key.algorithm,
            headers={"kid": self._key.name},
        )


def open_login(settings: Settings, feed: Feed, export: Export) -> Login | None:
    """The login of a feed; None when its stanza names no client.

    Raises SpecError when the key file is missing, open to others or holds no key.
    """
    if export.client_id is None or export.key_file is None:
        return None
    path = settings.home / "secrets" / export.key_file
    key = read_key(f"[feed.{feed.name}] key_file", path)
    return Login(feed.name, export.client_id, export.scope, key)


def read_key(where: str, path: Path) -> Key:
    """Read a private JSON Web Key (RFC 7517), alone or the only one of a set.

    Raises SpecError, which says what is wrong with the file and nothing of what is in it.
    """
    try:
        mode, text = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise SpecError(f"{where} cannot be read: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SpecError(f"{where} is open to others", hint="chmod 600")
    told = _object(text)
    keys = told.get("keys", [told])
    listed = keys if isinstance(keys, list) else []
    private = [key for key in listed if isinstance(key, dict) and "d" in key]
    if len(private) != 1:
        raise SpecError(f"{where} holds {len(private)} private JSON Web Keys, not one")
    algorithm = _ALGORITHMS.get(str(private[0].get("kty")))
    if algorithm is None or not isinstance(private[0].get("kid"), str):
        raise SpecError(f"{where} needs a kid, and is a key for RS384 or ES384")
    try:
        signing = jwt.PyJWK(private[0], algorithm).key
        jwt.encode({}, signing, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise SpecError(f"{where} holds no key that can sign by {algorithm}") from None
    return Key(private[0]["kid"], algorithm, signing)


def _object(text: bytes) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
