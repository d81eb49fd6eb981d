"""The inbox in the lake's own store: senders put objects under `inbox/<feed>/` there.

An object is whole as soon as it is seen, and is taken when it has held for the feed's settle time.
It is removed when it is durable and in the ledger, unless it was written anew meanwhile.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lakehouse.catalog.spec import Feed
from lakehouse.ingest.receive import Received, Wait
from lakehouse.objects import Entry, Objects, open_objects
from lakehouse.settings import Settings

_SCHEME = "store:"
_MOST_BYTES, _MOST_FILES = 4 * 2**30, 10_000
"""So much is fetched at once, one object at least."""
_CHUNK_BYTES = 2**20
_LONGEST_NAME = 200


def receive(_settings: Settings, _feed: Feed, _wait: Wait, *, full: bool = False) -> Received:
    """Nothing: landing fetches what lies there."""
    return Received()


def is_sent_to_store(feed: Feed) -> bool:
    """Whether the feed's senders write to the lake's store."""
    return feed.receives == _SCHEME


def folder_of(feed: Feed) -> str:
    """Where in the store the feed's senders write."""
    return f"inbox/{feed.name}"


def due_in(settings: Settings, feed: Feed) -> float | None:
    """In how many seconds something can be taken, 0 for now; None where nothing waits.

    Raises StoreError where the store does not answer.
    """
    objects = open_objects(settings.lake_url(), settings.credentials("ingest"))
    left = [_left(feed, entry) for entry in _shown(objects, feed)]
    return max(0.0, min(left)) if left else None


def fetch(objects: Objects, feed: Feed, folder: Path) -> list[Entry]:
    """Copy what can be taken now into `folder`, the oldest first, as much as goes at once; what was
    copied. The copies are as old as the objects."""
    settled = [entry for entry in _shown(objects, feed) if _left(feed, entry) <= 0]
    settled.sort(key=lambda entry: (entry.changed_at, entry.key))
    size = 0
    taken: list[Entry] = []
    for entry in settled[:_MOST_FILES]:
        size += entry.size
        if taken and size > _MOST_BYTES:
            break
        _copy(objects, entry, _target(folder, entry.key.removeprefix(f"{folder_of(feed)}/")))
        taken.append(entry)
    return taken


def forget(objects: Objects, feed: Feed, taken: list[Entry]) -> None:
    """Remove what was taken and has not been written anew since."""
    now = {entry.key: entry.mark for entry in objects.list(folder_of(feed))}
    for entry in taken:
        if now.get(entry.key) == entry.mark:
            objects.delete(entry.key)


def _shown(objects: Objects, feed: Feed) -> Iterator[Entry]:
    """What lies there; what is hidden, as a name with a dot before it, is left alone."""
    place = f"{folder_of(feed)}/"
    for entry in objects.list(folder_of(feed)):
        parts = entry.key.removeprefix(place).split("/")
        # a name that ends in a slash stands for a folder and holds nothing
        if parts[-1] and not any(_is_hidden(part) for part in parts):
            yield entry


def _is_hidden(part: str) -> bool:
    return part.startswith(".") and part != ".."


def _left(feed: Feed, entry: Entry) -> float:
    return feed.settle_seconds - (time.time() - entry.changed_at)


def _target(folder: Path, name: str) -> Path:
    """The place of a copy: a sender may have chosen a name that no file can have, or may have."""
    parts = PurePosixPath(name).parts
    is_fit = all(len(os.fsencode(part)) <= _LONGEST_NAME and part != ".." for part in parts)
    if is_fit and "\0" not in name and "/".join(parts) == name:
        target = folder.joinpath(*parts)
        inner = [path for path in target.parents if path.is_relative_to(folder)]
        if not target.exists() and not any(path.is_file() for path in inner):
            return target
    return folder / hashlib.sha256(name.encode()).hexdigest()


def _copy(objects: Objects, entry: Entry, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with objects.open(entry.key) as stream, target.open("wb") as file:
        shutil.copyfileobj(stream, file, _CHUNK_BYTES)
    os.utime(target, (entry.changed_at, entry.changed_at))
