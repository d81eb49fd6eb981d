"""A small hospital that never was: FHIR R4 bulk exports of one site, the same for the same seed.

The first export holds everything, the second what changed within a day (see `edits`), the third the
corrected records. Everything is marked as test data (HTEST) and no value is of a real person.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.datasets.sample import edits
from lakehouse.datasets.sample.charts import chart, places
from lakehouse.datasets.sample.records import Record, Site, site_of, utc
from lakehouse.datasets.sample.story import COURSES, DAY, END, Person, tell
from lakehouse.errors import SpecError

_PARTS = {"Observation": 2}
_ENTRIES = 25
_BLOCK = 65_535


@dataclass(slots=True)
class _Delivery:
    records: list[Record]
    broken: list[bytes] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)


def write_sample(
    folder: Path, *, site: str, patients: int, seed: int, export: int, zone: str
) -> None:
    """Write one export of a site into a folder, as a bulk-data server lays it out.

    `export` is 1, 2 or 3. Raises SpecError for another, or for too few patients to have every
    course.
    """
    if export not in range(1, edits.LAST + 1) or patients < len(COURSES):
        raise SpecError(
            f"the sample has exports 1 to {edits.LAST} of at least {len(COURSES)} patients"
        )
    habits = site_of(site, zone)
    people = {person.number: person for person in tell(site, patients, seed)}
    delivery = _delivery(habits, people, export)
    folder.mkdir(parents=True, exist_ok=True)
    outputs = [_write_part(folder, *part) for part in _parts(delivery)]
    deleted = [_write_deleted(folder, delivery.erased)] if delivery.erased else []
    _write_manifest(folder, site, export, outputs, deleted)


def exported_at(export: int) -> int:
    """The minute of the story in which an export is taken."""
    return END + (export - 1) * DAY


def _delivery(site: Site, people: dict[int, Person], export: int) -> _Delivery:
    if export == 1:
        return _Delivery([*places(site), *_first(site, people)])
    is_last = export == edits.LAST
    edited = edits.THIRD if is_last else edits.SECOND
    records = [record for number, edit in edited.items() for record in edit(site, people[number])]
    since, until = exported_at(export - 1), exported_at(export)
    for person in people.values():
        records += [r for r in chart(site, person, until) if since < r.updated <= until]
    if is_last:
        return _Delivery(records)
    return _Delivery(records, list(edits.cut_lines(site, people)), edits.erased(site, people))


def _first(site: Site, people: dict[int, Person]) -> Iterator[Record]:
    for person in people.values():
        for record in chart(site, person, END):
            if record.kind == "Patient" and person.number == edits.TWICE:
                yield from edits.moved_house(site, person)
            elif not edits.is_held(record):
                yield record


def _parts(delivery: _Delivery) -> Iterator[tuple[str, int, list[bytes]]]:
    """The lines of each file: kind, number of the part, lines."""
    kinds = sorted({record.kind for record in delivery.records})
    for kind in kinds:
        lines = [
            json.dumps(record.resource(), separators=(",", ":")).encode()
            for record in delivery.records
            if record.kind == kind
        ]
        if kind == "Observation":
            lines[len(lines) // 2 : len(lines) // 2] = delivery.broken
        parts = _PARTS.get(kind, 1)
        for number in range(parts):
            yield kind, number, lines[number::parts]


def _write_part(folder: Path, kind: str, number: int, lines: list[bytes]) -> dict[str, object]:
    """The last part of a split kind is compressed; returns the file's line of the manifest."""
    name = f"{kind}.{number:03}.ndjson"
    content = b"".join(line + b"\n" for line in lines)
    if number:
        name, content = f"{name}.gz", _gzip(content)
    (folder / name).write_bytes(content)
    return {"type": kind, "url": name, "count": len(lines)}


def _write_deleted(folder: Path, erased: list[str]) -> dict[str, object]:
    (folder / "deleted").mkdir(exist_ok=True)
    bundles = [
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "DELETE", "url": url}} for url in group],
        }
        for group in _groups(erased)
    ]
    name = "deleted/Bundle.000.ndjson"
    (folder / name).write_text("".join(json.dumps(bundle) + "\n" for bundle in bundles))
    return {"type": "Bundle", "url": name, "count": len(bundles)}


def _groups(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + _ENTRIES] for start in range(0, len(names), _ENTRIES))


def _write_manifest(
    folder: Path,
    site: str,
    export: int,
    outputs: list[dict[str, object]],
    deleted: list[dict[str, object]],
) -> None:
    base = f"https://{site}.example.org/fhir"
    since = f"?_since={utc(exported_at(export - 1))}" if export > 1 else ""
    for item in (*outputs, *deleted):
        item["url"] = f"{base}/export/{export}/{item['url']}"
    manifest = {
        "transactionTime": utc(exported_at(export)),
        "request": f"{base}/$export{since}",
        "requiresAccessToken": False,
        "output": outputs,
        "deleted": deleted,
        "error": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _gzip(content: bytes) -> bytes:
    """A gzip file of stored blocks (RFC 1951, 1952): every zlib compresses in its own way, and the
    sample's bytes must not depend on which one is here."""
    blocks = [content[start : start + _BLOCK] for start in range(0, len(content), _BLOCK)] or [b""]
    packed = b"".join(
        bytes([place == len(blocks)])
        + len(block).to_bytes(2, "little")
        + (len(block) ^ 0xFFFF).to_bytes(2, "little")
        + block
        for place, block in enumerate(blocks, 1)
    )
    checks = zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + packed + checks
