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
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from lakehouse.ingest.instant import read_instant

NAMES = frozenset({"manifest.json", "log.ndjson"})
_MOST_BYTES = 64 * 2**20
_OURS = "lakehouse"
_ACCEPTED = "accepted"
_COMPLETE = {"of": "system", "since": None, "is_counted": True, "errors": 0}


@dataclass(frozen=True, slots=True)
class Manifest:
    """`export_at` is the export's transaction time, `names` the files it lists (none in a log).

    `is_complete` is True when a pull vouches that the export held every record of its source, of
    `types` where it was asked for some only: at system level, without `_since`, without an error,
    and each file with as many records as the server promised. What is not in it is not there.
    `is_accepted` is True where a person said that what it lacks is gone, however much it is.
    """

    export_at: datetime | None
    names: frozenset[str]
    is_complete: bool = False
    types: frozenset[str] = frozenset()
    is_accepted: bool = False


def is_manifest(name: str) -> bool:
    """True for a file that speaks of others; a trailing .gz does not matter."""
    return PurePosixPath(name.removesuffix(".gz")).name in NAMES


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest; None when it cannot be understood, and then it proves nothing."""
    try:
        with path.open("rb") as stream:
            return parse_manifest(path.name, stream)
    except OSError:
        return None


def parse_manifest(name: str, stream: BinaryIO) -> Manifest | None:
    """What a manifest of that name says, from wherever it is kept; None as for `read_manifest`."""
    try:
        told = _documents(name, stream)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        return None
    times = [read_instant(found) for document in told for found in _times(document)]
    names = {_file_name(item) for document in told for item in _items(document)}
    pulled = next(filter(None, map(_pulled, told)), {})
    listed = pulled.get("types")
    return Manifest(
        next(filter(None, times), None),
        frozenset(filter(None, names)),
        pulled.items() >= _COMPLETE.items(),
        frozenset(map(str, listed if isinstance(listed, list) else [])),
        pulled.get(_ACCEPTED) is True,
    )


def tell_pull(
    *, of: str, since: str | None, types: Iterable[str], is_counted: bool, errors: int
) -> dict[str, Any]:
    """What a pull adds to the manifest that it lands (its member `extension`, which the IG leaves
    to whoever writes it): what was asked for, and what was proven."""
    told = {"of": of, "since": since, "types": sorted(types)}
    return {_OURS: told | {"is_counted": is_counted, "errors": errors}}


def accept(name: str, content: bytes) -> bytes:
    """A manifest once more, as `manifest.json`, with a person's word that what its export lacks is
    gone."""
    (document,) = (told for told in _documents(name, BytesIO(content)) if _pulled(told))
    extension = {**document["extension"], _OURS: _pulled(document) | {_ACCEPTED: True}}
    return json.dumps(document | {"extension": extension}, indent=1).encode()


def _pulled(document: dict[str, Any]) -> dict[str, Any]:
    extension = document.get("extension")
    told = extension.get(_OURS) if isinstance(extension, dict) else None
    return told if isinstance(told, dict) else {}


def _documents(name: str, stream: BinaryIO) -> list[dict[str, Any]]:
    unpacked = gzip.GzipFile(fileobj=stream) if name.endswith(".gz") else stream
    text = unpacked.read(_MOST_BYTES)
    if PurePosixPath(name.removesuffix(".gz")).name == "manifest.json":
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
