"""silver.encounter: one row per encounter, its times by the rules, and what may not enter."""

import pytest

from tests.sql.drawn import Tables, read
from tests.sql.fhir import DISPOSITION, concept, encounter, period

TIMES = """
source | start                     | admitted_at            | admitted_on | admitted_precision
north  | 2026-01-05T22:00:00-05:00 | 2026-01-06 03:00:00+00 | 2026-01-05  | second
north  | 2026-01-06T03:00:00Z      | 2026-01-06 03:00:00+00 | 2026-01-05  | second
south  | 2026-01-06T05:30:00Z      | 2026-01-06 05:30:00+00 | 2026-01-05  | second
north  | 2026-01-06T05:30:00Z      | 2026-01-06 05:30:00+00 | 2026-01-06  | second
north  | 2026-01-05                | -                      | 2026-01-05  | day
north  | 2026-01                   | -                      | -           | month
north  | 2026                      | -                      | -           | year
north  | soon                      | -                      | -           | -
north  |                           | -                      | -           | -
lost   | 2026-01-06T03:00:00Z      | 2026-01-06 03:00:00+00 | -           | second
lost   | 2026-01-05T22:00:00-05:00 | 2026-01-06 03:00:00+00 | 2026-01-05  | second
"""


@pytest.mark.parametrize(("source", "start", "at", "on", "precision"), read(TIMES)[1:])
def test_an_encounter_begins_where_the_patient_is(
    tables: Tables, source: str, start: str, at: str, on: str, precision: str
) -> None:
    tables.tell(encounter(status="planned", period=period(start)), source=source)
    tables.build("silver.encounter")
    columns = ["admitted_at", "admitted_on", "admitted_precision"]
    assert tables.draw("silver.encounter", columns) == [(at, on, precision)]


CLASSES = """
class  | is_inpatient | is_acute
IMP    | true         | true
ACUTE  | true         | true
NONAC  | true         | false
AMB    | false        | false
EMER   | false        | false
FLD    | false        | false
HH     | false        | false
OBSENC | false        | false
PRENC  | false        | false
SS     | false        | false
VR     | false        | false
WARD   | -            | -
"""


@pytest.mark.parametrize(("kind", "is_inpatient", "is_acute"), read(CLASSES)[1:])
def test_a_class_says_whether_it_is_inpatient_care(
    tables: Tables, kind: str, is_inpatient: str, is_acute: str
) -> None:
    tables.tell(encounter(kind=kind, period=period("2026-01-05", "2026-01-06")))
    tables.build("silver.encounter")
    assert tables.draw("silver.encounter", ["is_inpatient", "is_acute"]) == [
        (is_inpatient, is_acute)
    ]
    assert ("is_inpatient is present" in tables.broken("silver.encounter")) == (kind == "WARD")


def test_a_code_of_another_system_is_not_taken_for_a_class(tables: Tables) -> None:
    told = encounter(period=period("2026-01-05"))
    tables.tell(told | {"class": {"system": "urn:local", "code": "IMP"}})
    tables.build("silver.encounter")
    tables.holds("silver.encounter", "class_code | is_inpatient\nIMP | -")


PERIODS = """
start                     | end                       | broke
2026-01-05T10:00:00-05:00 | 2026-01-05T10:00:00-05:00 | -
2026-01-05T10:00:00-05:00 |                           | -
                          | 2026-01-05T10:00:00-05:00 | -
2026-01-05T10:00:00-05:00 | 2026-01-05T09:59:59-05:00 | at
2026-01-05                | 2026-01-04                | on
2026-01-05T23:00:00-05:00 | 2026-01-06T03:00:00Z      | at
2026-01-05T10:00:00-05:00 | 2026-01-05                | -
"""


@pytest.mark.parametrize(("start", "end", "broke"), read(PERIODS)[1:])
def test_an_inverted_period_waits_and_an_open_one_does_not(
    tables: Tables, start: str, end: str, broke: str
) -> None:
    tables.tell(encounter(period=period(start, end)))
    tables.build("silver.encounter")
    reasons = tables.draw("quarantine.silver_encounter", ["_broke"])
    assert len(reasons) == (broke != "-")
    assert all(f"discharged_{broke} >= admitted_{broke}" in reason for (reason,) in reasons)


REFUSED = """
change                      | broke
subject                     | patient_id is present
status                      | encounter_status is present
"""


@pytest.mark.parametrize(("missing", "broke"), read(REFUSED)[1:])
def test_without_patient_or_status_an_encounter_waits(
    tables: Tables, missing: str, broke: str
) -> None:
    told = encounter(period=period("2026-01-05", "2026-01-06"))
    del told[missing]
    tables.tell(told)
    tables.build("silver.encounter")
    tables.holds("silver.encounter", "encounter_id")
    tables.holds("quarantine.silver_encounter", f"_broke\n{broke}")


def test_entered_in_error_leaves_and_an_unknown_status_waits(tables: Tables) -> None:
    tables.tell(
        encounter("e1", status="entered-in-error"),
        encounter("e2", status="done"),
        encounter("e3", status="cancelled"),
    )
    tables.build("silver.encounter")
    tables.holds("silver.encounter", "encounter_id\nnorth/e3")
    tables.holds("quarantine.silver_encounter", "encounter_id\nnorth/e2")


def test_a_correction_to_entered_in_error_takes_the_row_away(tables: Tables) -> None:
    tables.tell(encounter(period=period("2026-01-05")))
    tables.tell(encounter(status="entered-in-error"))
    tables.build("silver.encounter")
    tables.holds("silver.encounter", "encounter_id")


def test_two_sites_with_the_same_ids_never_meet(tables: Tables) -> None:
    for source in ("north", "south"):
        tables.tell(encounter(period=period("2026-01-06T05:30:00Z")), source=source)
    tables.build("silver.encounter")
    tables.holds(
        "silver.encounter",
        """
        encounter_id | patient_id | source | admitted_on
        north/e1     | north/p1   | north  | 2026-01-06
        south/e1     | south/p1   | south  | 2026-01-05
        """,
    )


def test_an_encounter_carries_what_the_record_says_of_it(tables: Tables) -> None:
    tables.tell(
        encounter(
            type=[concept("t1", "urn:kinds")],
            priority=concept("EL", "urn:priority"),
            reasonCode=[concept("r1", "urn:reasons"), concept("r2", "urn:reasons")],
            hospitalization={
                "admitSource": concept("emd", "urn:sources"),
                "dischargeDisposition": concept("home", DISPOSITION),
            },
            serviceProvider={"reference": "Organization/h1"},
            partOf={"reference": "Encounter/e0"},
            period=period("2026-01-05"),
        )
    )
    tables.build("silver.encounter")
    tables.holds(
        "silver.encounter",
        """
        encounter_type_code | priority_code | reason_code | discharge_disposition_code
        t1                  | EL            | r1          | home
        """,
    )
    tables.holds(
        "silver.encounter",
        """
        admit_source_code | organization_id | part_of_encounter_id | available_basis
        emd               | north/h1        | north/e0             | export
        """,
    )
    tables.holds("silver.encounter", "_object | _sequence | _line\nobject-1 | 1 | 1")
