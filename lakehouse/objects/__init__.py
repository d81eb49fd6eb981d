"""Bytes by key, in an S3 bucket or a folder. A key is never written twice with other bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from lakehouse.objects.entry import Entry
from lakehouse.objects.folder import FolderObjects
from lakehouse.settings import Credentials

__all__ = ["Entry", "Objects", "open_objects"]


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

    def list(self, folder: str) -> Iterator[Entry]:
        """All that lies in `folder` and below; nothing where there is no such folder."""


def open_objects(url: str, credentials: Credentials | None) -> Objects:
    """Open the place that `url` names: an s3:// bucket with keys, or a folder."""
    if credentials is None:
        return FolderObjects(Path(url))
    # a lake in a folder does without the client, which takes a quarter of a second to load
    from lakehouse.objects.s3 import S3Objects

    place = urlsplit(url)
    return S3Objects(place.netloc, place.path.strip("/"), credentials)
