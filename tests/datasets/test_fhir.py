"""The FHIR exports of the synthetic hospital: laid out as a server does it, marked, and all of it in the truth."""

import gzip
import json
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.datasets.synthetic import Population, sites_of, write_hospital
from lakehouse.datasets.synthetic.formats.fhir.vitals import SIGN_SUFFIXES
from tests.datasets.hospital import write

SITES, EXPORTS = ("north", "south"), (1, 2, 3)
Resource = dict[str, Any]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hospital") / "out", "fhir")


def lines(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*.ndjson*")):
        content = path.read_bytes()
        yield from (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()


def resources(folder: Path) -> Iterator[Resource]:
    """All that can be read: a defect is half a line."""
    for line in lines(folder):
        try:
            yield json.loads(line)
        except ValueError:
            continue


def exports(hospital: Path) -> Iterator[tuple[str, int, Path]]:
    for site in SITES:
        for export in EXPORTS:
            yield site, export, hospital / "fhir" / site / str(export)


def truth(hospital: Path, stream: str) -> list[Resource]:
    told = hospital / "truth" / f"{stream}.ndjson"
    return [json.loads(line) for line in told.read_text().splitlines()]


def test_a_manifest_lists_every_file_with_its_lines(hospital: Path) -> None:
    for site, export, folder in exports(hospital):
        manifest = json.loads((folder / "manifest.json").read_text())
        base = f"https://{site}.example.org/fhir/export/{export}/"
        listed = {
            one["url"].removeprefix(base): one["count"]
            for one in manifest["output"] + manifest["deleted"]
        }
        counts = {}
        for path in folder.rglob("*.ndjson*"):
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            counts[str(path.relative_to(folder))] = len(content.splitlines())
        assert listed == counts
        assert manifest["transactionTime"] == f"2026-11-{14 + export}T00:00:00Z"


def test_everything_is_marked_as_test_data_and_versioned(hospital: Path) -> None:
    labels = Counter[str]()
    for _, _, folder in exports(hospital):
        until = json.loads((folder / "manifest.json").read_text())["transactionTime"]
        for resource in resources(folder):
            codes = [label["code"] for label in resource["meta"]["security"]]
            assert codes[0] == "HTEST"
            labels.update(codes)
            if resource["resourceType"] != "Bundle":
                assert int(resource["meta"]["versionId"]) >= 1
                assert resource["meta"]["lastUpdated"] <= until
    assert labels["R"] > 50


def test_every_noun_of_the_lake_has_a_resource(hospital: Path) -> None:
    kinds = Counter(
        one["resourceType"]
        for _, export, f in exports(hospital)
        if export == 1
        for one in resources(f)
    )
    assert set(kinds) == {
        "AllergyIntolerance",
        "CarePlan",
        "CareTeam",
        "Claim",
        "Condition",
        "Coverage",
        "Device",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "Goal",
        "ImagingStudy",
        "Immunization",
        "Location",
        "Medication",
        "MedicationAdministration",
        "MedicationRequest",
        "Observation",
        "Organization",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Procedure",
        "Provenance",
        "QuestionnaireResponse",
        "RelatedPerson",
        "ServiceRequest",
        "Specimen",
    }


def stems(resource: Resource) -> Iterator[str]:
    """The ids of the truth that a resource's id may be made of (docs/synthetic.md)."""
    identity = resource["id"]
    head, _, tail = identity.rpartition("-")
    yield identity
    match resource["resourceType"]:
        case "Observation" if tail in (*SIGN_SUFFIXES, "smoking", "desk", "ecg"):
            yield head
        case "Observation" | "DiagnosticReport" if "x" in identity:
            yield identity.partition("x")[0]
        case "MedicationAdministration" | "Coverage" | "RelatedPerson":
            yield head


PLACES = {"Organization", "Location", "Practitioner", "PractitionerRole", "Medication", "Bundle"}


def test_every_id_is_in_the_truth(hospital: Path) -> None:
    known: dict[str, set[str]] = defaultdict(set)
    for row in truth(hospital, "record"):
        known[row["site"]] |= {row["id"], row["encounter"]}
    for row in truth(hospital, "registration"):
        known[row["site"]].add(row["patient"])
    strange = [
        (site, one["resourceType"], one["id"])
        for site, _, folder in exports(hospital)
        for one in resources(folder)
        if one["resourceType"] not in PLACES and known[site].isdisjoint(stems(one))
    ]
    assert strange == []


@pytest.mark.long
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_every_id_is_in_the_truth_whatever_the_seed(seed: int) -> None:
    with TemporaryDirectory() as place:
        test_every_id_is_in_the_truth(write(Path(place) / "out", "fhir", patients=9, seed=seed))


SUBJECT = re.compile(rb'"reference":"Patient/([^"/]+)"')


@pytest.mark.long
def test_a_patient_has_as_much_as_a_patient_of_a_hospital(tmp_path: Path) -> None:
    hospital = write(tmp_path / "out", "fhir", patients=84)
    counts, sizes = Counter[str](), Counter[str]()
    for site in SITES:
        for line in lines(hospital / "fhir" / site / "1"):
            # what somebody is meant by names them first
            if found := SUBJECT.search(line):
                counts[f"{site}/{found[1].decode()}"] += 1
                sizes[f"{site}/{found[1].decode()}"] += len(line)
    assert statistics.median(counts.values()) >= 60
    assert statistics.median(sizes.values()) >= 100_000


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


@pytest.mark.long
def test_every_reference_of_a_first_export_points_to_something_in_it(hospital: Path) -> None:
    for site, export, folder in exports(hospital):
        if export > 1:
            continue
        told = list(resources(folder))
        known = {f"{one['resourceType']}/{one['id']}" for one in told}
        known |= {
            f"Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|{n['value']}"
            for one in told
            if one["resourceType"] == "Practitioner"
            for n in one["identifier"]
        }
        base = f"https://{site}.example.org/fhir/"
        pointed = {
            name.removeprefix(base).partition("/_history")[0]
            for one in told
            for name in references(one)
        }
        assert pointed - known == {"#drug"}


VALUES = {
    "valueQuantity", "valueCodeableConcept", "valueString", "valueBoolean", "valueInteger", "valueRange",
    "valueRatio", "valueSampledData", "valueTime", "valueDateTime", "valuePeriod",
}  # fmt: skip


def test_an_observation_has_every_kind_of_value_and_several_codings_comparators_and_reasons(
    hospital: Path,
) -> None:
    found = Counter[str]()
    for _, _, folder in exports(hospital):
        for one in resources(folder):
            if one["resourceType"] != "Observation":
                continue
            found.update(name for name in one if name.startswith("value"))
            found["reason"] += "dataAbsentReason" in one
            found["component"] += "component" in one
            found["codings"] += len(one.get("code", {}).get("coding", [])) > 1
            found[one.get("valueQuantity", {}).get("comparator", "")] += 1
            found[one["status"]] += 1
    assert found.keys() > VALUES
    wanted = (
        "reason",
        "component",
        "codings",
        "<",
        "preliminary",
        "final",
        "corrected",
        "entered-in-error",
    )
    assert {name for name in wanted if not found[name]} <= {"preliminary"}


def test_two_sites_name_their_records_alike(hospital: Path) -> None:
    names = [
        {(one["resourceType"], one["id"]) for one in resources(hospital / "fhir" / site / "1")}
        for site in SITES
    ]
    assert len(names[0] & names[1]) > 200


def test_a_deletion_names_what_the_first_export_had(hospital: Path) -> None:
    deleted = 0
    for site in SITES:
        known = {
            f"{one['resourceType']}/{one['id']}"
            for one in resources(hospital / "fhir" / site / "1")
        }
        for one in resources(hospital / "fhir" / site / "2" / "deleted"):
            assert {entry["request"]["url"] for entry in one["entry"]} <= known
            deleted += len(one["entry"])
    assert deleted > 20


MEASURE = """
import resource, sys
from pathlib import Path
from lakehouse.datasets.synthetic import Population, write_hospital
write_hospital(Population(int(sys.argv[1]), 7), Path(sys.argv[2]), ["fhir"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_people(tmp_path: Path) -> None:
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", MEASURE, str(patients), str(tmp_path / str(patients))],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for patients in (250, 1500)
    ]
    assert peaks[1] - peaks[0] < 8


@pytest.mark.parametrize("sites", ["solo", "a,b,c=Asia/Kolkata", "a,b,c,d,e,f=Europe/Vienna,g"])
def test_there_may_be_one_site_or_many_in_any_zone_and_one_person_or_many(
    tmp_path: Path, sites: str
) -> None:
    names = [name.partition("=")[0] for name in sites.split(",")]
    for patients in (1, 23):
        population = Population(patients, 3, sites_of(sites), defects=10_000)
        place = tmp_path / str(patients)
        write_hospital(population, place, ["fhir"])
        assert {path.name for path in (place / "fhir").iterdir()} == set(names)
        for name in names:
            for export in EXPORTS:
                assert (place / "fhir" / name / str(export) / "manifest.json").is_file()
        known = {(one["site"], one["patient"]) for one in truth(place, "registration")}
        written = {
            (name, one["id"])
            for name in names
            for one in resources(place / "fhir" / name / "1")
            if one["resourceType"] == "Patient"
        }
        assert written == known


def test_orders_accessions_and_uids_are_those_of_the_truth(hospital: Path) -> None:
    told = {(row["site"], row["kind"], row["id"]): row for row in truth(hospital, "link")}
    checked = Counter[str]()
    for site, export, folder in exports(hospital):
        for one in resources(folder) if export == 1 else ():
            kind, names = one["resourceType"], {n["value"] for n in one.get("identifier", [])}
            link = told.get((site, "imaging", one["id"])) or told.get((site, "panel", one["id"]))
            if kind == "ImagingStudy":
                assert names == {f"urn:oid:{link['study_uid']}", link["accession"]}
                series = [
                    {"uid": s["uid"], "n_instances": len(s["instance"])} for s in one["series"]
                ]
                assert series == link["series"]
                assert len(
                    {i["uid"] for s in one["series"] for i in s["instance"]}
                    | {s["uid"] for s in series}
                ) == (sum(s["n_instances"] for s in series) + len(series))
            elif kind == "ServiceRequest":
                assert names == {link["placer"]}
            elif kind == "DiagnosticReport" and link:
                assert names == {link["accession"]}
            elif kind == "Specimen":
                assert one["accessionIdentifier"]["value"] == link["accession"]
            else:
                continue
            checked[kind] += 1
    assert (
        min(
            checked[kind]
            for kind in ("ImagingStudy", "ServiceRequest", "DiagnosticReport", "Specimen")
        )
        > 20
    )
