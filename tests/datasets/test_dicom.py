"""DICOM files as pydicom reads them: what the truth tells of is in them, and nothing else is."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from lakehouse.datasets.synthetic import Population
from lakehouse.datasets.synthetic.formats.dicom import open_format
from lakehouse.datasets.synthetic.formats.dicom.header import PRIVATE
from lakehouse.datasets.synthetic.model import Person
from lakehouse.datasets.synthetic.truth import Truth
from tests.datasets.archive import FEW, Archive, Row
from tests.datasets.hospital import SEED, contents, write
from tests.datasets.memory import kept
from tests.peers.dicom import errors

MARK = "HTEST: synthetic, no real person"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(tmp_path_factory.mktemp("dicom") / "out")


@pytest.mark.long
def test_every_file_is_in_the_truth_and_every_image_of_the_story_is_a_file(
    archive: Archive,
) -> None:
    assert archive.files.keys() == archive.instances.keys()
    for uid, dataset in archive.files.items():
        row = archive.instances[uid]
        path = f"dicom/{row['site']}/{row['study_uid']}/{row['series_uid']}/{uid}.dcm"
        assert row["file"] == path
        assert (archive.folder / path).is_file()
        assert (row["series_uid"], row["modality"]) == (
            dataset.SeriesInstanceUID,
            dataset.Modality,
        )
    told = {
        series.instance_uid(number)
        for _, _, image in archive.examinations()
        for series in image.series
        for number in range(1, series.n_instances + 1)
    }
    assert told < archive.files.keys()
    beside = {archive.instances[uid]["modality"] for uid in archive.files.keys() - told}
    assert beside == {"OT", "SEG", "SR"}
    assert {dataset.Modality for dataset in archive.files.values()} == beside | {
        "CT", "MR", "CR", "US",
    }  # fmt: skip


def test_an_image_that_comes_again_is_a_defect(archive: Archive) -> None:
    assert {row["kind"] for row in archive.defects} == {"resent", "same_uid_other_bytes"}
    for row in archive.defects:
        first, again = archive.files[row["target"]], archive.folder / row["file"]
        assert dcmread(again).SOPInstanceUID == row["target"]
        before = archive.folder / archive.instances[row["target"]]["file"]
        is_same = again.read_bytes() == before.read_bytes()
        assert is_same == (row["kind"] == "resent")
        assert dcmread(again).PixelData == first.PixelData


def test_studies_series_and_instances_hang_together(archive: Archive) -> None:
    by_study = {
        image.study_uid: (person, site, image) for person, site, image in archive.examinations()
    }
    series: dict[str, set[tuple[str, str, str]]] = {}
    spaces: dict[str, set[str]] = {}
    for dataset in archive.files.values():
        person, site, image = by_study[dataset.StudyInstanceUID]
        ours = person.at_site(site)
        assert dataset.AccessionNumber == image.accession
        assert dataset.StudyID == image.placer
        assert dataset.PatientID in {one.mrn for one in ours}
        series.setdefault(dataset.SeriesInstanceUID, set()).add(
            (dataset.StudyInstanceUID, dataset.Modality, str(dataset.SeriesNumber))
        )
        if "FrameOfReferenceUID" in dataset:
            spaces.setdefault(dataset.StudyInstanceUID, set()).add(dataset.FrameOfReferenceUID)
    assert {dataset.StudyInstanceUID for dataset in archive.files.values()} == by_study.keys()
    assert all(len(told) == 1 for told in series.values())
    assert all(len(told) == 1 for told in spaces.values())


def test_a_fhir_export_names_the_same_studies(archive: Archive, tmp_path: Path) -> None:
    found = 0
    for path in write(tmp_path / "out", "fhir", patients=FEW).glob("fhir/*/*/ImagingStudy*"):
        for line in contents(path).splitlines():
            told = orjson.loads(line)
            uid, accession = (one["value"] for one in told["identifier"])
            for series in told["series"]:
                for one in series["instance"]:
                    dataset = archive.files[one["uid"]]
                    assert f"urn:oid:{dataset.StudyInstanceUID}" == uid
                    assert dataset.SeriesInstanceUID == series["uid"]
                    assert dataset.AccessionNumber == accession
                    assert f"urn:oid:{dataset.SOPClassUID}" == one["sopClass"]["code"]
                    found += 1
    assert found > 30


def test_every_uid_is_in_the_truth(archive: Archive) -> None:
    known = set(archive.files) | {row["series_uid"] for row in archive.instances.values()}
    for row in archive.rows("dicom_study"):
        known |= {row["study_uid"], row["frame_of_reference_uid"], row["dimension_uid"]}
    found = set()
    for dataset in archive.files.values():
        for element in dataset.iterall():
            if element.VR == "UI" and element.value.startswith("2."):
                assert element.value in known
                assert len(element.value) <= 44
                found.add(element.value)
    assert found == known - {None}


def values(dataset: Dataset, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a data set with the path of its tags."""
    for element in dataset:
        here = f"{path}{element.tag:08X}"
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from values(item, f"{here}[{number}].")
        elif element.tag not in (0x7FE00010, 0x00080005):
            several = element.value if isinstance(element.value, MultiValue) else [element.value]
            yield here, "\\".join(map(str, several))


def marks(archive: Archive) -> dict[str, list[Row]]:
    told: dict[str, list[Row]] = {}
    for row in archive.rows("header_phi"):
        told.setdefault(row["series_uid"], []).append(row)
    return told


