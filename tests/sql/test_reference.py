"""Every reference of a resource says what it points to, and whether that is there now."""

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse.catalog.load import Catalog
from lakehouse.errors import SpecError
from lakehouse.govern.question import When, ask
from lakehouse.settings import PROJECT
from lakehouse.storage.lake import Lake
from lakehouse.viewdefinition import elements
from tests.workbench import (
    NOW,
    Resource,
    day,
    deletion,
    drop,
    ingest,
    lake_at,
    lines,
    manifest,
    take,
)

MRN, URI = "http://mrn.example", "urn:ietf:rfc:3986"
UUID = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"


def person(key: str, *identifiers: tuple[str | None, str], kind: str = "Patient") -> Resource:
    listed = [{"system": system, "value": value} for system, value in identifiers]
    kept = [{k: v for k, v in told.items() if v is not None} for told in listed]
    return {"resourceType": kind, "id": key, "identifier": kept}


def logical(system: str | None, value: str | None, kind: str | None = None) -> Resource:
    told = {"system": system, "value": value}
    held = {"identifier": {k: v for k, v in told.items() if v is not None}}
    return held | ({"type": kind} if kind else {})


# What there is: p1 and a namesake of another type, two records with one number, one known by a urn, a contained one.
HELD: list[Resource] = [
    person("p1", (MRN, "1"), (MRN, "1"), ("http://other.example", "1")),
    person("p2", (MRN, "2")),
    person("p3", (MRN, "2"), (None, "bare"), (URI, UUID)),
    person("p4", (MRN, "a,b|c$\\d \u00e9"), (MRN, "e?f=g")),
    person("p1", (MRN, "9"), kind="Practitioner"),
    person("x1", (MRN, "9"), kind="Group"),
    {"resourceType": "Composition", "id": "c1", "identifier": {"system": MRN, "value": "c"}},
    person("aaaaaaaa-0000-4000-8000-000000000000", kind="Device"),
]

