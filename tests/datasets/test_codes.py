"""Every code that any format writes: its check digit where the system has one, its shape where not; and what
public data calls it.
"""

import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydicom import dcmread

from lakehouse.settings import PROJECT
from tests.datasets.hospital import contents, write
from tests.peers.java import place_of

Coding = tuple[str, str, str]
"""System, code, display."""

LOINC, SNOMED, RXNORM = "LOINC", "SNOMED CT", "RxNorm"
SYSTEMS = {
    "http://loinc.org": LOINC,
    "LN": LOINC,
    "2.16.840.1.113883.6.1": LOINC,
    "http://snomed.info/sct": SNOMED,
    "SNOMED-CT": SNOMED,
    "SCT": SNOMED,
    "2.16.840.1.113883.6.96": SNOMED,
    "http://www.nlm.nih.gov/research/umls/rxnorm": RXNORM,
    "2.16.840.1.113883.6.88": RXNORM,
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "I10": "ICD-10-CM",
    "2.16.840.1.113883.6.90": "ICD-10-CM",
    "http://www.cms.gov/Medicare/Coding/ICD10": "ICD-10-PCS",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "urn:oid:2.16.840.1.113883.6.238": "CDCREC",
    "CDCREC": "CDCREC",
    "2.16.840.1.113883.6.238": "CDCREC",
    "http://hl7.org/fhir/sid/us-npi": "NPI",
    "NPI": "NPI",
    "2.16.840.1.113883.4.6": "NPI",
}


def luhn(digits: str) -> int:
    """What is missing to a multiple of ten (ISO/IEC 7812-1 annex B) behind these digits."""
    doubled = [int(one) * (2 - place % 2) for place, one in enumerate(reversed(digits))]
    return -sum(value // 10 + value % 10 for value in doubled) % 10


PERMUTED, MULTIPLIED = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]], [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
]  # fmt: skip
for _ in range(6):
    PERMUTED.append([PERMUTED[-1][PERMUTED[1][digit]] for digit in range(10)])


def verhoeff(code: str) -> bool:
    """The dihedral check of SNOMED CT identifiers (release file specification, 5.5)."""
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = MULTIPLIED[check][PERMUTED[place % 8][int(digit)]]
    return check == 0


def is_loinc(code: str) -> bool:
    """The number before the hyphen has the check digit behind it; the letters of an answer count as five."""
    found = re.fullmatch(r"(LA)?(\d{1,7})-(\d)", code)
    return bool(found) and (luhn(found[2]) + 5 * bool(found[1])) % 10 == int(found[3])


def is_snomed(code: str) -> bool:
    """A concept of the international edition: its partition is 00."""
    return bool(re.fullmatch(r"[1-9]\d{2,14}00\d", code)) and verhoeff(code)


def is_race(code: str) -> bool:
    found = re.fullmatch(r"(\d{4})-(\d)", code)
    return bool(found) and luhn(found[1]) == int(found[2])


def is_npi(code: str) -> bool:
    """45 CFR 162.406: ten digits, the check of which counts 80840 before them. A real one begins with 1 or 2."""
    return bool(re.fullmatch(r"9\d{9}", code)) and luhn("80840" + code[:9]) == int(code[9])


def shaped(pattern: str) -> Callable[[str], bool]:
    return lambda code: re.fullmatch(pattern, code) is not None


RULES: dict[str, Callable[[str], bool]] = {
    LOINC: is_loinc,
    SNOMED: is_snomed,
    RXNORM: shaped(r"[1-9]\d{1,7}"),
    "ICD-10-CM": shaped(r"[A-TV-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?"),
    # neither I nor O is a letter of a procedure
    "ICD-10-PCS": shaped(r"[0-9A-HJ-NP-Z]{7}"),
    "CVX": shaped(r"\d{1,3}"),
    "CDCREC": is_race,
    "NPI": is_npi,
}


@pytest.mark.parametrize(
    ("system", "good", "bad"),
    [
        (LOINC, "2951-2", "2951-3"),
        (LOINC, "LA6568-5", "LA6568-0"),
        (SNOMED, "233604007", "233640007"),
        (SNOMED, "73211009", "73211010"),
        ("CDCREC", "2106-3", "2106-4"),
        ("NPI", "9037639728", "1234567893"),
        ("ICD-10-CM", "Z34.90", "U07.1"),
        ("ICD-10-PCS", "10E0XZZ", "1OE0XZZ"),
    ],
)
def test_a_rule_finds_a_wrong_code(system: str, good: str, bad: str) -> None:
    assert RULES[system](good)
    assert not RULES[system](bad)


def in_json(value: Any) -> Iterator[Coding]:
    """Codings, and identifiers of a practitioner."""
    if isinstance(value, dict):
        if isinstance(value.get("system"), str):
            yield (
                value["system"],
                str(value.get("code") or value.get("value")),
                value.get("display", ""),
            )
        for one in value.values():
            yield from in_json(one)
    elif isinstance(value, list):
        for one in value:
            yield from in_json(one)


