"""`python -m tests.bench.pages`: how long each page takes over a large state.

300 tables of ten columns are declared; their versions, checks and column edges, 100,000 refused records, 50,000 runs
and 20,000 deliveries are put into the state. Each page is asked for in this process, in turn, some rounds.
"""

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lakehouse.settings import Settings
from lakehouse.state.store import State, open_state
from tests.bench.measure import say, scratch, show_machine
from tests.pages.house import FEED, POLICY, QUARANTINE, House
from tests.workbench import settings_at

TABLES, COLUMNS, VERSIONS, CHECKS = 300, 10, 20, 10
NIGHTS = 365
REFUSALS, RUNS, DELIVERIES = 100_000, 50_000, 20_000
REASONS = [f"reason number {number}" for number in range(12)]
AIM_MS = 300


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    told = parser.parse_args(arguments)
    say("## Pages")
    show_machine()
    with scratch() as folder:
        settings = declare(folder)
        seed(open_state(settings))
        size = sum(path.stat().st_size for path in (settings.home / "state").iterdir())
        say(f"the state takes {size / 2**20:.0f} MiB\n")
        house = House(settings)
        say("| page | CPU ms, median | most | KiB |\n|---|---|---|---|")
        found = [measure(house, path, told.rounds) for path in places()]
    say(f"\nslowest: {max(found):.0f} ms of CPU; aim {AIM_MS}\n")


def name_of(number: int) -> str:
    return f"gold.table_{number:03d}"


def declare(folder: Path) -> Settings:
    """Tables that read one another in chains of ten, each with columns of its own name."""
    settings = settings_at(folder)
    config = folder / "config"
    (config / "policy.yml").write_text(POLICY)
    (config / "sql" / "gold").mkdir(parents=True)
    ours = (Path(__file__).parents[2] / "sql" / "columns.yml").read_text()
    more = "".join(
        f"{c}: {{type: varchar, phi: none, means: column {c} of the bench}}\n" for c in columns()
    )
    (config / "sql" / "columns.yml").write_text(ours + more)
    for number in range(TABLES):
        names = [f"t{number:03d}_{c}" for c in range(COLUMNS)]
        below = name_of(number - 1) if number % 10 else "silver.patient"
        listed = ", ".join(f"patient_id as {name}" for name in names)
        front = f"about: Table {number} of the bench, about nothing.\nowner: bench\nkeep: 1 day\nwrite: merge\nkey: [{names[0]}]\n"
        text = f"/*---\n{front}---*/\nselect {listed} from {below}\n"
        (config / "sql" / "gold" / f"table_{number:03d}.sql").write_text(text)
    return settings


def columns() -> Iterator[str]:
    return (f"t{number:03d}_{c}" for number in range(TABLES) for c in range(COLUMNS))


def seed(state: State) -> None:
    draw = random.Random(1)
    with state.change() as change:
        for table, rows in {
            "version": versions(), "check_result": checks(draw), "edge": edges(), "refusal": refusals(draw),
            "arrival": arrivals(), "load": loads(draw), "run": runs(draw), "run_dataset": datasets(draw),
            "upkeep": upkeeps(),
        }.items():  # fmt: skip
            change.put(table, rows)
        for number in range(TABLES):
            change.follow(name_of(number), VERSIONS)


def at(number: int) -> str:
    return f"2026-{1 + number // 40_000:02d}-{1 + number // 1440 % 28:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00.000+00:00"


Rows = Iterator[dict[str, Any]]


def versions() -> Rows:
    for number in range(TABLES):
        for version in range(1, VERSIONS + 1):
            yield {
                "table_name": name_of(number), "version": version, "at": at(version * 1000 + number),
                "operation": "MERGE", "job": f"refine.{name_of(number)}", "run_id": f"run-{version * TABLES + number}",
                "mode": "incremental", "rows": 1000 * version, "bytes": 5000 * version, "quarantined": 3, "is_maintenance": 0,
            }  # fmt: skip


def checks(draw: random.Random) -> Rows:
    for number in range(TABLES):
        for version in range(1, VERSIONS + 1):
            for check in range(CHECKS):
                yield {"table_name": name_of(number), "version": version, "name": f"check {check} holds", "on_fail": "quarantine", "broken": draw.choice((0, 0, 0, 4))}  # fmt: skip


