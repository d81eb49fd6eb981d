"""The silver tables that read the project's own ViewDefinitions.

silver.organization, silver.practitioner, silver.immunization, silver.allergy,
silver.diagnostic_report, silver.device, silver.care_plan, silver.document_reference,
silver.document_attachment, silver.imaging_study, silver.specimen, silver.service_request,
silver.coverage, silver.goal, silver.care_team, silver.related_person, silver.practitioner_role,
silver.medication, silver.claim. Those with several rows a record have tests of their own.
"""

import json
from typing import Any

import pytest

from tests.sql.drawn import CATALOG, Tables, read
from tests.sql.fhir import Resource, concept, period

T = "http://terminology.hl7.org/CodeSystem/"
CVX = "http://hl7.org/fhir/sid/cvx"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NPI = "http://hl7.org/fhir/sid/us-npi"
P1 = {"reference": "Patient/p1"}
NIGHT = "2026-01-06T03:00:00Z"
"""In New York it is still the fifth."""

TOLD: dict[str, Resource] = {
    "organization": {"resourceType": "Organization", "name": "North"},
    "practitioner": {"resourceType": "Practitioner", "name": [{"family": "Day"}]},
    "immunization": {
        "resourceType": "Immunization",
        "status": "completed",
        "patient": P1,
        "vaccineCode": concept("140", CVX),
        "occurrenceDateTime": NIGHT,
    },
    "allergy": {"resourceType": "AllergyIntolerance", "patient": P1, "code": concept("1", RXNORM)},
    "diagnostic_report": {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "subject": P1,
        "code": concept("57698-3"),
        "effectivePeriod": period(NIGHT, "2026-01-06T04:00:00Z"),
    },
    "device": {
        "resourceType": "Device",
        "status": "active",
        "patient": P1,
        "type": concept("d", SNOMED),
    },
    "care_plan": {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": P1,
        "period": period(NIGHT, "2026-02"),
    },
    "document_reference": {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": P1,
        "type": concept("34117-2"),
    },
    "imaging_study": {
        "resourceType": "ImagingStudy",
        "status": "available",
        "subject": P1,
        "started": NIGHT,
    },
    "specimen": {"resourceType": "Specimen", "subject": P1, "type": concept("s", SNOMED)},
    "service_request": {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": P1,
        "code": concept("24331-1"),
    },
    "coverage": {"resourceType": "Coverage", "status": "active", "beneficiary": P1},
    "goal": {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "subject": P1,
        "description": {"text": "walk"},
    },
    "care_team": {"resourceType": "CareTeam", "status": "active", "subject": P1},
    "related_person": {"resourceType": "RelatedPerson", "patient": P1},
    "practitioner_role": {"resourceType": "PractitionerRole"},
    "medication": {"resourceType": "Medication", "code": concept("m", RXNORM)},
    "claim": {"resourceType": "Claim", "status": "active", "use": "claim", "patient": P1},
    "medication_administration": {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "subject": P1,
        "medicationCodeableConcept": concept("m", RXNORM),
        "effectiveDateTime": NIGHT,
    },
}
MANY: dict[str, Resource] = {
    "patient_link": {
        "resourceType": "Patient",
        "link": [{"type": "seealso", "other": {"reference": "Patient/p2"}}] * 2,
    },
    "provenance": {
        "resourceType": "Provenance",
        "recorded": NIGHT,
        "target": [P1, {"reference": "Condition/c1"}],
        "agent": [{"who": {"reference": "Organization/o1"}}],
    },
    "questionnaire_response": {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": P1,
        "item": [{"linkId": "1", "answer": [{"valueString": "a"}, {"valueString": "b"}]}],
    },
    "document_attachment": {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": P1,
        "content": [{"attachment": {"contentType": "text/plain"}}] * 2,
    },
}
"""Nouns with several rows a record."""


def told(noun: str, identity: str = "x1", **more: Any) -> Resource:
    """The least that a good record of the noun says, changed; None takes out."""
    whole = {"id": identity, **(TOLD | MANY | OLDER)[noun], **more}
    return {name: value for name, value in whole.items() if value is not None}


