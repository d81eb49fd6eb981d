"""A small DICOM archive on disk as pydicom reads it, beside its truth and its story."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from pydicom import Dataset, dcmread
from pydicom.datadict import add_private_dict_entries

from lakehouse.datasets.synthetic import Population
from lakehouse.datasets.synthetic.formats.dicom.header import PRIVATE, PRIVATE_ELEMENTS
from lakehouse.datasets.synthetic.formats.dicom.study import Study
from lakehouse.datasets.synthetic.model import Imaging, Person
from tests.datasets.hospital import SEED, write

Row = dict[str, Any]
FEW = 8
"""So many people have each modality, a lesion in space and a film without VRs."""

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

    def examinations(self) -> Iterator[tuple[Person, str, Imaging]]:
        """What the story tells, with person and site."""
        for person in self.people.values():
            for encounter in person.encounters:
                for image in encounter.imaging:
                    yield person, encounter.site, image

    def study(self, row: Row) -> Study:
        """The study of a row of the truth."""
        person = self.people[row["person"]]
        encounter, image = next(
            (e, i) for e in person.encounters for i in e.imaging if i.study_uid == row["study_uid"]
        )
        return Study(self.population.site(row["site"]), person, encounter, image, is_full=False)

    def of(self, modality: str) -> list[Dataset]:
        return [dataset for dataset in self.files.values() if dataset.Modality == modality]
