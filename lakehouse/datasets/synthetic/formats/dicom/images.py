"""The images of a study: CT, MR, CR and ultrasound as their modalities write them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from lakehouse.datasets.synthetic.formats.dicom.glyphs import HEIGHT, folded
from lakehouse.datasets.synthetic.formats.dicom.header import Header, Mark, header
from lakehouse.datasets.synthetic.formats.dicom.phantoms import chest, fetus, film, knee
from lakehouse.datasets.synthetic.formats.dicom.pictures import Box, Ellipse, Picture
from lakehouse.datasets.synthetic.formats.dicom.study import Study, person_name, successor
from lakehouse.datasets.synthetic.model import Series
from lakehouse.datasets.synthetic.phi import PhiClass
from lakehouse.datasets.synthetic.truth import MARK


class Burned(NamedTuple):
    """Text in the pixels; without a class it tells of nobody."""

    box: Box
    phi: PhiClass | None
    text: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP instance, with what is marked in its header and in its pixels."""

    dataset: Dataset
    marks: list[Mark]
    burned: tuple[Burned, ...] = ()


class _Kind(NamedTuple):
    """How a modality makes images: rows and columns of small and of full ones, bytes a pixel."""

    sop_class: str
    small: tuple[int, int]
    full: tuple[int, int]
    size: int
    shapes: Callable[[Study, int, int], list[Ellipse]]
    describe: Callable[[Header, Study, Series], None]
    place: Callable[[Dataset, Study, Series, int], None]


def images(study: Study) -> Iterator[Instance]:
    """All images that the story tells of, and a screen that was captured where a CT was made."""
    for series in study.imaging.series:
        yield from _series(study, series)
    if study.imaging.examination.modality == "CT":
        yield _capture(study)


def matrix(study: Study, modality: str) -> tuple[int, int]:
    """Rows and columns of an image."""
    kind = _KINDS[modality]
    return kind.full if study.is_full else kind.small


def _series(study: Study, series: Series) -> Iterator[Instance]:
    kind = _KINDS[series.modality]
    told = header(study, series.modality, study.imaging.performed + series.number)
    told.put(SeriesInstanceUID=series.uid, SeriesNumber=series.number)
    told.put(SeriesDescription=series.description, SOPClassUID=kind.sop_class)
    told.put(BodyPartExamined=study.imaging.examination.body_part)
    told.code("AnatomicRegionSequence", study.imaging.examination.site)
    told.put(BurnedInAnnotation="YES" if series.modality == "US" else "NO")
    told.put(ImageComments=MARK)
    minute = study.imaging.performed + series.number
    told.tell(PhiClass.DATE, AcquisitionDate=study.day(minute))
    _pixel_module(told, matrix(study, series.modality), kind.size)
    kind.describe(told, study, series)
    for number in range(1, series.n_instances + 1):
        dataset = Dataset()
        dataset.update(told.dataset)
        dataset.SOPInstanceUID = series.instance_uid(number)
        dataset.InstanceNumber = number
        dataset.AcquisitionTime = study.time(minute, 2 * number)
        kind.place(dataset, study, series, number)
        picture = draw(study, series, number)
        burned: tuple[Burned, ...] = ()
        if series.modality == "US":
            burned = _burn(picture, study.is_full, banner(study))
        dataset.PixelData = picture.pixels()
        yield Instance(dataset, told.marks, burned)


def draw(study: Study, series: Series, number: int) -> Picture:
    """The pixels of an image before anything is burned into them."""
    kind = _KINDS[series.modality]
    rows, columns = matrix(study, series.modality)
    key = study.dice.number() + series.number * 256 + number
    picture = Picture(rows, columns, kind.size, key, 12 if kind.size == 2 else 9)
    for shape in kind.shapes(study, series.number, number):
        picture.draw(shape)
    return picture


def banner(study: Study) -> list[tuple[PhiClass | None, str]]:
    """What an ultrasound machine burns in."""
    ours, image = study.registration, study.imaging
    who = ours.demographics
    return [
        (PhiClass.PATIENT_NAME, person_name(who.family, who.given, who.middle)),
        (PhiClass.MRN, ours.mrn),
        (PhiClass.BIRTH_DATE, f"{who.born:%m/%d/%Y}"),
        (PhiClass.DATE, study.day(image.performed)),
        (None, "MI 0.8 TIS 0.2"),
    ]


