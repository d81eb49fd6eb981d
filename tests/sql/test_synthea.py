"""Silver held against an oracle that is not ours: Synthea writes one population as FHIR and, by other code, as CSV.

The CSV has no ids for most records, so that rows are compared as multisets. It writes instants in UTC and dates as the
FHIR text does, spaces for commas, and numbers with one decimal.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest

from tests.peers.java import command, place_of
from tests.workbench import build_all, drop, ingest, lake_at

pytestmark = [pytest.mark.peer, pytest.mark.xdist_group("synthea")]

FEED = """
[feed.north_ehr]
about = "A population"
source = "north"
reads = "fhir"
zone = "{zone}"
owner = "tests"
settle = "0 seconds"
"""
POPULATIONS = [(1, "UTC", 20), (3, "America/New_York", 10)]
"""Seed, zone and size. Synthea takes longer to start than to tell of ten patients."""

CLASSES = (
    "map {'ambulatory': 'AMB', 'outpatient': 'AMB', 'urgentcare': 'AMB', 'wellness': 'AMB', 'inpatient': 'IMP', \
'snf': 'IMP', 'emergency': 'EMER', 'hospice': 'HH', 'home': 'HH', 'virtual': 'VR'}"
)
SYSTEMS = "map {'SNOMED-CT': 'http://snomed.info/sct', 'RxNorm': 'http://www.nlm.nih.gov/research/umls/rxnorm'}"
RACES = "map {'white': '2106-3', 'black': '2054-5', 'asian': '2028-9', 'native': '1002-5', 'hawaiian': '2076-8'}"
UNROUNDED = "('63586-2', 'X9999-2')"
"""Quantities that the CSV writes as texts."""

NOUNS = {
    "patient": (
        f"""select north(Id), BIRTHDATE::date, DEATHDATE::date, if(GENDER = 'F', 'female', 'male'), concat_ws(' ', FIRST, MIDDLE), LAST, ZIP,
            coalesce({RACES}[RACE], 'other'), if(ETHNICITY = 'hispanic', '2135-2', '2186-5'), coalesce(MARITAL, 'S')
            from patients""",
        """select patient_id, birth_on, deceased_on, gender, given_name, family_name, postal_code,
            if(race_code similar to '[0-9]{4}-[0-9]', race_code, 'other'), ethnicity_code,
            coalesce(marital_status_code, 'S') from patient""",
    ),
    "encounter": (
        f"""select north(Id), north(PATIENT), START::timestamptz, STOP::timestamptz, CODE, plain(DESCRIPTION), REASONCODE,
            {CLASSES}[ENCOUNTERCLASS] from encounters""",
        """select encounter_id, patient_id, admitted_at, discharged_at, encounter_type_code,
            plain(encounter_type_display), reason_code, class_code from encounter""",
    ),
    "condition": (
        """select north(PATIENT), north(ENCOUNTER), SYSTEM, CODE, plain(DESCRIPTION), START::date, STOP::date
            from conditions""",
        """select patient_id, encounter_id, condition_system, condition_code, plain(condition_display), onset_on,
            abated_on from condition""",
    ),
    "medication_request": (
        """select north(PATIENT), north(ENCOUNTER), CODE, plain(DESCRIPTION), START::timestamptz, STOP is null
            from medications""",
        """select patient_id, encounter_id, medication_code, plain(medication_display), authored_at,
            medication_request_status = 'active' from medication_request""",
    ),
    "procedure": (
        """select north(PATIENT), north(ENCOUNTER), SYSTEM, CODE, plain(DESCRIPTION), START::timestamptz,
            STOP::timestamptz from procedures""",
        """select patient_id, encounter_id, procedure_system, procedure_code, plain(procedure_display), performed_at,
            performed_until_at from procedure""",
    ),
    "immunization": (
        """select north(PATIENT), north(ENCOUNTER), CODE, plain(DESCRIPTION), DATE::timestamptz from immunizations""",
        """select patient_id, encounter_id, vaccine_code, plain(vaccine_display), occurred_at from immunization""",
    ),
    "allergy": (
        f"""select north(PATIENT), {SYSTEMS}[SYSTEM], CODE, plain(DESCRIPTION), TYPE, [CATEGORY], START::date,
            STOP is null from allergies""",
        """select patient_id, allergy_system, allergy_code, plain(allergy_display), allergy_type_code, category_codes,
            day(recorded_at), allergy_clinical_status_code = 'active' from allergy""",
    ),
    "imaging_study": (
        """select north(Id), north(PATIENT), north(ENCOUNTER), DATE::timestamptz, count(distinct SERIES_UID), count(*)
            from imaging_studies group by all""",
        """select imaging_study_id, patient_id, encounter_id, imaged_at, n_series, n_image from imaging_study""",
    ),
    "care_plan": (
        """select north(Id), north(PATIENT), north(ENCOUNTER), START::date, STOP::date, true from careplans""",
        """select care_plan_id, patient_id, encounter_id, care_began_on, care_ended_on,
            list_contains(category_codings, 'http://snomed.info/sct|' || code)
            from care_plan join (select north(Id) as care_plan_id, CODE as code from careplans) using (care_plan_id)""",
    ),
    "claim": (
        """select north(Id), north(PATIENTID), [north(APPOINTMENTID)] from claims""",
        """select claim_id, patient_id, list_distinct(encounter_ids) from claim""",
    ),
    "device": (
        """select north(PATIENT), CODE, plain(DESCRIPTION), UDI from devices""",
        """select patient_id, device_code, plain(device_display), device_udi from device""",
    ),
    "observation of words": (
        f"""select north(PATIENT), north(ENCOUNTER), DATE::timestamptz, CODE, plain(VALUE) from observations
            where TYPE = 'text' and CATEGORY is not null and CODE not in {UNROUNDED}""",
        f"""select patient_id, encounter_id, observed_at, observation_code, plain(value_text) from observation
            where value_number is null and observation_code not in {UNROUNDED}""",
    ),
    "observation of numbers": (
        """select north(PATIENT), north(ENCOUNTER), DATE::timestamptz, CODE, UNITS from observations
            where TYPE = 'numeric' and CATEGORY is not null""",
        f"""select patient_id, encounter_id, observed_at, observation_code, value_unit_text from observation
            where value_number is not null and observation_code not in {UNROUNDED}""",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Population:
    """The CSV's tables by their names, silver's by their nouns; `exported` is the folder of the NDJSON."""

    db: duckdb.DuckDBPyConnection
    exported: Path


@pytest.fixture(scope="module", params=POPULATIONS, ids=lambda told: f"seed {told[0]} {told[1]}")
def population(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Population]:
    seed, zone, size = request.param
    folder = tmp_path_factory.mktemp("synthea")
    made = generate(seed, zone, size)
    (folder / "config").mkdir()
    (folder / "config" / "feeds.toml").write_text(FEED.format(zone=zone))
    lake = lake_at(folder, LAKEHOUSE_MEMORY="2GiB")
    for path in sorted((made / "fhir").glob("*.ndjson")):
        drop(lake, "north_ehr", path.name, path.read_bytes())
    loaded = ingest(lake)
    assert loaded.records == loaded.good
    silver = [table.name for table in lake.catalog.models() if table.layer == "silver"]
    built = build_all(lake, silver)
    assert not sum(table.quarantined for table in built.values())
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.execute("create macro north(id) as 'north/' || id")
        db.execute("create macro plain(text) as trim(regexp_replace(text, '[, ]+', ' ', 'g'))")
        db.execute(f"create macro day(instant) as cast(instant at time zone '{zone}' as date)")
        for path in (made / "csv").glob("*.csv"):
            db.execute(f"create view {path.stem} as from read_csv('{path}', all_varchar = true)")
        for name in silver:
            if files := lake.open(name).files():
                db.execute(
                    f"create view {name.partition('.')[2]} as from read_parquet(["
                    f"{', '.join(repr(file) for file in files)}])"
                )
        yield Population(db, made / "fhir")


def generate(seed: int, zone: str, size: int) -> Path:
    """The population of a seed in both forms, not to be written to: it is made once for an installed Synthea."""
    told = {
        "exporter.fhir.bulk_data": "true",
        "exporter.csv.export": "true",
        "exporter.hospital.fhir.export": "false",
        "exporter.practitioner.fhir.export": "false",
        "generate.only_alive_patients": "false",
        # else the order in which threads come by decides who lives there
        "generate.thread_pool_size": "1",
    }
    options = [part for name, value in told.items() for part in (f"--{name}", value)]
    place = ["-s", seed, "-cs", seed, "-r", 20261101, "-p", size]
    program = command("synthea", "App", *map(str, place), *options)
    made = place_of("synthea") / "made" / sha256(repr((program, zone)).encode()).hexdigest()[:16]
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=made.parent) as draft:
            subprocess.run(
                [*program, "--exporter.baseDirectory", f"{draft}/whole", "Massachusetts"],
                env=os.environ | {"TZ": zone},
                cwd=draft,
                check=True,
                capture_output=True,
            )
            Path(draft, "whole").rename(made)
    return made


@pytest.mark.parametrize("noun", NOUNS)
def test_silver_tells_what_synthea_tells(population: Population, noun: str) -> None:
    theirs, ours = (f"({query})" for query in NOUNS[noun])
    db = population.db
    assert db.sql(f"select count(*) from {theirs}").fetchall() != [(0,)]
    assert db.sql(f"from {theirs} except all from {ours} limit 3").fetchall() == []
    assert db.sql(f"from {ours} except all from {theirs} limit 3").fetchall() == []


def test_numbers_are_synthea_s_but_for_what_it_rounds(population: Population) -> None:
    numbered = "row_number() over (partition by who, instant, code order by value) as n"
    (far,) = population.db.sql(
        f"""with theirs as (
          select *, {numbered} from (select north(PATIENT) as who, DATE::timestamptz as instant, CODE as code,
          VALUE::double as value from observations where TYPE = 'numeric' and CATEGORY is not null)
        ), ours as (
          select *, {numbered} from (select patient_id as who, observed_at as instant, observation_code as code,
          value_number as value from observation where value_number is not null)
        )
        select count(*) from theirs left join ours using (who, instant, code, n)
        where not coalesce(abs(theirs.value - ours.value) <= 0.0500001, false)"""
    ).fetchall()
    assert far == (0,)


def test_each_observation_s_value_and_unit_are_the_text_that_was_sent(
    population: Population,
) -> None:
    lines = (population.exported / "Observation.ndjson").read_text().splitlines()
    sent = [
        told for line in lines for told in walk(json.loads(line, parse_float=str, parse_int=str))
    ]
    found = population.db.sql(
        "select observation_id, component_number, value_text, value_unit_text from observation "
        "where value_type in ('Quantity', 'CodeableConcept', 'string')"
    )
    assert sorted(found.fetchall(), key=repr) == sorted(sent, key=repr)
    assert len(sent) > 1000


def walk(observation: dict[str, Any]) -> Iterator[tuple[str, int, str | None, str | None]]:
    """Of an observation and its components that have a value: its text and, of a quantity, its unit."""
    for number, part in enumerate([observation, *observation.get("component", ())]):
        place = f"north/{observation['id']}", number
        if "valueQuantity" in part:
            yield *place, part["valueQuantity"]["value"], part["valueQuantity"].get("unit")
        elif "valueCodeableConcept" in part:
            yield *place, part["valueCodeableConcept"].get("text"), None
        elif "valueString" in part:
            yield *place, part["valueString"], None
