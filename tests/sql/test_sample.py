"""The models over the sample hospital say what its story says."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse.datasets.sample import write_sample
from lakehouse.datasets.sample.answers import Answers, answers
from tests.sql.drawn import CATALOG, Tables, read

ZONES = {"north": "America/New_York", "south": "America/Chicago"}
PATIENTS, SEED = 20, 7
BUILT = [table.name for table in CATALOG.models()]


@dataclass(frozen=True, slots=True)
class Lake:
    """The tables after an export, and how many lines of each site could not be read."""

    export: int
    tables: Tables
    broken: dict[str, int]


def lines(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*.ndjson*")):
        content = path.read_bytes()
        yield from (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()


def receive(tables: Tables, folder: Path, site: str) -> int:
    """Take an export as it is; returns how many lines cannot be read."""
    at = json.loads((folder / "manifest.json").read_text())["transactionTime"]
    told, broken = [], 0
    for line in lines(folder):
        try:
            resource = json.loads(line)
        except ValueError:
            broken += 1
            continue
        if resource["resourceType"] != "Bundle":
            told.append(resource)
            continue
        for entry in resource["entry"]:
            tables.delete(entry["request"]["url"], at=at, source=site)
    tables.tell(*told, source=site, at=at)
    return broken


@pytest.fixture(scope="module", params=[1, 2, 3])
def lake(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """Both sites up to an export, built."""
    tables, broken = Tables(), dict.fromkeys(ZONES, 0)
    for export in range(1, request.param + 1):
        for site, zone in ZONES.items():
            place = tmp_path_factory.mktemp(site)
            write_sample(place, site=site, patients=PATIENTS, seed=SEED, export=export, zone=zone)
            broken[site] += receive(tables, place, site)
    tables.build(*BUILT)
    yield Lake(request.param, tables, broken)
    tables.db.close()


@pytest.mark.long
def test_the_lake_says_what_happened(lake: Lake) -> None:
    tables = lake.tables
    for site in ZONES:
        right = answers(site, PATIENTS, SEED, lake.export)
        mine = f"where source = '{site}'"
        rates = tables.db.execute(
            "select count(*), count(is_readmitted), coalesce(sum(is_readmitted::int), 0) "
            f"from gold.readmission {mine}"
        ).fetchone()
        found = Answers(
            tables.one(f"select count(*) from silver.patient {mine}"),
            tables.one(f"select count(*) from silver.encounter {mine}"),
            *rates,
            tables.one(
                "select sum(n_measurement)::int from gold.vital_sign_daily "
                f"{mine} and vital_sign = 'heart_rate'"
            ),
            right.ward_minutes,
            tables.one(f"select count(*) from quarantine.silver_observation {mine}"),
            lake.broken[site],
        )
        assert found == right


def test_the_hours_in_each_ward_are_the_storys(lake: Lake) -> None:
    for site in ZONES:
        census = lake.tables.db.execute(
            "select replace(ward_id, source || '/ward-', ''), round(sum(patient_hours) * 60)::int "
            f"from gold.ward_census_hourly where source = '{site}' group by all"
        ).fetchall()
        right = answers(site, PATIENTS, SEED, lake.export).ward_minutes
        if lake.export == 1:
            # one stay is open yet, and counts until the last that is known of its ward
            assert 0 < sum(dict(census).values()) - sum(right.values()) < 6 * 24 * 60
        else:
            assert dict(census) == right


def test_nothing_of_the_sample_is_odd_but_what_is_meant_to_be(lake: Lake) -> None:
    found = {name: lake.tables.broken(name) for name in BUILT}
    assert {name: broken for name, broken in found.items() if broken} == {}


OBSERVED = """
patient   | observation_id   | status    | 1 | 2 | 3
%/p0003   | %/p0003-e1-%     | final     | 7 | 0 | 0
%/p0007   | %/p0003-e1-%     | final     | 0 | 7 | 7
%         | %                | corrected | 0 | 1 | 1
%/p0006   | %-e1-1-29463-7   | final     | 0 | 1 | 1
%         | %-uncoded        | final     | 0 | 0 | 1
%         | %-cut            | final     | 0 | 0 | 1
"""


@pytest.mark.parametrize("row", read(OBSERVED)[1:], ids=lambda row: row[1])
def test_an_export_changes_what_it_says_it_changes(lake: Lake, row: tuple[str, ...]) -> None:
    found = lake.tables.one(
        "select count(*) from silver.observation where source = 'north' "
        f"and patient_id like '{row[0]}' and observation_id like '{row[1]}' "
        f"and observation_status = '{row[2]}'"
    )
    assert found == int(row[2 + lake.export])


HOMES = """
patient | moved
p0002   | true
p0004   | false
"""


@pytest.mark.parametrize(("patient", "moved"), read(HOMES)[1:])
def test_a_version_that_comes_late_never_wins(lake: Lake, patient: str, moved: str) -> None:
    query = "select postal_code = '00009' from silver.patient where patient_id = 'north/{}'"
    assert lake.tables.one(query.format(patient)) == (moved == "true")
