"""A person's chart: patient, encounters and what belongs to them, as FHIR R4 resources."""

from collections.abc import Iterator

from lakehouse.datasets.sample import words
from lakehouse.datasets.sample.measurements import observations
from lakehouse.datasets.sample.records import TERMS, Body, Record, Site, concept, visit_id
from lakehouse.datasets.sample.story import HOUR, WARDS, Move, Person, Visit

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def places(site: Site) -> Iterator[Record]:
    """The organizations and wards of a site; other sites use the same ids for theirs."""
    for identity, name in (("hospital", "General Hospital"), ("partner", "Partner Clinic")):
        named = f"{site.name.title()} {name}"
        body = {"resourceType": "Organization", "id": identity, "active": True, "name": named}
        yield Record(body, 1, 0)
    for ward, name in WARDS.items():
        owner = "partner" if ward == "rehab" else "hospital"
        body = {
            "resourceType": "Location",
            "id": f"ward-{ward}",
            "status": "active",
            "name": f"{name} ({site.name.title()})",
            "physicalType": concept(f"{TERMS}/location-physical-type", "wa", "Ward"),
            "managingOrganization": {"reference": f"Organization/{owner}"},
        }
        yield Record(body, 1, 0)


def chart(site: Site, person: Person, until: int) -> Iterator[Record]:
    """All that the site has written down of a person by a minute, each in its newest version."""
    yield _patient(site, person, until)
    for visit in person.visits:
        if visit.start < until:
            yield from _of_visit(site, person, visit, until)


def _of_visit(site: Site, person: Person, visit: Visit, until: int) -> Iterator[Record]:
    yield _encounter(site, person, visit, until)
    yield _condition(site, person, visit)
    yield _order(site, person, visit)
    if visit.is_inpatient and person.dice.chance(40, f"procedure {visit.number}"):
        yield _procedure(site, person, visit)
    yield from observations(site, person, visit, until)


def _patient(site: Site, person: Person, until: int) -> Record:
    dice, number = person.dice, person.number
    given = dice.pick(words.FEMALE if person.is_female else words.MALE, "given")
    family = dice.pick(words.FAMILIES, "family")
    city, postal_code = dice.pick(words.CITIES, "city")
    street = f"{dice.between(1, 99, 'house')} {dice.pick(words.STREETS, 'street')} Street"
    has_died = person.died is not None and person.died + 30 <= until
    race = dice.pick((("2106-3", "White"), ("2054-5", "Black or African American")), "race")
    body: Body = {
        "resourceType": "Patient",
        "id": person.id,
        "extension": [_race(*race)],
        "identifier": [
            {
                "type": concept(f"{TERMS}/v2-0203", "MR", "Medical record number"),
                "system": f"https://{site.name}.example.org/mrn",
                "value": f"{site.name[:1].upper()}{100000 + 37 * number}",
            }
        ],
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "gender": "female" if person.is_female else "male",
        # one in twelve knows no more than the year of birth
        "birthDate": f"{person.born.year}" if number % 12 == 0 else person.born.isoformat(),
        "address": [{"use": "home", "line": [street], "city": city, "postalCode": postal_code}],
    }
    if has_died:
        body["deceasedDateTime"] = site.time(person.died or 0)
    updated = (person.died or 0) + 30 if has_died else max(0, person.visits[0].start - 60)
    return Record(body, 2 if has_died else 1, updated)


def _race(code: str, display: str) -> Body:
    coding = {"system": "urn:oid:2.16.840.1.113883.6.238", "code": code, "display": display}
    return {
        "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "extension": [
            {"url": "ombCategory", "valueCoding": coding},
            {"url": "text", "valueString": display},
        ],
    }


