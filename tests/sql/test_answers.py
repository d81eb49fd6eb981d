"""silver.questionnaire_response, silver.provenance, silver.patient_link, silver.claim, silver.document_attachment:
what only they say."""

import json

import pytest

from tests.sql.drawn import Tables, read
from tests.sql.fhir import concept, period
from tests.sql.test_nouns import P1, silver, told

ANSWERS = """
answer                                      | type     | number | code | text
{"valueBoolean": false}                     | boolean  | -      | false | -
{"valueInteger": 3}                         | integer  | 3.0    | -    | 3
{"valueDecimal": 1.25}                      | decimal  | 1.25   | -    | 1.25
{"valueDate": "2026-01"}                    | date     | -      | -    | 2026-01
{"valueDateTime": "2026-01-06T03:00:00Z"}   | dateTime | -      | -    | 2026-01-06T03:00:00Z
{"valueTime": "12:00:00"}                   | time     | -      | -    | 12:00:00
{"valueString": "well"}                     | string   | -      | -    | well
{"valueUri": "urn:a"}                       | uri      | -      | -    | urn:a
{"valueCoding": {"code": "c", "display": "see"}} | Coding | -   | c    | see
{"valueQuantity": {"value": 2.0, "unit": "kg"}} | Quantity | 2.0 | -   | 2.0
{"valueQuantity": {"value": 2, "comparator": "<"}} | Quantity | - | -  | 2
{"valueReference": {"reference": "Patient/p2"}} | Reference | - | -   | Patient/p2
{"valueAttachment": {"url": "Binary/b1"}}   | Attachment | -    | -    | Binary/b1
{"extension": [{"url": "urn:u"}]}           | -        | -      | -    | -
"""


@pytest.mark.parametrize(("answer", "kind", "number", "code", "text"), read(ANSWERS)[1:])
def test_an_answer_of_any_type_stands_in_its_column(
    tables: Tables, answer: str, kind: str, number: str, code: str, text: str
) -> None:
    item = {"linkId": "1", "answer": [json.loads(answer)]}
    name = silver(tables, "questionnaire_response", told("questionnaire_response", item=[item]))
    tables.holds(
        name,
        f"value_type | value_number | value_code | value_text\n{kind} | {number} | {code} | {text}",
    )


def test_answers_are_found_at_any_depth_and_items_without_one_are_counted(tables: Tables) -> None:
    deep = {"linkId": "1.1.1", "answer": [{"valueInteger": 3}]}
    items = [
        {"linkId": "1", "text": "group", "item": [
            {"linkId": "1.1", "text": "ask", "answer": [{"valueInteger": 1, "item": [deep]},
                                                       {"valueInteger": 2}]}]},
        {"linkId": "2", "answer": [{"valueInteger": 4}]},
    ]  # fmt: skip
    response = told("questionnaire_response", item=items, authored="2026-01-06T03:00:00Z")
    name = silver(tables, "questionnaire_response", response)
    tables.holds(
        name,
        """
        item_number | answer_number | question_link | question_text | value_number | authored_on
        2           | 1             | 1.1           | ask           | 1.0          | 2026-01-05
        2           | 2             | 1.1           | ask           | 2.0          | 2026-01-05
        3           | 1             | 1.1.1         | -             | 3.0          | 2026-01-05
        4           | 1             | 2             | -             | 4.0          | 2026-01-05
        """,
    )


