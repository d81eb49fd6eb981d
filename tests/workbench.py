"""A lake in a folder, deliveries small enough to read, and what its tables hold in the end.

The sites of these tests settle at once. `north_ehr` and `north_lab` are two feeds of one source; `south_ehr` is
another source whose ids clash with the north's.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

from lakehouse.govern.maintain import stored_tables
from lakehouse.ingest.landing import land
from lakehouse.ingest.load import Loaded, load, pending
from lakehouse.settings import Settings, read_settings
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Lake, open_lake
from lakehouse.transform.build import Built, build

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLASS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
Resource = dict[str, Any]

FEEDS = """
[feed.north_ehr]
about = "The north's records"
source = "north"
reads = "fhir"
zone = "America/New_York"
owner = "tests"
settle = "0 seconds"

[feed.north_lab]
about = "The north's laboratory, which names the same records"
source = "north"
reads = "fhir"
zone = "America/New_York"
owner = "tests"
settle = "0 seconds"

[feed.south_ehr]
about = "The south's records"
source = "south"
reads = "fhir"
zone = "America/Chicago"
owner = "tests"
settle = "0 seconds"
"""

REACHED = (
    "silver.patient",
    "silver.encounter",
    "silver.observation",
    "silver.ward_stay",
    "silver.resource_meta",
    "gold.readmission",
    "gold.vital_sign_daily",
    "gold.ward_census_hourly",
)
"""The tables that a patient, an encounter and a pulse have rows in, but for their codings."""

_ages = count(1_700_000_000)


def settings_at(root: Path, **environment: str) -> Settings:
    """Settings whose home, lake and configuration lie below `root`."""
    config = root / "config"
    config.mkdir(parents=True, exist_ok=True)
    if not (config / "feeds.toml").exists():
        (config / "feeds.toml").write_text(FEEDS)
    given = {
        "LAKEHOUSE_HOME": str(root / "home"),
        "LAKEHOUSE_URL": str(root / "lake"),
        "LAKEHOUSE_CONFIG": str(config),
        "LAKEHOUSE_MEMORY": "1GiB",
    }
    return read_settings(given | environment)


def lake_at(root: Path, at: datetime = NOW, **environment: str) -> Lake:
    """The lake below `root`, whose clock stands still."""
    return open_lake(settings_at(root, **environment), "refine", lambda: at)


def drop(lake: Lake, feed: str, name: str, content: bytes | Iterable[Resource]) -> Path:
    """Write a file to the feed's inbox as its sender would; later drops are younger."""
    path = lake.settings.inbox / feed / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else lines(content))
    age = next(_ages)
    os.utime(path, (age, age))
    return path


def lines(resources: Iterable[Resource]) -> bytes:
    """Resources as NDJSON."""
    return "".join(json.dumps(resource) + "\n" for resource in resources).encode()


def ingest(lake: Lake, feed: str = "north_ehr") -> Loaded:
    """Land and load all that waits; the sums of all batches."""
    declared = lake.catalog.feeds[feed]
    land(lake, declared)
    total = Loaded()
    for batch in pending(lake, declared):
        loaded = load(lake, batch)
        for part in ("records", "good", "unchanged", "quarantined", "blank", "missing"):
            setattr(total, part, getattr(total, part) + getattr(loaded, part))
    return total


def take(
    lake: Lake, *resources: Resource, feed: str = "north_ehr", name: str = "x.ndjson"
) -> Loaded:
    """Deliver these resources in one file and load it."""
    drop(lake, feed, name, resources)
    return ingest(lake, feed)


def build_all(lake: Lake, tables: Iterable[str] = ()) -> dict[str, Built]:
    """Build every table, or those named, in the order of what they read."""
    wanted = set(tables)
    names = [table.name for table in lake.catalog.models()]
    return {name: build(lake, name) for name in names if not wanted or name in wanted}


