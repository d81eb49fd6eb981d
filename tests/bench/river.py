"""`python -m tests.bench.river`: an export from landing to gold, beside a plain DuckDB script.

The lake is one `lakehouse run` as a whole process on a folder, the files in its inbox: once to the
tables that the floor has, once to all; the floor is floor.sql, once as it stands and once keeping
the raw lines as well. They take turns.
"""

import argparse
import re
import shutil
from pathlib import Path

from tests.bench.measure import (
    FEED,
    SYNTHEA,
    Cost,
    aloud,
    cost_of,
    median,
    median_ratio,
    say,
    scratch,
    settings_in,
    show,
    show_machine,
    size_in_silver,
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SYNTHEA, help="folder of NDJSON files")
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args(arguments)
    say("## From landing to gold")
    if not told.data.is_dir():
        say(f"skipped: {told.data.name} is not here (--data names another export)\n")
        return
    measure(told.data, told.rounds)


def measure(data: Path, rounds: int) -> None:
    """Print the costs of both, round by round, their ratios, and whether the rows are the same."""
    packed = sum(path.stat().st_size for path in data.iterdir())
    say(f"{data.name}: {packed / 1e6:.1f} MB packed; {rounds} rounds in turn")
    show_machine()
    ours, every, floor, raw = [], [], [], []
    named = [part for name in floor_tables() for part in ("--table", name)]
    with scratch() as folder:
        for turn in range(rounds):
            place = folder / str(turn)
            for costs, lake, only in ((every, place / "all", []), (ours, place, named)):
                shutil.copytree(data, lake / "home" / "inbox" / FEED)
                asked = ["-m", "lakehouse", "run", "--feed", FEED, *only]
                costs.append(cost_of(asked, settings_in(lake)))
            floor.append(cost_of(["-m", "tests.bench.floor", data, place / "floor"]))
            raw.append(cost_of(["-m", "tests.bench.floor", data, place / "raw", "--raw"]))
        report(
            {
                "lakehouse run": ours,
                "lakehouse run, all tables": every,
                "floor": floor,
                "floor, keeping raw lines": raw,
            }
        )
        size = size_in_silver(data) / 1e6
        say(
            f"{size:.0f} MB of types that have silver tables: {size / median(every).cpu:.1f} MB per CPU s"
        )
        say(f"CPU of the lake / floor: {median_ratio(ours, floor):.2f}")
        say(f"CPU of the lake / floor that keeps raw lines: {median_ratio(ours, raw):.2f}\n")
        aloud("tests.bench.compare", place / "lake", place / "floor")


def floor_tables() -> list[str]:
    """The tables of the lake that floor.sql makes, and what one of them reads besides."""
    text = Path(__file__).with_name("floor.sql").read_text()
    found = re.findall(r"create table (silver|gold)_(\w+)", text)
    return [f"{layer}.{noun}" for layer, noun in found] + ["silver.medication"]


def report(costs: dict[str, list[Cost]]) -> None:
    """Print medians, with every round's CPU beside them."""
    rows = []
    for name, rounds in costs.items():
        middle = median(rounds)
        each = " ".join(f"{cost.cpu:.2f}" for cost in rounds)
        rows.append((name, middle.wall, middle.cpu, round(middle.peak), each))
    show(("", "wall s", "CPU s", "peak MiB", "CPU s of each round"), rows)


if __name__ == "__main__":
    main()
