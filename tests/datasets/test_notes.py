"""Notes and their spans: what the truth tells of stands where it says, and nothing else does."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from lakehouse.datasets.synthetic import Population
from lakehouse.datasets.synthetic.formats.notes import open_format
from lakehouse.datasets.synthetic.formats.notes.plain import rtf_text
from lakehouse.datasets.synthetic.model import Demographics, Person
from lakehouse.datasets.synthetic.words import imaging, phrases
from tests.datasets.hospital import PATIENTS, SEED, write
from tests.datasets.memory import kept

CDA = {"c": "urn:hl7-org:v3"}
MARK = "HTEST: synthetic, no real person"
SPANS = ("phi_span", "finding_span", "look_alike_span")
Row = dict[str, Any]


class Hospital(NamedTuple):
    folder: Path
    people: dict[str, Person]
    notes: dict[str, Row]
    spans: list[Row]

    def text(self, row: Row) -> str:
        """The file of a row, decoded as the truth says."""
        told = (self.folder / row["file"]).read_bytes()
        return told.decode(self.notes[row["file"]]["encoding"])


def rows(folder: Path, stream: str) -> Iterator[Row]:
    return map(orjson.loads, (folder / "truth" / f"{stream}.ndjson").read_bytes().splitlines())


def built(folder: Path, patients: int, seed: int) -> Hospital:
    """The notes of a hospital, with its truth and its story."""
    write(folder, "notes", patients=patients, seed=seed)
    spans = [row for stream in SPANS for row in rows(folder, stream)]
    people = {person.id: person for person in Population(patients, seed, defects=2000).people()}
    return Hospital(folder, people, {row["file"]: row for row in rows(folder, "note")}, spans)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return built(tmp_path_factory.mktemp("notes") / "out", PATIENTS, SEED)


RTF = re.compile(
    r"\\'(?P<byte>[0-9a-f]{2})|\\u(?P<code>-?\d+) ?\?|\\(?P<plain>[\\{}])|(?P<par>\\par\b)|\\[a-z]+-?\d* ?|[{}\r\n]"
)


def shown_by_rtf(text: str) -> str:
    """What a reader of RTF shows: groups of the header are not, escapes are what they stand for."""

    def read(found: re.Match[str]) -> str:
        if found["byte"]:
            return bytes.fromhex(found["byte"]).decode("cp1252")
        if found["code"]:
            return chr(int(found["code"]) % 65536)
        return "\n" if found["par"] else found["plain"] or ""

    told = RTF.sub(read, re.sub(r"\{\\(fonttbl|info).*?\}\}", "", text))
    return told.encode("utf-16", "surrogatepass").decode("utf-16")


def shown(row: Row, text: str) -> str:
    """What a reader sees of a file or of a piece of it."""
    if row["file"].endswith(".rtf"):
        return shown_by_rtf(text)
    if row["file"].endswith(".xml"):
        return etree.fromstring(f'<a b="{text}"/>').get("b") or ""
    return text


@pytest.mark.long
def test_every_document_of_the_story_is_one_file_and_every_file_is_in_the_truth(
    hospital: Hospital,
) -> None:
    told = {
        (person.id, document.id)
        for person in hospital.people.values()
        for encounter in person.encounters
        for document in encounter.documents
    }
    assert {(row["person"], row["document"]) for row in hospital.notes.values()} == told
    assert len(hospital.notes) == len(told)
    files = {
        path.relative_to(hospital.folder).as_posix()
        for path in (hospital.folder / "notes").rglob("*.*")
    }
    assert files == set(hospital.notes)
    kinds = Counter((row["kind"], row["file"][-3:]) for row in hospital.notes.values())
    assert {kind for kind, _ in kinds} == set(phrases.KINDS)
    assert {suffix for _, suffix in kinds} == {"txt", "rtf", "xml"}


def by_file(hospital: Hospital) -> Iterator[tuple[Row, str, list[Row]]]:
    """Each note with its decoded file and its spans."""
    spans: dict[str, list[Row]] = {}
    for row in hospital.spans:
        spans.setdefault(row["file"], []).append(row)
    for file, note in hospital.notes.items():
        yield note, hospital.text(note), spans[file]


def test_what_is_cut_out_at_a_span_is_what_the_truth_says(hospital: Hospital) -> None:
    for note, text, spans in by_file(hospital):
        whole = "" if note["file"].endswith(".xml") else shown(note, text)
        for row in spans:
            assert shown(row, text[row["start"] : row["end"]]) == row["text"]
            if row["shown_start"] is not None:
                assert whole[row["shown_start"] :].startswith(row["text"])


def names(told: Demographics) -> set[str]:
    return {told.given, told.middle, told.family} - {""}


def values(person: Person, row: Row) -> dict[str, set[str]]:
    """What may stand in the spans of a class, by the story."""
    ours = person.at_site(row["site"])
    told = [one.demographics for one in ours]
    encounters = [e for e in person.encounters if e.site == row["site"]]
    images = [image for e in encounters for image in e.imaging]
    implants = [p.implant for e in encounters for p in e.procedures if p.implant]
    return {
        "patient_name": {person.nickname}.union(*map(names, told)),
        "relative_name": {person.contact.given, person.contact.family},
        "birth_date": {str(one.born.year) for one in told},
        "mrn": {one.mrn for one in ours},
        "ssn": {one.ssn for one in told if one.ssn},
        "phone": {one.phone for one in told if one.phone} | {person.contact.phone},
        "email": {one.email for one in told if one.email},
        "insurance_number": {person.insurance_number},
        "visit_number": {e.visit_number for e in encounters},
        "accession": {image.accession for image in images},
        "device_serial": {implant.serial for implant in implants},
        "record_id": {text for image in images for text in (image.placer, image.study_uid)}
        | {document.id for e in encounters for document in e.documents},
        "address": {
            part
            for one in told
            for part in (one.address.line, one.address.city, one.address.postal_code)
        },
    }


FROM_ELSEWHERE = {"staff_name", "staff_id", "organization", "date", "age"}


def test_a_span_holds_a_value_of_the_person_as_the_site_knows_them(hospital: Hospital) -> None:
    for row in rows(hospital.folder, "phi_span"):
        if row["class"] in FROM_ELSEWHERE:
            continue
        told = values(hospital.people[row["person"]], row)[row["class"]]
        left = row["text"]
        for value in sorted(told, key=len, reverse=True):
            left = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "", left)
        if row["class"] == "birth_date":
            assert left != row["text"] or row["text"][:4] in told
        else:
            assert re.fullmatch(r"[ ,]*([A-Z]{2} )?", left), (row["class"], row["text"])


def test_no_value_of_a_person_stands_outside_of_a_span(hospital: Hospital) -> None:
    found = 0
    for note, text, spans in by_file(hospital):
        start, page = "start", text
        if not note["file"].endswith(".xml"):
            start, page = "shown_start", shown(note, text)
        covered: set[int] = set()
        for row in spans:
            covered.update(range(row[start], row[start] + len(row["text"])))
        person = hospital.people[note["person"]]
        told = set().union(*values(person, note).values()) - years(person)
        pattern = "|".join(map(re.escape, sorted(told | births(person), key=len, reverse=True)))
        for place in re.finditer(rf"(?<!\w)({pattern})(?!\w)", page):
            found += 1
            assert covered.issuperset(range(*place.span())), (note["file"], place[0])
    assert found > 100


def years(person: Person) -> set[str]:
    return {str(one.demographics.born.year) for one in person.registrations}


def births(person: Person) -> set[str]:
    """A birth date as machines write it."""
    born = [one.demographics.born for one in person.registrations]
    return {text for day in born for text in (f"{day:%Y%m%d}", f"{day:%m/%d/%Y}", str(day))}


def test_findings_are_affirmed_negated_of_the_family_and_uncertain(hospital: Hospital) -> None:
    told = Counter(row["status"] for row in rows(hospital.folder, "finding_span"))
    assert set(told) == set(phrases.STATUSES)
    assert min(told.values()) > 20
    assert {row["text"] for row in rows(hospital.folder, "look_alike_span")} > {"Foley", "Bell"}


def test_somebody_is_called_like_an_eponym(hospital: Hospital) -> None:
    alike = {row["text"] for row in rows(hospital.folder, "look_alike_span")}
    families = {part for row in rows(hospital.folder, "phi_span") for part in row["text"].split()}
    assert alike & families


def test_a_report_says_what_the_story_says_that_is_seen() -> None:
    findings = [told for told in vars(imaging).values() if isinstance(told, imaging.Finding)]
    assert {told.name for told in findings} == set(phrases.REPORTS)
    for told in findings:
        plain = [re.sub(r"\[(.*?)\|\w+\]", r"\1", text) for text in phrases.REPORTS[told.name]]
        assert plain == [told.findings, told.impression]


def test_a_document_in_xml_is_a_c_cda_of_the_patient(hospital: Hospital) -> None:
    for file, note in hospital.notes.items():
        if not file.endswith(".xml"):
            continue
        root = etree.parse(hospital.folder / file).getroot()
        assert root.tag == "{urn:hl7-org:v3}ClinicalDocument"
        kind = phrases.KINDS[note["kind"]]
        templates = {found.get("root") for found in root.findall("c:templateId", CDA)}
        assert templates == {"2.16.840.1.113883.10.20.22.1.1", kind.template.partition(":")[0]}
        ours = hospital.people[note["person"]].at_site(note["site"])
        who = root.find("c:recordTarget/c:patientRole", CDA)
        assert who is not None
        (told,) = [o for o in ours if o.mrn == who.find("c:id", CDA).get("extension")]  # type: ignore[union-attr]
        assert who.findtext("c:patient/c:name/c:family", None, CDA) == told.demographics.family
        assert root.find("c:author/c:assignedAuthor/c:id", CDA) is not None
        assert root.findtext("c:custodian//c:name", None, CDA)
        sections = root.findall("c:component/c:structuredBody/c:component/c:section", CDA)
        assert len(sections) >= 3
        for section in sections:
            code = section.find("c:code", CDA)
            assert code is not None
            assert re.fullmatch(r"\d+-\d|121181", code.get("code") or "")
            assert section.find("c:templateId", CDA) is not None
            is_catalog = code.get("code") == "121181"
            assert section.findall("c:entry/c:act" if is_catalog else "c:text/c:paragraph", CDA)


def test_every_note_is_marked_as_synthetic(hospital: Hospital) -> None:
    assert all(MARK in hospital.text(note) for note in hospital.notes.values())


def test_a_wrong_encoding_is_a_defect_and_in_the_truth(hospital: Hospital) -> None:
    flawed = {r["file"] for r in rows(hospital.folder, "defect") if r.get("format") == "notes"}
    assert flawed == {f for f, note in hospital.notes.items() if note["encoding"] != "utf-8"}
    assert flawed
    for file in flawed:
        with pytest.raises(UnicodeDecodeError):
            (hospital.folder / file).read_bytes().decode()


def test_rtf_is_ascii_with_both_kinds_of_escapes(hospital: Hospital) -> None:
    told = "".join(hospital.text(n) for f, n in hospital.notes.items() if f.endswith(".rtf"))
    assert told.isascii()
    assert re.search(r"\\'[0-9a-f]{2}", told)
    assert re.search(r"\\u\d+\?", told)


@given(text=st.text(st.characters(exclude_categories=["C"])))
def test_any_text_comes_back_from_rtf(text: str) -> None:
    assert rtf_text(text).isascii()
    assert shown_by_rtf(rtf_text(text)) == text


@pytest.mark.long
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_the_truth_of_spans_holds_for_every_seed(seed: int) -> None:
    with TemporaryDirectory() as place:
        hospital = built(Path(place) / "out", 9, seed)
        test_what_is_cut_out_at_a_span_is_what_the_truth_says(hospital)
        test_a_span_holds_a_value_of_the_person_as_the_site_knows_them(hospital)
        test_no_value_of_a_person_stands_outside_of_a_span(hospital)


@pytest.mark.long
def test_nobody_is_kept_in_memory(tmp_path: Path) -> None:
    assert kept(open_format, Population(8, SEED), tmp_path) < 60_000