# the Reference; its kind, status, the type and the key of what it points to
CASES: list[tuple[Resource, str, str, str | None, str | None]] = [
    ({"reference": "Patient/p1"}, "relative", "resolved", "Patient", "p1"),
    ({"reference": "Practitioner/p1"}, "relative", "resolved", "Practitioner", "p1"),
    ({"reference": "Patient/p1", "type": "Group"}, "relative", "resolved", "Patient", "p1"),
    ({"reference": "Patient/nobody"}, "relative", "dangling", "Patient", None),
    ({"reference": "Encounter/p1"}, "relative", "dangling", "Encounter", None),
    ({"reference": "https://ehr.example/fhir/Patient/p1"}, "absolute", "resolved", "Patient", "p1"),
    ({"reference": "https://ehr.example/fhir/Patient/zz"}, "absolute", "dangling", "Patient", None),
    ({"reference": "https://ehr.example/about"}, "absolute", "dangling", None, None),
    ({"reference": "https://ehr.example/xPatient/p1"}, "absolute", "dangling", None, None),
    ({"reference": "Patient/p1/_history/4"}, "versioned", "resolved", "Patient", "p1"),
    ({"reference": "http://e.example/Patient/p1/_history/4"}, "versioned", "resolved", "Patient", "p1"),
    ({"reference": "Patient/zz/_history/4"}, "versioned", "dangling", "Patient", None),
    ({"reference": UUID}, "urn", "resolved", "Patient", "p3"),
    ({"reference": UUID, "type": "Group"}, "urn", "dangling", "Group", None),
    ({"reference": "urn:uuid:aaaaaaaa-0000-4000-8000-000000000000"}, "urn", "resolved", "Device",
     "aaaaaaaa-0000-4000-8000-000000000000"),
    ({"reference": "urn:uuid:ffffffff-0000-4000-8000-000000000000"}, "urn", "dangling", None, None),
    ({"reference": "urn:oid:1.2.3"}, "urn", "dangling", None, None),
    ({"reference": "#drug"}, "contained", "resolved", "Medication", "m1#drug"),
    ({"reference": "#"}, "contained", "resolved", "MedicationDispense", "m1"),
    ({"reference": "#none"}, "contained", "dangling", None, None),
    ({"reference": "#twice"}, "contained", "ambiguous", None, None),
    ({"reference": f"Patient?identifier={MRN}|1"}, "conditional", "resolved", "Patient", "p1"),
    ({"reference": "Patient?identifier=http%3A%2F%2Fmrn.example%7C1"}, "conditional", "resolved", "Patient", "p1"),
    ({"reference": f"https://e.example/Patient?identifier={MRN}|1"}, "conditional", "resolved", "Patient", "p1"),
    ({"reference": "Patient?identifier=1"}, "conditional", "resolved", "Patient", "p1"),
    ({"reference": "Patient?identifier=|bare"}, "conditional", "resolved", "Patient", "p3"),
    ({"reference": "Patient?identifier=|1"}, "conditional", "dangling", "Patient", None),
    ({"reference": f"Patient?identifier={MRN}|2"}, "conditional", "ambiguous", "Patient", None),
    ({"reference": f"Group?identifier={MRN}|1"}, "conditional", "dangling", "Group", None),
    (logical(MRN, "1"), "identifier", "resolved", "Patient", "p1"),
    (logical(MRN, "1", "Patient"), "identifier", "resolved", "Patient", "p1"),
    (logical(MRN, "1", "http://hl7.org/fhir/StructureDefinition/Patient"), "identifier", "resolved", "Patient", "p1"),
    (logical(MRN, "1", "Group"), "identifier", "dangling", "Group", None),
    (logical(MRN, "c"), "identifier", "resolved", "Composition", "c1"),
    (logical(MRN, "9"), "identifier", "ambiguous", None, None),
    (logical(MRN, "9", "Group"), "identifier", "resolved", "Group", "x1"),
    (logical(None, "bare"), "identifier", "resolved", "Patient", "p3"),
    (logical(None, "1"), "identifier", "dangling", None, None),
    (logical(MRN, None), "identifier", "dangling", None, None),
    ({"reference": "p1"}, "other", "dangling", None, None),
    ({"reference": ""}, "other", "dangling", None, None),
]  # fmt: skip

# a search; the status of a reference to a Patient that makes it, and the key of what it finds
SEARCHES: list[tuple[str, str, str | None]] = [
    # & is and, a comma is or; what is escaped is neither
    (f"identifier={MRN}|2&identifier=|bare", "resolved", "p3"),
    (f"identifier=bare&identifier={MRN}|2&identifier=2", "resolved", "p3"),
    (f"identifier={MRN}|1&identifier={MRN}|2", "dangling", None),
    (f"identifier={MRN}|1,http://other.example|1", "resolved", "p1"),
    (f"identifier={MRN}|none,{MRN}|1", "resolved", "p1"),
    (f"identifier={MRN}|1,{MRN}|2", "ambiguous", None),
    (f"identifier={MRN}|1,{MRN}|2&identifier=bare,none", "resolved", "p3"),
    (f"&identifier={MRN}|1&&", "resolved", "p1"),
    (f"identifier={MRN}|" + r"a\,b\|c\$\\d%20%C3%A9", "resolved", "p4"),
    ("identifier=http%3a%2F%2fmrn.example%7ca%5C%2cb|c$%5c%5cd \u00e9", "resolved", "p4"),
    ("identifier=a,b|c", "dangling", None),
    (f"identifier={MRN}|e?f=g", "resolved", "p4"),
    ("identifier=1+", "dangling", None),
    ("identifier=' or true --", "dangling", None),
    ("identifier=" + "x," * 5000 + "1", "resolved", "p1"),
    ("identifier=1" + "&identifier=1" * 500, "resolved", "p1"),
    # a search for more than identifiers, or for none
    (f"identifier={MRN}|1&name=x", "unjudged", None),
    (f"name=x&identifier={MRN}|1", "unjudged", None),
    ("name=x", "unjudged", None),
    ("identifier:of-type=http://t.example|MR|1", "unjudged", None),
    ("identifier:not=1", "unjudged", None),
    ("Identifier=1", "unjudged", None),
    ("identif%69er=1", "unjudged", None),
    ("patient.identifier=1", "unjudged", None),
    ("identifier", "unjudged", None),
    ("identifier=", "unjudged", None),
    (f"identifier={MRN}|", "unjudged", None),
    ("identifier=|", "unjudged", None),
    ("identifier=1,", "unjudged", None),
    ("identifier=1#f", "unjudged", None),
    ("", "unjudged", None),
    ("&&", "unjudged", None),
    # no text by RFC 3986
    ("identifier=%ff", "unjudged", None),
    ("identifier=1%", "unjudged", None),
    ("identifier=%zz1", "unjudged", None),
    ("identifier=%00", "unjudged", None),
    ("identifier=%01", "unjudged", None),
]  # fmt: skip
CASES += [
    ({"reference": f"Patient?{query}"}, "conditional", status, "Patient", key)
    for query, status, key in SEARCHES
]


