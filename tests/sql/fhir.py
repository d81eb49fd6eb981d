"""Small FHIR resources for tests of the models: only what a test is about is said."""

from typing import Any

Resource = dict[str, Any]

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"


def concept(code: str, system: str = LOINC) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": code}]}


def quantity(value: Any, unit: str) -> Resource:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def period(start: str, end: str = "") -> Resource:
    return ({"start": start} if start else {}) | ({"end": end} if end else {})


def stay(ward: str, start: str = "", end: str = "", **told: Any) -> Resource:
    """A place of an encounter."""
    when = {"period": period(start, end)} if start or end else {}
    return {"location": {"reference": f"Location/{ward}"}, **when, **told}


def patient(identity: str = "p1", **told: Any) -> Resource:
    return {"resourceType": "Patient", "id": identity, **told}


def encounter(identity: str = "e1", person: str = "p1", kind: str = "IMP", **told: Any) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": identity,
        "status": "finished",
        "class": {"system": ACT, "code": kind},
        "subject": {"reference": f"Patient/{person}"},
        **told,
    }


def observation(identity: str = "o1", person: str = "p1", **told: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": concept("8867-4"),
        "subject": {"reference": f"Patient/{person}"},
        "effectiveDateTime": "2026-01-05T10:00:00-05:00",
        **told,
    }


def record(kind: str, identity: str = "x1", person: str = "p1", **told: Any) -> Resource:
    """A Condition, Procedure or MedicationRequest of a patient."""
    return {
        "resourceType": kind,
        "id": identity,
        "subject": {"reference": f"Patient/{person}"},
        **told,
    }


def version(resource: Resource, number: str, updated: str) -> Resource:
    meta = {"versionId": number, "lastUpdated": updated}
    return {**resource, "meta": {key: value for key, value in meta.items() if value}}
