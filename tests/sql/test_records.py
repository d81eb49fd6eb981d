"""silver.condition, silver.procedure and silver.medication_request."""

import json
from typing import Any

import pytest

from tests.sql.drawn import Tables, read
from tests.sql.fhir import Resource, concept, period, record

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def condition(**told: Any) -> Resource:
    usual = {"code": concept("c1", SNOMED), "abatementDateTime": "2026-02-04"}
    return record("Condition", **usual | told)


def procedure(**told: Any) -> Resource:
    return record("Procedure", **{"status": "completed", "code": concept("c1", SNOMED)} | told)


def order(**told: Any) -> Resource:
    usual = {
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": concept("m1", RXNORM),
        "authoredOn": "2026-01-05T22:00:00-05:00",
    }
    return record("MedicationRequest", **usual | told)


MAKERS = {"condition": condition, "procedure": procedure, "medication_request": order}

REFUSED = """
table              | change                                         | broke
condition          | {"subject": null}                              | patient_id is present
condition          | {"subject": {"reference": "Group/g1"}}         | patient_id is present
condition          | {"code": null}                                 | condition_code is not null
condition          | {"onsetDateTime": "2026-02-05"}                | abated_on >=
procedure          | {"subject": null}                              | patient_id is present
procedure          | {"code": {}}                                   | procedure_code is not null
procedure          | {"status": null}                               | procedure_status is present
procedure          | {"status": "half-done"}                        | procedure_status is one of
medication_request | {"subject": null}                              | patient_id is present
medication_request | {"status": null}                               | _status is present
medication_request | {"intent": null}                               | intent_code is present
medication_request | {"intent": "wish"}                             | intent_code is one of
medication_request | {"medicationCodeableConcept": null}            | medication_code is not
"""


@pytest.mark.parametrize(("table", "change", "broke"), read(REFUSED)[1:])
def test_what_the_standard_requires_must_be_there(
    tables: Tables, table: str, change: str, broke: str
) -> None:
    told = MAKERS[table]() | json.loads(change)
    tables.tell({name: value for name, value in told.items() if value is not None})
    tables.build(f"silver.{table}")
    tables.holds(f"silver.{table}", "patient_id")
    ((reason,),) = tables.draw(f"quarantine.silver_{table}", ["_broke"])
    assert broke in reason


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("condition", {"verificationStatus": concept("entered-in-error", VERIFIED)}),
        ("procedure", {"status": "entered-in-error"}),
        ("medication_request", {"status": "entered-in-error"}),
    ],
)
def test_entered_in_error_leaves_the_table(tables: Tables, table: str, change: Resource) -> None:
    tables.tell(MAKERS[table]())
    tables.build(f"silver.{table}")
    assert len(tables.draw(f"silver.{table}", ["patient_id"])) == 1
    tables.tell(MAKERS[table]() | change)
    tables.build(f"silver.{table}")
    tables.holds(f"silver.{table}", "patient_id")


def test_a_condition_has_its_states_codes_and_times(tables: Tables) -> None:
    tables.tell(
        condition(
            clinicalStatus={
                "coding": [{"system": "urn:x", "code": "y"}, {"system": CLINICAL, "code": "active"}]
            },
            verificationStatus=concept("confirmed", VERIFIED),
            category=[concept("problem-list-item"), {"text": "no code"}],
            code={
                "coding": [{"system": "urn:x", "code": "x1"}, {"system": SNOMED, "code": "c1"}],
                "text": "as told",
            },
            encounter={"reference": "Encounter/e1"},
            onsetPeriod=period("2026-01-06T03:00:00Z"),
            abatementDateTime="2026-02",
            recordedDate="2026-01-07",
        )
    )
    tables.build("silver.condition")
    tables.holds(
        "silver.condition",
        """
        clinical_status_code | verification_status_code | category_codes      | encounter_id
        active               | confirmed                | [problem-list-item] | north/e1
        """,
    )
    tables.holds(
        "silver.condition",
        """
        condition_code | condition_text | onset_on   | abated_on | abated_precision | recorded_at
        c1             | as told        | 2026-01-05 | -         | month            | -
        """,
    )


def test_a_problem_without_states_is_a_problem(tables: Tables) -> None:
    tables.tell(condition())
    tables.build("silver.condition")
    tables.holds("silver.condition", "condition_code | clinical_status_code\nc1 | -")


def test_a_procedure_happens_at_a_time_or_over_one(tables: Tables) -> None:
    tables.tell(
        procedure(id="x1", performedDateTime="2026-01-05T22:00:00-05:00"),
        procedure(id="x2", performedPeriod=period("2026-01-06T03:00:00Z", "2026-01-06T04:00:00Z")),
        procedure(id="x3", performedPeriod=period("2026-01-06T03:00:00Z", "2026-01-06T02:00:00Z")),
        procedure(id="x4", status="not-done"),
        procedure(id="x5"),
    )
    tables.build("silver.procedure")
    tables.holds(
        "silver.procedure",
        """
        procedure_id | procedure_status | performed_on | performed_until_at
        north/x1     | completed        | 2026-01-05   | -
        north/x2     | completed        | 2026-01-05   | 2026-01-06 04:00:00+00
        north/x4     | not-done         | -            | -
        north/x5     | completed        | -            | -
        """,
    )
    tables.holds("quarantine.silver_procedure", "procedure_id\nnorth/x3")
    assert list(tables.broken("silver.procedure").values()) == [1]


def test_an_order_names_its_medication_or_points_to_it(tables: Tables) -> None:
    pointing = order(id="x2", medicationReference={"reference": "Medication/m9"})
    del pointing["medicationCodeableConcept"]
    tables.tell(
        order(),
        pointing,
        order(id="x3", medicationCodeableConcept={"text": "a pill"}, doNotPerform=True),
    )
    tables.build("silver.medication_request")
    tables.holds(
        "silver.medication_request",
        """
        medication_request_id | medication_code | medication_text | medication_id | is_prohibition
        north/x1              | m1              | -               | -             | false
        north/x2              | -               | -               | north/m9      | false
        north/x3              | -               | a pill          | -             | true
        """,
    )
    tables.db.execute("delete from silver.medication_request where medication_code is null")
    tables.holds(
        "silver.medication_request",
        "authored_at | authored_on | authored_precision\n2026-01-06 03:00:00+00|2026-01-05|second",
    )


def test_a_record_that_moves_to_another_patient_is_only_theirs(tables: Tables) -> None:
    tables.tell(condition())
    tables.tell(condition(subject={"reference": "Patient/p2"}))
    tables.build("silver.condition")
    tables.holds("silver.condition", "condition_id | patient_id\nnorth/x1 | north/p2")
