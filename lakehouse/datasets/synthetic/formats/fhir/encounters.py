"""Encounter with its moves, what was diagnosed in it, what it cost, and who said so."""

from functools import partial

from lakehouse.datasets.synthetic.changes import ENCOUNTER_RECLASSIFIED
from lakehouse.datasets.synthetic.clock import DAY
from lakehouse.datasets.synthetic.formats.fhir.sink import Sink, Version
from lakehouse.datasets.synthetic.formats.fhir.terms import (
    Body,
    concept,
    identifier_type,
    quantity,
    term,
)
from lakehouse.datasets.synthetic.model import Change, Diagnosis, Encounter, Move, Person
from lakehouse.datasets.synthetic.words.codes import TERMS

_CLASSES = {"IMP": "inpatient encounter", "AMB": "ambulatory", "EMER": "emergency"}
_DISPOSITIONS = {
    "home": "Home",
    "exp": "Expired",
    "aadvice": "Left against advice",
    "other-hcf": "Other healthcare facility",
    "snf": "Skilled nursing facility",
    "rehab": "Rehabilitation",
}


def write(sink: Sink, person: Person, encounter: Encounter, changes: dict[str, Change]) -> None:
    """The encounter, its conditions, its claim and, for stays, the provenance of its summary."""
    sink.put_versions("Encounter", encounter.id, _versions(sink, encounter, changes))
    for found in encounter.diagnoses:
        versions: list[Version] = [
            (found.recorded, partial(_condition, sink, encounter, found, False))
        ]
        if found.abated is not None:
            versions.append((found.abated + 15, partial(_condition, sink, encounter, found, True)))
        sink.put_versions("Condition", found.id, versions)
    _claim(sink, person, encounter)
    for note in encounter.documents:
        if note.kind == "discharge":
            _provenance(sink, encounter, note.id, note.minute, note.author)


def _versions(sink: Sink, told: Encounter, changes: dict[str, Change]) -> list[Version]:
    """Each move and the discharge are a new version, and what was found out later."""
    change = changes.get(told.id)
    is_elective = told.is_elective
    starts = [told.start, *(move.start for move in told.moves[1:])]
    versions: list[Version] = [
        (at + 5, partial(_encounter, sink, told, told.moves[: place + 1], False, is_elective))
        for place, at in enumerate(starts)
    ]
    versions.append((told.end + 15, partial(_encounter, sink, told, told.moves, True, is_elective)))
    if change is not None and change.kind == ENCOUNTER_RECLASSIFIED:
        versions.append((change.at, partial(_encounter, sink, told, told.moves, True, False)))
    return versions


def _encounter(
    sink: Sink, told: Encounter, moves: tuple[Move, ...], has_ended: bool, is_elective: bool
) -> Body:
    time = sink.time
    end = {"end": time(told.end)} if has_ended else {}
    body: Body = {
        "identifier": [
            {
                "type": identifier_type("VN", "Visit number"),
                "system": f"{sink.base}/visit",
                "value": told.visit_number,
            }
        ],
        "status": "finished" if has_ended else "in-progress",
        "class": {
            "system": f"{TERMS}/v3-ActCode",
            "code": told.setting,
            "display": _CLASSES[told.setting],
        },
        "type": [concept(told.kind)],
        "subject": sink.subject,
        "participant": [
            {
                "type": [term("v3-ParticipationType", "ATND", "attender")],
                "individual": sink.practitioner(told.attending),
            }
        ],
        "period": {"start": time(told.start)} | end,
        "reasonCode": [concept(told.reason)],
        "serviceProvider": {"reference": f"Organization/{told.organization}"},
    }
    if told.setting != "AMB":
        urgency = ("EL", "elective") if is_elective else ("EM", "emergency")
        body["priority"] = term("v3-ActPriority", *urgency)
        body["location"] = [_stay(sink, move, has_ended or move is not moves[-1]) for move in moves]
    else:
        body["location"] = [{"location": {"reference": "Location/ward-clinic"}}]
    return body | _ending(told) if has_ended else body


