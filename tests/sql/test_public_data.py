"""The models over public synthetic exports: sensible rows, no surprises, fast enough."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.settings import PROJECT
from tests.sql.drawn import CATALOG, Tables

pytestmark = [pytest.mark.peer, pytest.mark.xdist_group("public data")]
DATA = PROJECT.parent / "shared" / "data" / "fhir"
BUILT = [table.name for table in CATALOG.models()]


def loaded(name: str) -> Tables:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"the public data set {name} is not beside the project")
    tables = Tables()
    for number, path in enumerate(sorted(Path(folder).glob("[A-Z]*.gz")), 1):
        tables.db.execute(
            """
            insert into bronze.fhir_resource
                (source, resource_type, resource_id, patient_id, version_at, version_basis,
                 is_deleted, content_hash, resource, _object, _sequence, _line)
            select 'north', json ->> 'resourceType', 'north/' || (json ->> 'id'),
                'north/' || case
                    when json ->> 'resourceType' = 'Patient' then json ->> 'id'
                    else nullif(regexp_extract(
                        coalesce(
                            json ->> '$.subject.reference', json ->> '$.patient.reference',
                            json ->> '$.beneficiary.reference'),
                        '^Patient/(.*)$', 1), '')
                end,
                timestamptz '2026-11-01 00:00:00+00', 'received', false, sha256(json)::blob, json,
                $number, $number, row_number() over ()
            from read_ndjson_objects($path) as line (json)
            """,
            {"number": number, "path": str(path)},
        )
    return tables


@pytest.fixture(scope="module")
def synthea() -> Iterator[Tables]:
    tables = loaded("synthea600")
    tables.build(*BUILT)
    yield tables
    tables.db.close()


@pytest.fixture(scope="module")
def bulk() -> Iterator[Tables]:
    tables = loaded("bulk10")
    tables.build(*BUILT)
    yield tables
    tables.db.close()


def counts(tables: Tables) -> dict[str, int]:
    return {name: tables.one(f"select count(*) from {name}") for name in BUILT}


def test_synthea600_gives_a_row_for_each_record_and_value(synthea: Tables) -> None:
    assert counts(synthea) == {
        "silver.allergy": 374,
        "silver.care_plan": 1769,
        "silver.care_team": 0,
        "silver.coverage": 0,
        "silver.device": 0,
        "silver.diagnostic_report": 6262,
        "silver.document_attachment": 0,
        "silver.document_reference": 0,
        "silver.goal": 1147,
        "silver.imaging_study": 332,
        "silver.immunization": 7389,
        "silver.organization": 102,
        "silver.practitioner": 102,
        "silver.practitioner_role": 0,
        "silver.related_person": 0,
        "silver.service_request": 0,
        "silver.specimen": 0,
        "silver.claim": 22810,
        "silver.coding": 294273,
        "silver.medication": 0,
        "silver.medication_administration": 0,
        "silver.patient_link": 0,
        "silver.provenance": 0,
        "silver.questionnaire_response": 0,
        "silver.resource_meta": 171013,
        "silver.condition": 4546,
        "silver.encounter": 18098,
        "silver.location": 0,
        "silver.medication_request": 4712,
        # 88,674 observations, of which 5,661 carry their 11,325 values in components
        "silver.observation": 88674 - 5661 + 11325,
        "silver.patient": 615,
        "silver.procedure": 14081,
        "silver.ward_stay": 621,
        "gold.readmission": 621,
        "gold.vital_sign_daily": 26131,
        "gold.ward_census_hourly": 16659,
    }


def test_bulk10_gives_a_row_for_each_record_it_has(bulk: Tables) -> None:
    assert counts(bulk) == {
        "silver.allergy": 11,
        "silver.care_plan": 0,
        "silver.care_team": 0,
        "silver.coverage": 0,
        "silver.device": 16,
        "silver.diagnostic_report": 0,
        "silver.document_attachment": 1215,
        "silver.document_reference": 1215,
        "silver.goal": 0,
        "silver.imaging_study": 0,
        "silver.immunization": 161,
        "silver.organization": 43,
        "silver.practitioner": 43,
        "silver.practitioner_role": 43,
        "silver.related_person": 0,
        "silver.service_request": 0,
        "silver.specimen": 0,
        "silver.claim": 0,
        "silver.coding": 14876,
        "silver.medication": 0,
        "silver.medication_administration": 0,
        "silver.patient_link": 0,
        "silver.provenance": 0,
        "silver.questionnaire_response": 0,
        "silver.resource_meta": 7160,
        "silver.condition": 555,
        "silver.encounter": 1215,
        "silver.location": 44,
        "silver.medication_request": 1745,
        "silver.observation": 0,
        "silver.patient": 13,
        "silver.procedure": 2056,
        "silver.ward_stay": 1215,
        "gold.readmission": 49,
        "gold.vital_sign_daily": 0,
        "gold.ward_census_hourly": 6717,
    }


def test_no_public_record_waits_and_the_warnings_are_known(synthea: Tables, bulk: Tables) -> None:
    for tables in (synthea, bulk):
        for name in BUILT:
            waiting = f"quarantine.{name.replace('.', '_')}"
            assert tables.one(f"select count(*) from {waiting}") == 0
    warned = {name: synthea.broken(name) for name in BUILT}
    # 343 blood pressures of synthea600 have values without a unit, 8 admissions are after a death
    assert {name: [*broken.values()] for name, broken in warned.items() if broken} == {
        "silver.observation": [686],
        "gold.readmission": [8],
    }
    assert {name: bulk.broken(name) for name in BUILT if bulk.broken(name)} == {
        "silver.location": {"location_name is present": 1}
    }


def test_without_wards_the_census_knows_how_many_and_not_where(
    synthea: Tables, bulk: Tables
) -> None:
    for tables in (synthea, bulk):
        wards = tables.draw("(select distinct ward_id from gold.ward_census_hourly)", ["ward_id"])
        assert wards == [("north/unknown",)]
        hours = tables.one("select sum(patient_hours) from gold.ward_census_hourly")
        stays = tables.one(
            "select sum(epoch(discharged_at) - epoch(admitted_at)) / 3600 "
            "from silver.encounter where is_inpatient"
        )
        assert float(hours) == pytest.approx(stays)


def test_every_column_has_the_type_the_catalogue_says(synthea: Tables) -> None:
    for name in BUILT:
        told = synthea.db.execute(f"describe {name}").fetchall()
        types = {row[0]: row[1].lower() for row in told}
        zoned = "timestamp with time zone"
        found = {n: "timestamptz" if t == zoned else t for n, t in types.items()}
        assert found == {
            n: CATALOG.columns[n].type for n in CATALOG.table(name).columns if n in found
        }