OLDER = {
    "condition": {"resourceType": "Condition", "subject": P1, "code": concept("c", SNOMED)},
    "medication_request": {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": P1,
        "medicationCodeableConcept": concept("m", RXNORM),
    },
    "procedure": {"resourceType": "Procedure", "status": "completed", "subject": P1,
                  "code": concept("p", SNOMED)},
    "observation": {"resourceType": "Observation", "status": "final", "subject": P1,
                    "code": concept("8867-4")},
}  # fmt: skip
"""Nouns that have tests of their own."""


def silver(tables: Tables, noun: str, *resources: Resource) -> str:
    """The built table."""
    tables.tell(*resources)
    tables.build(f"silver.{noun}")
    return f"silver.{noun}"


def test_each_table_that_reads_a_view_is_tried_here() -> None:
    views = {name for name, table in CATALOG.tables.items() if table.definition}
    reading = {table.noun for table in CATALOG.models() if views & set(table.reads)}
    assert reading <= TOLD.keys() | MANY.keys()


@pytest.mark.parametrize("noun", MANY)
def test_a_noun_of_many_rows_a_record_has_them_and_its_declared_types(
    tables: Tables, noun: str
) -> None:
    name = silver(tables, noun, told(noun))
    rows, records = tables.db.execute(
        f"select count(*), count(distinct _line) from {name}"
    ).fetchone() or (0, 0)
    assert (rows, records) == (2, 1)
    assert types(tables, name) == {n: CATALOG.columns[n].type for n in types(tables, name)}


def types(tables: Tables, name: str) -> dict[str, str]:
    """The type of each column, in the words of columns.yml."""
    found = {row[0]: row[1].lower() for row in tables.db.execute(f"describe {name}").fetchall()}
    return {n: "timestamptz" if t.startswith("timestamp") else t for n, t in found.items()}


@pytest.mark.parametrize("noun", TOLD)
def test_the_least_record_is_a_row_with_its_keys_and_its_envelope(
    tables: Tables, noun: str
) -> None:
    name = silver(tables, noun, told(noun))
    tables.holds(name, f"{noun}_id | source | _sequence | _line | _entry\nnorth/x1|north|1|1|0")
    if "patient_id" in CATALOG.table(name).columns:
        tables.holds(name, "patient_id\nnorth/p1")
    assert types(tables, name) == {n: CATALOG.columns[n].type for n in types(tables, name)}


