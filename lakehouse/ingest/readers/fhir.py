"""FHIR R4 resources, one a line (HL7 FHIR Bulk Data Access IG 2.0.0, NDJSON), or one document.

A line is a resource with type and id, or a Bundle of any type: its resources, and its deletions as
the `deleted` files of an export hold them. A file that is one JSON document over several lines is
one record. Anything else is refused with a reason; the text is kept as it came.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate, chain, repeat
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import msgspec
import pyarrow as pa

from lakehouse.ingest.bundle import ID, TYPE, Deletion, judge_long, split
from lakehouse.ingest.instant import read_instant
from lakehouse.ingest.json_text import LONGEST_TEXT, Refusal, is_json, parse, reduce
from lakehouse.ingest.lines import LONGEST_LINE, Lines, read_lines
from lakehouse.ingest.origin import Origin, Parsed

TABLE = "bronze.fhir_resource"
SEEN = "bronze.fhir_seen"
TOMBSTONE = sha256(b"deleted").digest()[:16]

_PATIENT = re.compile(r"(?:^|/)Patient/([^/|?#\s]{1,255})(?:/_history/[^/]+)?\Z")
_PAIR = re.compile(rb'"\w+"\s*:\s*"[^"\\]*"\s*,?\s*')
_VERSION = (b'"versionId"', b'"lastUpdated"')
_SUBJECTS = ("subject", "patient", "beneficiary", "individual")
_TOGETHER = 64
"""Lines that are read as one, where all are plain."""

_MOST_KEPT = 2**20
"""Bytes; of a longer line that is refused the beginning is kept, the rest lies in the object."""

_INSTANT = pa.timestamp("us", "UTC")
_ROWS = pa.schema(
    {
        "source": pa.string(),
        "_key": pa.int64(),
        "resource_type": pa.string(),
        "resource_id": pa.string(),
        "patient_id": pa.string(),
        "version_id": pa.string(),
        "version_at": _INSTANT,
        "version_basis": pa.string(),
        "is_deleted": pa.bool_(),
        "content_hash": pa.binary(),
        "resource": pa.string(),
        "_omitted": pa.int64(),
        "_object": pa.string(),
        "_sequence": pa.int64(),
        "_line": pa.int64(),
        "_entry": pa.int64(),
        "_offset": pa.int64(),
        "_length": pa.int64(),
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


class _Row(NamedTuple):
    """A row of bronze; `entry` counts the resources of a Bundle from 0."""

    kind: str
    resource_id: str
    patient_id: str | None
    version_id: str | None
    updated_at: datetime | None
    is_deleted: bool
    content_hash: bytes
    text: bytes
    omitted: int
    line: int
    entry: int
    offset: int
    length: int


class _Place(NamedTuple):
    """Where a line stands in its object."""

    line: int
    offset: int
    length: int


class _Refused(NamedTuple):
    line: int
    offset: int
    reason: str
    record: bytes


@dataclass(slots=True)
class _Block:
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    """Each shaped as a _Row."""

    refused: list[_Refused] = field(default_factory=list)
    lines: int = 0
    blank: int = 0


def read(stream: BinaryIO, origin: Origin) -> Iterator[Parsed]:
    """Yield the resources and the refused records of an object, some MiB at a time."""
    # no name here holds a block while the next is read: a line may be long
    yield from map(_parsed, _documents(read_lines(stream)), repeat(origin))


def _documents(blocks: Iterator[Lines]) -> Iterator[Lines]:
    """The same lines, or the one document that they are together."""
    if not (first := next(blocks, None)):
        return
    if first.refused or first.contents[0].strip() not in (b"{", b"["):
        yield first
        del first
    else:
        held, is_whole = _hold(first, blocks)
        document = b"\n".join(lines.contents[0] for lines in held) if is_whole else b""
        if is_json(document):
            del held
            yield Lines(1, 0, [document])
            return
        for lines in held:
            yield lines._replace(contents=lines.contents[0].split(b"\n"))
    yield from blocks


def _hold(first: Lines, blocks: Iterator[Lines]) -> tuple[list[Lines], bool]:
    """Blocks, the lines of each as one text (lines of a few bytes take many times as much), and
    whether these are all, and no more than a document may have."""
    held: list[Lines] = []
    size = 0
    for lines in chain([first], blocks):
        text = b"\n".join(lines.contents)
        held.append(lines._replace(contents=[text]))
        size += len(text) + 1
        if lines.refused or size > LONGEST_LINE:
            return held, False
    return held, True


def _parsed(lines: Lines, origin: Origin) -> Parsed:
    block = _read_lines(lines)
    rows, refused = _rows(block.rows, origin), _refused(block.refused, origin)
    return Parsed(rows, refused, block.lines, block.blank)


def _read_lines(lines: Lines) -> _Block:
    block = _Block(lines=len(lines.contents))
    if lines.refused:
        block.refused.append(_Refused(lines.number, lines.offset, lines.refused, lines.contents[0]))
        return block
    number, offset = lines.number, lines.offset
    for first in range(0, len(lines.contents), _TOGETHER):
        contents = lines.contents[first : first + _TOGETHER]
        lengths = list(map(len, contents))
        offsets = list(accumulate((length + 1 for length in lengths), initial=offset))
        places = list(map(_Place, range(number, number + len(contents)), offsets, lengths))
        texts = [content.strip() for content in contents]
        if not _read_together(texts, places, block):
            for text, place in zip(texts, places, strict=True):
                _read_one(text, place, block)
        number += len(contents)
        offset = offsets[-1]
    return block


def _read_together(texts: list[bytes], places: list[_Place], block: _Block) -> bool:
    """Read plain resources as one; False, and nothing is read, where one of them is not plain."""
    if max(map(len, texts)) > LONGEST_TEXT:
        return False
    try:
        kinds, ids, versions, patients = zip(*map(_facts, texts), strict=True)
        if not _are_types(frozenset(kinds)) or not all(map(ID.match, ids)):
            return False
    except (Refusal, KeyError, TypeError):
        return False
    version_ids, updates = zip(*versions, strict=True)
    digests = map(_digest, texts, versions)
    lines, offsets, lengths = zip(*places, strict=True)
    first = (kinds, ids, patients, version_ids, updates, repeat(False), digests, texts, repeat(0))
    block.rows += zip(*first, lines, repeat(0), offsets, lengths)
    return True


def _facts(text: bytes) -> tuple[str, str, "_Version", str | None]:
    # a value is gone before the next is made: what is in the processor's cache is used again
    value = parse(text)
    kind, resource_id = value["resourceType"], value["id"]
    version = _version(value["meta"]) if "meta" in value else _NONE
    return kind, resource_id, version, _patient_of(kind, resource_id, value)


@lru_cache(maxsize=1024)
def _are_types(kinds: frozenset[str]) -> bool:
    return "Bundle" not in kinds and all(map(TYPE.match, kinds))


def _read_one(text: bytes, place: _Place, block: _Block) -> None:
    if not text:
        block.blank += 1
        return
    try:
        block.rows += _parse(text, place)
    except Refusal as refusal:
        refused = _Refused(place.line, place.offset, str(refusal), text[:_MOST_KEPT])
        block.refused.append(refused)


def _parse(text: bytes, place: _Place) -> list[_Row]:
    if len(text) <= LONGEST_TEXT or not judge_long(text):
        short, omitted = reduce(text)
        resource = parse(short)
        if type(resource) is not dict:
            raise Refusal("not a JSON object")
        if resource.get("resourceType") != "Bundle":
            return [_row(resource, short, text, place)._replace(omitted=omitted)]
    return [
        _deleted(found, place)._replace(entry=number)
        if isinstance(found, Deletion)
        else _entry(found, place)._replace(entry=number)
        for number, found in enumerate(split(text))
    ]


def _entry(text: bytes, place: _Place) -> _Row:
    short, omitted = reduce(text)
    return _row(parse(short), short, text, place)._replace(omitted=omitted)


def _row(resource: dict[str, Any], text: bytes, whole: bytes, place: _Place) -> _Row:
    """The row of a resource; `text` is what is kept of the `whole`, which is hashed."""
    kind, resource_id = resource.get("resourceType"), resource.get("id")
    if not isinstance(kind, str) or not TYPE.match(kind):
        raise Refusal("no resource type")
    if kind == "Bundle":
        raise Refusal("a Bundle in a Bundle")
    if not isinstance(resource_id, str) or not ID.match(resource_id):
        raise Refusal("no resource id")
    version = _version(resource.get("meta"))
    patient, digest = _patient_of(kind, resource_id, resource), _digest(whole, version)
    row = (kind, resource_id, patient, *version, False, digest, text, 0)
    return _Row(*row, place.line, 0, place.offset, place.length)


_Version: TypeAlias = tuple[str | None, datetime | None]
_NONE: _Version = (None, None)


def _version(meta: Any) -> _Version:
    if not isinstance(meta, dict):
        return _NONE
    version_id, told = meta.get("versionId"), meta.get("lastUpdated")
    updated_at = None if told is None else read_instant(told)
    if told is not None and updated_at is None:
        raise Refusal("lastUpdated is not an instant")
    return version_id if isinstance(version_id, str) else None, updated_at


def _digest(text: bytes, version: _Version) -> bytes:
    """The hash of a text without its meta.versionId and meta.lastUpdated: they are not content."""
    if version == _NONE:
        return sha256(text).digest()[:16]
    hashed = sha256()
    for part in _unversioned(text):
        hashed.update(part)
    return hashed.digest()[:16]


def _unversioned(text: bytes) -> Iterator[bytes | memoryview]:
    """The parts that are left of it; none is copied, for a text may be long."""
    if any(text.count(name) > 1 for name in _VERSION):
        yield from _unversioned_exactly(text)
        return
    view, begin = memoryview(text), 0
    for place in sorted(text.find(name) for name in _VERSION):
        found = _PAIR.match(text, place) if place >= 0 else None
        if found:
            yield view[begin : found.start()]
            begin = found.end()
    yield view[begin:]


def _unversioned_exactly(text: bytes) -> Iterator[bytes | memoryview]:
    """The same where these names stand in other places too, as in contained resources."""
    members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    meta = msgspec.json.decode(members.pop("meta"), type=dict[str, msgspec.Raw])
    own = {name: value for name, value in meta.items() if f'"{name}"'.encode() not in _VERSION}
    mark = b""
    for name, value in chain(members.items(), own.items()):
        yield mark + name.encode() + b"\n"
        yield memoryview(value)
        mark = b"\n"


def _patient_of(kind: str, resource_id: str, resource: dict[str, Any]) -> str | None:
    """The id of the patient whose record this is."""
    if kind == "Patient":
        return resource_id
    for name in _SUBJECTS:
        if name in resource:
            subject = resource[name]
            reference = subject.get("reference") if isinstance(subject, dict) else None
            if isinstance(reference, str) and (found := _referred(reference)):
                return found
    return None


@lru_cache(maxsize=2**16)
def _referred(reference: str) -> str | None:
    found = _PATIENT.search(reference)
    return found[1] if found else None


def _deleted(entry: Deletion, place: _Place) -> _Row:
    """The tombstone of an entry that deletes (Bulk Data IG 2.0.0, `deleted`)."""
    kind, resource_id, text = entry
    patient = resource_id if kind == "Patient" else None
    row = (kind, resource_id, patient, None, None, True, TOMBSTONE, text, 0)
    return _Row(*row, place.line, 0, place.offset, place.length)


def _rows(rows: list[tuple[Any, ...]], origin: Origin) -> pa.RecordBatch:
    basis = "export" if origin.export_at else "received"
    otherwise = origin.export_at or origin.received_at
    prefix = f"{origin.source}/"
    if not rows:
        return pa.RecordBatch.from_pylist([], schema=_ROWS)
    kinds, ids, patients, numbers, updates, deletes, hashes, *rest = zip(*rows, strict=True)
    texts, omitted, lines, entries, offsets, lengths = rest
    count = len(rows)
    columns: list[Any] = [
        pa.repeat(origin.source, count),
        pa.array(map(_key, repeat(prefix), kinds, ids), pa.int64()),
        pa.array(kinds, pa.string()),
        pa.array([prefix + key for key in ids], pa.string()),
        pa.array([prefix + key if key else None for key in patients], pa.string()),
        pa.array(numbers, pa.string()),
        pa.array([at or otherwise for at in updates], _INSTANT),
        pa.array(["updated" if at else basis for at in updates], pa.string()),
        pa.array(deletes, pa.bool_()),
        pa.array(hashes, pa.binary()),
        _texts(texts),
        pa.array(omitted, pa.int64()),
        pa.repeat(origin.object_id, count),
        pa.repeat(pa.scalar(origin.sequence, pa.int64()), count),
        pa.array(lines, pa.int64()),
        pa.array(entries, pa.int64()),
        pa.array(offsets, pa.int64()),
        pa.array(lengths, pa.int64()),
        pa.repeat(pa.scalar(origin.received_at, _INSTANT), count),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_ROWS)


def _key(prefix: str, kind: str, resource_id: str) -> int:
    """A number for a record's identity: two records may share one, if hardly ever."""
    digest = sha256(f"{kind}/{prefix}{resource_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _texts(texts: Sequence[bytes]) -> Any:
    # the parser has proved each text to be UTF-8; decoding it again costs as much as parsing
    offsets = array("i", accumulate(map(len, texts), initial=0))
    return pa.StringArray.from_buffers(
        len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))
    )


def _refused(refused: list[_Refused], origin: Origin) -> pa.RecordBatch:
    count = len(refused)
    lines, offsets, reasons, records = zip(*refused, strict=True) if refused else ([], [], [], [])
    columns: list[Any] = [
        pa.repeat(origin.feed, count),
        pa.repeat(origin.object_id, count),
        pa.repeat(pa.scalar(origin.sequence, pa.int64()), count),
        pa.array(lines, pa.int64()),
        pa.array(offsets, pa.int64()),
        pa.array(reasons, pa.string()),
        pa.array(records, pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_REFUSED)
