"""The models as they stand, over a few records: DuckDB alone, no lake."""

import hashlib
import json
import re
import zlib
from typing import Any

import duckdb
import pyarrow as pa

from lakehouse.catalog.load import LAYERS, Catalog
from lakehouse.catalog.spec import Table, Write
from lakehouse.settings import PROJECT

CATALOG = Catalog.read([PROJECT / "sql"], PROJECT / "dags" / "feeds.toml")
PATIENT = re.compile(r"(?:^|/)Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/.*)?$")
NULL = "-"

Drawn = list[tuple[str, ...]]


class Tables:
    """Declared tables in a DuckDB of their own, filled by tests and built by the models."""

    def __init__(self) -> None:
        self.db, self._shown = duckdb.connect(), set[str]()
        self.db.execute("set timezone = 'UTC'; set threads = 2; set enable_progress_bar = false")
        for layer in LAYERS:
            self.db.execute(f"create schema {layer}")
        for macro in CATALOG.macros.values():
            self.db.execute(macro)
        for name, path in CATALOG.codes.items():
            self.db.execute(
                f"create table {name} as "
                f"from read_csv('{path}', header = true, all_varchar = true, comment = '#')"
            )
        self.reset()

    def reset(self) -> None:
        """Empty tables again, and the zones of the declared feeds."""
        # views stay: they read tables by name, and to make one anew takes a fifth of a small test
        for layer in ("bronze", "silver", "gold", "quarantine"):
            self.db.execute(f"drop schema {layer} cascade; create schema {layer}")
        self.db.execute("create or replace table codes.source (source varchar, zone varchar)")
        self.db.executemany("insert into codes.source values (?, ?)", CATALOG.zones())
        for name in ("bronze.fhir_resource", "bronze.fhir_seen"):
            self._create(name)
        self.show("fhir.resource")
        self.sequence = 0

    def tell(self, *resources: dict[str, Any], source: str = "north", at: str = "") -> None:
        """One delivery of resources; `at` is its export time, for those without lastUpdated."""
        self.sequence += 1
        rows = [
            self._row(resource, source, at or f"2026-11-{self.sequence:02}T00:00:00Z", line)
            for line, resource in enumerate(resources, 1)
        ]
        self._insert("bronze.fhir_resource", rows)

    def delete(self, name: str, at: str, source: str = "north") -> None:
        """The source says that it deleted Type/id."""
        self.sequence += 1
        kind, identity = name.split("/")
        row = self._row({"resourceType": kind, "id": identity}, source, at, 1)
        self._insert("bronze.fhir_resource", [row | {"is_deleted": True}])

    def see_again(self, resource: dict[str, Any], at: str, source: str = "north") -> None:
        """The content came again with a later version time."""
        self.sequence += 1
        row = self._row(resource, source, at, 1) | {"version_at": at}
        self._insert("bronze.fhir_seen", [row])

    def given(self, name: str, drawn: str) -> None:
        """Fill a table with drawn rows; what is not drawn is null."""
        header, *rows = read(drawn)
        self._create(name)
        told = [dict(zip(header, row, strict=True)) for row in rows]
        self._insert(name, [{k: v for k, v in row.items() if v != NULL} for row in told])

    def build(self, *names: str) -> None:
        """Run models; rows that break a check for which they wait go to their quarantine."""
        for name in names:
            table = CATALOG.table(name)
            self.build(*self.missing(table))
            self.show(*table.reads)
            self.db.execute(f"create or replace table {name} as {table.sql}")
            reasons = [
                f"case when {check.broken} then '{check.name.replace(chr(39), chr(39) * 2)}' end"
                for check in table.checks
                if check.on_fail == "quarantine"
            ]
            waiting = f"quarantine.{table.layer}_{table.noun}"
            broke = f"coalesce(array_to_string([{', '.join(reasons) or 'null'}], '; '), '')"
            self.db.execute(
                f"create or replace table {waiting} as "
                f"select *, {broke} as _broke from {name} where {broke} <> ''"
            )
            self.db.execute(
                f"create or replace table {name} as select * from {name} where {broke} = ''"
            )

    def missing(self, table: Table) -> list[str]:
        """The tables of the same layer that a model reads and that nobody has built or given."""
        found = self.db.execute("select schema_name || '.' || table_name from duckdb_tables()")
        there = {name for (name,) in found.fetchall()}
        reads = [read for read in CATALOG.stored_reads(table) if read.layer == table.layer]
        return [read.name for read in reads if read.name not in there]

    def show(self, *names: str) -> None:
        """Make the views that are among these tables, each after those that it reads."""
        for table in map(CATALOG.tables.get, names):
            if table and table.write is Write.VIEW and table.name not in self._shown:
                self._shown.add(table.name)
                self.show(*table.reads)
                self.db.execute(f"create view {table.name} as {table.sql}")

    def broken(self, name: str) -> dict[str, int]:
        """How many rows break each check that only warns or that fails the build."""
        found = {}
        for check in CATALOG.table(name).checks:
            query = (
                f"select count(*) filter (where b) from (select {check.broken} as b from {name})"
            )
            if check.on_fail != "quarantine" and (number := self.one(query)):
                found[check.name] = number
        return found

    def one(self, query: str) -> Any:
        """The one value that a query answers."""
        (value,) = self.db.execute(query).fetchone() or (None,)
        return value

    def draw(self, name: str, columns: list[str]) -> Drawn:
        """All rows of a table as text, in the order of their text."""
        texts = ", ".join(f"coalesce(cast({column} as varchar), '{NULL}')" for column in columns)
        return sorted(self.db.execute(f"select {texts} from {name}").fetchall())

    def holds(self, name: str, drawn: str) -> None:
        """Assert that the table has the drawn rows, in any order, in the drawn columns."""
        header, *rows = read(drawn)
        assert self.draw(name, list(header)) == sorted(rows)

    def _create(self, name: str) -> None:
        columns = CATALOG.table(name).columns
        typed = ", ".join(f"{column} {CATALOG.columns[column].type}" for column in columns)
        self.db.execute(f"create or replace table {name} ({typed})")

    def _insert(self, name: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        known = [column for column in CATALOG.table(name).columns if any(column in r for r in rows)]
        told = pa.table({column: [row.get(column) for row in rows] for column in known})
        self.db.register("told", told)
        listed = ", ".join(known)
        self.db.execute(f"insert into {name} ({listed}) select {listed} from told")

    def _row(self, resource: dict[str, Any], source: str, at: str, line: int) -> dict[str, Any]:
        kind, identity = resource["resourceType"], resource["id"]
        meta = resource.get("meta", {})
        content = {**resource, "meta": None}
        told = (resource.get(name) for name in ("subject", "patient", "beneficiary"))
        subject = next((one for one in told if one), {})
        found = PATIENT.search(subject.get("reference", ""))
        patient = identity if kind == "Patient" else found and found[1]
        return {
            "source": source,
            "_key": zlib.crc32(f"{kind}/{source}/{identity}".encode()),
            "resource_type": kind,
            "resource_id": f"{source}/{identity}",
            "patient_id": f"{source}/{patient}" if patient else None,
            "version_id": meta.get("versionId"),
            "version_at": meta.get("lastUpdated", at),
            "version_basis": "updated" if "lastUpdated" in meta else "export",
            "is_deleted": False,
            "content_hash": hashlib.sha256(json.dumps(content).encode()).digest(),
            "resource": json.dumps(resource),
            "_object": f"object-{self.sequence}",
            "_sequence": self.sequence,
            "_line": line,
            "_entry": 0,
        }


def read(drawn: str) -> Drawn:
    """The cells of a drawn table, its header first."""
    lines = [line for line in drawn.strip().splitlines() if line.strip()]
    return [tuple(cell.strip() for cell in line.split("|")) for line in lines]
