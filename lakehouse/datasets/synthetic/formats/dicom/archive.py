"""An archive while it is filled: studies become files, and rows of the truth."""

from io import BytesIO
from itertools import chain
from pathlib import Path

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.formats.dicom.header import Mark
from lakehouse.datasets.synthetic.formats.dicom.images import Instance, images
from lakehouse.datasets.synthetic.formats.dicom.labels import SPATIAL, labels
from lakehouse.datasets.synthetic.formats.dicom.study import Study
from lakehouse.datasets.synthetic.model import Person
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.truth import Row, Truth

_WRITER = UID("2.25.198604127512473305891640713902244871906")
"""Who wrote a file; it never changes, whatever library writes."""


class Archive:
    """The files below a folder."""

    def __init__(self, population: Population, folder: Path, truth: Truth) -> None:
        self._population, self._folder, self._truth = population, folder, truth

    def add(self, person: Person) -> None:
        """Write all examinations of a person."""
        is_full = self._population.pixels == "full"
        dice = Dice(person.key).at("dicom")
        flaw = ""
        if dice.below(10_000) < self._population.defects:
            flaw = dice.pick(("again", "other"))
        for encounter in person.encounters:
            site = self._population.site(encounter.site)
            for imaging in encounter.imaging:
                study = Study(site, person, encounter, imaging, is_full)
                first = self._write(study)
                if flaw:
                    self._send_again(study, first, flaw)
                    flaw = ""

    def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, study: Study) -> Path:
        """Write a study; the file of its first image."""
        self._tell_study(study)
        series, paths = "", []
        for made in chain(images(study), labels(study)):
            if made.dataset.SeriesInstanceUID != series:
                series = made.dataset.SeriesInstanceUID
                self._tell_series(study, series, made.marks)
            paths.append(self._store(study, made.dataset))
            self._tell(study, made, paths[-1])
        return paths[0]

    def _send_again(self, study: Study, first: Path, flaw: str) -> None:
        """An image comes a second time, as it was or with another description."""
        again = first.with_suffix(f".{flaw}.dcm")
        dataset = dcmread(first)
        if flaw == "other":
            dataset.SeriesDescription += " REPEAT"
        again.write_bytes(encoded(dataset, study.site.index))
        row: Row = {
            "person": study.person.id,
            "site": study.site.name,
            "kind": {"again": "resent", "other": "same_uid_other_bytes"}[flaw],
            "format": "dicom",
            "target": str(dataset.SOPInstanceUID),
            "file": again.relative_to(self._folder.parent).as_posix(),
        }
        self._truth.write("defect", row)

    def _store(self, study: Study, dataset: Dataset) -> Path:
        place = self._folder / study.site.name / study.imaging.study_uid
        path = place / str(dataset.SeriesInstanceUID) / f"{dataset.SOPInstanceUID}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(dataset, study.site.index))
        return path

    def _tell_study(self, study: Study) -> None:
        image = study.imaging
        is_spatial = image.examination.modality in SPATIAL
        row: Row = {
            "person": study.person.id,
            "site": study.site.name,
            "encounter": study.encounter.id,
            "imaging": image.id,
            "study_uid": image.study_uid,
            "accession": image.accession,
            "charset": study.charset,
            "frame_of_reference_uid": study.frame_of_reference if is_spatial else None,
            "dimension_uid": study.dimensions if is_spatial and image.finding.lesion else None,
        }
        self._truth.write("dicom_study", row)

    def _tell_series(self, study: Study, series: str, marks: list[Mark]) -> None:
        place: Row = {
            "person": study.person.id,
            "site": study.site.name,
            "study_uid": study.imaging.study_uid,
            "series_uid": series,
        }
        for path, start, phi, text in marks:
            told: Row = {"path": path, "start": start, "class": phi, "text": text}
            self._truth.write("header_phi", place | told)

    def _tell(self, study: Study, made: Instance, path: Path) -> None:
        dataset = made.dataset
        place: Row = {
            "person": study.person.id,
            "site": study.site.name,
            "study_uid": study.imaging.study_uid,
            "sop_uid": dataset.SOPInstanceUID,
            "file": path.relative_to(self._folder.parent).as_posix(),
        }
        told: Row = {
            "encounter": study.encounter.id,
            "imaging": study.imaging.id,
            "series_uid": dataset.SeriesInstanceUID,
            "sop_class": dataset.SOPClassUID,
            "modality": dataset.Modality,
            "number": dataset.InstanceNumber,
            "burned_in": dataset.get("BurnedInAnnotation"),
        }
        self._truth.write("dicom_instance", place | told)
        for box, phi, text in made.burned:
            about: Row = {"class": phi or "none", "text": text}
            self._truth.write("pixel_box", place | box._asdict() | about)


def encoded(dataset: Dataset, site: int) -> bytes:
    """A Part 10 file. Films of the second, fourth, ... site have no VR in them, as some archives
    send."""
    is_implicit = dataset.Modality == "CR" and site % 2 == 1
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian
    meta.ImplementationClassUID = _WRITER
    meta.ImplementationVersionName = "HTEST"
    dataset.file_meta = meta
    target = BytesIO()
    dcmwrite(target, dataset, enforce_file_format=True)
    return target.getvalue()
