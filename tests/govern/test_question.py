"""One SELECT over the lake, and nothing else of this machine."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import PolicyError, SpecError
from lakehouse.govern.question import When, ask
from lakehouse.storage.lake import Lake
from tests.workbench import build_all, encounter, lake_at, patient, take

CANARY = "Zanzibar"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with two versions of a patient whose name stands where it should not."""
    lake = lake_at(tmp_path_factory.mktemp("asked"))
    take(lake, patient(name=[{"family": CANARY}]), encounter(status="no such"))
    build_all(lake, ["silver.patient", "silver.encounter"])
    take(lake, patient("p2", name=[{"family": CANARY}]))
    build_all(lake, ["silver.patient"])
    Path(lake.url).with_name("secret.txt").write_text("a secret")
    # a table of Delta beside the lake
    shutil.copytree(Path(lake.url, "silver", "patient"), Path(lake.url).with_name("outside"))
    return lake


def answer(
    lake: Lake, query: str, at: datetime | None = None, **versions: int
) -> list[dict[str, Any]]:
    told = {name.replace("__", "."): version for name, version in versions.items()}
    with ask(lake, query, When(at=at, versions=told)) as rows:
        return [row for batch in rows for row in batch.to_pylist()]


@pytest.mark.long
@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("select count(*) as n from silver.patient", 2),
        ("SELECT count(*) AS n FROM Silver.Patient", 2),
        ("from silver.patient select count(*) as n", 2),
        ("with x as (from fhir.resource) select count(*) as n from x", 3),
        ("select count(*) as n from quarantine.silver_encounter", 1),
        ("select count(*) as n from quarantine.north_ehr", 0),
        ("select count(*) as n from gold.readmission", 0),
        ("select count(*) as n from codes.source", 2),
        ("explain select count(*) as n from silver.patient", None),
        ("explain analyze select 1", None),
    ],
)
def test_a_select_is_answered(asked: Lake, query: str, number: int | None) -> None:
    found = answer(asked, query)
    assert len(found) == 1
    if number is not None:
        assert found[0]["n"] == number


@pytest.mark.parametrize(
    "query",
    [
        "",
        ";",
        "select 1; select 2",
        "copy (select 1) to '{lake}/x.csv'",
        "explain analyze copy (select 1) to '{lake}/x.csv'",
        "EXPLAIN\nANALYZE\ncopy (select 1) to '{lake}/x.csv'",
        "explain (analyze) copy (select 1) to '{lake}/x.csv'",
        "explain /* */ analyze copy (select 1) to '{lake}/x.csv'",
        "/* */ explain analyze copy (select 1) to '{lake}/x.csv'",
        "-- \nexplain analyze copy (select 1) to '{lake}/x.csv'",
        "explain analyze explain analyze copy (select 1) to '{lake}/x.csv'",
        "explain analyze delete from codes.source",
        "with x as (delete from codes.source returning *) select * from x",
        "attach '{lake}/x.db'",
        "export database '{lake}/x'",
        "import database '{lake}'",
        "create table x as select 1",
        "insert into codes.source values ('a', 'b')",
        "delete from codes.source",
        "drop view silver.patient",
        "set lock_configuration = false",
        "reset all",
        "install httpfs",
        "load httpfs",
        "call duckdb_settings()",
        "prepare x as select 1",
        "use codes",
        "select getenv('HOME')",
        "select * from silver.nothing",
        "select nothing from silver.patient",
        "select * from '/etc/passwd'",
        "select ?",
        "select $1",
        "select '\ud800'",
        "select 1 \0 from silver.patient",
        "select cast(family_name as date) from silver.patient",
        f"select '{CANARY}'::date",
        f"select {CANARY} from silver.patient",
        f"select * from silver.patient where family_name = '{CANARY}",
        f"select * from silver.patient where family_name == = {CANARY}",
        f"select * from {CANARY}",
        f'select * from "{CANARY}"."{CANARY}"',
        f"select {CANARY}(1)",
        f"select error('{CANARY}')",
        f"select case when range = 1000000 then error('{CANARY}') end from range(4000000)",
        'select json_transform(family_name, \'{{"a": "DATE"}}\') from silver.patient',
    ],
)
def test_what_is_no_select_or_fails_is_a_wrong_query_and_quotes_nothing(
    asked: Lake, query: str
) -> None:
    with pytest.raises(SpecError) as caught:
        answer(asked, query.format(lake=asked.url))
    assert CANARY.lower() not in str(caught.value).lower()
    assert caught.value.__suppress_context__
    assert not list(Path(asked.url).glob("x*"))


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from read_blob('/proc/self/environ')",
        "select * from read_json('/etc/passwd')",
        "select * from parquet_scan('/etc/passwd')",
        "select * from sniff_csv('/etc/passwd')",
        "select * from glob('/etc/*')",
        "select * from glob('{lake}/../*')",
        "select * from read_text('{lake}/../secret.txt')",
        "select * from read_text('{lake}/./../secret.txt')",
        "select * from read_text('{lake}-other/secret.txt')",
        "select * from delta_scan('/etc')",
        "describe select * from delta_scan('{lake}/../outside')",
        "explain select * from delta_scan('{lake}/../outside')",
        "select (select count(*) from \"delta_list_files\"('{lake}/../outside'))",
        "describe from query('from del' || 'ta_scan(''{lake}/../outside'')')",
        "from query_table('/etc/passwd')",
        "select * from 'https://127.0.0.1:1/x.parquet'",
        "select * from 's3://other/x.parquet'",
        "select * from query('select * from read_text(''/etc/passwd'')')",
        "select * from duckdb_secrets()",
    ],
)
def test_nothing_beside_the_lake_can_be_read(asked: Lake, query: str) -> None:
    with pytest.raises((PolicyError, SpecError)) as caught:
        answer(asked, query.format(lake=asked.url))
    assert "passwd" not in str(caught.value)


def test_a_query_that_fails_says_where(asked: Lake) -> None:
    with pytest.raises(SpecError, match=r'column "…" not found.*\(line 2, character 3\)'):
        answer(asked, "select family_name,\n  famly_name from silver.patient")


@pytest.mark.long
def test_the_lake_is_seen_as_it_was(asked: Lake) -> None:
    query = "select count(*) as n from silver.patient"
    assert answer(asked, query, silver__patient=1) == [{"n": 1}]
    assert answer(asked, query, silver__patient=0) == [{"n": 0}]
    assert answer(asked, query, datetime(2020, 1, 1, tzinfo=UTC)) == [{"n": 0}]
    assert answer(asked, query, datetime.now(UTC) + timedelta(days=1)) == [{"n": 2}]
    view = "select count(*) as n from fhir.resource"
    assert answer(asked, view, bronze__fhir_resource=1) == [{"n": 2}]


@pytest.mark.parametrize("version", [3, 10**9, 10**18])
def test_a_version_that_is_not_there_is_a_wrong_query(asked: Lake, version: int) -> None:
    with pytest.raises(SpecError, match="silver.patient has no version"):
        answer(asked, "select * from silver.patient", silver__patient=version)
    with pytest.raises(SpecError, match="gold.readmission has no version"):
        answer(asked, "select * from gold.readmission", gold__readmission=version)


def test_an_empty_lake_answers_with_nothing(lake: Lake) -> None:
    assert answer(lake, "select * from silver.patient") == []