def references(lake: Lake, where: str = "true", known_at: Any = None) -> list[dict[str, Any]]:
    query = f"select * from fhir.reference where {where} order by resource_id, element_path"
    with ask(lake, query, When(known_at=known_at)) as rows:
        return [row for batch in rows for row in batch.to_pylist()]


def states(lake: Lake, where: str = "true") -> list[tuple[str, str | None]]:
    return [(row["reference_status"], row["target_id"]) for row in references(lake, where)]


def holder(key: str, *held: Resource) -> Resource:
    return {"resourceType": "MedicationDispense", "id": key, "supportingInformation": list(held)}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The references of one resource that holds those of all cases, in their order."""
    lake = lake_at(tmp_path_factory.mktemp("reference"))
    contained = [{"resourceType": "Medication", "id": key} for key in ("drug", "twice")]
    contained += [{"resourceType": "Patient", "id": "twice"}, {"resourceType": "Patient"}]
    held = holder("m1", *[case[0] for case in CASES]) | {"contained": contained}
    take(lake, *HELD, held)
    # another site has what is missing here, and everything that is here
    take(lake, *HELD, person("nobody"), person("zz"), feed="south_ehr")
    found = references(lake, "resource_type = 'MedicationDispense'")
    return sorted(found, key=lambda row: int(row["element_path"].split("[")[1].rstrip("]")))


@pytest.mark.long
def test_no_reference_is_passed_over(told: list[dict[str, Any]]) -> None:
    places = [f"supportingInformation[{number}]" for number in range(len(CASES))]
    assert [row["element_path"] for row in told] == places
    assert {row["element"] for row in told} == {"supportingInformation"}


@pytest.mark.parametrize(
    ("number", "kind", "status", "target_type", "key"),
    [(number, *case[1:]) for number, case in enumerate(CASES)],
    ids=[str(case[0].get("reference", case[0]))[:80] for case in CASES],
)
def test_a_reference_says_what_it_points_to(
    told: list[dict[str, Any]], number: int, kind: str, status: str, target_type: str, key: str
) -> None:
    row = told[number]
    assert row["reference_text"] == CASES[number][0].get("reference")
    assert (row["reference_kind"], row["reference_status"]) == (kind, status)
    assert (row["target_type"], row["target_id"]) == (target_type, key and f"north/{key}")
    assert row["target_version_id"] == ("4" if kind == "versioned" else None)


@pytest.mark.long
def test_references_are_found_wherever_they_stand(lake: Lake) -> None:
    inner = {"reference": "Patient/p1"}
    take(
        lake,
        {
            "resourceType": "Consent",
            "id": "c",
            "patient": inner,
            "text": {"div": 'a "reference" that is none'},
            "identifier": [{"value": "x", "assigner": inner}, {"assigner": {"display": "no one"}}],
            "extension": [{"url": "u", "extension": [{"url": "v", "valueReference": inner}]}],
            "_status": {"extension": [{"url": "u", "valueReference": inner}]},
            "contained": [{"resourceType": "Encounter", "id": "e", "subject": inner}],
            "provision": {
                "actor": [{}, {"reference": inner}],
                "data": [{"reference": logical(MRN, "1")}],
                "odd name": {"x.y": [[inner]]},
            },
        },
    )
    found = {row["element_path"]: row["element"] for row in references(lake)}
    assert found == {
        "patient": "patient",
        "identifier[0].assigner": "identifier.assigner",
        "extension[0].extension[0].valueReference": "extension.extension.valueReference",
        "_status.extension[0].valueReference": "_status.extension.valueReference",
        "contained[0].subject": "contained.subject",
        "provision.actor[1].reference": "provision.actor.reference",
        "provision.data[0].reference": "provision.data.reference",
        "provision.odd name.x.y[0][0]": "provision.odd name.x.y",
    }


IDENTIFIER = {"system": MRN, "value": "1"}
NONE: list[Resource] = [
    {"resourceType": "DetectedIssue", "reference": "http://guide.example/1"},
    {"resourceType": "Immunization", "education": [{"reference": "http://leaflet.example/1"}]},
    {"resourceType": "Claim", "related": [{"reference": IDENTIFIER}]},
    {"resourceType": "Claim", "insurance": [{"focal": True, "identifier": IDENTIFIER}]},
    {"resourceType": "ClaimResponse", "payment": {"type": {"text": "x"}, "identifier": IDENTIFIER}},
    {"resourceType": "ExplanationOfBenefit", "payment": {"identifier": IDENTIFIER}},
    {"resourceType": "QuestionnaireResponse", "identifier": IDENTIFIER},
    {"resourceType": "PlanDefinition", "action": [{"condition": [
        {"expression": {"language": "text/cql", "reference": "http://library.example/1"}}]}]},
    {"resourceType": "Observation", "subject": "Patient/p1", "focus": [{"reference": 5}, {"reference": None}]},
    {"resourceType": "Observation", "note": [{"text": '{"reference": "Patient/p1"}'}]},
]  # fmt: skip


@pytest.mark.long
def test_what_only_looks_like_a_reference_is_none(lake: Lake) -> None:
    take(lake, *[told | {"id": f"n{number}"} for number, told in enumerate(NONE)])
    assert references(lake) == []


def lookalikes(path: str, kind: str) -> Iterator[str]:
    """The elements below one of that type that are no Reference and have what only a Reference should."""
    for element, inner in ((e, inner) for e in elements.elements(kind) for inner in e.types):
        name = element.json_name(inner)
        if elements.is_primitive(inner) or elements.is_resource(inner) or name in path.split("."):
            continue
        # an Extension has neither; an Expression is told by its language
        if inner in ("Reference", "Extension", "Expression"):
            continue
        identifier, address = (elements.element(inner, n) for n in ("identifier", "reference"))
        is_one = identifier and identifier.types == ("Identifier",) and not identifier.is_list
        if is_one or (address and address.types == ("uri",)):
            yield f"{path}.{name}"
        yield from lookalikes(f"{path}.{name}", inner)


def test_the_elements_that_look_like_a_reference_are_those_of_r4() -> None:
    listed = (PROJECT / "sql" / "codes" / "reference_lookalike.csv").read_text().splitlines()[2:]
    types = [line.split("\t")[0] for line in elements.TABLE.read_text().splitlines()]
    resources = [name for name in types if elements.is_resource(name)]
    assert listed == sorted(found for name in resources for found in lookalikes(name, name))


@pytest.mark.long
def test_what_arrives_late_resolves_what_is_deleted_dangles_and_a_second_one_makes_ambiguous(
    lake: Lake,
) -> None:
    held = [
        {"reference": "Patient/p1"},
        logical(MRN, "1"),
        {"reference": f"Patient?identifier={MRN}|1"},
    ]
    mine = "resource_type = 'MedicationDispense'"
    take(lake, holder("m1", *held))
    assert states(lake, mine) == [("dangling", None)] * 3
    take(lake, person("p1", (MRN, "1")))
    assert states(lake, mine) == [("resolved", "north/p1")] * 3
    take(lake, person("p2", (MRN, "1")))
    assert states(lake, mine) == [("resolved", "north/p1")] + [("ambiguous", None)] * 2
    take(lake, deletion("Patient/p1"))
    assert states(lake, mine) == [("dangling", None)] + [("resolved", "north/p2")] * 2
    take(lake, person("p2", (MRN, "another")))
    assert states(lake, mine) == [("dangling", None)] * 3
    take(lake, holder("m1"))
    assert states(lake, mine) == []


@pytest.mark.long
def test_a_reference_never_meets_another_source(lake: Lake) -> None:
    held = [{"reference": "Patient/p1"}, logical(MRN, "1"), {"reference": "urn:uuid:p1"}]
    take(lake, holder("m1", *held), feed="north_ehr")
    take(lake, holder("m1", *held), person("p1", (MRN, "1")), feed="south_ehr")
    assert states(lake, "source = 'north'") == [("dangling", None)] * 3
    assert states(lake, "source = 'south'") == [("resolved", "south/p1")] * 3
    take(lake, person("p1", (MRN, "1")), feed="north_ehr")
    assert states(lake, "source = 'north'") == [("resolved", "north/p1")] * 3
    assert all(row["target_id"].startswith(f"{row['source']}/") for row in references(lake))


@pytest.mark.long
def test_a_reference_inside_a_bundle_points_to_what_became_of_the_entry(lake: Lake) -> None:
    entry = {"fullUrl": UUID, "resource": {"resourceType": "Patient"}}
    held = {"fullUrl": "urn:uuid:1", "resource": holder("m1", {"reference": UUID})}
    take(lake, {"resourceType": "Bundle", "type": "transaction", "entry": [entry, held]})
    assert states(lake) == [("resolved", f"north/{UUID.removeprefix('urn:uuid:')}")]
    # and from without, where only the urn is known
    take(lake, holder("m2", {"reference": UUID}))
    assert len(set(states(lake))) == 1


@pytest.mark.long
def test_what_was_known_at_a_time_is_what_references_meet_at_that_time(lake: Lake) -> None:
    for place, (at, told) in enumerate(
        [(day(1), holder("m1", {"reference": "Patient/p1"})), (day(5), person("p1"))]
    ):
        drop(lake, "north_ehr", f"{place}/x.ndjson", lines([told]))
        drop(lake, "north_ehr", f"{place}/manifest.json", manifest(at, "x.ndjson"))
    ingest(lake)
    found = [references(lake, known_at=NOW.replace(month=1, day=on))[0] for on in (3, 6)]
    assert [row["reference_status"] for row in found] == ["dangling", "resolved"]


@pytest.mark.long
def test_what_is_recomputed_by_unit_may_not_ask_across_units(lake: Lake) -> None:
    own = lake.settings.home.parent / "config" / "sql" / "silver"
    own.mkdir(parents=True)
    (own / "broken.sql").write_text(
        "/*---\nabout: x.\nowner: x\nkeep: 1 year\nwrite: merge\nkey: [resource_id]\nby: resource_id\n---*/\n"
        "select resource_id from fhir.reference"
    )
    with pytest.raises(SpecError, match="joins records across the units"):
        Catalog.read([PROJECT / "sql", own.parent], lake.settings.feeds)
