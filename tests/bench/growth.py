"""`python -m tests.bench.growth`: what a day costs on a lake, and on one that holds ten times as much.

A lake of some copies of an export, each re-keyed on the fly, takes the arrivals of a few days, then a change of one in
a hundred patients. The same days arrive in a lake of ten times as many copies.
"""

import argparse
import gzip
import json
import random
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.increment import land, logs, rewritten, run, written_in
from tests.bench.measure import (
    FEED,
    SYNTHEA,
    Cost,
    median,
    say,
    scratch,
    show,
    show_machine,
    size_in_silver,
)
from tests.bench.second import CHANGES, MODELLED, read, subject, write

AT = "2026-11-{:02d}T00:00:00+00:00"
DAYS = 3
_UUID = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-)")

Resource = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SYNTHEA, help="folder of NDJSON files")
    parser.add_argument("--copies", type=int, default=8, help="in the smaller lake")
    parser.add_argument("--times", type=int, default=10, help="so many more in the larger one")
    parser.add_argument("--encounters", type=int, default=40, help="that arrive in a day")
    told = parser.parse_args(arguments)
    say("## Growth")
    if not told.data.is_dir():
        say(f"skipped: {told.data.name} is not here (--data names another export)\n")
        return
    show_machine()
    with scratch() as folder:
        days = list(write_days(folder, told.data, told.encounters))
        small, whole = measure(folder / "small", told.data, told.copies, days)
        one_in_hundred(folder / "small", told.data, told.copies, whole)
        shutil.rmtree(folder / "small")
        large, _ = measure(folder / "large", told.data, told.copies * told.times, days)
    say(f"a day on {told.times} times as much: {large / small:.2f} times the CPU\n")


def measure(place: Path, export: Path, copies: int, days: list[Path]) -> tuple[float, Cost]:
    """Fill a lake, let some days arrive, and print the costs; CPU seconds of a day, net, and what
    all of it cost first."""
    whole = Cost(0, 0, 0)
    for number in range(copies):
        copied = rekeyed(place / "copy", export, number)
        whole += land(place, copied, AT.format(1))
        remove(copied)
    whole += run(place, AT.format(1))
    wrote = {log: rewritten(log, place / "lake", place / "lake") for log in logs(place / "lake")}
    empty, arrived = [run(place, AT.format(2)) for _ in range(DAYS)], []
    for number, day in enumerate(days, 3):
        shutil.copytree(day, place / "home" / "inbox" / FEED, dirs_exist_ok=True)
        arrived.append(run(place, AT.format(number)))
    report(f"{copies} copies", whole, median(empty), median(arrived))
    size = copies * size_in_silver(export) / 1e6
    say(f"{size:.0f} MB of types that have silver tables: {size / whole.cpu:.1f} MB per CPU s\n")
    again = {log: rewritten(log, place / "lake", place / "lake") for log in wrote}
    told = [(was[0], was[1], was[2], now[1] - was[1], now[2] - was[2]) for was, now in
            zip(wrote.values(), again.values(), strict=True)]  # fmt: skip
    show(("table", "files", "MB", f"files written in {DAYS} days", "MB"), told)
    return median(arrived).cpu - median(empty).cpu, whole


def one_in_hundred(place: Path, export: Path, copies: int, whole: Cost) -> None:
    """Send all records of one in a hundred patients of each copy anew, each with a change, and
    print what that costs, and which files it rewrites."""
    lake = place / "lake"
    before = {log: written_in(lake / log) for log in logs(lake)}
    empty = run(place, AT.format(10))
    inbox = place / "home" / "inbox" / FEED
    for number in range(copies):
        changed = write_changed(place / "changed", export, number)
        for path in rekeyed(place / "copy", changed, number).iterdir():
            shutil.move(path, inbox / f"{number}-{path.name}")
        remove(changed)
    cost = run(place, AT.format(11))
    report("one in 100 patients, all records", whole, empty, cost)
    after = {log: written_in(lake / log) for log in before}
    told = [
        (".".join(log.parts[:2]), was[0] - was[1], now[0] - was[0], now[1] - was[1],
         (now[2] - was[2]) / 1e6)
        for log, was, now in zip(before, before.values(), after.values(), strict=True)
    ]  # fmt: skip
    show(("table", "files", "written", "removed", "MB written"), told)


