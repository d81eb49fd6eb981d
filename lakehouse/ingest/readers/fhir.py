"""FHIR R4 resources, one a line (HL7 FHIR Bulk Data Access IG 2.0.0, NDJSON).

A line is a resource with type and id, or a Bundle whose entries are deletions, as the `deleted`
files of an export hold them. Anything else is refused with a reason; the text is kept as it came.
"""

import hashlib
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any, BinaryIO, NamedTuple

import orjson
import pyarrow as pa

from lakehouse.ingest.instant import read_instant
from lakehouse.ingest.lines import Line, read_lines
from lakehouse.ingest.origin import Origin, Parsed

TABLE = "bronze.fhir_resource"
SEEN = "bronze.fhir_seen"

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_PATIENT = re.compile(r"(?:^|/)Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?\Z")
_DELETED = re.compile(r"(?:^|/)([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})\Z")
_VERSION = re.compile(rb'"(?:versionId|lastUpdated)"\s*:\s*"[^"]*"\s*,?\s*')
_SUBJECTS = ("subject", "patient", "beneficiary", "individual")
_TOMBSTONE = hashlib.blake2b(b"deleted", digest_size=16).digest()

_INSTANT = pa.timestamp("us", "UTC")
_ROWS = pa.schema(
    {
        "source": pa.string(),
        "resource_type": pa.string(),
        "resource_id": pa.string(),
        "patient_id": pa.string(),
        "version_id": pa.string(),
        "version_at": _INSTANT,
        "version_basis": pa.string(),
        "is_deleted": pa.bool_(),
        "content_hash": pa.binary(),
        "resource": pa.string(),
        "_object": pa.string(),
        "_sequence": pa.int64(),
        "_line": pa.int64(),
        "_offset": pa.int64(),
        "_received_at": _INSTANT,
    }
)
_REFUSED = pa.schema(
    {
        "_feed": pa.string(),
        "_object": pa.string(),
        "_sequence": pa.int64(),
        "_line": pa.int64(),
        "_offset": pa.int64(),
        "reason": pa.string(),
        "record": pa.binary(),
    }
)


class _Refusal(Exception):  # noqa: N818 (an outcome of reading, not an error of the program)
    """Why a line is not read; the text is one of a fixed few and quotes nothing."""


class _Row(NamedTuple):
    kind: str
    resource_id: str
    patient_id: str | None
    version_id: str | None
    updated_at: datetime | None
    is_deleted: bool
    content_hash: bytes
    text: bytes
    line: int
    offset: int


@dataclass(slots=True)
class _Block:
    rows: list[_Row] = field(default_factory=list)
    refused: list[Line] = field(default_factory=list)
    blank: int = 0


def read(stream: BinaryIO, origin: Origin) -> Iterator[Parsed]:
    """Yield the resources and the refused lines of an object, some MiB at a time."""
    for lines in read_lines(stream):
        block = _Block()
        for line in lines:
            _read_line(line, block)
        yield Parsed(
            _rows(block.rows, origin), _refused(block.refused, origin), len(lines), block.blank
        )


def _read_line(line: Line, block: _Block) -> None:
    content = line.content.strip()
    if line.refused:
        block.refused.append(line)
    elif not content:
        block.blank += 1
    else:
        try:
            block.rows += _parse(content, line)
        except _Refusal as refusal:
            block.refused.append(Line(line.number, line.offset, line.content, str(refusal)))


def _parse(content: bytes, line: Line) -> list[_Row]:
    try:
        resource = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise _Refusal("not JSON") from None
    if not isinstance(resource, dict):
        raise _Refusal("not a JSON object")
    kind, resource_id = resource.get("resourceType"), resource.get("id")
    if not isinstance(kind, str) or not _TYPE.match(kind):
        raise _Refusal("no resource type")
    if kind == "Bundle":
        return _deletions(resource, line)
    if not isinstance(resource_id, str) or not _ID.match(resource_id):
        raise _Refusal("no resource id")
    version_id, updated_at = _version(resource.get("meta"))
    versioned = version_id is not None or updated_at is not None
    digest = hashlib.blake2b(_VERSION.sub(b"", content) if versioned else content, digest_size=16)
    patient = resource_id if kind == "Patient" else _patient(resource)
    return [
        _Row(
            kind,
            resource_id,
            patient,
            version_id,
            updated_at,
            False,
            digest.digest(),
            content,
            line.number,
            line.offset,
        )
    ]


