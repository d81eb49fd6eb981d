"""Labels of a study: a segmentation where a lesion lies in space, and a structured report."""

from collections.abc import Iterator

from pydicom.uid import ComprehensiveSRStorage, SegmentationStorage

from lakehouse.datasets.synthetic.formats.dicom.header import Header, header
from lakehouse.datasets.synthetic.formats.dicom.images import Instance, matrix, position
from lakehouse.datasets.synthetic.formats.dicom.phantoms import lesion
from lakehouse.datasets.synthetic.formats.dicom.pictures import Ellipse, mask
from lakehouse.datasets.synthetic.formats.dicom.study import Study, staff_name, successor
from lakehouse.datasets.synthetic.model import Series
from lakehouse.datasets.synthetic.phi import PhiClass
from lakehouse.datasets.synthetic.truth import MARK
from lakehouse.datasets.synthetic.words.codes import SNOMED, Code

_DCM = "DCM"
SPATIAL = ("CT", "MR")
"""Modalities whose images lie in space, so that a lesion in them is segmented."""

_NORMAL = Code(SNOMED, "17621005", "Normal")
_SOP_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}


def labels(study: Study) -> Iterator[Instance]:
    """The segmentation, if there is something to outline, and the report."""
    series = study.imaging.series[0]
    outlines = _outlines(study, series)
    if outlines and series.modality in SPATIAL:
        yield _segmentation(study, series, outlines)
    yield _report(study, series, outlines)


def _outlines(study: Study, series: Series) -> dict[int, Ellipse]:
    """By the number of the image."""
    if series.modality == "US":
        return {}
    told = ((n, lesion(study, series.modality, n)) for n in range(1, series.n_instances + 1))
    return {number: found for number, found in told if found is not None}


def _code(value: str, meaning: str, scheme: str = _DCM) -> Code:
    return Code(scheme, value, meaning)


def _begin(study: Study, kind: str, modality: str, number: int) -> Header:
    told = header(study, modality, study.imaging.reported)
    uid = study.derived(kind)
    told.put(SeriesInstanceUID=uid, SOPInstanceUID=successor(uid), SeriesNumber=number)
    told.put(InstanceNumber=1)
    return told


def _segmentation(study: Study, series: Series, outlines: dict[int, Ellipse]) -> Instance:
    told = _begin(study, "segmentation", "SEG", 601)
    rows, columns = matrix(study, series.modality)
    told.put(
        SOPClassUID=SegmentationStorage,
        SeriesDescription="Lesion",
        FrameOfReferenceUID=study.frame_of_reference,
        PositionReferenceIndicator="",
        ImageType=["DERIVED", "PRIMARY"],
        ContentLabel="LESION",
        ContentDescription=MARK,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=rows,
        Columns=columns,
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelRepresentation=0,
        LossyImageCompression="00",
        BurnedInAnnotation="NO",
        SegmentationType="BINARY",
        NumberOfFrames=len(outlines),
    )
    told.tell(PhiClass.STAFF_NAME, ContentCreatorName=staff_name(study.radiologist))
    _segment(told, study)
    _dimensions(told, study)
    _shared(told, study, series)
    for frame, number in enumerate(outlines, 1):
        _frame(told, series, frame, number)
    _references(told, series, list(outlines))
    frames = [mask(shape, rows, columns) for shape in outlines.values()]
    told.dataset.PixelData = b"".join(frames)
    return Instance(told.dataset, told.marks)


def _segment(told: Header, study: Study) -> None:
    segment = told.item("SegmentSequence")
    found = study.imaging.finding.lesion
    segment.put(SegmentNumber=1, SegmentLabel=study.imaging.finding.name)
    segment.put(SegmentAlgorithmType="MANUAL")
    segment.code(
        "SegmentedPropertyCategoryCodeSequence",
        Code(SNOMED, "49755003", "Morphologically Abnormal Structure"),
    )
    if found is not None:
        segment.code("SegmentedPropertyTypeCodeSequence", found)
    segment.code("AnatomicRegionSequence", study.imaging.examination.site)


def _dimensions(told: Header, study: Study) -> None:
    told.item("DimensionOrganizationSequence").put(DimensionOrganizationUID=study.dimensions)
    index = told.item("DimensionIndexSequence")
    index.put(
        DimensionOrganizationUID=study.dimensions,
        DimensionIndexPointer=0x00200032,
        FunctionalGroupPointer=0x00209113,
        DimensionDescriptionLabel="Position",
    )


def _shared(told: Header, study: Study, series: Series) -> None:
    first = told.item("SharedFunctionalGroupsSequence")
    rows, _ = matrix(study, series.modality)
    spacing = 400_000 // rows
    text = f"{spacing // 1000}.{spacing % 1000:03}"
    measures = first.item("PixelMeasuresSequence")
    measures.put(PixelSpacing=[text, text], SliceThickness="5", SpacingBetweenSlices="5")
    across = ["0", "1", "0", "0", "0", "-1"]
    axial = ["1", "0", "0", "0", "1", "0"]
    plane = first.item("PlaneOrientationSequence")
    plane.put(ImageOrientationPatient=across if series.modality == "MR" else axial)