def write_changed(target: Path, export: Path, number: int) -> Path:
    """An export of one in a hundred patients, chosen by the number: all their records, changed."""
    target.mkdir(parents=True, exist_ok=True)
    keys = [str(record["id"]) for record in read(export, "Patient")]
    chosen = set(random.Random(number).sample(keys, max(1, len(keys) // 100)))
    for path in sorted(export.glob("*.ndjson.gz")):
        kind = path.name.partition(".")[0]
        some = [r for r in read(export, kind) if _patient(r) in chosen]
        if some:
            changed = CHANGES.get(kind, {"language": "en-US"})
            write(target / path.name, [record | changed for record in some])
    return target


def _patient(resource: Resource) -> str | None:
    """The id of the patient whose record it is, None where it is nobody's."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    told = resource.get("subject") or resource.get("patient") or {}
    return str(told.get("reference", "")).rpartition("/")[2]


def report(name: str, whole: Cost, empty: Cost, cost: Cost) -> None:
    """Print the costs, and what the change cost net of a run that finds nothing."""
    rows = {"all of it, first": whole, "run, nothing new": empty, "land and run": cost}
    told = ((f"{name}: {what}", c.wall, c.cpu, round(c.peak)) for what, c in rows.items() if c.cpu)
    show(("", "wall s", "CPU s", "peak MiB"), told)
    share = f", {(cost.cpu - empty.cpu) / whole.cpu:.2%} of the first" if whole.cpu else ""
    say(f"net of an empty run: {cost.cpu - empty.cpu:.2f} CPU s{share}\n")


def rekeyed(target: Path, export: Path, number: int) -> Path:
    """A copy of an export in which every id is another one, the same for the same number."""
    target.mkdir(parents=True, exist_ok=True)
    mask = number * 0x9E3779B1 & 0xFFFFFFFF
    for path in sorted(export.glob("*.ndjson.gz")):
        text = gzip.decompress(path.read_bytes())
        moved = _UUID.sub(lambda found: b"%08x" % (int(found[0], 16) ^ mask), text)
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        (target / path.name).write_bytes(packer.compress(moved) + packer.flush())
    return target


def remove(folder: Path) -> None:
    """Take away the files of a copy."""
    for path in folder.iterdir():
        path.unlink()


def write_days(folder: Path, export: Path, encounters: int) -> Iterator[Path]:
    """Exports of what some days bring: encounters of that day, with all that belongs to them."""
    records = {kind: list(read(export, kind)) for kind in MODELLED}
    for number in range(DAYS):
        some = random.Random(number).sample(records["Encounter"], encounters)
        began = {str(r["id"]): str(r["period"]["start"])[:10] for r in some}
        day = folder / f"day{number}"
        day.mkdir()
        for kind, found in records.items():
            new = [r for r in found if kind != "Patient" and _encounter(r) in began]
            write(day / f"{kind}.ndjson.gz", [_anew(r, number, began[_encounter(r)]) for r in new])
        yield day


def _encounter(resource: Resource) -> str:
    if resource["resourceType"] == "Encounter":
        return str(resource["id"])
    return str(resource.get("encounter", {}).get("reference", "")).rpartition("/")[2]


def _anew(resource: Resource, number: int, began: str) -> Resource:
    """The same resource of that day, with an id of its own; its encounter's changes alike, its
    patient's not."""
    text = json.dumps(resource).replace(began, AT.format(number + 3)[:10])
    for key in {str(resource["id"]), _encounter(resource)}:
        text = text.replace(key, f"day{number}-{key[7:]}")
    told: Resource = json.loads(text)
    if "subject" in told:
        told["subject"] = {"reference": f"Patient/{subject(resource)}"}
    return told


if __name__ == "__main__":
    main()
