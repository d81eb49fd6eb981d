"""Notes, allergies, questionnaires, and plans for a long illness."""

from lakehouse.datasets.synthetic.formats.fhir.imaging import attachment, report_text
from lakehouse.datasets.synthetic.formats.fhir.sink import Sink
from lakehouse.datasets.synthetic.formats.fhir.terms import (
    Body,
    concept,
    quantity,
    term,
)
from lakehouse.datasets.synthetic.model import (
    Allergy,
    CarePlan,
    Change,
    Document,
    Encounter,
    Person,
    Survey,
)
from lakehouse.datasets.synthetic.words.codes import LOINC, SNOMED, Code

_KINDS = {
    "admission": Code(LOINC, "34117-2", "History and physical note"),
    "progress": Code(LOINC, "11506-3", "Progress note"),
    "discharge": Code(LOINC, "18842-5", "Discharge summary"),
    "radiology": Code(LOINC, "18748-4", "Diagnostic imaging study"),
    "visit": Code(LOINC, "34108-1", "Outpatient Note"),
    "operative": Code(LOINC, "11504-8", "Surgical operation note"),
}
_NOTE = Code(
    "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
    "clinical-note",
    "Clinical Note",
)
_ASSESS = Code(
    "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
    "assess-plan",
    "Assessment and Plan of Treatment",
)
_PHYSICIAN = Code(SNOMED, "309343006", "Physician (occupation)")
_FORMAT = {
    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "code": "urn:hl7-org:sdwg:ccda-structuredBody:2.1",
    "display": "documents following C-CDA constraints using a structured body",
}


def write(sink: Sink, _: Person, told: Encounter, changes: dict[str, Change]) -> None:
    """All that was seen and written in an encounter."""
    del changes  # nothing of this is corrected later
    texts = {image.id: report_text(image) for image in told.imaging}
    for document in told.documents:
        text = texts.get(document.about) or _note_text(told, document)
        sink.put(
            "DocumentReference", document.id, _document(sink, told, document, text), document.minute
        )
    for allergy in told.allergies:
        sink.put("AllergyIntolerance", allergy.id, _allergy(sink, told, allergy), allergy.recorded)
    for survey in told.surveys:
        sink.put("QuestionnaireResponse", survey.id, _survey(sink, told, survey), survey.minute)
    for plan in told.care_plans:
        _write_plan(sink, told, plan)


def _note_text(told: Encounter, document: Document) -> str:
    """A short note without any name: what the full notes say stands in their own format."""
    known = "; ".join(found.code.display for found in told.diagnoses) or told.reason.display
    drugs = ", ".join(sorted({ordered.drug.name for ordered in told.medications})) or "none"
    title = _KINDS[document.kind].display
    why = f"Reason: {told.reason.display}\nAssessment: {known}"
    return f"{title} (synthetic)\n\n{why}\nMedication: {drugs}\n"


def _document(sink: Sink, told: Encounter, document: Document, text: str) -> Body:
    body: Body = {
        "identifier": [{"system": f"{sink.base}/document", "value": document.id}],
        "status": "current",
        "docStatus": "final",
        "type": concept(_KINDS[document.kind]),
        "category": [concept(_NOTE)],
        "subject": sink.subject,
        "date": sink.time(document.minute),
        "author": [sink.practitioner(document.author)],
        "custodian": {"reference": "Organization/hospital"},
        "content": [{"attachment": {**attachment(text), "title": _KINDS[document.kind].display}}],
        "context": {
            "encounter": [{"reference": f"Encounter/{told.id}"}],
            "period": {"start": sink.time(told.start)},
        },
    }
    if document.kind == "discharge":
        url = f"{sink.base}/Binary/{document.id}"
        body["content"].append(
            {"attachment": {"contentType": "text/xml", "url": url}, "format": _FORMAT}
        )
    return body


def _allergy(sink: Sink, told: Encounter, found: Allergy) -> Body:
    return {
        "clinicalStatus": term("allergyintolerance-clinical", "active", "Active"),
        "verificationStatus": term("allergyintolerance-verification", "confirmed", "Confirmed"),
        "type": "allergy",
        "criticality": "high" if found.severity == "severe" else "low",
        "code": concept(found.substance),
        "patient": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "recordedDate": sink.time(found.recorded),
        "reaction": [{"manifestation": [concept(found.reaction)], "severity": found.severity}],
    }


def _survey(sink: Sink, told: Encounter, found: Survey) -> Body:
    asked = found.questionnaire
    items: list[Body] = []
    for (code, text), answer in zip(asked.questions, found.answers, strict=True):
        item: Body = {"linkId": code, "text": text}
        if answer is not None:
            name, display = asked.answers[answer]
            item["answer"] = [{"valueCoding": {"system": LOINC, "code": name, "display": display}}]
        items.append(item)
    total = sum(answer for answer in found.answers if answer is not None)
    return {
        "questionnaire": asked.url,
        "status": "completed",
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "authored": sink.time(found.minute),
        "author": sink.subject,
        "item": [
            {"linkId": asked.code.code, "text": asked.code.display, "item": items},
            {
                "linkId": asked.total.code,
                "text": asked.total.display,
                "answer": [{"valueInteger": total}],
            },
        ],
    }


def _write_plan(sink: Sink, told: Encounter, plan: CarePlan) -> None:
    at = plan.start
    sink.put("Goal", plan.id, _goal(sink, plan), at)
    sink.put("CareTeam", plan.id, _team(sink, plan), at)
    body: Body = {
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{plan.goal}</div>',
        },
        "status": "active",
        "intent": "plan",
        "category": [concept(_ASSESS)],
        "title": "Plan for a long illness",
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "period": {"start": sink.site.zone.day(at)},
        "created": sink.time(at),
        "careTeam": [{"reference": f"CareTeam/{plan.id}"}],
        "goal": [{"reference": f"Goal/{plan.id}"}],
    }
    sink.put("CarePlan", plan.id, body, at)


def _goal(sink: Sink, plan: CarePlan) -> Body:
    at = plan.start
    target = quantity(plan.target, plan.analyte.parts, plan.analyte.unit)
    return {
        "lifecycleStatus": "active",
        "description": {"text": plan.goal},
        "subject": sink.subject,
        "startDate": sink.site.zone.day(at),
        "target": [
            {
                "measure": concept(plan.analyte.code),
                "detailQuantity": target | {"comparator": "<"},
                "dueDate": sink.site.zone.day(at + 180 * 1440),
            }
        ],
    }


def _team(sink: Sink, plan: CarePlan) -> Body:
    return {
        "status": "active",
        "name": "Diabetes team",
        "subject": sink.subject,
        "participant": [
            {"role": [concept(_PHYSICIAN)], "member": sink.practitioner(one)} for one in plan.team
        ],
    }