def _encounter(site: Site, person: Person, visit: Visit, until: int) -> Record:
    """Each move and the discharge are a new version."""
    has_ended = visit.end + 15 <= until
    moves = [move for move in visit.moves if move.start + 5 <= until]
    end = {"end": site.time(visit.end)} if has_ended else {}
    body: Body = {
        "resourceType": "Encounter",
        "id": visit_id(person, visit),
        "status": "finished" if has_ended else "in-progress",
        "class": {"system": f"{TERMS}/v3-ActCode", "code": "IMP" if visit.is_inpatient else "AMB"},
        "subject": {"reference": f"Patient/{person.id}"},
        "period": {"start": site.time(visit.start)} | end,
        "reasonCode": [_problem(visit)],
        "serviceProvider": {"reference": f"Organization/{visit.organization}"},
    }
    if visit.is_inpatient:
        urgency = ("EL", "elective") if visit.is_elective else ("EM", "emergency")
        body["priority"] = concept(f"{TERMS}/v3-ActPriority", *urgency)
        body["location"] = [_stay(site, move, has_ended or move is not moves[-1]) for move in moves]
    if visit.is_inpatient and has_ended:
        left = concept(f"{TERMS}/discharge-disposition", visit.disposition, visit.disposition)
        body["hospitalization"] = {"dischargeDisposition": left}
    last = visit.end + 15 if has_ended else max([visit.start, *(m.start for m in moves)]) + 5
    return Record(body, max(len(moves), 1) + has_ended, last)


def _stay(site: Site, move: Move, has_ended: bool) -> Body:
    end = {"end": site.time(move.end)} if has_ended else {}
    return {
        "location": {"reference": f"Location/ward-{move.ward}"},
        "status": "completed" if has_ended else "active",
        "period": {"start": site.time(move.start)} | end,
    }


def _condition(site: Site, person: Person, visit: Visit) -> Record:
    """A problem that a clinic finds is old, and known by its month only."""
    onset = site.time(visit.start) if visit.is_inpatient else f"{2010 + visit.problem % 16}-04"
    body = {
        "resourceType": "Condition",
        "id": f"{visit_id(person, visit)}-c1",
        "clinicalStatus": concept(f"{TERMS}/condition-clinical", "active", "Active"),
        "verificationStatus": concept(f"{TERMS}/condition-ver-status", "confirmed", "Confirmed"),
        "category": [
            concept(f"{TERMS}/condition-category", "encounter-diagnosis", "Encounter Diagnosis")
        ],
        "code": _problem(visit),
        "subject": {"reference": f"Patient/{person.id}"},
        "encounter": {"reference": f"Encounter/{visit_id(person, visit)}"},
        "onsetDateTime": onset,
        "recordedDate": site.time(visit.start + 15),
    }
    return Record(body, 1, visit.start + 15)


def _problem(visit: Visit) -> Body:
    code, display = words.PROBLEMS[visit.problem % len(words.PROBLEMS)]
    return concept("http://hl7.org/fhir/sid/icd-10-cm", code, display)


def _order(site: Site, person: Person, visit: Visit) -> Record:
    code, display = words.DRUGS[visit.problem % len(words.DRUGS)]
    body = {
        "resourceType": "MedicationRequest",
        "id": f"{visit_id(person, visit)}-m1",
        "status": "completed",
        "intent": "order",
        "medicationCodeableConcept": concept(
            "http://www.nlm.nih.gov/research/umls/rxnorm", code, display
        ),
        "subject": {"reference": f"Patient/{person.id}"},
        "encounter": {"reference": f"Encounter/{visit_id(person, visit)}"},
        "authoredOn": site.time(visit.start + 25),
    }
    return Record(body, 1, visit.start + 25)


def _procedure(site: Site, person: Person, visit: Visit) -> Record:
    code, display = words.PROCEDURES[visit.problem % len(words.PROCEDURES)]
    start = visit.start + 9 * HOUR
    body = {
        "resourceType": "Procedure",
        "id": f"{visit_id(person, visit)}-p1",
        "status": "completed",
        "code": concept("http://www.cms.gov/Medicare/Coding/ICD10", code, display),
        "subject": {"reference": f"Patient/{person.id}"},
        "encounter": {"reference": f"Encounter/{visit_id(person, visit)}"},
        "performedPeriod": {"start": site.time(start), "end": site.time(start + 50)},
    }
    return Record(body, 1, start + 90)
