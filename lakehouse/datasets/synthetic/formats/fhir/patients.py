"""Patient with its versions, and who and what belongs to a patient: relative and coverage."""

from functools import cache, partial

from lakehouse.datasets.synthetic.changes import (
    ADDRESS_CORRECTED,
    PATIENT_MERGED,
    PATIENT_RESENT,
    PATIENT_STALE,
    PATIENT_UNMERGED,
)
from lakehouse.datasets.synthetic.formats.fhir.sink import Sink, Version
from lakehouse.datasets.synthetic.formats.fhir.terms import (
    SSN,
    US_CORE,
    Body,
    concept,
    identifier_type,
    term,
)
from lakehouse.datasets.synthetic.model import Address, Change, Person, Registration
from lakehouse.datasets.synthetic.sites import Site
from lakehouse.datasets.synthetic.words.codes import Code

_DIED, _CREATED = "died", "created"
_MARITAL = {"M": "Married", "S": "Never Married", "D": "Divorced", "W": "Widowed"}


def write(sink: Sink, site: Site, person: Person) -> None:
    """All registrations of a person at a site."""
    for told in person.at_site(site.name):
        versions: list[Version] = []
        happened: tuple[str, ...] = ()
        for at, kind, merged in _with_links(_events(person, told)):
            happened = (*happened, kind)
            versions.append((at, partial(_body, sink, person, told, happened, merged)))
        sink.put_versions("Patient", told.id, versions)
        for change in person.changes:
            if change.kind == PATIENT_STALE and change.target == told.id:
                sink.late(2, "Patient", told.id, versions[0][1](), (versions[0][0], 1))
        _coverage(sink, person, told)
        if not told.is_duplicate:
            _relative(sink, person, told)


def _events(person: Person, told: Registration) -> list[tuple[int, str, Change | None]]:
    """What made a new version of a registration, in the order of time."""
    events: list[tuple[int, str, Change | None]] = [(told.at, _CREATED, None)]
    for change in person.changes:
        if change.site != told.site or told.id not in (change.target, change.other):
            continue
        if change.kind in (ADDRESS_CORRECTED, PATIENT_RESENT, PATIENT_MERGED, PATIENT_UNMERGED):
            events.append((change.at, change.kind, change))
    if person.died is not None and not told.is_duplicate:
        events.append((person.died + 30, _DIED, None))
    return sorted(events, key=lambda event: event[0])


def _with_links(
    events: list[tuple[int, str, Change | None]],
) -> list[tuple[int, str, Change | None]]:
    """The merge that holds after each event, if one does."""
    found, held = [], None
    for at, kind, change in events:
        if kind == PATIENT_MERGED:
            held = change
        elif kind == PATIENT_UNMERGED:
            held = None
        found.append((at, kind, held))
    return found


def _body(
    sink: Sink, person: Person, told: Registration, happened: tuple[str, ...], merged: Change | None
) -> Body:
    demographics = told.demographics
    is_replaced = merged is not None and merged.target == told.id
    is_moved = ADDRESS_CORRECTED in happened
    body: Body = {
        "extension": _extensions(person),
        "identifier": _identifiers(sink, told),
        "active": not is_replaced,
        "name": _names(person, told),
        "gender": demographics.sex,
        **_born(told),
        "address": [_address(person.truth.address if is_moved else demographics.address)],
        "maritalStatus": term("v3-MaritalStatus", person.marital, _MARITAL[person.marital]),
        "communication": [{"language": {"coding": [_language(person.language)]}}],
        "generalPractitioner": [sink.practitioner(5)],
        "managingOrganization": {"reference": "Organization/hospital"},
    }
    telecom = [("phone", demographics.phone), ("email", demographics.email)]
    if any(value for _, value in telecom):
        body["telecom"] = [
            {"system": kind, "value": value, "use": "home"} for kind, value in telecom if value
        ]
    if _DIED in happened and person.died is not None:
        body["deceasedDateTime"] = sink.time(person.died)
    if merged is not None:
        other = merged.other if is_replaced else merged.target
        kind = "replaced-by" if is_replaced else "replaces"
        body["link"] = [{"other": {"reference": f"Patient/{other}"}, "type": kind}]
    return body


