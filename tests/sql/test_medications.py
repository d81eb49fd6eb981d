"""silver.medication_request and silver.medication_administration: the code of what is ordered and given, resolved
through silver.medication."""

import json
from typing import Any

import pytest

from tests.sql.drawn import Tables, read
from tests.sql.fhir import Resource, concept, quantity
from tests.sql.test_nouns import RXNORM, silver, told

USES = ("medication_request", "medication_administration")
INSIDE = [
    {"resourceType": "Organization", "id": "m1", "code": concept("no")},
    {"resourceType": "Medication", "id": "m2", "code": concept("7", RXNORM) | {"text": "seven"}},
]

each_use = pytest.mark.parametrize("noun", USES)


def use(noun: str, identity: str = "x1", pointer: str = "Medication/m1", **more: Any) -> Resource:
    """It points to its medication and does not name it."""
    pointing = {"medicationCodeableConcept": None, "medicationReference": {"reference": pointer}}
    return told(noun, identity, **pointing | more)


POINTERS = """
pointer                               | more                                            | code | id
Medication/m1                         | {}                                              | 5    | north/m1
Medication/m1/_history/3              | {}                                              | 5    | north/m1
https://ehr.example/fhir/Medication/m1 | {}                                             | 5    | north/m1
Medication/m9                         | {}                                              | -    | north/m9
#m2                                   | {}                                              | 7    | -
Medication/m1                         | {"medicationCodeableConcept": {"coding": [{"code": "1"}]}} | 1 | north/m1
#m2                                   | {"medicationCodeableConcept": {"coding": [{"code": "1"}]}} | 1 | -
"""


@each_use
@pytest.mark.parametrize(("pointer", "more", "code", "identity"), read(POINTERS)[1:])
def test_a_code_is_its_own_or_that_of_the_medication_pointed_to(
    tables: Tables, noun: str, pointer: str, more: str, code: str, identity: str
) -> None:
    tables.tell(
        told("medication", "m1", code=concept("5", RXNORM)),
        use(noun, pointer=pointer, contained=INSIDE, **json.loads(more)),
    )
    tables.build(f"silver.{noun}")
    tables.holds(f"silver.{noun}", f"medication_code | medication_id\n{code} | {identity}")


@each_use
@pytest.mark.parametrize("pointer", ["#m1", "#m9", "#", "Substance/m1", "Medication?code=5"])
def test_what_points_to_no_medication_waits(tables: Tables, noun: str, pointer: str) -> None:
    name = silver(tables, noun, use(noun, pointer=pointer, contained=INSIDE))
    tables.holds(name, "source")
    tables.holds(f"quarantine.silver_{noun}", f"{noun}_id\nnorth/x1")


@each_use
def test_a_medication_of_another_source_is_another_medication(tables: Tables, noun: str) -> None:
    tables.tell(told("medication", "m1", code=concept("5", RXNORM)), source="south")
    tables.holds(silver(tables, noun, use(noun)), "medication_code | medication_id\n- | north/m1")


@each_use
def test_a_late_medication_gives_its_code_and_the_time_from_which_it_could_be_known(
    tables: Tables, noun: str
) -> None:
    tables.tell(use(noun), told(noun, "x2"), at="2026-11-01T00:00:00Z")
    tables.build("silver.medication", f"silver.{noun}")
    drawn = "{id} | medication_code | available_at | available_basis"
    header = drawn.format(id=f"{noun}_id")
    tables.holds(
        f"silver.{noun}",
        f"""
        {header}
        north/x1 | - | 2026-11-01 00:00:00+00 | export
        north/x2 | m | 2026-11-01 00:00:00+00 | export
        """,
    )
    tables.tell(told("medication", "m1", meta={"lastUpdated": "2026-11-05T00:00:00Z"}))
    tables.build("silver.medication", f"silver.{noun}")
    tables.holds(
        f"silver.{noun}",
        f"""
        {header}
        north/x1 | m | 2026-11-05 00:00:00+00 | updated
        north/x2 | m | 2026-11-01 00:00:00+00 | export
        """,
    )


def test_a_dose_has_its_amount_its_way_and_who_gave_it(tables: Tables) -> None:
    performers = [
        {"actor": {"reference": "Device/v1"}},
        {"actor": {"reference": "Practitioner/d1"}},
    ]
    given = told(
        "medication_administration",
        dosage={"text": "one", "dose": quantity(5, "mg"), "route": concept("26643006")},
        request={"reference": "MedicationRequest/r1"},
        context={"reference": "Encounter/e1"},
        performer=performers,
    )
    name = silver(tables, "medication_administration", given)
    tables.holds(
        name,
        """
        dose_number | dose_unit | dosage_text | route_code | medication_request_id | practitioner_ids
        5.0         | mg        | one         | 26643006   | north/r1              | [north/d1]
        """,
    )
    tables.holds(name, "encounter_id\nnorth/e1")


def test_an_order_says_by_whom_how_much_and_how_often(tables: Tables) -> None:
    order = told(
        "medication_request",
        requester={"reference": "Practitioner/d1"},
        reportedReference={"reference": "Patient/p1"},
        reasonReference=[{"reference": "Condition/c1"}],
        dosageInstruction=[{"text": "daily", "doseAndRate": [{"doseQuantity": quantity(5, "mg")}]}],
        dispenseRequest={"numberOfRepeatsAllowed": 3, "quantity": {"value": 30, "unit": "tab"}},
    )
    name = silver(tables, "medication_request", order)
    tables.holds(
        name,
        """
        practitioner_id | is_reported | condition_ids | dosage_text | dose_number | dose_unit | n_refill
        north/d1        | true        | [north/c1]    | daily       | 5.0         | mg        | 3
        """,
    )
    tables.holds(name, "dispense_number | dispense_unit_text\n30.0 | tab")
