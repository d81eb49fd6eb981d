"""DICOM files as pydicom reads them: what the truth tells of is in them, and nothing else is."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.datadict import add_private_dict_entries
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from lakehouse.datasets.synthetic import Population
from lakehouse.datasets.synthetic.formats.dicom import open_format
from lakehouse.datasets.synthetic.formats.dicom.glyphs import folded, rows_of
from lakehouse.datasets.synthetic.formats.dicom.header import PRIVATE, PRIVATE_ELEMENTS
from lakehouse.datasets.synthetic.formats.dicom.images import draw
from lakehouse.datasets.synthetic.formats.dicom.phantoms import lesion
from lakehouse.datasets.synthetic.formats.dicom.pictures import runs
from lakehouse.datasets.synthetic.formats.dicom.study import Study
from lakehouse.datasets.synthetic.model import Imaging, Person
from lakehouse.datasets.synthetic.truth import Truth
from tests.datasets.hospital import SEED, write
from tests.datasets.memory import kept
from tests.peers.dicom import errors

Row = dict[str, Any]
MARK = "HTEST: synthetic, no real person"
FEW = 8
"""So many people have each modality, a lesion in space and a film without VRs."""
POPULATION = Population(FEW, SEED)

add_private_dict_entries(
    PRIVATE,
    {0x00190000 + element: (vr, "1", f"{element}") for element, vr in PRIVATE_ELEMENTS.items()},
)


class Archive:
    """A small archive with its truth."""

    def __init__(self, folder: Path, seed: int = SEED) -> None:
        self.folder = folder
        write(folder, "dicom", patients=FEW, seed=seed, defects=10_000)
        self.population = Population(FEW, seed, defects=10_000)
        self.people = {person.id: person for person in self.population.people()}
        self.instances = {row["sop_uid"]: row for row in self.rows("dicom_instance")}

    def rows(self, stream: str) -> list[Row]:
        path = self.folder / "truth" / f"{stream}.ndjson"
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]

    @cached_property
    def defects(self) -> list[Row]:
        return [row for row in self.rows("defect") if row.get("format") == "dicom"]

    @cached_property
    def files(self) -> dict[str, Dataset]:
        """All files by SOP instance UID."""
        again = {self.folder / row["file"] for row in self.defects}
        paths = sorted(set((self.folder / "dicom").rglob("*.dcm")) - again)
        read = [dcmread(path) for path in paths]
        assert [path.stem for path in paths] == [dataset.SOPInstanceUID for dataset in read]
        return {str(dataset.SOPInstanceUID): dataset for dataset in read}

    def of(self, modality: str) -> list[Dataset]:
        return [dataset for dataset in self.files.values() if dataset.Modality == modality]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(tmp_path_factory.mktemp("dicom") / "out")


def examinations(archive: Archive) -> Iterator[tuple[Person, str, Imaging]]:
    for person in archive.people.values():
        for encounter in person.encounters:
            for image in encounter.imaging:
                yield person, encounter.site, image


def study_of(archive: Archive, row: Row) -> Study:
    person = archive.people[row["person"]]
    encounter, image = next(
        (e, i) for e in person.encounters for i in e.imaging if i.study_uid == row["study_uid"]
    )
    return Study(archive.population.site(row["site"]), person, encounter, image, is_full=False)


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
        for _, _, image in examinations(archive)
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
        image.study_uid: (person, site, image) for person, site, image in examinations(archive)
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


def test_every_uid_is_of_the_story_or_of_the_standard(archive: Archive) -> None:
    known = set(archive.files) | {row["series_uid"] for row in archive.instances.values()}
    bases = {int(row["study_uid"][5:]) for row in archive.instances.values()}
    known |= {f"2.25.{base + extra}" for base in bases for extra in (0, 1, 2)}
    for dataset in archive.files.values():
        for element in dataset.iterall():
            if element.VR == "UI" and str(element.value).startswith("2."):
                assert element.value in known
                assert len(element.value) <= 44


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
            if element.VR in ("DA", "PN") and element.value:
                assert any(path.endswith(f"{element.tag:08X}") for path in paths), element


def test_a_box_holds_its_text_and_without_the_boxes_nothing_is_burned_in(
    archive: Archive,
) -> None:
    boxes: dict[str, list[Row]] = {}
    for row in archive.rows("pixel_box"):
        boxes.setdefault(row["sop_uid"], []).append(row)
    assert {archive.instances[uid]["modality"] for uid in boxes} == {"US", "OT"}
    for uid, dataset in archive.files.items():
        if "PixelData" not in dataset or dataset.Modality == "SEG":
            continue
        shown, columns = dataset.PixelData, dataset.Columns
        inside = set()
        for row in boxes.get(uid, []):
            lines = range(row["y"], row["y"] + row["height"])
            spots = [
                range(y * columns + row["x"], y * columns + row["x"] + row["width"]) for y in lines
            ]
            cut = [bytes(250 if dot else 0 for dot in line) for line in rows_of(row["text"])]
            assert [shown[spot.start : spot.stop] for spot in spots] == cut
            inside.update(*spots)
        empty = bytes(len(shown))
        if dataset.Modality != "OT":
            study = study_of(archive, archive.instances[uid])
            series = next(s for s in study.imaging.series if s.uid == dataset.SeriesInstanceUID)
            empty = draw(study, series, int(dataset.InstanceNumber)).pixels()
        changed = {n for n, (a, b) in enumerate(zip(shown, empty, strict=True)) if a != b}
        assert changed <= inside
        assert bool(changed) == (uid in boxes)


def test_a_box_with_a_class_holds_a_value_of_the_person(archive: Archive) -> None:
    for row in archive.rows("pixel_box"):
        ours = archive.people[row["person"]].at_site(row["site"])
        told = [one.demographics for one in ours]
        image = study_of(archive, row).imaging
        expected = {
            "patient_name": {f"{w.family}^{w.given}^{w.middle}".rstrip("^") for w in told},
            "mrn": {one.mrn for one in ours},
            "birth_date": {f"{w.born:%m/%d/%Y}" for w in told},
            "accession": {image.accession},
            "date": {archive.files[row["sop_uid"]].StudyDate},
            "none": {"MI 0.8 TIS 0.2", "DLP 312 CTDI 7.4"},
        }[row["class"]]
        assert any(folded(text).startswith(row["text"]) for text in expected)


def test_burned_in_text_is_declared_or_nothing_is_said(archive: Archive) -> None:
    told = Counter((d.Modality, d.get("BurnedInAnnotation")) for d in archive.files.values())
    assert {flag for modality, flag in told if modality in ("CT", "MR", "CR", "SEG")} == {"NO"}
    assert {flag for modality, flag in told if modality == "US"} == {"YES"}
    assert {flag for modality, flag in told if modality == "OT"} <= {"YES", None}


def test_a_segmentation_outlines_the_lesion_of_the_images_it_names(archive: Archive) -> None:
    for dataset in archive.of("SEG"):
        area = dataset.Rows * dataset.Columns
        bits = int.from_bytes(dataset.PixelData, "little")
        row = archive.instances[dataset.SOPInstanceUID]
        for place, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            source = group.DerivationImageSequence[0].SourceImageSequence[0]
            image = archive.files[source.ReferencedSOPInstanceUID]
            assert source.ReferencedSOPClassUID == image.SOPClassUID
            position = group.PlanePositionSequence[0].ImagePositionPatient
            assert position == image.ImagePositionPatient
            pixels = [
                int.from_bytes(image.PixelData[n : n + 2], "little") for n in range(0, 2 * area, 2)
            ]
            inside = [p for n, p in enumerate(pixels) if bits >> place * area + n & 1]
            assert inside
            middle = lesion(study_of(archive, row), image.Modality, int(image.InstanceNumber))
            assert middle is not None
            assert max(abs(p - middle.level) for p in inside) <= 12
            assert len(inside) == sum(e - s for _, s, e in runs(middle, image.Rows, image.Columns))
    assert {row["modality"] for row in archive.instances.values()} > {"SEG"}


def test_a_report_says_what_the_story_found(archive: Archive) -> None:
    reports = archive.of("SR")
    assert len(reports) == len(list(examinations(archive)))
    for dataset in reports:
        image = study_of(archive, archive.instances[dataset.SOPInstanceUID]).imaging
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
def test_the_truth_of_headers_and_boxes_holds_for_every_seed(seed: int) -> None:
    with TemporaryDirectory() as place:
        archive = Archive(Path(place) / "out", seed)
        test_every_file_is_in_the_truth_and_every_image_of_the_story_is_a_file(archive)
        test_what_the_truth_marks_in_a_header_stands_there_in_every_instance(archive)
        test_no_value_of_a_person_stands_unmarked_in_a_header(archive)
        test_a_box_holds_its_text_and_without_the_boxes_nothing_is_burned_in(archive)
        test_a_box_with_a_class_holds_a_value_of_the_person(archive)


@pytest.mark.long
def test_nobody_is_kept_in_memory(tmp_path: Path) -> None:
    assert kept(open_format, POPULATION, tmp_path) < 60_000


@pytest.mark.long
def test_full_pixels_show_the_same_in_more_dots(tmp_path: Path) -> None:
    population = Population(FEW, SEED, pixels="full")
    with Truth(tmp_path / "truth") as truth:
        writer = open_format(population, tmp_path / "dicom", truth)
        writer.add(population.person(1))
        writer.add(population.person(7))
        writer.close()
    sizes = {}
    for path in sorted((tmp_path / "dicom").rglob("*.dcm")):
        dataset = dcmread(path)
        if "Rows" in dataset:
            sizes[dataset.Modality] = (dataset.Rows, dataset.Columns)
    assert sizes == {
        "CT": (512, 512), "SEG": (512, 512), "CR": (2048, 1640), "US": (600, 800), "OT": (600, 800),
    }  # fmt: skip


@pytest.mark.peer
@pytest.mark.parametrize("pixels", ["small", "full"])
def test_a_validator_finds_no_error_in_any_file(tmp_path: Path, pixels: str) -> None:
    patients = 42 if pixels == "small" else FEW
    population = Population(patients, SEED, pixels=pixels)
    with Truth(tmp_path / "truth") as truth:
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
