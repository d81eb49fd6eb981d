"""The pixels of the archive: letters stand in their boxes, labels outline what is there, and nothing else is."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from lakehouse.datasets.synthetic import Population
from lakehouse.datasets.synthetic.formats.dicom import open_format
from lakehouse.datasets.synthetic.formats.dicom.glyphs import folded, rows_of
from lakehouse.datasets.synthetic.formats.dicom.images import draw
from lakehouse.datasets.synthetic.formats.dicom.phantoms import lesion
from lakehouse.datasets.synthetic.formats.dicom.pictures import runs
from lakehouse.datasets.synthetic.truth import Truth
from tests.datasets.archive import FEW, Archive, Row
from tests.datasets.hospital import SEED


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(tmp_path_factory.mktemp("dicom") / "out")


@pytest.mark.long
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
            study = archive.study(archive.instances[uid])
            series = next(s for s in study.imaging.series if s.uid == dataset.SeriesInstanceUID)
            empty = draw(study, series, int(dataset.InstanceNumber)).pixels()
        changed = {n for n, (a, b) in enumerate(zip(shown, empty, strict=True)) if a != b}
        assert changed <= inside
        assert bool(changed) == (uid in boxes)


def test_a_box_with_a_class_holds_a_value_of_the_person(archive: Archive) -> None:
    for row in archive.rows("pixel_box"):
        ours = archive.people[row["person"]].at_site(row["site"])
        told = [one.demographics for one in ours]
        image = archive.study(row).imaging
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
            middle = lesion(archive.study(row), image.Modality, int(image.InstanceNumber))
            assert middle is not None
            assert max(abs(p - middle.level) for p in inside) <= 12
            assert len(inside) == sum(e - s for _, s, e in runs(middle, image.Rows, image.Columns))
    assert {row["modality"] for row in archive.instances.values()} > {"SEG"}


@pytest.mark.long
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_the_truth_of_boxes_holds_for_every_seed(seed: int) -> None:
    with TemporaryDirectory() as place:
        archive = Archive(Path(place) / "out", seed)
        test_a_box_holds_its_text_and_without_the_boxes_nothing_is_burned_in(archive)
        test_a_box_with_a_class_holds_a_value_of_the_person(archive)
        test_a_segmentation_outlines_the_lesion_of_the_images_it_names(archive)


@pytest.mark.long
def test_full_pixels_show_the_same_in_more_dots(tmp_path: Path) -> None:
    population = Population(FEW, SEED, pixels="full")
    with Truth(tmp_path / "truth", population) as truth:
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