def _ending(told: Encounter) -> Body:
    minutes = told.end - told.start
    if told.setting != "IMP":
        return {"length": quantity(minutes, 1, "min")}
    left = term("discharge-disposition", told.disposition, _DISPOSITIONS[told.disposition])
    length = quantity(minutes // DAY, 1, "d")
    return {"length": length, "hospitalization": {"dischargeDisposition": left}}


def _stay(sink: Sink, move: Move, has_ended: bool) -> Body:
    period = {"start": sink.time(move.start)}
    if has_ended:
        period["end"] = sink.time(move.end)
    return {
        "location": {"reference": f"Location/ward-{move.ward}", "display": move.bed},
        "status": "completed" if has_ended else "active",
        "period": period,
    }


def _condition(sink: Sink, encounter: Encounter, found: Diagnosis, is_over: bool) -> Body:
    codes = [found.code] if found.snomed is None else [found.code, found.snomed]
    is_lasting = found.abated is None and not found.is_principal
    kind = (
        ("problem-list-item", "Problem List Item")
        if is_lasting
        else (
            "encounter-diagnosis",
            "Encounter Diagnosis",
        )
    )
    status = ("resolved", "Resolved") if is_over else ("active", "Active")
    body: Body = {
        "clinicalStatus": term("condition-clinical", *status),
        "verificationStatus": term(
            "condition-ver-status", found.verification, found.verification.title()
        ),
        "category": [term("condition-category", *kind)],
        "code": concept(*codes),
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{encounter.id}"},
        "recordedDate": sink.time(found.recorded),
        "recorder": sink.practitioner(encounter.attending),
    }
    if is_lasting and found.onset < encounter.start - DAY:
        # of an old illness nobody knows the hour
        body["onsetDateTime"] = sink.site.zone.day(found.onset)[:7]
    else:
        body["onsetDateTime"] = sink.time(found.onset)
    if is_over and found.abated is not None:
        body["abatementDateTime"] = sink.time(found.abated)
    return body


def _claim(sink: Sink, person: Person, told: Encounter) -> None:
    kind = ("institutional", "Institutional") if told.moves else ("professional", "Professional")
    cents = 12_500 + 180 * ((told.end - told.start) // 10) + 900 * len(told.panels)
    body: Body = {
        "status": "active",
        "type": term("claim-type", *kind),
        "use": "claim",
        "patient": sink.subject,
        "billablePeriod": {"start": sink.time(told.start), "end": sink.time(told.end)},
        "created": sink.time(told.end + 2 * DAY),
        "insurer": {"reference": f"Organization/payer-{person.payer}"},
        "provider": {"reference": f"Organization/{told.organization}"},
        "priority": term("processpriority", "normal", "Normal"),
        "diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": concept(told.reason)}],
        "insurance": [
            {
                "sequence": 1,
                "focal": True,
                "coverage": {"reference": f"Coverage/{told.patient}-cov"},
            }
        ],
        "item": [
            {
                "sequence": 1,
                "productOrService": concept(told.kind),
                "encounter": [{"reference": f"Encounter/{told.id}"}],
            }
        ],
        "total": {"value": cents / 100, "currency": "USD"},
    }
    for place, found in enumerate(told.diagnoses, 2):
        reference = {"reference": f"Condition/{found.id}"}
        body["diagnosis"].append({"sequence": place, "diagnosisReference": reference})
    if told.procedures:
        body["procedure"] = [
            {"sequence": place, "procedureReference": {"reference": f"Procedure/{one.id}"}}
            for place, one in enumerate(told.procedures, 1)
        ]
    sink.put("Claim", told.id, body, told.end + 2 * DAY)


def _provenance(sink: Sink, told: Encounter, document: str, at: int, author: int) -> None:
    """Who wrote the summary; the target names the version that was written."""
    body: Body = {
        "target": [{"reference": f"DocumentReference/{document}/_history/1"}],
        "recorded": sink.time(at),
        "activity": term("v3-DataOperation", "CREATE", "create"),
        "agent": [
            {
                "type": term("provenance-participant-type", "author", "Author"),
                "who": sink.practitioner(author),
                "onBehalfOf": {"reference": f"Organization/{told.organization}"},
            }
        ],
    }
    sink.put("Provenance", document, body, at)
