"""What every chart of a site points to: organizations, wards, staff and the formulary."""

from lakehouse.datasets.synthetic.formats.fhir.sink import Sink
from lakehouse.datasets.synthetic.formats.fhir.terms import NPI, concept, term
from lakehouse.datasets.synthetic.sites import WARDS, Practitioner, Site
from lakehouse.datasets.synthetic.words import drugs
from lakehouse.datasets.synthetic.words.codes import Code
from lakehouse.datasets.synthetic.words.drugs import Drug
from lakehouse.datasets.synthetic.words.names import PAYERS, SPECIALTIES

_ORGANIZATIONS = {"hospital": "General Hospital", "partner": "Partner Clinic"}
_ROLE = Code("http://snomed.info/sct", "309343006", "Physician (occupation)")


def write(sink: Sink, site: Site) -> None:
    """All places and people of a site; other sites use the same ids for theirs."""
    for identity, name in _ORGANIZATIONS.items():
        _organization(sink, identity, f"{site.title} {name}", ("prov", "Healthcare Provider"))
    for number, name in enumerate(PAYERS):
        _organization(sink, f"payer-{number}", name, ("pay", "Payer"))
    for ward, name in WARDS.items():
        owner = "partner" if ward == "rehab" else "hospital"
        body = {
            "status": "active",
            "name": f"{name} ({site.title})",
            "mode": "instance",
            "physicalType": term("location-physical-type", "wa", "Ward"),
            "managingOrganization": {"reference": f"Organization/{owner}"},
        }
        sink.put("Location", f"ward-{ward}", body, 0)
    for member in site.staff:
        _practitioner(sink, member)
    for drug in _formulary():
        body = {"code": concept(drug.code), "status": "active"}
        sink.put("Medication", f"drug-{drug.code.code}", body, 0)


def _formulary() -> list[Drug]:
    """The drugs that there are."""
    return sorted({told for told in vars(drugs).values() if isinstance(told, Drug)})


def _organization(sink: Sink, identity: str, name: str, kind: tuple[str, str]) -> None:
    body = {
        "identifier": [{"system": f"{sink.base}/organization", "value": identity}],
        "active": True,
        "type": [term("organization-type", *kind)],
        "name": name,
        "telecom": [{"system": "phone", "value": "+1-555-100-0000", "use": "work"}],
    }
    sink.put("Organization", identity, body, 0)


def _practitioner(sink: Sink, member: Practitioner) -> None:
    body = {
        "identifier": [{"system": NPI, "value": member.npi}],
        "active": True,
        "name": [
            {"use": "official", "family": member.family, "given": [member.given], "prefix": ["Dr."]}
        ],
    }
    sink.put("Practitioner", member.id, body, 0)
    specialty = Code(f"{sink.base}/specialty", str(member.specialty), SPECIALTIES[member.specialty])
    role = {
        "active": True,
        "practitioner": {"reference": f"Practitioner/{member.id}"},
        "organization": {"reference": "Organization/hospital"},
        "code": [concept(_ROLE)],
        "specialty": [concept(specialty)],
        "location": [{"reference": "Location/ward-clinic"}],
    }
    sink.put("PractitionerRole", f"role-{member.number}", role, 0)
