"""Drugs that were ordered and given, what was done, and vaccines."""

from functools import partial

from lakehouse.datasets.synthetic.clock import DAY
from lakehouse.datasets.synthetic.formats.fhir.sink import Sink, Version
from lakehouse.datasets.synthetic.formats.fhir.terms import Body, concept, quantity, term
from lakehouse.datasets.synthetic.model import (
    Change,
    Encounter,
    Immunization,
    Medication,
    Person,
    Procedure,
)
from lakehouse.datasets.synthetic.words.codes import SNOMED, Code

_ROUTES = {
    "oral": Code(SNOMED, "26643006", "Oral route (qualifier value)"),
    "intravenous": Code(SNOMED, "47625008", "Intravenous route (qualifier value)"),
    "inhalation": Code(SNOMED, "447694001", "Respiratory tract route (qualifier value)"),
}
_SETTINGS = {
    "inpatient": ("inpatient", "Inpatient"),
    "outpatient": ("outpatient", "Outpatient"),
    "discharge": ("discharge", "Discharge"),
}
_YEAR = 365 * DAY


def write(sink: Sink, _: Person, told: Encounter, changes: dict[str, Change]) -> None:
    """All that was ordered or done in an encounter."""
    del changes  # nothing of this is corrected later
    for ordered in told.medications:
        _write_order(sink, told, ordered)
        for place, minute in enumerate(ordered.doses, 1):
            dose = _dose(sink, told, ordered, minute)
            sink.put("MedicationAdministration", f"{ordered.id}-{place}", dose, minute + 3)
    for done in told.procedures:
        _write_procedure(sink, told, done)
    for given in told.immunizations:
        sink.put("Immunization", given.id, _vaccine(sink, told, given), given.minute + 4)


def _write_order(sink: Sink, told: Encounter, ordered: Medication) -> None:
    versions: list[Version] = [(ordered.ordered, partial(_order, sink, told, ordered, "active"))]
    if ordered.stopped is not None and ordered.stopped > ordered.ordered:
        versions.append((ordered.stopped, partial(_order, sink, told, ordered, "completed")))
    sink.put_versions("MedicationRequest", ordered.id, versions)


def _order(sink: Sink, told: Encounter, ordered: Medication, status: str) -> Body:
    drug = ordered.drug
    body: Body = {
        "status": status,
        "intent": "order",
        "category": [term("medicationrequest-category", *_SETTINGS[ordered.setting])],
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "authoredOn": sink.time(ordered.ordered),
        "requester": sink.practitioner(told.attending),
        "dosageInstruction": [
            {
                "text": f"{drug.name} {drug.dose} {drug.unit.strip('{}')} every {drug.every} hours",
                "timing": {"repeat": {"frequency": 1, "period": drug.every, "periodUnit": "h"}},
                "route": concept(_ROUTES[drug.route]),
                "doseAndRate": [{"doseQuantity": quantity(drug.dose, 1, drug.unit)}],
            }
        ],
    }
    # three ways to name a drug: contained, by reference, and as it is
    if ordered.setting == "inpatient":
        body["contained"] = [
            {"resourceType": "Medication", "id": "drug", "code": concept(drug.code)}
        ]
        body["medicationReference"] = {"reference": "#drug"}
    elif ordered.setting == "discharge":
        body["medicationReference"] = {"reference": f"Medication/drug-{drug.code.code}"}
    else:
        local = Code(f"{sink.base}/drug", drug.name.upper()[:6], drug.name)
        body["medicationCodeableConcept"] = concept(local, drug.code)
    if ordered.refills:
        body["dispenseRequest"] = {
            "numberOfRepeatsAllowed": ordered.refills,
            "quantity": {"value": 30, "unit": "tablets"},
        }
    return body


def _dose(sink: Sink, told: Encounter, ordered: Medication, minute: int) -> Body:
    drug = ordered.drug
    return {
        "status": "completed",
        "medicationReference": {"reference": f"Medication/drug-{drug.code.code}"},
        "subject": sink.subject,
        "context": {"reference": f"Encounter/{told.id}"},
        "effectiveDateTime": sink.time(minute),
        "request": {"reference": f"MedicationRequest/{ordered.id}"},
        "dosage": {
            "route": concept(_ROUTES[drug.route]),
            "dose": quantity(drug.dose, 1, drug.unit),
        },
    }


def _write_procedure(sink: Sink, told: Encounter, done: Procedure) -> None:
    body: Body = {
        "status": "completed",
        "code": concept(done.code),
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "performedPeriod": {"start": sink.time(done.start), "end": sink.time(done.end)},
        "performer": [{"actor": sink.practitioner(told.attending)}],
        "reasonCode": [concept(told.reason)],
    }
    if done.implant is not None:
        body["focalDevice"] = [{"manipulated": {"reference": f"Device/{done.implant.id}"}}]
        _write_implant(sink, done)
    sink.put("Procedure", done.id, body, done.end + 30)


def _write_implant(sink: Sink, done: Procedure) -> None:
    part = done.implant
    if part is None:
        return
    day = sink.site.zone.day
    expires = day(part.made + _YEAR)
    short = f"(01){part.identifier}(17){expires[2:].replace('-', '')}"
    body: Body = {
        "udiCarrier": [
            {
                "deviceIdentifier": part.identifier,
                "carrierHRF": f"{short}(10){part.lot}(21){part.serial}",
            }
        ],
        "status": "active",
        "distinctIdentifier": part.serial,
        "manufactureDate": day(part.made),
        "expirationDate": expires,
        "lotNumber": part.lot,
        "serialNumber": part.serial,
        "deviceName": [{"name": "Synthetic knee", "type": "user-friendly-name"}],
        "type": concept(part.device),
        "patient": sink.subject,
    }
    sink.put("Device", part.id, body, done.end)


def _vaccine(sink: Sink, told: Encounter, given: Immunization) -> Body:
    body: Body = {
        "status": "completed" if given.is_given else "not-done",
        "vaccineCode": concept(given.vaccine),
        "patient": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "occurrenceDateTime": sink.time(given.minute),
        "primarySource": True,
        "location": {"reference": "Location/ward-clinic"},
    }
    if given.is_given:
        body["lotNumber"] = given.lot
    else:
        body["statusReason"] = term("v3-ActReason", "PATOBJ", "patient objection")
    return body
