"""`python -m tests.bench.giant --gb N`: a gzip that unpacks to N GB, from landing to gold.

The file is generated, streamed to a temporary folder and deleted afterwards, as is the lake. What
is watched is the peak of each process; with four slots that share 4 GiB.
"""

import argparse
import gzip
import hashlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.measure import FEED, Cost, cost_of, say, scratch, settings_in, show, show_machine

TABLES = (
    "silver.patient",
    "silver.encounter",
    "silver.observation",
    "silver.ward_stay",
    "gold.vital_sign_daily",
    "gold.readmission",
    "gold.ward_census_hourly",
)
ENCOUNTERS, OBSERVATIONS = 20, 10
_BEGIN = datetime(2015, 1, 1, tzinfo=UTC)
_PACKED_SHARE, _LAKE_SHARE, _SPILL_SHARE = 0.2, 0.4, 0.5


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=1.0)
    parser.add_argument("--nice", type=int, default=10)
    told = parser.parse_args(arguments)
    os.nice(told.nice)
    say("## A gzip that unpacks far")
    with scratch() as folder:
        need = told.gb * (2 * _PACKED_SHARE + _LAKE_SHARE + _SPILL_SHARE)
        free = shutil.disk_usage(folder).free / 1e9
        if free < need:
            say(f"skipped: it needs {need:.0f} GB of disk, {free:.0f} are free (TMPDIR)\n")
            return
        measure(folder, told.gb)


def measure(folder: Path, gigabytes: float) -> None:
    """Print the time and the peak of each step."""
    path = folder / "export" / "giant.ndjson.gz"
    path.parent.mkdir()
    size, lines = write_export(path, int(gigabytes * 1e9))
    say(f"{size / 1e9:.2f} GB in {lines} lines, {path.stat().st_size / 1e9:.2f} GB packed")
    show_machine()
    settings = settings_in(folder)
    costs = {"land": cost_of(["-m", "lakehouse", "land", FEED, path], settings)}
    path.unlink()
    # the load brings a table with it that has no rows here
    steps = {"load": ["--feed", FEED, "--table", "silver.location"]}
    steps |= {table: ["--table", table] for table in TABLES}
    for step, told in steps.items():
        costs[step] = cost_of(["-m", "lakehouse", "run", *told], settings)
    report(costs, size)
    kept = sum(p.stat().st_size for p in (folder / "lake").rglob("*") if p.is_file())
    say(f"the lake holds {kept / 1e9:.2f} GB\n")


def report(costs: dict[str, Cost], size: int) -> None:
    """Print a line a step; MB are of the unpacked export."""
    rows = [
        (name, cost.wall, cost.cpu, size / 1e6 / cost.wall, size / 1e6 / cost.cpu, round(cost.peak))
        for name, cost in costs.items()
    ]
    show(("", "wall s", "CPU s", "MB/s", "MB/CPU s", "peak MiB"), rows)


def write_export(path: Path, size: int) -> tuple[int, int]:
    """Write about `size` bytes of patients with their encounters and observations; bytes, lines."""
    written = lines = number = 0
    with gzip.open(path, "wb", compresslevel=1) as stream:
        while written < size:
            block = b"".join(lines_of(number))
            written += stream.write(block)
            lines += 1 + ENCOUNTERS * (1 + OBSERVATIONS)
            number += 1
    return written, lines


def lines_of(number: int) -> Iterator[bytes]:
    """One patient's records; every id and every value follows from the patient's number."""
    digest = hashlib.sha256(number.to_bytes(8)).hexdigest()
    patient = f"{digest[:8]}-{number:012x}"
    year = 1930 + number % 90
    yield (
        f'{{"resourceType":"Patient","id":"{patient}","identifier":[{{"type":{{"coding":[{{"code":'
        f'"MR"}}]}},"value":"{digest[8:20]}"}}],"name":[{{"use":"official","family":"F{digest[20:27]}"'
        f',"given":["G{digest[27:33]}"]}}],"gender":"{"fe" * (number % 2)}male","birthDate":'
        f'"{year}-{1 + number % 12:02d}-{1 + number % 28:02d}"}}\n'
    ).encode()
    for visit in range(ENCOUNTERS):
        yield from _visit(patient, digest, number, visit)


def _visit(patient: str, digest: str, number: int, visit: int) -> Iterator[bytes]:
    begin = _BEGIN + timedelta(hours=(number * 37 + visit * 4801) % 90_000, minutes=number % 60)
    end = begin + timedelta(hours=1 + 47 * (visit == 0), minutes=visit)
    encounter = f"{patient}-{visit:x}"
    kind = "IMP" if visit == 0 else "AMB"
    yield (
        f'{{"resourceType":"Encounter","id":"{encounter}","status":"finished","class":'
        f'{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"{kind}"}},"type":'
        f'[{{"coding":[{{"system":"http://snomed.info/sct","code":"{185345009 + visit}","display":'
        f'"Encounter number {visit}"}}]}}],"subject":{{"reference":"Patient/{patient}"}},"period":'
        f'{{"start":"{begin.isoformat()}","end":"{end.isoformat()}"}},"serviceProvider":'
        f'{{"reference":"Organization/{digest[40:48]}"}}}}\n'
    ).encode()
    for place in range(OBSERVATIONS):
        yield _observation(patient, encounter, begin + timedelta(minutes=place), visit, place)


def _observation(patient: str, encounter: str, at: datetime, visit: int, place: int) -> bytes:
    noise = hashlib.blake2b(f"{encounter}{place}".encode(), digest_size=48).hexdigest()
    value = 60 + int(noise[:4], 16) / 1000
    return (
        f'{{"resourceType":"Observation","id":"{encounter}-{place:x}","status":"final","category":'
        '[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":'
        '"vital-signs","display":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org",'
        '"code":"8867-4","display":"Heart rate"}],"text":"Heart rate"},"subject":{"reference":'
        f'"Patient/{patient}"}},"encounter":{{"reference":"Encounter/{encounter}"}},'
        f'"effectiveDateTime":"{at.isoformat()}","issued":"{at.isoformat()}","valueQuantity":'
        f'{{"value":{value},"unit":"beats/minute","system":"http://unitsofmeasure.org","code":"/min"}},'
        f'"note":[{{"text":"{noise}"}}]}}\n'
    ).encode()


if __name__ == "__main__":
    main()