def test_the_origin_of_each_target_is_told_with_each_agent(tables: Tables) -> None:
    author, sender = concept("author", "urn:a"), concept("transmitter", "urn:a")
    agents = [
        {"type": author, "who": {"reference": "Practitioner/d1"},
         "onBehalfOf": {"reference": "Organization/o1"}},
        {"type": sender, "who": {"reference": "Organization/o2"}},
    ]  # fmt: skip
    targets = [P1, {"reference": "Observation/o1/_history/2"}]
    both = told("provenance", agent=agents, target=targets)
    name = silver(tables, "provenance", both, told("provenance", "x2", agent=None, target=[P1]))
    tables.holds(
        name,
        """
        provenance_id | target_number | agent_number | target_type | target_id | patient_id | agent_type_code | practitioner_id | organization_id | behalf_organization_id
        north/x1 | 1 | 1 | Patient     | north/p1 | north/p1 | author      | north/d1 | -        | north/o1
        north/x1 | 1 | 2 | Patient     | north/p1 | north/p1 | transmitter | -        | north/o2 | -
        north/x1 | 2 | 1 | Observation | north/o1 | -        | author      | north/d1 | -        | north/o1
        north/x1 | 2 | 2 | Observation | north/o1 | -        | transmitter | -        | north/o2 | -
        north/x2 | 1 | 1 | Patient     | north/p1 | north/p1 | -           | -        | -        | -
        """,
    )


def test_a_patient_is_linked_with_other_records(tables: Tables) -> None:
    links = [
        {"type": "replaced-by", "other": {"reference": "Patient/p2"}},
        {"type": "seealso", "other": {"reference": "RelatedPerson/r1"}},
    ]
    tables.holds(
        silver(tables, "patient_link", told("patient_link", link=links)),
        """
        patient_id | link_number | linked_patient_id | related_person_id | link_type_code
        north/x1   | 1           | north/p2          | -                 | replaced-by
        north/x1   | 2           | -                 | north/r1          | seealso
        """,
    )


def test_a_claim_says_what_it_claims_for_whom_and_how_much(tables: Tables) -> None:
    claim = told(
        "claim",
        total={"value": 125, "currency": "USD"},
        provider={"reference": "Organization/o1"},
        insurance=[{"coverage": {"reference": "Coverage/v1"}}],
        diagnosis=[
            {"diagnosisReference": {"reference": "Condition/c1"}},
            {"diagnosisCodeableConcept": concept("d", "urn:d")},
        ],
        item=[{"productOrService": concept("s", "urn:s"),
               "encounter": [{"reference": "Encounter/e1"}]}],
        billablePeriod=period("2026-01-06T03:00:00Z"),
    )  # fmt: skip
    name = silver(tables, "claim", claim)
    tables.holds(
        name,
        """
        claimed_amount | claimed_currency_code | provider_organization_id | billed_from_on
        125.0          | USD                   | north/o1                 | 2026-01-05
        """,
    )
    assert tables.one(f"select [coverage_ids, condition_ids, encounter_ids] from {name}") == [
        ["north/v1"],
        ["north/c1"],
        ["north/e1"],
    ]
    assert tables.one(f"select [diagnosis_codings, item_codings] from {name}") == [
        ["urn:d|d"],
        ["urn:s|s"],
    ]


REFUSED = """
noun                   | change                                         | broke
questionnaire_response | {"subject": null}                              | patient_id is present
questionnaire_response | {"status": "half"}                             | questionnaire_response_status
provenance             | {"recorded": null}                             | recorded_at is present
provenance             | {"recorded": "2026-01-06"}                     | recorded_at is present
patient_link           | {"link": [{"type": "same", "other": {}}]}      | link_type_code is one of
patient_link           | {"link": [{"other": {"reference": "Patient/p"}}]} | link_type_code is present
document_attachment    | {"subject": null}                              | patient_id is present
"""


@pytest.mark.parametrize(("noun", "change", "broke"), read(REFUSED)[1:])
def test_a_row_that_breaks_what_the_standard_requires_waits(
    tables: Tables, noun: str, change: str, broke: str
) -> None:
    name = silver(tables, noun, told(noun, **json.loads(change)))
    tables.holds(name, "source")
    assert all(broke in told for (told,) in tables.draw(f"quarantine.silver_{noun}", ["_broke"]))


@pytest.mark.parametrize("noun", ["questionnaire_response", "document_attachment"])
def test_all_rows_of_a_record_entered_in_error_leave(tables: Tables, noun: str) -> None:
    assert len(tables.draw(silver(tables, noun, told(noun)), ["source"])) == 2
    tables.holds(silver(tables, noun, told(noun, status="entered-in-error")), "source")
