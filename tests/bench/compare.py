"""`python -m tests.bench.compare LAKE OTHER`: do two places hold the same rows?

OTHER is a folder of floor.sql's parquet files, or a second lake. Against the floor the columns that
it lacks are left out, and the times of reception, which it has otherwise.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import duckdb_extension_delta

from tests.bench.measure import say, show

RECEIVED = {"available_at", "version_at"}
RAW = "resource"  # its hash is compared


def main() -> None:
    lake, other = map(Path, sys.argv[1:3])
    db = duckdb.connect()
    (extension,) = Path(duckdb_extension_delta.__file__).parent.glob("extensions/*/*extension")
    db.execute(f"load '{extension}'")
    db.execute("set timezone = 'UTC'")
    rows = [compare(db, name, lake, address) for name, address in tables(other)]
    show(("table", "rows", "rows there", "only here", "only there"), rows)
    differing = sum(1 for row in rows if row[3] or row[4])
    say(f"{len(rows)} tables compared, {differing} differ")


def tables(other: Path) -> Iterator[tuple[str, str]]:
    """Each table of records there: its name, and a relation that reads it."""
    for layer in ("bronze", "silver", "gold", "quarantine"):
        for path in sorted(other.glob(f"{layer}_*.parquet")):
            yield path.stem.replace("_", ".", 1), f"read_parquet('{path}')"
        for path in sorted(other.glob(f"{layer}/*")):
            yield f"{layer}.{path.name}", f"delta_scan('{path}')"


def compare(
    db: duckdb.DuckDBPyConnection, name: str, lake: Path, there: str
) -> tuple[str, int, int, int, int]:
    """Count the rows, and those that the other place does not have."""
    here = f"delta_scan('{lake / name.replace('.', '/')}')"
    columns = [c for c in names(db, here) if c != RAW]
    if there.startswith("read_parquet"):
        known = set(names(db, there)) - RECEIVED
        columns = [c for c in columns if c in known]
    ours, theirs = (f"select {', '.join(columns)} from {place}" for place in (here, there))
    counted = db.execute(
        f"select (select count(*) from ({ours})), (select count(*) from ({theirs})), "
        f"(select count(*) from ({ours} except all {theirs})), "
        f"(select count(*) from ({theirs} except all {ours}))"
    ).fetchone()
    return (name, *counted)


def names(db: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    """The columns of a relation."""
    return [str(row[0]) for row in db.execute(f"describe from {relation}").fetchall()]


if __name__ == "__main__":
    main()