REFUSED = """
noun               | change                                    | broke
immunization       | {"patient": null}                         | patient_id is present
immunization       | {"patient": {"reference": "Group/g1"}}    | patient_id is present
immunization       | {"status": null}                          | immunization_status is present
immunization       | {"status": "maybe"}                       | immunization_status is one of
immunization       | {"vaccineCode": null}                     | vaccine_code is not null
allergy            | {"patient": null}                         | patient_id is present
allergy            | {"code": null}                            | allergy_code is not null
allergy            | {"type": "wish"}                          | allergy_type_code is one of
allergy            | {"criticality": "very"}                   | criticality_code is one of
diagnostic_report  | {"subject": null}                         | patient_id is present
diagnostic_report  | {"status": "done"}                        | diagnostic_report_status is one of
diagnostic_report  | {"code": {}}                              | report_code is not null
device             | {"status": "lost"}                        | device_status is one of
care_plan          | {"subject": null}                         | patient_id is present
care_plan          | {"intent": null}                          | care_plan_intent_code is present
care_plan          | {"intent": "wish"}                        | care_plan_intent_code is one of
care_plan          | {"period": {"start": "2026-02-02", "end": "2026-02-01"}} | care_ended_on >=
document_reference | {"subject": null}                         | patient_id is present
document_reference | {"status": "final"}                       | document_reference_status is one of
document_reference | {"docStatus": "current"}                  | document_status_code is one of
imaging_study      | {"subject": null}                         | patient_id is present
imaging_study      | {"status": "final"}                       | imaging_study_status is one of
imaging_study      | {"numberOfSeries": 100001}                | n_series
specimen           | {"subject": null}                         | patient_id is present
specimen           | {"status": "gone"}                        | specimen_status is one of
service_request    | {"subject": null}                         | patient_id is present
service_request    | {"intent": "wish"}                        | service_request_intent_code is one of
service_request    | {"priority": "now"}                       | service_request_priority_code is one
service_request    | {"code": null}                            | service_code is not null
coverage           | {"beneficiary": null}                     | patient_id is present
coverage           | {"status": null}                          | coverage_status is present
coverage           | {"period": {"start": "2026-02-02", "end": "2026-02-01"}} | covered_until_on >=
goal               | {"subject": null}                         | patient_id is present
goal               | {"lifecycleStatus": "half"}               | goal_status is one of
goal               | {"description": null}                     | goal_code is not null
care_team          | {"subject": null}                         | patient_id is present
care_team          | {"status": "final"}                       | care_team_status is one of
related_person     | {"patient": null}                         | patient_id is present
practitioner_role  | {"period": {"start": "2026-02-02", "end": "2026-02-01"}} | role_until_on >=
medication         | {"code": null}                            | medication_code is not null
medication         | {"status": "lost"}                        | medication_status is one of
claim              | {"patient": null}                         | patient_id is present
claim              | {"status": "paid"}                        | claim_status is one of
claim              | {"use": null}                             | claim_use_code is present
claim              | {"billablePeriod": {"start": "2026-02-02", "end": "2026-02-01"}} | billed_until_on >=
medication_administration | {"subject": null}                  | patient_id is present
medication_administration | {"status": null}                   | medication_administration_status is
medication_administration | {"status": "given"}                | medication_administration_status is
medication_administration | {"medicationCodeableConcept": null} | medication_code is not null
medication_administration | {"dosage": {"dose": {"value": -1}}} | dose_number >= 0
"""


@pytest.mark.parametrize(("noun", "change", "broke"), read(REFUSED)[1:])
def test_what_the_standard_requires_must_be_there(
    tables: Tables, noun: str, change: str, broke: str
) -> None:
    name = silver(tables, noun, told(noun, **json.loads(change)))
    tables.holds(name, f"{noun}_id")
    ((reason,),) = tables.draw(f"quarantine.silver_{noun}", ["_broke"])
    assert broke in reason


VERIFIED = concept("entered-in-error", f"{T}allergyintolerance-verification")
IN_ERROR: dict[str, Resource] = {
    **{
        noun: {"status": "entered-in-error"}
        for noun in TOLD
        if noun not in ("organization", "practitioner", "practitioner_role", "related_person")
    },
    "allergy": {"verificationStatus": VERIFIED},
    "goal": {"lifecycleStatus": "entered-in-error"},
}


@pytest.mark.parametrize("noun", IN_ERROR)
def test_entered_in_error_leaves_the_table(tables: Tables, noun: str) -> None:
    name = silver(tables, noun, told(noun))
    assert len(tables.draw(name, ["source"])) == 1
    tables.holds(silver(tables, noun, told(noun, **IN_ERROR[noun])), "source")
    tables.holds(f"quarantine.silver_{noun}", "source")


CODED = {
    "immunization": ("vaccineCode", CVX, "vaccine"),
    "allergy": ("code", RXNORM, "allergy"),
    "diagnostic_report": ("code", "http://loinc.org", "report"),
    "device": ("type", SNOMED, "device"),
    "document_reference": ("type", "http://loinc.org", "document"),
    "specimen": ("type", SNOMED, "specimen"),
    "service_request": ("code", "http://loinc.org", "service"),
    "goal": ("description", SNOMED, "goal"),
    "medication": ("code", RXNORM, "medication"),
    "medication_request": ("medicationCodeableConcept", RXNORM, "medication"),
    "medication_administration": ("medicationCodeableConcept", RXNORM, "medication"),
    "condition": ("code", SNOMED, "condition"),
    "observation": ("code", "http://loinc.org", "observation"),
    "procedure": ("code", SNOMED, "procedure"),
}


