"""`python -m tests.bench.heavy_rows LAKE`: what a lake holds of the lines that heavy.py wrote."""

import sys
from pathlib import Path

import duckdb
import duckdb_extension_delta

from tests.bench.measure import say


def main() -> None:
    lake = Path(sys.argv[1])
    db = duckdb.connect()
    (extension,) = Path(duckdb_extension_delta.__file__).parent.glob("extensions/*/*extension")
    db.execute(f"load '{extension}'")
    rows, kept, omitted = db.execute(
        "select count(*), count(distinct _line), sum(_omitted) "
        f"from delta_scan('{lake}/bronze/fhir_resource') where resource_id like '%/heavy%'"
    ).fetchone()
    waiting = db.execute(
        f"select reason, count(*) from delta_scan('{lake}/quarantine/north_ehr') group by reason"
    ).fetchall()
    say(f"of the lines {kept} gave {rows} records, with {omitted} strings left out")
    say(f"in quarantine, known by object, line and offset: {waiting}\n")


if __name__ == "__main__":
    main()