def in_messages(data: bytes) -> Iterator[Coding]:
    """The three components of a coded element, and the numbers of staff."""
    text = data.decode("latin-1")
    for code, display, system in re.findall(
        r"[|~]([^|^~]+)\^([^|^~]*)\^(LN|I10|SCT|CDCREC)\b", text
    ):
        yield system, code, display
    for number in re.findall(r"[|~](\d+)\^[^|~]*\^NPI\b", text):
        yield "NPI", number, ""


def in_documents(data: bytes) -> Iterator[Coding]:
    for element in etree.fromstring(data).iter(etree.Element):
        system, code = element.get("codeSystem"), element.get("code")
        if system and code:
            yield system, code, element.get("displayName", "")
        elif element.get("extension") and element.get("root") in SYSTEMS:
            yield element.get("root"), element.get("extension"), ""


def in_images(path: Path) -> Iterator[Coding]:
    for element in dcmread(path, stop_before_pixels=True).iterall():
        if element.VR == "SQ":
            for item in element.value:
                if "CodeValue" in item:
                    yield item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[Coding]]:
    """By format: what is written of the systems above."""
    root = write(
        tmp_path_factory.mktemp("codes") / "out",
        "fhir",
        "hl7",
        "notes",
        "dicom",
        patients=21,
        defects=0,
    )
    found: dict[str, set[Coding]] = defaultdict(set)
    for path in root.glob("fhir/*/[123]/**/*.ndjson*"):
        for line in contents(path).splitlines():
            found["fhir"].update(in_json(json.loads(line)))
    for path in root.glob("hl7/*/*.hl7"):
        found["hl7"].update(in_messages(path.read_bytes().replace(b"\n", b"\r")))
    for path in root.glob("notes/**/*.xml"):
        found["notes"].update(in_documents(path.read_bytes()))
    for path in root.glob("dicom/**/*.dcm"):
        found["dicom"].update(in_images(path))
    return {
        name: {
            (SYSTEMS[system], code, display) for system, code, display in told if system in SYSTEMS
        }
        for name, told in found.items()
    }


WRITTEN = {
    "fhir": {LOINC, SNOMED, RXNORM, "ICD-10-CM", "ICD-10-PCS", "CVX", "CDCREC", "NPI"},
    "hl7": {LOINC, SNOMED, "ICD-10-CM", "CDCREC", "NPI"},
    "notes": {LOINC, "CDCREC", "NPI"},
    "dicom": {LOINC, SNOMED},
}


@pytest.mark.long
def test_every_code_of_every_format_is_one_that_its_system_could_have_given(
    written: dict[str, set[Coding]],
) -> None:
    for name, told in written.items():
        assert [one for one in sorted(told) if not RULES[one[0]](one[1])] == []
        assert {system for system, *_ in told} >= WRITTEN[name], name


@pytest.mark.long
def test_a_code_means_the_same_in_every_format(written: dict[str, set[Coding]]) -> None:
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for codings in written.values():
        for system, code, display in codings:
            told[system, code] |= {display} - {""}
    assert [(key, names) for key, names in told.items() if not agree(names, names)] == []


def stems(text: str) -> set[str]:
    return {word[:5].lower() for word in re.findall(r"[A-Za-z]{4,}|\d+", text)}


def agree(ours: set[str], theirs: set[str]) -> bool:
    """Whether each name of ours shares a word's beginning with each of theirs."""
    return all(stems(one) & stems(other) or one == other for one in ours for other in theirs)


def public() -> dict[tuple[str, str], set[str]]:
    """What public exports and Synthea's modules call a code, as far as they are on this machine."""
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in (PROJECT.parent / "shared" / "data" / "fhir").glob("*/[A-Z]*.ndjson.gz"):
        for line in contents(path).splitlines():
            add(told, in_json(json.loads(line)))
    for path in (place_of("synthea") / "jars").glob("synthea-*.jar"):
        with zipfile.ZipFile(path) as jar:
            for name in jar.namelist():
                if re.fullmatch(r"modules/.*\.json", name):
                    add(told, in_json(json.loads(jar.read(name))))
    return told


def add(told: dict[tuple[str, str], set[str]], codings: Iterator[Coding]) -> None:
    for system, code, display in codings:
        told[SYSTEMS.get(system, system), code] |= {display} - {""}


@pytest.mark.peer
@pytest.mark.long
def test_public_data_calls_a_code_as_we_do(written: dict[str, set[Coding]]) -> None:
    theirs = public()
    if not theirs:
        pytest.skip("neither public exports nor Synthea are beside the project (`make peers`)")
    known = {one for told in written.values() for one in told if one[2] and theirs.get(one[:2])}
    strange = {one for one in known if not any(agree({one[2]}, {name}) for name in theirs[one[:2]])}
    assert strange == set()
    assert len({one[:2] for one in known}) > 40
