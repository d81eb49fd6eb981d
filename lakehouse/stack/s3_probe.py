"""Tries of an S3 server that is to hold a lake, each with the keys of a role."""

import hashlib
import io
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import SplitResult, urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from lakehouse.errors import StoreError
from lakehouse.settings import Credentials
from lakehouse.stack.rights import PLACES, RIGHTS, may_remove

_RACES, _RACERS = 12, 4
_BYTES = 5 * 2**20 + 1
_ANSWER_SECONDS = 20.0
_LOST = (409, 412)  # somebody else is writing this key, or has written it
_REFUSED = frozenset({"AccessDenied", "AllAccessDisabled"})


class Client:
    """One role's way to the lake's folder in its bucket."""

    def __init__(self, lake: SplitResult, keys: Credentials) -> None:
        self.endpoint = keys.endpoint
        place = urlsplit(keys.endpoint)
        self._bucket, folder = lake.netloc, lake.path.strip("/")
        self._root = f"{folder}/" if folder else ""
        self._http = urllib3.PoolManager(
            timeout=_ANSWER_SECONDS, retries=False, maxsize=_RACES * _RACERS
        )
        self._minio = Minio(
            place.netloc,
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            secure=place.scheme == "https",
            region=keys.region,
            http_client=self._http,
        )

    def put(self, key: str, content: bytes) -> None:
        self._minio.put_object(self._bucket, self._root + key, io.BytesIO(content), len(content))

    def get(self, key: str, offset: int = 0, length: int = 0) -> bytes:
        answer = self._minio.get_object(self._bucket, self._root + key, offset, length)
        try:
            return bytes(answer.read())
        finally:
            answer.release_conn()

    def list(self, folder: str) -> list[str]:
        found = self._minio.list_objects(self._bucket, prefix=f"{self._root}{folder}/")
        return [str(entry.object_name) for entry in found]

    def remove(self, key: str) -> None:
        self._minio.remove_object(self._bucket, self._root + key)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Return whether we were the one who wrote it."""
        address = self._minio.presigned_put_object(self._bucket, self._root + key)
        answer = self._http.request("PUT", address, body=content, headers={"If-None-Match": "*"})
        if answer.status in _LOST:
            return False
        if answer.status not in (200, 204):
            raise StoreError(f"the store answered {answer.status} to a conditional put")
        return True

    def server_time(self) -> float:
        """Return the server's clock, in seconds since the epoch, to the second."""
        answer = self._http.request("HEAD", self.endpoint)
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()


class Probe:
    """The tries; what they leave in the lake is removed by `remove_all`."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = clients
        self._mark = f"_doctor-{secrets.token_hex(8)}"
        self._left: set[str] = set()

    def race(self) -> list[int]:
        """Return how many of the racers won each race for one key.

        All races start at once: a store may let who comes second wait a second or two.
        """
        keys = [self._key("quarantine", f"race-{number}") for number in range(_RACES)]
        start = threading.Barrier(_RACES * _RACERS)

        def run(key: str) -> bool:
            start.wait()
            return self._clients["refine"].put_if_absent(key, secrets.token_bytes(8))

        with _asking(), ThreadPoolExecutor(_RACES * _RACERS) as pool:
            won = dict.fromkeys(keys, 0)
            for key, has_won in zip(keys * _RACERS, pool.map(run, keys * _RACERS), strict=True):
                won[key] += has_won
        return list(won.values())

    def round_trip(self) -> bool:
        """Return whether written bytes come back the same, whole and from the middle."""
        sent, key = secrets.token_bytes(_BYTES), self._key("quarantine", "bytes")
        client = self._clients["refine"]
        with _asking():
            client.put(key, sent)
            whole = hashlib.sha256(client.get(key)).digest() == hashlib.sha256(sent).digest()
            return whole and client.get(key, _BYTES // 2, 1000) == sent[_BYTES // 2 :][:1000]

    def skew_seconds(self) -> float:
        """Return how far the server's clock is before ours."""
        with _asking():
            before = time.time()
            told = self._clients["read"].server_time()
            after = time.time()
        return 0.0 if before - 1 <= told <= after else told - after

    def rights(self, role: str) -> list[str]:
        """Return what `role` may and should not, or should and may not, in words."""
        with _asking():
            return [text for place in PLACES for text in self._wrong(role, place)]

    def remove_all(self) -> None:
        """Remove what the tries left, as the one role that may remove everywhere."""
        for key in sorted(self._left):
            _allowed(partial(self._clients["govern"].remove, key))

    def _wrong(self, role: str, place: str) -> Iterator[str]:
        client, rights = self._clients[role], RIGHTS[role]
        there, own = self._key(place, "there"), self._key(place, role)
        if not _allowed(lambda: self._clients["govern"].put(there, b"x")):
            yield f"govern may not prepare the try in {place}"
            return
        tries: dict[str, tuple[bool, Callable[[], object]]] = {
            "read": (rights.may_read(place), lambda: client.get(there)),
            "list": (rights.may_read(place), lambda: client.list(place)),
            "write": (rights.may_write(place), lambda: client.put(own, b"x")),
            "remove": (may_remove(role, place), lambda: client.remove(there)),
        }
        for verb, (should, ask) in tries.items():
            if _allowed(ask) != should:
                yield f"{verb} in {place} is {'refused' if should else 'allowed'}"

    def _key(self, place: str, name: str) -> str:
        key = f"{place}/{self._mark}-{name}"
        self._left.add(key)
        return key


def _allowed(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except S3Error as error:
        if error.code in _REFUSED:
            return False
        raise
    return True


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        raise StoreError(f"the object store answered {error.code}") from None
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise StoreError(
            f"the object store does not answer: {type(error).__name__}",
            hint="is the stack up? `lakehouse status`",
        ) from None