def _frame(told: Header, series: Series, frame: int, number: int) -> None:
    group = told.item("PerFrameFunctionalGroupsSequence")
    group.item("FrameContentSequence").put(DimensionIndexValues=[frame])
    place = group.item("PlanePositionSequence")
    place.put(ImagePositionPatient=position(series.modality, number))
    group.item("SegmentIdentificationSequence").put(ReferencedSegmentNumber=1)
    derived = group.item("DerivationImageSequence")
    derived.code("DerivationCodeSequence", _code("113076", "Segmentation"), _DCM)
    source = derived.item("SourceImageSequence")
    _reference(source, series, number)
    purpose = _code("121322", "Source image for image processing operation")
    source.code("PurposeOfReferenceCodeSequence", purpose, _DCM)


def _reference(told: Header, series: Series, number: int) -> None:
    told.put(
        ReferencedSOPClassUID=_SOP_CLASSES[series.modality],
        ReferencedSOPInstanceUID=series.instance_uid(number),
    )


def _references(told: Header, series: Series, numbers: list[int]) -> None:
    inner = told.item("ReferencedSeriesSequence")
    inner.put(SeriesInstanceUID=series.uid)
    for number in numbers:
        _reference(inner.item("ReferencedInstanceSequence"), series, number)


def _report(study: Study, series: Series, outlines: dict[int, Ellipse]) -> Instance:
    told = _begin(study, "report", "SR", 701)
    told.put(
        SOPClassUID=ComprehensiveSRStorage,
        SeriesDescription="Report",
        CompletionFlag="COMPLETE",
        VerificationFlag="UNVERIFIED",
        ValueType="CONTAINER",
        ContinuityOfContent="SEPARATE",
    )
    told.put(ReferencedPerformedProcedureStepSequence=[], PerformedProcedureCodeSequence=[])
    told.code("ConceptNameCodeSequence", _code("126000", "Imaging Measurement Report"), _DCM)
    _evidence(told, study, series)
    language = _item(
        told, "HAS CONCEPT MOD", "CODE", _code("121049", "Language of Content Item and Descendants")
    )
    language.code("ConceptCodeSequence", _code("en-US", "English (United States)", "RFC5646"))
    _content(told, study)
    middle = sorted(outlines)[len(outlines) // 2 :][:1]
    for number in middle:
        _measurement(told, study, series, number, outlines[number])
    return Instance(told.dataset, told.marks)


def _evidence(told: Header, study: Study, series: Series) -> None:
    evidence = told.item("CurrentRequestedProcedureEvidenceSequence")
    evidence.put(StudyInstanceUID=study.imaging.study_uid)
    inner = evidence.item("ReferencedSeriesSequence")
    inner.put(SeriesInstanceUID=series.uid)
    for number in range(1, series.n_instances + 1):
        _reference(inner.item("ReferencedSOPSequence"), series, number)


def _content(told: Header, study: Study) -> None:
    image = study.imaging
    observer = _item(told, "HAS OBS CONTEXT", "PNAME", _code("121008", "Person Observer Name"))
    observer.tell(PhiClass.STAFF_NAME, PersonName=staff_name(study.radiologist))
    finding = _item(told, "CONTAINS", "CODE", _code("121071", "Finding"))
    finding.code("ConceptCodeSequence", image.finding.lesion or _NORMAL)
    seen = _item(told, "CONTAINS", "TEXT", _code("121073", "Impression"))
    family = study.registration.demographics.family
    seen.say(
        "TextValue",
        (f"{MARK}. {image.finding.impression} Patient ", None),
        (family, PhiClass.PATIENT_NAME),
        (", told to Dr. ", None),
        (study.attending.family, PhiClass.STAFF_NAME),
        (".", None),
    )


def _measurement(told: Header, study: Study, series: Series, number: int, shape: Ellipse) -> None:
    """The long axis of the lesion, in mm, with its outline."""
    rows, columns = matrix(study, series.modality)
    length = _item(told, "CONTAINS", "NUM", Code("SCT", "103339001", "Long Axis"))
    measured = length.item("MeasuredValueSequence")
    tenths = max(shape.width * columns, shape.height * rows) * 2 * 4000 // rows // 1000
    measured.put(NumericValue=f"{tenths // 10}.{tenths % 10}")
    measured.code("MeasurementUnitsCodeSequence", Code("UCUM", "mm", "millimeter"))
    outline = length.item("ContentSequence")
    outline.put(RelationshipType="INFERRED FROM", ValueType="SCOORD", GraphicType="ELLIPSE")
    x, y = shape.x * columns // 1000, shape.y * rows // 1000
    wide, high = shape.width * columns // 1000, shape.height * rows // 1000
    points = [(x - wide, y), (x + wide, y), (x, y - high), (x, y + high)]
    outline.put(GraphicData=[value for point in points for value in point])
    source = outline.item("ContentSequence")
    source.put(RelationshipType="SELECTED FROM", ValueType="IMAGE")
    _reference(source.item("ReferencedSOPSequence"), series, number)


def _item(told: Header, relationship: str, kind: str, concept: Code) -> Header:
    inner = told.item("ContentSequence")
    inner.put(RelationshipType=relationship, ValueType=kind)
    inner.code("ConceptNameCodeSequence", concept)
    return inner
