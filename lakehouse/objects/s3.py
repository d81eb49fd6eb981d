"""Objects in one bucket of an S3 server."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from lakehouse.errors import StoreError
from lakehouse.objects.entry import Entry
from lakehouse.settings import Credentials

_PART_BYTES = 16 * 2**20
_HINTS = {
    "AccessDenied": "`lakehouse status` tells whether the store is starting and takes no writes "
    "yet; if not, `lakehouse doctor` tries the rights of each role",
}


class S3Objects:
    """Objects in one bucket of an S3 server, or in a folder of it."""

    def __init__(self, bucket: str, folder: str, credentials: Credentials) -> None:
        place = urlsplit(credentials.endpoint)
        self._bucket = bucket
        self._prefix = f"{folder}/" if folder else ""
        self._client = Minio(
            place.netloc,
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
            secure=place.scheme == "https",
            region=credentials.region,
        )

    def put(self, key: str, stream: BinaryIO, size: int) -> None:
        with _asking():
            name = self._prefix + key
            self._client.put_object(self._bucket, name, stream, size, part_size=_PART_BYTES)

    def open(self, key: str) -> BinaryIO:
        with _asking():
            answer = self._client.get_object(self._bucket, self._prefix + key)
        return cast(BinaryIO, _Answer(answer))

    def size(self, key: str) -> int | None:
        with _asking():
            try:
                return self._client.stat_object(self._bucket, self._prefix + key).size
            except S3Error as error:
                if error.code == "NoSuchKey":
                    return None
                raise

    def delete(self, key: str) -> None:
        with _asking():
            self._client.remove_object(self._bucket, self._prefix + key)

    def list(self, folder: str) -> Iterator[Entry]:
        place = f"{self._prefix}{folder}/"
        with _asking():
            for found in self._client.list_objects(self._bucket, prefix=place, recursive=True):
                key = str(found.object_name).removeprefix(self._prefix)
                at = found.last_modified.timestamp() if found.last_modified else 0.0
                yield Entry(key, found.size or 0, str(found.etag), at)


class _Answer(RawIOBase):
    """The bytes of an answer; a connection that breaks meanwhile is a failure of the store."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with _asking():
            return self._answer.read(size if size >= 0 else None)

    def close(self) -> None:
        self._answer.close()
        self._answer.release_conn()
        super().close()


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        raise StoreError(
            f"the object store answered {error.code}", hint=_HINTS.get(str(error.code), "")
        ) from None
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise StoreError(f"the object store failed: {type(error).__name__}") from None
