"""Examinations of radiology, their series, and what they may show."""

from typing import NamedTuple

from lakehouse.datasets.synthetic.words.codes import LOINC, SNOMED, Code

_CHEST = Code(SNOMED, "51185008", "Thoracic structure (body structure)")
_KNEE = Code(SNOMED, "72696002", "Knee region structure (body structure)")
_UTERUS = Code(SNOMED, "35039007", "Uterine structure (body structure)")


class Finding(NamedTuple):
    """What a radiologist says; `lesion` is what a label of the image outlines, if anything."""

    name: str
    findings: str
    impression: str
    is_abnormal: bool
    lesion: Code | None = None


class Examination(NamedTuple):
    """An examination: DICOM modality, series as (description, number of images)."""

    code: Code
    name: str
    modality: str
    body_part: str
    """DICOM body part examined (PS3.16 annex L)."""
    site: Code
    series: tuple[tuple[str, int], ...]


CHEST_XRAY = Examination(
    Code(LOINC, "36643-5", "XR Chest 2 Views"), "Chest X-ray, two views", "CR", "CHEST", _CHEST,
    (("PA", 1), ("LATERAL", 1)),
)  # fmt: skip
CHEST_CT = Examination(
    Code(LOINC, "24627-2", "CT Chest"), "CT of the chest", "CT", "CHEST", _CHEST,
    (("AXIAL 5.0", 8), ("LUNG 1.5", 8)),
)  # fmt: skip
KNEE_MR = Examination(
    Code(LOINC, "25056-3", "MR Unspecified body region"), "MR of the right knee", "MR", "KNEE", _KNEE,
    (("SAG PD FS", 6), ("COR T1", 6)),
)  # fmt: skip
FETAL_ULTRASOUND = Examination(
    Code(LOINC, "11525-3", "US Pelvis Fetus for pregnancy"), "Obstetric ultrasound", "US", "UTERUS",
    _UTERUS, (("OB", 4),),
)  # fmt: skip

CLEAR_CHEST = Finding(
    "clear chest",
    "The lungs are clear. No pleural effusion or pneumothorax. The heart is of normal size.",
    "No acute cardiopulmonary process. No evidence of pneumonia.",
    False,
)
CONSOLIDATION = Finding(
    "consolidation",
    "Airspace opacity in the right lower lobe with air bronchograms. No pleural effusion.",
    "Right lower lobe consolidation, consistent with pneumonia.",
    True,
    Code(SNOMED, "95436008", "Lung consolidation (disorder)"),
)
EFFUSION = Finding(
    "consolidation with effusion",
    "Extensive consolidation of the right lung, and a moderate right pleural effusion. Lines in place.",
    "Progression of the pneumonia with a new parapneumonic effusion.",
    True,
    Code(SNOMED, "60046008", "Pleural effusion (disorder)"),
)
HYPERINFLATION = Finding(
    "hyperinflation",
    "Hyperinflated lungs with flattened diaphragms. No focal consolidation.",
    "Emphysema. No pneumonia. A 6 mm nodule in the left upper lobe, possibly a granuloma.",
    True,
    Code(SNOMED, "427359005", "Solitary nodule of lung (finding)"),
)
WORN_KNEE = Finding(
    "knee arthrosis",
    "Full-thickness cartilage loss in the medial compartment with subchondral oedema. A Baker cyst.",
    "Advanced osteoarthritis of the right knee.",
    True,
    Code(SNOMED, "239873007", "Osteoarthritis of knee (disorder)"),
)
FETUS = Finding(
    "single live fetus",
    "Single live intrauterine fetus, cephalic. Placenta posterior, clear of the internal os.",
    "Growth as expected for dates. No anomaly seen.",
    False,
)