def test_what_the_truth_marks_in_a_header_stands_there_in_every_instance(archive: Archive) -> None:
    told = marks(archive)
    for dataset in archive.files.values():
        found = dict(values(dataset))
        for row in told[dataset.SeriesInstanceUID]:
            text = found[row["path"]]
            assert text[row["start"] :][: len(row["text"])] == row["text"]
    paths = {row["path"] for rows in told.values() for row in rows}
    assert "00191003[0].00191004" in paths
    assert "04000561[0].04000550[0].00100010" in paths


def known_values(person: Person, site: str) -> set[str]:
    """What must not stand in a header unmarked."""
    ours = person.at_site(site)
    told = {person.insurance_number, person.contact.phone, person.contact.family}
    for one in ours:
        who = one.demographics
        told |= {one.mrn, who.family, who.given, f"{who.born:%Y%m%d}", who.address.line}
        told |= {value for value in (who.ssn, who.phone, who.email) if value}
    for encounter in person.encounters:
        if encounter.site == site:
            told |= {encounter.visit_number, *(image.accession for image in encounter.imaging)}
    return told


def test_no_value_of_a_person_stands_unmarked_in_a_header(archive: Archive) -> None:
    told = marks(archive)
    found = 0
    for uid, dataset in archive.files.items():
        row = archive.instances[uid]
        known = known_values(archive.people[row["person"]], row["site"])
        pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, known))})(?!\w)")
        covered = Counter(
            (mark["path"], place)
            for mark in told[dataset.SeriesInstanceUID]
            for place in range(mark["start"], mark["start"] + len(mark["text"]))
        )
        for path, text in values(dataset):
            for place in pattern.finditer(text):
                found += 1
                assert all(covered[path, n] for n in range(*place.span())), (path, place[0])
    assert found > 100


def test_dates_and_people_of_the_staff_are_marked_too(archive: Archive) -> None:
    told = marks(archive)
    for dataset in archive.files.values():
        paths = {row["path"] for row in told[dataset.SeriesInstanceUID]}
        for element in dataset.iterall():
            if element.VR in ("DA", "DT", "PN") and element.value:
                assert any(path.endswith(f"{element.tag:08X}") for path in paths), element


def test_a_report_says_what_the_story_found(archive: Archive) -> None:
    reports = archive.of("SR")
    assert len(reports) == len(list(archive.examinations()))
    for dataset in reports:
        image = archive.study(archive.instances[dataset.SOPInstanceUID]).imaging
        told = {
            item.ConceptNameCodeSequence[0].CodeMeaning: item for item in dataset.ContentSequence
        }
        code = told["Finding"].ConceptCodeSequence[0].CodeValue
        assert code == (image.finding.lesion.code if image.finding.lesion else "17621005")
        assert image.finding.impression in told["Impression"].TextValue
        assert ("Long Axis" in told) == (image.finding.lesion is not None)


def test_every_file_is_marked_as_synthetic_and_tells_of_no_other_writer(archive: Archive) -> None:
    for dataset in archive.files.values():
        assert dataset.PatientComments == MARK
        assert dataset.file_meta.ImplementationVersionName == "HTEST"
        assert dataset.SpecificCharacterSet in ("ISO_IR 192", "ISO_IR 100")
    syntaxes = {dataset.file_meta.TransferSyntaxUID.name for dataset in archive.files.values()}
    assert syntaxes == {"Explicit VR Little Endian", "Implicit VR Little Endian"}


@pytest.mark.long
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_the_truth_of_headers_holds_for_every_seed(seed: int) -> None:
    with TemporaryDirectory() as place:
        archive = Archive(Path(place) / "out", seed)
        test_every_file_is_in_the_truth_and_every_image_of_the_story_is_a_file(archive)
        test_what_the_truth_marks_in_a_header_stands_there_in_every_instance(archive)
        test_no_value_of_a_person_stands_unmarked_in_a_header(archive)


@pytest.mark.long
def test_nobody_is_kept_in_memory(tmp_path: Path) -> None:
    assert kept(open_format, Population(2, SEED), tmp_path) < 60_000


@pytest.mark.peer
@pytest.mark.parametrize("pixels", ["small", "full"])
def test_a_validator_finds_no_error_in_any_file(tmp_path: Path, pixels: str) -> None:
    patients = 42 if pixels == "small" else FEW
    population = Population(patients, SEED, pixels=pixels)
    with Truth(tmp_path / "truth", population) as truth:
        writer = open_format(population, tmp_path / "dicom", truth)
        for person in population.people():
            writer.add(person)
    files = sorted((tmp_path / "dicom").rglob("*.dcm"))
    assert len(files) > 50
    broken = dcmread(files[0])
    del broken.StudyInstanceUID
    broken.save_as(tmp_path / "broken.dcm")
    found = errors([*files, tmp_path / "broken.dcm"])
    assert {line.partition(":")[0] for line in found} == {"broken.dcm"}


def test_private_elements_lie_in_a_block_of_their_creator(archive: Archive) -> None:
    for dataset in archive.of("CT"):
        assert dataset[Tag(0x0019, 0x0010)].value == PRIVATE
        inner = dataset[Tag(0x0019, 0x1003)].value[0]
        assert inner[Tag(0x0019, 0x0010)].value == PRIVATE
