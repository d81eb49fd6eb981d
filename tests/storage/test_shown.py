"""What an engine shows: a statement sees it through views, or with the queries in their places."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.errors import SpecError
from lakehouse.storage.engine import Engine, engine_for
from tests.workbench import lake_at, patient, take

PATIENT, BRONZE = "silver.patient", "bronze.fhir_resource"

STATEMENTS = [
    ("select n from silver.patient", "(select 7 as n\n) as patient"),
    ("select patient.n from silver.patient where n = 7", "(select 7 as n\n) as patient where"),
    ("select p.n from silver.patient as p", "(select 7 as n\n) as p"),
    ("select p.n from silver.patient p", "(select 7 as n\n) p"),
    ('select "p".n from silver.patient "p"', '(select 7 as n\n) "p"'),
    ("select n from silver.patient left join (select 7 as n) using (n)", "as patient left join"),
    ("select n from (from silver.patient)", "(from (select 7 as n\n) as patient)"),
    ("select n from silver.patient, (select 1)", "as patient, (select 1)"),
    ("select n from gold.readmission", "from (select n from (select 7 as n\n) as patient\n) as"),
    ("select 7 as n -- from silver.patient\n", "-- from silver.patient\n"),
    ("select 7 as n, 'silver.patient' as text", "'silver.patient'"),
    ('select "silver.patient" as n from (select 7 as "silver.patient")', '"silver.patient" as n'),
    ("select n from silver.patient_link", "from silver.patient_link"),
]
"""A statement, and a part of it with the queries in place of their names."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    lake = lake_at(tmp_path_factory.mktemp("shown"))
    with Engine(lake, threads=1) as engine:
        engine.execute("create table silver.patient_link as select 7 as n")
        engine.attach_query(lake.catalog.table(PATIENT), "select 7 as n")
        engine.attach_query(lake.catalog.table("gold.readmission"), "select n from silver.patient")
        yield engine


@pytest.mark.parametrize(("sql", "part"), STATEMENTS)
def test_queries_stand_in_place_of_their_names_and_give_the_same_rows(
    engine: Engine, sql: str, part: str
) -> None:
    assert part in engine.inline(sql)
    asked = engine.table(f"select n from ({sql}\n)").to_pylist()
    engine.fill("work.filled", f"select n from ({sql}\n)")
    assert engine.table("from work.filled").to_pylist() == asked == [{"n": 7}]


def test_what_is_wrong_with_a_query_is_told_of_the_query_as_it_stands(engine: Engine) -> None:
    with pytest.raises(SpecError, match=r'"nothing" not found.*\(line 2, character 7\)'):
        engine.fill("work.filled", "select n from gold.readmission\nwhere nothing")


def test_a_view_follows_what_is_shown_anew_below_it(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    with Engine(lake, threads=1) as engine:
        engine.attach_query(lake.catalog.table("gold.readmission"), "from silver.patient")
        for number in (7, 8):
            engine.attach_query(lake.catalog.table(PATIENT), f"select {number} as n")
            assert engine.count("from gold.readmission") == number


def test_the_next_work_sees_nothing_of_the_last_and_the_version_that_it_names(
    tmp_path: Path,
) -> None:
    lake = lake_at(tmp_path)
    found = []
    for name in ("p1", "p2"):
        take(lake, patient(name), name=f"{name}.ndjson")
        stored = lake.open(BRONZE)
        with engine_for(lake) as engine:
            with pytest.raises(SpecError, match="does not exist"):
                engine.count(f"select count(*) from {BRONZE}")
            for version in (stored.version, stored.version, 1):
                engine.attach(stored.table, version)
                found.append(engine.count(f"select count(*) from {BRONZE}"))
    assert found == [1, 1, 1, 2, 2, 1]