def _burn(
    picture: Picture, is_full: bool, lines: list[tuple[PhiClass | None, str]]
) -> tuple[Burned, ...]:
    scale = 3 if is_full else 1
    told = []
    for place, (phi, line) in enumerate(lines):
        text = folded(line)
        box = picture.write(text, 2, 2 + place * (HEIGHT + 2) * scale, scale, 250)
        told.append(Burned(box, phi, text[: box.width // (6 * scale)]))
    return tuple(told)


def _pixel_module(told: Header, shape: tuple[int, int], size: int) -> None:
    stored = 12 if size == 2 else 8
    told.put(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=shape[0],
        Columns=shape[1],
        BitsAllocated=8 * size,
        BitsStored=stored,
        HighBit=stored - 1,
        PixelRepresentation=0,
        LossyImageCompression="00",
    )


def _capture(study: Study) -> Instance:
    """The dose screen that a CT scanner keeps as an image."""
    told = header(study, "OT", study.imaging.performed + 5)
    uid = study.derived("capture")
    shape = matrix(study, "US")
    told.put(
        SeriesInstanceUID=uid,
        SeriesNumber=501,
        SeriesDescription="Dose report",
        SOPClassUID=SecondaryCaptureImageStorage,
        SOPInstanceUID=successor(uid),
        InstanceNumber=1,
        ConversionType="WSD",
        ImageType=["DERIVED", "SECONDARY"],
        PatientOrientation="",
        BodyPartExamined=study.imaging.examination.body_part,
        ImageComments=MARK,
    )
    if study.dice.chance(50):
        # some machines say nothing, which must not be read as a no
        told.put(BurnedInAnnotation="YES")
    _pixel_module(told, shape, 1)
    picture = Picture(*shape, 1, 0, 0)
    lines = [*banner(study)[:4], (PhiClass.ACCESSION, study.imaging.accession)]
    burned = _burn(picture, study.is_full, [*lines, (None, "DLP 312 CTDI 7.4")])
    told.dataset.PixelData = picture.pixels()
    return Instance(told.dataset, told.marks, burned)


def _describe_ct(told: Header, study: Study, series: Series) -> None:
    told.put(
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        FrameOfReferenceUID=study.frame_of_reference,
        PositionReferenceIndicator="",
        PatientPosition="HFS",
        RescaleIntercept="-1024",
        RescaleSlope="1",
        RescaleType="HU",
        WindowCenter="40",
        WindowWidth="400",
        KVP="120",
        AcquisitionNumber=series.number,
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
    )
    _spacing(told, study, "CT")


def _describe_mr(told: Header, study: Study, series: Series) -> None:
    told.put(
        ImageType=["ORIGINAL", "PRIMARY", "OTHER"],
        FrameOfReferenceUID=study.frame_of_reference,
        PositionReferenceIndicator="",
        PatientPosition="FFS",
        Laterality="R",
        ScanningSequence="SE",
        SequenceVariant="SK",
        ScanOptions="",
        MRAcquisitionType="2D",
        RepetitionTime="2500",
        EchoTime="30",
        EchoTrainLength=8,
        MagneticFieldStrength="1.5",
        AcquisitionNumber=series.number,
        WindowCenter="900",
        WindowWidth="1800",
        ImageOrientationPatient=["0", "1", "0", "0", "0", "-1"],
    )
    _spacing(told, study, "MR")


def _describe_cr(told: Header, study: Study, series: Series) -> None:
    told.put(
        ImageType=["ORIGINAL", "PRIMARY"],
        ViewPosition="PA" if series.number == 1 else "LL",
        PatientOrientation=["L", "F"] if series.number == 1 else ["A", "F"],
        AcquisitionNumber=series.number,
        KVP="125",
        ImagerPixelSpacing=_spaced(study, "CR"),
        WindowCenter="2048",
        WindowWidth="4096",
        PresentationLUTShape="IDENTITY",
    )


def _describe_us(told: Header, study: Study, series: Series) -> None:
    told.put(ImageType=["ORIGINAL", "PRIMARY"], PatientOrientation="")
    told.put(AcquisitionNumber=series.number)


def _spacing(told: Header, study: Study, modality: str) -> None:
    told.put(PixelSpacing=_spaced(study, modality), SliceThickness="5")
    told.put(SpacingBetweenSlices="5")


def _spaced(study: Study, modality: str) -> list[str]:
    """Row and column spacing in mm: 400 mm over all rows."""
    rows, _ = matrix(study, modality)
    micrometres = 400_000 // rows
    return [f"{micrometres // 1000}.{micrometres % 1000:03}"] * 2


def position(modality: str, number: int) -> list[str]:
    """Where the first pixel of an image lies, in mm."""
    if modality == "MR":
        return [str(5 * number - 5), "-200", "200"]
    return ["-200", "-200", str(5 * number - 5)]


def _in_space(dataset: Dataset, _: Study, series: Series, number: int) -> None:
    dataset.ImagePositionPatient = position(series.modality, number)
    dataset.SliceLocation = str(5 * number - 5)


def _nowhere(*_: object) -> None:
    """A projection and an ultrasound image have no place in space."""


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "CT": _Kind(CTImageStorage, (64, 64), (512, 512), 2, chest, _describe_ct, _in_space),
        "MR": _Kind(MRImageStorage, (64, 64), (256, 256), 2, knee, _describe_mr, _in_space),
        "CR": _Kind(
            ComputedRadiographyImageStorage, (80, 64), (2048, 1640), 2, film, _describe_cr, _nowhere
        ),
        "US": _Kind(
            UltrasoundImageStorage, (120, 160), (600, 800), 1, fetus, _describe_us, _nowhere
        ),
    }
)
