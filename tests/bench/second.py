"""`python -m tests.bench.second FIRST SECOND SHARE`: make a small export that follows a large one.

It changes all records of a share of the patients (of one at least), gives some observations and
encounters of a second patient to them, and deletes some of a third.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.measure import say

MODELLED = ("Patient", "Encounter", "Condition", "MedicationRequest", "Procedure", "Observation")
MOVED = DELETED = {"Encounter": 5, "Observation": 20}
CHANGES = {
    "Patient": {"gender": "other"},
    "Encounter": {"priority": {"coding": [{"code": "EL"}]}},
    "Condition": {"category": [{"coding": [{"code": "problem-list-item"}]}]},
    "MedicationRequest": {"status": "completed"},
    "Procedure": {"status": "stopped"},
    "Observation": {"status": "amended"},
}

Resource = dict[str, Any]


def main() -> None:
    say(write_second(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))


def write_second(first: Path, second: Path, share: float) -> str:
    """Write the second export, and return what is in it."""
    records = {kind: list(read(first, kind)) for kind in MODELLED}
    keys = [record["id"] for record in records["Patient"]]
    chosen = max(1, round(share * len(keys)))
    changed, giver, loser = set(keys[:chosen]), keys[chosen], keys[chosen + 1]
    counts = {"changed": 0, "moved": 0, "deleted": 0}
    second.mkdir()
    gone: list[str] = []
    for kind, found in records.items():
        edited = [r | CHANGES[kind] for r in found if subject(r) in changed]
        moved = [r for r in found if subject(r) == giver][: MOVED.get(kind, 0)]
        taken = {"subject": {"reference": f"Patient/{keys[0]}"}}
        deleted = [r for r in found if subject(r) == loser][: DELETED.get(kind, 0)]
        write(second / f"{kind}.ndjson.gz", [*edited, *(r | taken for r in moved)])
        gone += [f"{kind}/{r['id']}" for r in deleted]
        for name, part in zip(counts, (edited, moved, deleted), strict=True):
            counts[name] += len(part)
    entries = [{"request": {"method": "DELETE", "url": url}} for url in gone]
    write(second / "deleted.ndjson.gz", [{"resourceType": "Bundle", "entry": entries}])
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{chosen} of {len(keys)} patients; records: {told}"


def read(export: Path, kind: str) -> Iterator[Resource]:
    """The resources of one type."""
    with gzip.open(export / f"{kind}.ndjson.gz") as stream:
        yield from map(json.loads, stream)


def write(path: Path, resources: list[Resource]) -> None:
    """Write resources as an export does."""
    with gzip.open(path, "wt") as stream:
        stream.writelines(json.dumps(resource) + "\n" for resource in resources)


def subject(resource: Resource) -> str:
    """The id of the patient whose record it is."""
    if resource["resourceType"] == "Patient":
        return resource["id"]
    return resource["subject"]["reference"].rpartition("/")[2]


if __name__ == "__main__":
    main()
