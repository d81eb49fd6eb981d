"""silver.patient and silver.location: one row per record of the register."""

import pytest

from tests.sql.drawn import Tables, read
from tests.sql.fhir import concept, patient

RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"

BIRTHS = """
told       | birth_on   | birth_year | birth_precision
1957-03-02 | 1957-03-02 | 1957       | day
1957-03    | -          | 1957       | month
1957       | -          | 1957       | year
1957-02-30 | -          | -          | -
19570302   | -          | -          | -
"""


@pytest.mark.parametrize(("told", "on", "year", "precision"), read(BIRTHS)[1:])
def test_a_birth_is_known_as_far_as_it_was_told(
    tables: Tables, told: str, on: str, year: str, precision: str
) -> None:
    tables.tell(patient(birthDate=told))
    tables.build("silver.patient")
    columns = ["birth_on", "birth_year", "birth_precision"]
    assert tables.draw("silver.patient", columns) == [(on, year, precision)]


DEATHS = """
told                                        | is_deceased | deceased_at            | deceased_on
deceasedDateTime: 2026-01-05T22:00:00-05:00 | true        | 2026-01-06 03:00:00+00 | 2026-01-05
deceasedDateTime: 2026-01-06T03:00:00Z      | true        | 2026-01-06 03:00:00+00 | 2026-01-05
deceasedDateTime: 2026                      | true        | -                      | -
deceasedBoolean: true                       | true        | -                      | -
deceasedBoolean: false                      | false       | -                      | -
gender: male                                | false       | -                      | -
"""


@pytest.mark.parametrize(("told", "is_deceased", "at", "on"), read(DEATHS)[1:])
def test_a_death_may_be_known_without_its_time(
    tables: Tables, told: str, is_deceased: str, at: str, on: str
) -> None:
    name, _, value = told.partition(": ")
    tables.tell(patient(**{name: {"true": True, "false": False}.get(value, value)}))
    tables.build("silver.patient")
    columns = ["is_deceased", "deceased_at", "deceased_on"]
    assert tables.draw("silver.patient", columns) == [(is_deceased, at, on)]


def test_the_official_name_and_the_home_are_chosen_before_others(tables: Tables) -> None:
    tables.tell(
        patient(
            name=[
                {"use": "maiden", "family": "Before", "given": ["Old"]},
                {"use": "nickname", "given": ["Addie"]},
                {"use": "official", "family": "Now", "given": ["Ada", "Bea"]},
            ],
            address=[{"use": "old", "postalCode": "1"}, {"use": "home", "postalCode": "2"}],
            identifier=[
                {"value": "none"},
                {"type": concept("SS", "urn:kinds"), "value": "secret"},
                {"type": concept("MR", "urn:kinds"), "value": "M7"},
            ],
            communication=[
                {"language": concept("es", "urn:l")},
                {"language": concept("en", "urn:l"), "preferred": True},
            ],
            extension=[
                {
                    "url": RACE,
                    "extension": [
                        {"url": "text", "valueString": "x"},
                        {"url": "ombCategory", "valueCoding": {"code": "2106-3"}},
                    ],
                }
            ],
        )
    )
    tables.build("silver.patient")
    tables.holds(
        "silver.patient",
        """
        family_name | given_name | postal_code | medical_record_number | language_code | race_code
        Now         | Ada Bea    | 2           | M7                    | en            | 2106-3
        """,
    )


def test_an_empty_patient_is_a_row_that_knows_nothing(tables: Tables) -> None:
    tables.tell(patient())
    tables.build("silver.patient")
    tables.holds(
        "silver.patient",
        """
        patient_id | family_name | given_name | birth_on | is_active | is_deceased | race_code
        north/p1   | -           | -          | -        | true      | false       | -
        """,
    )
    assert tables.broken("silver.patient") == {"birth_precision is present": 1}


def test_a_death_before_the_birth_is_told_of(tables: Tables) -> None:
    tables.tell(patient(birthDate="2000-01-02", deceasedDateTime="2000-01-01"))
    tables.build("silver.patient")
    assert len(tables.broken("silver.patient")) == 1


def test_a_location_has_its_name_level_and_owner(tables: Tables) -> None:
    tables.tell(
        {
            "resourceType": "Location",
            "id": "w1",
            "name": "Ward 1",
            "status": "active",
            "physicalType": concept("wa", "urn:levels"),
            "managingOrganization": {"reference": "Organization/h1"},
            "partOf": {"reference": "https://ehr.example/fhir/Location/b1"},
        }
    )
    tables.build("silver.location")
    tables.holds(
        "silver.location",
        """
        location_id | location_name | location_level_code | organization_id | part_of_location_id
        north/w1    | Ward 1        | wa                  | north/h1        | north/b1
        """,
    )


def test_what_us_core_adds_of_a_patient_stands_in_columns(tables: Tables) -> None:
    core = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
    tribe = {"url": "tribalAffiliation", "valueCodeableConcept": {"coding": [{"code": "91"}]}}
    told = {
        "extension": [
            {"url": f"{core}birthsex", "valueCode": "F"},
            {"url": f"{core}sex", "valueCode": "248152002"},
            {
                "url": f"{core}genderIdentity",
                "valueCodeableConcept": {"coding": [{"code": "446141000124107"}]},
            },
            {"url": f"{core}tribal-affiliation", "extension": [tribe]},
        ],
        "address": [{"use": "home", "line": ["1 Way", "Flat 2"], "city": "Salem"}],
        "telecom": [
            {"system": "phone", "use": "old", "value": "1"},
            {"system": "email", "value": "a@b.example"},
            {"system": "phone", "value": "2"},
        ],
    }
    tables.tell(patient(**told))
    tables.build("silver.patient")
    tables.holds(
        "silver.patient",
        """
        birth_sex_code | sex_code  | gender_identity_code | tribe_code | address_line | city  | phone | email
        F              | 248152002 | 446141000124107      | 91         | 1 Way Flat 2 | Salem | 2     | a@b.example
        """,
    )
