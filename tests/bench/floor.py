"""`python -m tests.bench.floor LANDED OUT [--raw]`: run floor.sql and write its tables as parquet.

With --raw it also keeps every line of every file, as a lake must; still without a check.
"""

import argparse
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
CODES = HERE.parents[1] / "sql" / "codes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("landed", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--zone", default="America/New_York")
    parser.add_argument("--raw", action="store_true")
    told = parser.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    db = duckdb.connect(config={"preserve_insertion_order": False})
    db.execute("set timezone = 'UTC'")
    for name, value in {"landed": told.landed, "codes": CODES, "zone": told.zone}.items():
        db.execute(f"set variable {name} = '{value}'")
    db.execute("set variable received_at = now()")
    db.execute((HERE / "floor.sql").read_text())
    for (table,) in db.execute("select table_name from duckdb_tables()").fetchall():
        if table.startswith(("silver_", "gold_")):
            write(db, f"from {table}", told.out / f"{table}.parquet")
    if told.raw:
        files = f"'{told.landed}/*.ndjson*'"
        lines = f"select json, filename from read_ndjson_objects({files}, filename = true)"
        write(db, lines, told.out / "raw.parquet")


def write(db: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    db.execute(f"copy ({query}) to '{path}' (format parquet, compression zstd)")


if __name__ == "__main__":
    main()