@pytest.mark.parametrize("noun", CODED)
def test_the_code_follows_a_preference_and_no_coding_is_lost(tables: Tables, noun: str) -> None:
    element, preferred, column = CODED[noun]
    one, other, bare = {"system": "urn:x", "code": "a"}, {"system": preferred}, {"code": "b"}
    best = {**other, "code": "c", "display": "see"}
    codes = {"x1": [other, bare, one, best], "x2": [{}, one, other], "x3": [bare]}
    resources = [
        told(noun, key, **{element: {"coding": codings, "text": "said"}})
        for key, codings in codes.items()
    ]
    name = silver(tables, noun, *resources)
    tables.holds(
        name,
        f"""
        {noun}_id | {column}_code | {column}_system | {column}_display | {column}_text
        north/x1  | c             | {preferred}     | see              | said
        north/x2  | a             | urn:x           | -                | said
        north/x3  | b             | -               | -                | said
        """,
    )
    found = tables.db.execute(f"select list_sort(codings) from {name} order by {noun}_id")
    every = sorted(["urn:x|a", f"{preferred}|c", "|b"])
    assert [codings for (codings,) in found.fetchall()] == [every, ["urn:x|a"], ["|b"]]


CATEGORIES = [
    {"coding": [{"code": "b"}, {"system": "urn:x"}, {"code": "a"}]},
    {"text": "word"},
    {"coding": [{"code": "a", "system": "urn:x"}, {"code": "c"}]},
]
CATEGORIZED: dict[str, list[tuple[str, Any, str]]] = {
    "allergy": [("a", ["b", "a"], "[b, a]"), ("b", None, "[]")],
    **{
        noun: [("a", CATEGORIES, "[b, a, c]"), ("b", None, "[]"), ("c", [], "[]")]
        for noun in (
            "condition",
            "medication_request",
            "observation",
            "diagnostic_report",
            "goal",
            "service_request",
        )
    },
}


@pytest.mark.parametrize("noun", CATEGORIZED)
def test_the_codes_of_all_categories_stand_once_in_the_order_written(
    tables: Tables, noun: str
) -> None:
    told_of = [
        (told(noun, key, category=written), codes) for key, written, codes in CATEGORIZED[noun]
    ]
    name = silver(tables, noun, *(resource for resource, _ in told_of))
    tables.holds(name, "\n".join(("category_codes", *(codes for _, codes in told_of))))


def test_every_table_with_category_codes_is_tried_here() -> None:
    having = {t.noun for t in CATALOG.models() if "category_codes" in t.columns}
    assert having == set(CATEGORIZED)


WARNED = """
noun     | change                                                    | broke
device   | {"status": null}                                          | device_status is present
device   | {"type": {"text": "pump"}}                                | device_code is present
specimen | {}                                                        | specimen_status is present
specimen | {"collection": {"collectedDateTime": "2026-01-06T03:00:00Z"}, "receivedTime": "2026-01-06T02:00:00Z"} | specimen_received_at >=
allergy  | {}                                                        | allergy_clinical_status_code
allergy  | {"clinicalStatus": {"coding": [{"code": "active"}]}}      | allergy_clinical_status_code
allergy  | {}                                                        | allergy_verification_status
"""


@pytest.mark.parametrize(("noun", "change", "broke"), read(WARNED)[1:])
def test_what_a_careful_source_says_is_missed_and_the_row_stands(
    tables: Tables, noun: str, change: str, broke: str
) -> None:
    name = silver(tables, noun, told(noun, **json.loads(change)))
    tables.holds(name, f"{noun}_id\nnorth/x1")
    assert any(broke in check for check in tables.broken(name))


