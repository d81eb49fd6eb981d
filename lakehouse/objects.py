"""Bytes by key, in an S3 bucket or a folder. A key is never written twice with other bytes."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from lakehouse.errors import StoreError
from lakehouse.settings import Credentials

_PART_BYTES = 16 * 2**20
_COPY_BYTES = 2**20
_NAMELESS_REFUSED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)


class Objects(Protocol):
    """Where landed bytes lie."""

    def put(self, key: str, stream: BinaryIO, size: int) -> None:
        """Store `size` bytes durably under `key`, whole or not at all."""

    def open(self, key: str) -> BinaryIO:
        """Stream the bytes under `key`; raises StoreError when there are none."""

    def size(self, key: str) -> int | None:
        """The number of bytes under `key`, or None when nothing is there."""

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens when it is not there."""


class FolderObjects:
    """Objects in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, stream: BinaryIO, size: int) -> None:
        target = self._root / key
        with _storing():
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, stream)
            _sync_folder(target.parent)

    def open(self, key: str) -> BinaryIO:
        with _storing():
            return (self._root / key).open("rb")

    def size(self, key: str) -> int | None:
        with _storing():
            try:
                return (self._root / key).stat().st_size
            except FileNotFoundError:
                return None

    def delete(self, key: str) -> None:
        with _storing():
            (self._root / key).unlink(missing_ok=True)


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


def open_objects(url: str, credentials: Credentials | None) -> Objects:
    """Open the place that `url` names: an s3:// bucket with keys, or a folder."""
    if credentials is None:
        return FolderObjects(Path(url))
    place = urlsplit(url)
    return S3Objects(place.netloc, place.path.strip("/"), credentials)


@contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"the folder store failed: {error.strerror}") from None


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        raise StoreError(f"the object store answered {error.code}") from None
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise StoreError(f"the object store failed: {type(error).__name__}") from None


def _write(target: Path, stream: BinaryIO) -> None:
    """Write a file whole or not at all; a kill leaves nothing where files may have no name."""
    try:
        descriptor = os.open(target.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NAMELESS_REFUSED:
            raise
        _write_beside(target, stream)
        return
    with os.fdopen(descriptor, "wb") as part:
        _copy(stream, part)
        _name(descriptor, target)


def _name(descriptor: int, target: Path) -> None:
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileExistsError):  # it has these very bytes
            # only with a folder given Python follows the link to the file without a name
            os.link(f"/proc/self/fd/{descriptor}", target.name, dst_dir_fd=folder)
    finally:
        os.close(folder)


def _write_beside(target: Path, stream: BinaryIO) -> None:
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
        try:
            _copy(stream, part)
            Path(part.name).replace(target)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def _copy(stream: BinaryIO, part: IO[bytes]) -> None:
    while chunk := stream.read(_COPY_BYTES):
        part.write(chunk)
    part.flush()
    os.fsync(part.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