def _born(told: Registration) -> Body:
    """At some registrations only the year is known."""
    if "year_only" in told.flaws:
        return {"birthDate": str(told.demographics.born.year)}
    return {"birthDate": told.demographics.born.isoformat()}


def _language(code: str) -> Body:
    return {"system": "urn:ietf:bcp:47", "code": code}


def _identifiers(sink: Sink, told: Registration) -> list[Body]:
    found = [
        {
            "use": "usual",
            "type": identifier_type("MR", "Medical record number"),
            "system": f"https://{told.site}.example.org/mrn",
            "value": told.mrn,
            "assigner": {"display": f"{sink.site.title} General Hospital"},
        }
    ]
    if told.demographics.ssn:
        kind = identifier_type("SS", "Social Security number")
        found.append(
            {"use": "official", "type": kind, "system": SSN, "value": told.demographics.ssn}
        )
    return found


def _names(person: Person, told: Registration) -> list[Body]:
    demographics = told.demographics
    given = [demographics.given, *([demographics.middle] if demographics.middle else [])]
    names: list[Body] = [{"use": "official", "family": demographics.family, "given": given}]
    if person.number % 9 == 0:
        names.append({"use": "nickname", "given": [person.nickname]})
    if person.number % 8 == 0 and "former_name" not in told.flaws:
        names.append({"use": "old", "family": person.former_family, "given": given})
    return names


def _address(told: Address) -> Body:
    return {
        "use": "home",
        "line": told.line.split(", "),
        "city": told.city,
        "state": told.state,
        "postalCode": told.postal_code,
        "country": "US",
    }


def _extensions(person: Person) -> list[Body]:
    return [
        _coded("us-core-race", person.race),
        _coded("us-core-ethnicity", person.ethnicity),
        {
            "url": f"{US_CORE}/us-core-birthsex",
            "valueCode": "F" if person.truth.sex == "female" else "M",
        },
    ]


@cache
def _coded(name: str, code: Code) -> Body:
    told = [
        {"url": "ombCategory", "valueCoding": concept(code)["coding"][0]},
        {"url": "text", "valueString": code.display},
    ]
    return {"url": f"{US_CORE}/{name}", "extension": told}


def _coverage(sink: Sink, person: Person, told: Registration) -> None:
    number = person.insurance_number
    kind = identifier_type("MB", "Member Number")
    body = {
        "identifier": [{"type": kind, "system": f"{sink.base}/member", "value": number}],
        "status": "active",
        "type": term("v3-ActCode", "EHCPOL", "extended healthcare"),
        "subscriberId": number,
        "beneficiary": {"reference": f"Patient/{told.id}"},
        "relationship": term("subscriber-relationship", "self", "Self"),
        "period": {"start": "2024-01-01"},
        "payor": [{"reference": f"Organization/payer-{person.payer}"}],
        "class": [
            {
                "type": term("coverage-class", "plan", "Plan"),
                "value": f"PL{person.payer}",
                "name": "Gold",
            },
            {
                "type": term("coverage-class", "group", "Group"),
                "value": f"GR{person.number % 40:03}",
            },
        ],
    }
    sink.put("Coverage", f"{told.id}-cov", body, told.at + 5)


def _relative(sink: Sink, person: Person, told: Registration) -> None:
    contact = person.contact
    body = {
        "active": True,
        "patient": {"reference": f"Patient/{told.id}"},
        "relationship": [concept(contact.relationship)],
        "name": [{"family": contact.family, "given": [contact.given]}],
        "telecom": [{"system": "phone", "value": contact.phone, "use": "mobile"}],
        "address": [_address(person.truth.address)],
    }
    sink.put("RelatedPerson", f"{told.id}-k1", body, told.at + 5)