def edges() -> Rows:
    for number in range(TABLES):
        below = number - 1 if number % 10 else None
        for c in range(COLUMNS):
            source = name_of(below) if below is not None else "silver.patient"
            column = f"t{below:03d}_{c}" if below is not None else "patient_id"
            yield {"table_name": name_of(number), "number": c, "column_name": f"t{number:03d}_{c}", "source": source, "source_column": column, "path": None, "kind": "DIRECT", "subtype": "TRANSFORMATION", "how": f"upper({column})", "version": VERSIONS}  # fmt: skip


def refusals(draw: random.Random) -> Rows:
    for number in range(REFUSALS):
        name = QUARANTINE if number % 2 else f"quarantine.gold_table_{number % TABLES:03d}"
        yield {"table_name": name, "object_id": f"{number % DELIVERIES:064x}", "sequence": number % DELIVERIES, "line": number, "entry": 0, "byte_offset": number * 80, "reason": draw.choice(REASONS)}  # fmt: skip


def arrivals() -> Rows:
    for number in range(DELIVERIES):
        yield {"sequence": number, "feed": FEED, "object_id": f"{number:064x}", "bytes": 10_000, "received_at": at(number), "export_at": None, "is_manifest": 0}  # fmt: skip


def loads(draw: random.Random) -> Rows:
    for number in range(0, DELIVERIES, 10):
        yield {"feed": FEED, "at": at(number), "run_id": f"run-{number}", "first_sequence": number, "last_sequence": number + 9, "records": 1000, "good": 990, "unchanged": 0, "quarantined": draw.randrange(10), "blank": 0, "missing": 0}  # fmt: skip


def runs(draw: random.Random) -> Rows:
    for number in range(RUNS):
        yield {"run_id": f"run-{number}", "job": f"refine.{name_of(number % TABLES)}", "started_at": at(number), "ended_at": at(number + 1), "outcome": draw.choice(("COMPLETE", "COMPLETE", "FAIL")), "error": None}  # fmt: skip


def datasets(draw: random.Random) -> Rows:
    for number in range(RUNS):
        for direction, name in (
            ("inputs", name_of((number - 1) % TABLES)),
            ("outputs", name_of(number % TABLES)),
            ("inputs", f"landing/{number % DELIVERIES:064x}"),
        ):
            yield {"run_id": f"run-{number}", "direction": direction, "name": name, "version": number // TABLES % VERSIONS, "rows": draw.randrange(10**6), "bytes": 10**6, "quarantined": None}  # fmt: skip


def upkeeps() -> Rows:
    for night in range(1, NIGHTS + 1):
        for number in range(TABLES):
            yield {"number": night, "table_name": name_of(number), "at": at(night * 100), "by_whom": None, "joined": 9, "removed": 3, "is_left_alone": 0, "events": None, "rebuilt": None}  # fmt: skip


def places() -> list[str]:
    table = name_of(157)
    return [
        "/feeds", f"/feeds/{FEED}", "/catalogue", "/catalogue?words=bench+t157", "/catalogue?words=phi:none",
        f"/tables/{table}", "/tables/silver.encounter", "/lineage", f"/lineage/{table}", f"/lineage/{table}.t157_3",
        "/lineage/silver.patient", "/quarantine", f"/quarantine/{QUARANTINE}", f"/quarantine/{QUARANTINE}?reason=reason+number+3&start=2000",
        f"/quarantine/{QUARANTINE}/1/1", "/acts", "/upkeep", "/runs", "/runs?start=40000", f"/runs?table={table}", "/runs?outcome=FAIL",
        "/runs/run-17", f"/objects/{17:064x}",
    ]  # fmt: skip


def measure(house: House, path: str, rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        answer = house.get(path)
        spent.append((time.process_time() - begun) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    # the first look reads the declarations: it is told apart
    shown = spent[1:] or spent
    say(
        f"| `{path[:60]}` | {statistics.median(shown):.0f} | {max(spent):.0f} | {len(answer.content) / 1024:.0f} |"
    )
    return statistics.median(shown)


if __name__ == "__main__":
    main()
