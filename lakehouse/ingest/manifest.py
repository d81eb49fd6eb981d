"""What a sender says of a delivery: when its content was true, and which files belong to it.

Two forms are read: the Bulk Data manifest (HL7 FHIR Bulk Data Access IG 2.0.0, response of the
status request) as `manifest.json`, and the client log of an export as `log.ndjson`.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from lakehouse.ingest.instant import read_instant

NAMES = frozenset({"manifest.json", "log.ndjson"})
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Manifest:
    """`export_at` is the export's transaction time, `names` the files it lists (none in a log)."""

    export_at: datetime | None
    names: frozenset[str]


def is_manifest(name: str) -> bool:
    """True for a file that speaks of others; a trailing .gz does not matter."""
    return PurePosixPath(name.removesuffix(".gz")).name in NAMES


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest; None when it cannot be understood, and then it proves nothing."""
    try:
        told = _documents(path)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        return None
    times = [read_instant(found) for document in told for found in _times(document)]
    names = {_file_name(item) for document in told for item in _items(document)}
    return Manifest(next(filter(None, times), None), frozenset(filter(None, names)))


def _documents(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        text = stream.read(_MOST_BYTES)
    if PurePosixPath(path.name.removesuffix(".gz")).name == "manifest.json":
        parsed = [json.loads(text)]
    else:
        parsed = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [document for document in parsed if isinstance(document, dict)]


def _times(document: dict[str, Any]) -> Iterator[Any]:
    yield document.get("transactionTime")
    detail = document.get("eventDetail")
    if isinstance(detail, dict):
        yield detail.get("transactionTime")


def _items(document: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for part in ("output", "deleted"):
        listed = document.get(part)
        if isinstance(listed, list):
            yield from (item for item in listed if isinstance(item, dict))


def _file_name(item: dict[str, Any]) -> str:
    try:
        return PurePosixPath(urlsplit(str(item.get("url", ""))).path).name
    except ValueError:
        return ""
