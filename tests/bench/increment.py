"""`python -m tests.bench.increment`: what a small second export costs, and whether it is right.

second.py makes the export. The lake that took it on top is compared with a lake that is built from
both exports at once.
"""

import argparse
import json
import shutil
from pathlib import Path

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
LAYERS = ("bronze", "silver", "gold")


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
        aloud("tests.bench.second", told.data, second, str(told.share))
        show_machine()
        measure(folder, told.data, second, told.rounds)


def measure(folder: Path, first: Path, second: Path, rounds: int) -> None:
    """Print what the whole, nothing and the second export cost, and what was rewritten."""
    base = folder / "base"
    whole = land(base, first, FIRST) + run(base, FIRST)
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
        [rewritten(log, base / "lake", place / "lake") for log in logs(base / "lake")],
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
    told = {"run, nothing new": empty, "land, second": landed, "run, second": increment}
    rows += [(name, median(costs)) for name, costs in told.items()]
    show(
        ("", "wall s", "CPU s", "peak MiB"),
        ((name, cost.wall, cost.cpu, round(cost.peak)) for name, cost in rows),
    )
    net = median(increment).cpu - median(empty).cpu
    say(f"net of an empty run: {net:.2f} CPU s, {net / whole.cpu:.1%} of the first export\n")


def logs(lake: Path) -> list[Path]:
    """The Delta logs of the tables that a run writes, relative to the lake."""
    found = (log for layer in LAYERS for log in lake.glob(f"{layer}/*/_delta_log"))
    return sorted(path.relative_to(lake) for path in found)


def written_in(log: Path, known: frozenset[str] = frozenset()) -> tuple[int, int, int]:
    """Files added, files removed and bytes added by the versions that are not known."""
    added = removed = size = 0
    for path in log.glob("*.json"):
        for line in path.read_text().splitlines() if path.name not in known else ():
            action = json.loads(line)
            added += "add" in action
            removed += "remove" in action
            size += action.get("add", {}).get("size", 0)
    return added, removed, size


def rewritten(log: Path, base: Path, changed: Path) -> tuple[object, ...]:
    """A table's name, what the first export wrote of it and what the second one did."""
    files, _, whole = written_in(base / log)
    known = frozenset(path.name for path in (base / log).glob("*.json"))
    added, removed, size = written_in(changed / log, known)
    name = ".".join(log.parts[:2])
    return name, files, whole / 1e6, added, removed, size / 1e6


if __name__ == "__main__":
    main()