def _version(meta: Any) -> tuple[str | None, datetime | None]:
    if not isinstance(meta, dict):
        return None, None
    version_id, text = meta.get("versionId"), meta.get("lastUpdated")
    updated_at = read_instant(text)
    if text is not None and updated_at is None:
        raise _Refusal("lastUpdated is not an instant")
    return version_id if isinstance(version_id, str) else None, updated_at


def _patient(resource: dict[str, Any]) -> str | None:
    for name in _SUBJECTS:
        subject = resource.get(name)
        reference = subject.get("reference") if isinstance(subject, dict) else None
        if isinstance(reference, str) and (found := _PATIENT.search(reference)):
            return found[1]
    return None


def _deletions(bundle: dict[str, Any], line: Line) -> list[_Row]:
    """The tombstones of a Bundle whose entries all delete (Bulk Data IG 2.0.0, `deleted`)."""
    entries = bundle.get("entry")
    if not isinstance(entries, list) or not entries:
        raise _Refusal("a Bundle without deletions")
    return [_deletion(entry, line) for entry in entries]


def _deletion(entry: Any, line: Line) -> _Row:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or request.get("method") != "DELETE":
        raise _Refusal("a Bundle entry that does not delete")
    found = _DELETED.search(str(request.get("url")))
    if not found:
        raise _Refusal("a deletion without type and id")
    kind, resource_id = found[1], found[2]
    return _Row(
        kind,
        resource_id,
        resource_id if kind == "Patient" else None,
        None,
        None,
        True,
        _TOMBSTONE,
        orjson.dumps(entry),
        line.number,
        line.offset,
    )


def _rows(rows: list[_Row], origin: Origin) -> pa.RecordBatch:
    basis = "export" if origin.export_at else "received"
    otherwise = origin.export_at or origin.received_at
    prefix = f"{origin.source}/"
    if not rows:
        return pa.RecordBatch.from_pylist([], schema=_ROWS)
    kinds, ids, patients, numbers, updates, deletes, hashes, texts, lines, offsets = zip(
        *rows, strict=True
    )
    count = len(rows)
    columns: list[Any] = [
        pa.repeat(origin.source, count),
        pa.array(kinds, pa.string()),
        pa.array([prefix + key for key in ids], pa.string()),
        pa.array([prefix + key if key else None for key in patients], pa.string()),
        pa.array(numbers, pa.string()),
        pa.array([at or otherwise for at in updates], _INSTANT),
        pa.array(["updated" if at else basis for at in updates], pa.string()),
        pa.array(deletes, pa.bool_()),
        pa.array(hashes, pa.binary()),
        _texts(texts),
        pa.repeat(origin.object_id, count),
        pa.repeat(pa.scalar(origin.sequence, pa.int64()), count),
        pa.array(lines, pa.int64()),
        pa.array(offsets, pa.int64()),
        pa.repeat(pa.scalar(origin.received_at, _INSTANT), count),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_ROWS)


def _texts(texts: Sequence[bytes]) -> Any:
    # the parser has proved each text to be UTF-8; decoding it again costs as much as parsing
    offsets = array("i", accumulate(map(len, texts), initial=0))
    return pa.StringArray.from_buffers(
        len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))
    )


def _refused(lines: list[Line], origin: Origin) -> pa.RecordBatch:
    count = len(lines)
    columns: list[Any] = [
        pa.repeat(origin.feed, count),
        pa.repeat(origin.object_id, count),
        pa.repeat(pa.scalar(origin.sequence, pa.int64()), count),
        pa.array([line.number for line in lines], pa.int64()),
        pa.array([line.offset for line in lines], pa.int64()),
        pa.array([line.refused for line in lines], pa.string()),
        pa.array([line.content for line in lines], pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_REFUSED)