def rows(lake: Lake, name: str, *, envelope: bool = False) -> list[dict[str, Any]]:
    """The rows of a table in a stable order, without the columns that say where they came from."""
    stored = lake.find(name)
    if stored is None:
        return []
    columns = [c for c in stored.table.columns if envelope or not c.startswith("_")]
    with Engine(lake, threads=1) as engine:
        engine.attach(stored.table, stored.version)
        found = engine.table(f"select {', '.join(columns)} from {name}").to_pylist()
    return sorted(found, key=repr)


def contents(lake: Lake, *, envelope: bool = False, layers: tuple[str, ...] = ()) -> dict[str, str]:
    """The hash of each table's rows; lineage, which tells of runs, is left out."""
    found = {}
    for stored in stored_tables(lake):
        name = stored.table.name
        if name.startswith("lineage.") or (layers and name.split(".")[0] not in layers):
            continue
        columns = [c for c in stored.table.columns if envelope or not c.startswith("_")]
        # from the files, where there are any: quicker, and by nothing of ours
        in_folder = lake.credentials is None
        listed = (
            _read(stored.files(), columns) if in_folder else rows(lake, name, envelope=envelope)
        )
        text = "\n".join(sorted(map(repr, listed)))
        found[name] = f"{len(listed)} rows {hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return found


def _read(files: list[str], columns: list[str]) -> list[dict[str, Any]]:
    if not files:
        return []
    told = f"select {', '.join(columns)} from read_parquet($files, union_by_name = true)"
    duckdb.execute("set timezone = 'UTC'")
    found: list[dict[str, Any]] = (
        duckdb.execute(told, {"files": files}).to_arrow_table().to_pylist()
    )
    return found


def without_empty(found: Mapping[str, str]) -> dict[str, str]:
    """Leave out tables without rows: whether an empty quarantine exists is nobody's business."""
    return {name: told for name, told in found.items() if not told.startswith("0 rows")}


def meta(updated: str | None, version: int | str | None = None) -> Resource:
    """The `meta` of a resource, where there is any."""
    told = {"versionId": None if version is None else str(version), "lastUpdated": updated}
    kept = {key: value for key, value in told.items() if value is not None}
    return {"meta": kept} if kept else {}


def day(number: int) -> str:
    """The instant that begins a day of January 2026."""
    return f"2026-01-{number:02d}T00:00:00Z"


def patient(key: str = "p1", updated: str | None = None, **more: Any) -> Resource:
    told = {"resourceType": "Patient", "id": key, **meta(updated, more.pop("version", None))}
    return told | {"gender": "female", "birthDate": "1970-05-17"} | more


def encounter(key: str = "e1", updated: str | None = None, **more: Any) -> Resource:
    """An inpatient's encounter of two days; `who` is the patient's id."""
    told = {"resourceType": "Encounter", "id": key, **meta(updated, more.pop("version", None))}
    return (
        told
        | {
            "status": "finished",
            "class": {"system": CLASS, "code": "IMP"},
            "subject": {"reference": f"Patient/{more.pop('who', 'p1')}"},
            "period": {"start": "2026-01-02T10:00:00Z", "end": "2026-01-04T09:30:00Z"},
        }
        | more
    )


def pulse(key: str = "o1", updated: str | None = None, **more: Any) -> Resource:
    """A heart rate; `who` is the patient's id, `value` beats a minute."""
    told = {"resourceType": "Observation", "id": key, **meta(updated, more.pop("version", None))}
    quantity = {"system": "http://unitsofmeasure.org", "code": "/min"}
    return (
        told
        | {
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "subject": {"reference": f"Patient/{more.pop('who', 'p1')}"},
            "effectiveDateTime": "2026-01-03T08:00:00Z",
            "valueQuantity": {"value": more.pop("value", 72), **quantity},
        }
        | more
    )


def deletion(*urls: str) -> Resource:
    """A line of an export's `deleted` file."""
    entries = [{"request": {"method": "DELETE", "url": url}} for url in urls]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def manifest(at: str, *names: str) -> bytes:
    """A Bulk Data manifest of an export whose content was true at `at`."""
    output = [{"type": "Patient", "url": f"https://ehr.example/{name}"} for name in names]
    return json.dumps({"transactionTime": at, "output": output}).encode()