DAYS = """
noun              | told                                                  | column
immunization      | {"occurrenceDateTime": "2026-01-06T03:00:00Z"}         | occurred
allergy           | {"onsetPeriod": {"start": "2026-01-06T03:00:00Z"}}     | onset
allergy           | {"lastOccurrence": "2026-01-06T03:00:00Z"}             | last_reaction
diagnostic_report | {"effectiveDateTime": "2026-01-06T03:00:00Z", "effectivePeriod": null} | effective
diagnostic_report | {}                                                    | effective
device            | {"manufactureDate": "2026-01-06T03:00:00Z"}            | manufactured
care_plan         | {}                                                    | care_began
document_reference | {"context": {"period": {"end": "2026-01-06T03:00:00Z"}}} | period_until
imaging_study     | {}                                                    | imaged
specimen          | {"collection": {"collectedDateTime": "2026-01-06T03:00:00Z"}} | collected
service_request   | {"authoredOn": "2026-01-06T03:00:00Z"}                 | authored
service_request   | {"occurrencePeriod": {"start": "2026-01-06T03:00:00Z"}} | requested_for
coverage          | {"period": {"start": "2026-01-06T03:00:00Z"}}          | covered_from
care_team         | {"period": {"end": "2026-01-06T03:00:00Z"}}            | care_ended
related_person    | {"period": {"start": "2026-01-06T03:00:00Z"}}          | related_from
practitioner_role | {"period": {"start": "2026-01-06T03:00:00Z"}}          | role_from
medication        | {"batch": {"expirationDate": "2026-01-06T03:00:00Z"}}  | expires
claim             | {"billablePeriod": {"start": "2026-01-06T03:00:00Z"}}  | billed_from
medication_administration | {}                                            | administered
medication_administration | {"effectiveDateTime": null, "effectivePeriod": {"start": "2026-01-06T03:00:00Z"}} | administered
"""


@pytest.mark.parametrize(("noun", "change", "column"), read(DAYS)[1:])
def test_a_day_is_that_of_the_patient(tables: Tables, noun: str, change: str, column: str) -> None:
    name = silver(tables, noun, told(noun, **json.loads(change)))
    tables.holds(name, f"{column}_on | {column}_precision\n2026-01-05 | second")
    if f"{column}_at" in CATALOG.table(name).columns:
        tables.holds(name, f"{column}_at\n2026-01-06 03:00:00+00")


RECORDED = {
    "immunization": "recorded",
    "allergy": "recordedDate",
    "diagnostic_report": "issued",
    "care_plan": "created",
    "document_reference": "date",
    "claim": "created",
}


@pytest.mark.parametrize("noun", RECORDED)
def test_a_fact_is_available_when_recorded_or_when_its_version_came(
    tables: Tables, noun: str
) -> None:
    early, late = "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z"
    name = silver(
        tables,
        noun,
        told(noun, "x1", **{RECORDED[noun]: early}),
        told(noun, "x2", **{RECORDED[noun]: late}),
    )
    tables.holds(
        name,
        """
        recorded_at            | available_at           | available_basis
        2026-01-01 00:00:00+00 | 2026-11-01 00:00:00+00 | export
        2026-12-01 00:00:00+00 | 2026-12-01 00:00:00+00 | recorded
        """,
    )


def test_a_document_has_a_row_for_each_form_and_never_its_data(tables: Tables) -> None:
    forms = [
        {"attachment": {"contentType": "text/plain", "data": "c2VjcmV0"}},
        {"attachment": {"contentType": "application/pdf", "size": 9, "hash": "aGFzaA==",
                        "url": "Binary/b1"}, "format": {"code": "urn:f"}},
    ]  # fmt: skip
    name = silver(
        tables, "document_attachment", told("document_reference", content=forms, docStatus="final")
    )
    tables.holds(
        name,
        """
        document_reference_id | attachment_number | content_type    | attachment_bytes | is_inline
        north/x1              | 1                 | text/plain      | -                | true
        north/x1              | 2                 | application/pdf | 9                | false
        """,
    )
    tables.holds(
        name, "attachment_hash | attachment_url | format_code\n-|-|-\naGFzaA== | Binary/b1 | urn:f"
    )
    texts = tables.db.execute(f"select columns(*)::varchar from {name}").fetchall()
    assert "c2VjcmV0" not in str(texts)


