"""A model over some of its units gives exactly their rows: what builds by unit rely on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.catalog.spec import Table
from tests.datasets.hospital import write
from tests.sql.drawn import CATALOG, Tables
from tests.sql.fhir import Resource
from tests.sql.test_nouns import MANY, TOLD, told
from tests.sql.test_synthetic import SITES, receive

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("units")]

BY_UNIT = [table for table in CATALOG.models() if table.by]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    """Two exports of both sites, some records of types that these lack, and all models built."""
    tables = Tables()
    place: Path = write(tmp_path_factory.mktemp("hospital") / "out", "fhir", patients=21, seed=3)
    for export in (1, 2):
        for site in SITES:
            receive(tables, place / "fhir" / site / str(export), site)
    tables.tell(*more_records(), at="2026-11-01T00:00:00Z")
    tables.build(*(table.name for table in CATALOG.models()))
    yield tables
    tables.db.close()


def more_records() -> Iterator[Resource]:
    for noun in TOLD | MANY:
        for number in range(9):
            yield told(noun, f"{noun.replace('_', '-')}-{number}")


def over_units(lake: Tables, table: Table, share: int) -> None:
    """Fill `part` with the model's rows over each third unit, and `whole` with what is stored."""
    assert table.by
    reads = [read for read in CATALOG.stored_reads(table) if table.by.is_told(read)]
    chosen = f"hash({{}}) % 3 = {share}"
    for read in reads:
        lake.db.execute(f"alter table {read.name} rename to kept_{read.noun}")
        lake.db.execute(
            f"create view {read.name} as from {read.layer}.kept_{read.noun} "
            f"where {chosen.format(table.by.source_row)}"
        )
    lake.db.execute(f"create or replace temp table part as {table.sql}")
    for read in reads:
        lake.db.execute(f"drop view {read.name}")
        lake.db.execute(f"alter table {read.layer}.kept_{read.noun} rename to {read.noun}")
    columns = ", ".join(c for c in table.columns if c != "_pending")
    waiting = f"quarantine.{table.layer}_{table.noun}"
    lake.db.execute(
        f"create or replace temp table whole as select {columns} from (from {table.name} "
        f"union all by name select {columns} from {waiting}) where {chosen.format(table.by.row)}"
    )


@pytest.mark.parametrize("table", BY_UNIT, ids=lambda table: table.name)
def test_a_model_over_some_units_gives_the_rows_of_these_units(lake: Tables, table: Table) -> None:
    found = 0
    for share in range(3):
        over_units(lake, table, share)
        assert lake.one("select count(*) from (from part except all from whole)") == 0
        assert lake.one("select count(*) from (from whole except all from part)") == 0
        found += lake.one("select count(*) from part")
    assert found >= lake.one(f"select count(*) from {table.name}") > 0


@pytest.mark.parametrize("table", CATALOG.models(), ids=lambda table: table.name)
def test_a_model_gives_the_same_rows_in_any_order_of_its_input(lake: Tables, table: Table) -> None:
    columns = ", ".join(c for c in table.columns if c != "_pending")
    reads = CATALOG.stored_reads(table)
    for read in reads:
        lake.db.execute(f"alter table {read.name} rename to kept_{read.noun}")
        lake.db.execute(
            f"create table {read.name} as from {read.layer}.kept_{read.noun} "
            "order by hash(rowid * 7919)"
        )
    lake.db.execute(f"create or replace temp table again as {table.sql}")
    for read in reads:
        lake.db.execute(f"drop table {read.name}")
        lake.db.execute(f"alter table {read.layer}.kept_{read.noun} rename to {read.noun}")
    waiting = f"quarantine.{table.layer}_{table.noun}"
    both = f"(from {table.name} union all by name select {columns} from {waiting})"
    assert lake.one(f"select count(*) from (from again except all from {both})") == 0
    assert lake.one(f"select count(*) from (from {both} except all from again)") == 0
