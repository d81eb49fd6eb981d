"""`python -m tests.bench.views`: five ViewDefinitions beside DuckDB written by hand, and other engines.

Ours and the hand's SQL run in turn, on one thread, from NDJSON files and from a column of texts in
Parquet as bronze holds them, and write Parquet. The other engines get the first lines of each file,
in a venv of their own that is gone afterwards; their rows are compared with ours.
"""

import argparse
import gzip
import json
import resource
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from lakehouse.viewdefinition.compiler import compile_view, macros
from tests.bench.measure import SYNTHEA, say, scratch, show, show_machine

HERE = Path(__file__).parent
VIEWS: dict[str, Any] = {
    told["resource"]: told for told in json.loads((HERE / "views.json").read_text())
}
PEERS = {"sqlonfhir": "sqlonfhir==0.0.2", "pysof": "pysof==0.2.6"}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SYNTHEA, help="folder of NDJSON files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lines", type=int, default=20_000, help="of each file, for the others")
    told = parser.parse_args(arguments)
    say("## Five views")
    if not told.data.is_dir():
        say(f"skipped: {told.data.name} is not here (--data names another export)\n")
        return
    show_machine()
    with scratch() as folder:
        unpack(told.data, folder)
        measure(folder, told.rounds)
        for name in PEERS:
            compare(name, folder, told.lines)


def unpack(data: Path, folder: Path) -> None:
    """Each type as NDJSON, and as a Parquet file with a column of texts."""
    db = connection()
    for kind in VIEWS:
        place = folder / f"{kind}.ndjson"
        with gzip.open(data / f"{kind}.ndjson.gz") as packed:
            place.write_bytes(packed.read())
        told = f"select json::varchar as resource from read_ndjson_objects('{place}')"
        db.execute(f"copy ({told}) to '{folder / kind}.parquet' (compression zstd)")


def measure(folder: Path, rounds: int) -> None:
    """Print MB of NDJSON a CPU second, ours and by hand, and the ratios of each round."""
    db = connection()
    hand = by_hand()
    size = sum((folder / f"{kind}.ndjson").stat().st_size for kind in VIEWS) / 1e6
    spent: dict[str, list[float]] = {}
    for _ in range(rounds):
        for source, relation in sources(folder).items():
            for who, sql in (("ours", ours), ("by hand", hand.__getitem__)):
                cost = run(db, sql, relation, folder / who)
                spent.setdefault(f"{who}, {source}", []).append(cost)
    rows = [
        (name, size / statistics.median(costs), " ".join(f"{cost:.2f}" for cost in costs))
        for name, costs in spent.items()
    ]
    say(f"{size:.0f} MB of NDJSON, {rounds} rounds in turn, one thread")
    show(("", "MB per CPU s", "CPU s of each round"), rows)
    for source in sources(folder):
        pairs = zip(spent[f"ours, {source}"], spent[f"by hand, {source}"], strict=True)
        say(f"CPU of ours / by hand, {source}: {statistics.median(a / b for a, b in pairs):.2f}")
    say(f"rows that differ: {differing(db, folder)}\n")


def sources(folder: Path) -> dict[str, Callable[[str], str]]:
    """What a view of a type reads: the file, or the column of texts."""

    def file(kind: str) -> str:
        place = folder / f"{kind}.ndjson"
        return f"(select json::varchar as resource from read_ndjson_objects('{place}'))"

    return {"files": file, "bronze": lambda kind: f"read_parquet('{folder / kind}.parquet')"}


def ours(kind: str) -> str:
    return compile_view(VIEWS[kind]).sql


def by_hand() -> Mapping[str, str]:
    parts = (HERE / "views.sql").read_text().split("\n-- ")[1:]
    named = (part.partition("\n") for part in parts)
    return {name: sql.strip().removesuffix(";") for name, _, sql in named if name in VIEWS}


def run(
    db: duckdb.DuckDBPyConnection,
    sql: Callable[[str], str],
    relation: Callable[[str], str],
    out: Path,
) -> float:
    """CPU seconds of all five."""
    begun = cpu()
    for kind in VIEWS:
        db.execute(f"create or replace view resources as from {relation(kind)}")
        db.execute(f"copy ({sql(kind)}) to '{out} {kind}.parquet' (compression zstd)")
    return cpu() - begun


def differing(db: duckdb.DuckDBPyConnection, folder: Path) -> int:
    found = 0
    for kind in VIEWS:
        one, other = (f"from '{folder / who} {kind}.parquet'" for who in ("ours", "by hand"))
        for left, right in ((one, other), (other, one)):
            told = f"select count(*) from ({left} except all {right})"
            found += db.execute(told).fetchone()[0]
    return found


def compare(name: str, folder: Path, lines: int) -> None:
    """Print what another engine makes of the first lines, and whether the rows are ours."""
    python = folder / name / "bin" / "python"
    commands: tuple[list[Any], ...] = (
        [sys.executable, "-m", "venv", folder / name],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEERS[name]],
    )
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)
        costs = list(by_peer(name, python, folder, lines))
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode().strip().splitlines()[-1:]
        say(f"{name}: does not run here ({said[0] if said else 'no word why'})\n")
        return
    show((name, "MB per CPU s", "ours / theirs", "rows", "rows that differ"), costs)


def by_peer(name: str, python: Path, folder: Path, lines: int) -> Iterator[tuple[Any, ...]]:
    db = connection()
    total = [0.0, 0.0, 0.0]
    for kind, view in VIEWS.items():
        head, told, out = (folder / f"{name} {kind}.{end}" for end in ("ndjson", "view", "json"))
        with (folder / f"{kind}.ndjson").open("rb") as source:
            head.write_bytes(b"".join(islice(source, lines)))
        told.write_text(json.dumps(view))
        command = [python, HERE / "peers.py", name, told, head, out]
        theirs = float(subprocess.run(command, check=True, capture_output=True).stdout)
        relation = f"(select json::varchar as resource from read_ndjson_objects('{head}'))"
        begun = cpu()
        db.execute(f"create or replace view resources as from {relation}")
        rows = db.execute(ours(kind)).to_arrow_table().to_pylist()
        mine = cpu() - begun
        size = head.stat().st_size / 1e6
        found = json.loads(out.read_text())
        differ = (multiset(rows) - multiset(found)) + (multiset(found) - multiset(rows))
        yield kind, size / theirs, theirs / mine, len(rows), differ.total()
        total = [total[0] + size, total[1] + theirs, total[2] + mine]
    yield "all", total[0] / total[1], total[1] / total[2], "", ""


def multiset(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(row, sort_keys=True, default=str) for row in rows)


def connection() -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(config={"threads": 1, "preserve_insertion_order": False})
    for statement in macros().values():
        db.execute(statement)
    return db


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