def test_an_attachment_of_a_document_without_a_patient_waits(tables: Tables) -> None:
    form = {"attachment": {"contentType": "text/plain", "url": "Binary/b1"}}
    name = silver(
        tables, "document_attachment", told("document_reference", subject=None, content=[form])
    )
    tables.holds(name, "attachment_number")
    tables.holds("quarantine.silver_document_attachment", "attachment_number\n1")


def test_a_team_has_a_row_for_each_member_and_one_without_members(tables: Tables) -> None:
    members = [
        {"role": [concept("nurse", SNOMED)], "member": {"reference": "Practitioner/d1"}},
        {"member": {"reference": "RelatedPerson/r1"}},
        {"member": {"reference": "Organization/o1"}},
    ]
    tables.holds(
        silver(
            tables, "care_team", told("care_team", participant=members), told("care_team", "x2")
        ),
        """
        care_team_id | member_number | member_role_code | practitioner_id | related_person_id
        north/x1     | 1             | nurse            | north/d1        | -
        north/x1     | 2             | -                | -               | north/r1
        north/x1     | 3             | -                | -               | -
        north/x2     | 1             | -                | -               | -
        """,
    )


def test_a_report_names_what_it_rests_on_and_who_made_it(tables: Tables) -> None:
    performers = [{"reference": "Practitioner/d1"}, {"reference": "Organization/o1"}]
    results = [{"reference": "Observation/a"}, {"reference": "Observation/b"}]
    report = told("diagnostic_report", performer=performers, result=results, conclusion="well")
    tables.holds(
        silver(tables, "diagnostic_report", report),
        """
        observation_ids    | practitioner_ids | organization_ids | conclusion_text | effective_until_at
        [north/a, north/b] | [north/d1]       | [north/o1]       | well            | 2026-01-06 04:00:00+00
        """,
    )


def test_an_organization_and_a_practitioner_have_their_names_and_numbers(tables: Tables) -> None:
    number = [{"system": "urn:x", "value": "9"}, {"system": NPI, "value": "12"}]
    address = [{"line": ["1 Way"], "city": "Salem", "state": "MA", "postalCode": "01970"}]
    tables.tell(
        told("organization", identifier=number, address=address, active=True),
        told(
            "practitioner",
            identifier=number,
            name=[{"use": "old", "family": "Dusk"}, {"family": "Day", "given": ["A", "B"]}],
        ),
        told("practitioner_role", practitioner={"reference": "Practitioner/x1"},
             organization={"reference": "Organization/x1"}, specialty=[concept("s", "urn:s")]),
    )  # fmt: skip
    tables.build("silver.organization", "silver.practitioner", "silver.practitioner_role")
    tables.holds(
        "silver.organization",
        """
        organization_name | organization_npi | organization_city | organization_state | is_active
        North             | 12               | Salem             | MA                 | true
        """,
    )
    tables.holds(
        "silver.practitioner",
        "practitioner_family_name|practitioner_given_name|practitioner_npi\nDay | A B | 12",
    )
    tables.holds(
        "silver.practitioner_role", "practitioner_id | organization_id\nnorth/x1 | north/x1"
    )
    assert tables.one("select specialty_codings[1] from silver.practitioner_role") == "urn:s|s"


def test_a_coverage_and_a_related_person_say_whose_they_are(tables: Tables) -> None:
    tables.tell(
        told("coverage", subscriberId="s9", payor=[{"reference": "Organization/o1"}],
             **{"class": [{"type": concept("group"), "value": "g7"}]}),
        told("related_person", relationship=[concept("MTH", f"{T}v3-RoleCode")],
             name=[{"family": "Day", "given": ["Eve"]}]),
    )  # fmt: skip
    tables.build("silver.coverage", "silver.related_person")
    tables.holds(
        "silver.coverage",
        "coverage_subscriber_number|payor_organization_id|coverage_group_number\ns9|north/o1|g7",
    )
    tables.holds("silver.related_person", "related_family_name | related_given_name\nDay | Eve")
