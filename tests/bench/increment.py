"""`python -m tests.bench.increment`: what a small second export costs, and whether it is right.

The second export changes all records of 0.1 % of the patients (of one at least), gives some
observations and encounters of a second patient to them, and deletes some of a third. The lake that took
it on top is compared with a lake that is built from both exports at once.
"""

import argparse
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.measure import (
    FEED,
    SYNTHEA,
    Cost,
    aloud,
    cost_of,
    median,
    say,
    scratch,
    settings_in,
    show,
    show_machine,
)

FIRST, SECOND = "2026-11-01T00:00:00+00:00", "2026-11-02T00:00:00+00:00"
MODELLED = ("Patient", "Encounter", "Condition", "MedicationRequest", "Procedure", "Observation")
MOVED = DELETED = {"Encounter": 5, "Observation": 20}
_CHANGES = {
    "Patient": {"gender": "other"},
    "Encounter": {"priority": {"coding": [{"code": "EL"}]}},
    "Condition": {"category": [{"coding": [{"code": "problem-list-item"}]}]},
    "MedicationRequest": {"status": "completed"},
    "Procedure": {"status": "stopped"},
    "Observation": {"status": "amended"},
}

Resource = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SYNTHEA, help="folder of NDJSON files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.001, help="of the patients")
    told = parser.parse_args(arguments)
    say("## A small second export")
    if not told.data.is_dir():
        say(f"skipped: {told.data.name} is not here (--data names another export)\n")
        return
    with scratch() as folder:
        second = folder / "second"
        say(write_second(told.data, second, told.share))
        show_machine()
        measure(folder, told.data, second, told.rounds)


def measure(folder: Path, first: Path, second: Path, rounds: int) -> None:
    """Print what the whole, nothing and the second export cost, and what was rewritten."""
    base = folder / "base"
    whole = land(base, first, FIRST) + run(base, FIRST)
    before = {path: versions(path) for path in logs(base / "lake")}
    empty, landed, increment = [], [], []
    for turn in range(rounds):
        place = folder / f"turn{turn}"
        shutil.copytree(base, place)
        empty.append(run(place, SECOND))
        landed.append(land(place, second, SECOND))
        increment.append(run(place, SECOND))
    report(whole, empty, landed, increment)
    show(
        ("table", "files", "MB", "files written", "removed", "MB written"),
        (rewritten(path, seen, base / "lake", place / "lake") for path, seen in before.items()),
    )
    fresh = folder / "fresh"
    land(fresh, first, FIRST)
    land(fresh, second, SECOND)
    run(fresh, SECOND)
    say("compared with a lake built from both exports at once:")
    aloud("tests.bench.compare", place / "lake", fresh / "lake")
    say()


def land(place: Path, export: Path, at: str) -> Cost:
    """Land an export, and return the cost."""
    return cost_of(["-m", "tests.bench.step", at, "land", FEED, export], settings_in(place))


def run(place: Path, at: str) -> Cost:
    """Take what landed to gold, and return the cost."""
    return cost_of(["-m", "tests.bench.step", at, "run"], settings_in(place))


def report(whole: Cost, empty: list[Cost], landed: list[Cost], increment: list[Cost]) -> None:
    """Print the medians and what the increment costs net of a run that finds nothing to do."""
    rows = [("both, first export", whole)]
    told = {"run, nothing new": empty, "land, second export": landed, "run, second export": increment}
    rows += [(name, median(costs)) for name, costs in told.items()]
    show(
        ("", "wall s", "CPU s", "peak MiB"),
        ((name, cost.wall, cost.cpu, round(cost.peak)) for name, cost in rows),
    )
    net = median(increment).cpu - median(empty).cpu
    say(f"net of an empty run: {net:.2f} CPU s, {net / whole.cpu:.1%} of the first export\n")


def logs(lake: Path) -> list[Path]:
    """The Delta logs of the tables that a run writes, relative to the lake."""
    found = [log for layer in ("bronze", "silver", "gold") for log in lake.glob(f"{layer}/*/_delta_log")]
    return [path.relative_to(lake) for path in sorted(found)]


def versions(log: Path) -> set[str]:
    """The versions in a log, by file name."""
    return {path.name for path in log.glob("*.json")}


def rewritten(log: Path, *_: object) -> tuple[object, ...]:
    raise NotImplementedError


if __name__ == "__main__":
    main()
