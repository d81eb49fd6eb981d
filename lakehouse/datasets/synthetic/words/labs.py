"""What a laboratory measures: codes, units, reference ranges and what an instrument can tell."""

from typing import NamedTuple

from lakehouse.datasets.synthetic.words.codes import LOINC, Code


class Analyte(NamedTuple):
    """A value in 1/`parts` of `unit` (UCUM): mean and deviation in health, the reference range,
    where a value is critical, and the lowest and highest that the instrument tells."""

    code: Code
    name: str
    unit: str
    parts: int
    middle: int
    deviation: int
    low: int
    high: int
    critical: tuple[int, int]
    limits: tuple[int, int]


class Battery(NamedTuple):
    """What is ordered together; `specimen` is `blood`, `urine` or `arterial`."""

    code: Code
    name: str
    specimen: str
    analytes: tuple[Analyte, ...]


_Numbers = tuple[int, int, int, int, tuple[int, int], tuple[int, int]]


def _analyte(
    loinc: str, display: str, name: str, unit: tuple[str, int], numbers: _Numbers
) -> Analyte:
    middle, deviation, low, high, critical, limits = numbers
    code = Code(LOINC, loinc, display)
    return Analyte(code, name, *unit, middle, deviation, low, high, critical, limits)


def _text(loinc: str, display: str, name: str) -> Analyte:
    return _analyte(loinc, display, name, ("", 1), (0, 0, 0, 0, (0, 0), (0, 0)))


SODIUM = _analyte(
    "2951-2", "Sodium [Moles/volume] in Serum or Plasma", "Sodium", ("mmol/L", 1),
    (140, 2, 136, 145, (120, 160), (100, 180)),
)  # fmt: skip
POTASSIUM = _analyte(
    "2823-3", "Potassium [Moles/volume] in Serum or Plasma", "Potassium", ("mmol/L", 10),
    (43, 4, 35, 51, (25, 65), (15, 90)),
)  # fmt: skip
CHLORIDE = _analyte(
    "2075-0", "Chloride [Moles/volume] in Serum or Plasma", "Chloride", ("mmol/L", 1),
    (102, 2, 98, 107, (80, 120), (70, 140)),
)  # fmt: skip
BICARBONATE = _analyte(
    "1963-8", "Bicarbonate [Moles/volume] in Serum or Plasma", "Bicarbonate", ("mmol/L", 1),
    (25, 2, 22, 29, (10, 40), (5, 50)),
)  # fmt: skip
UREA = _analyte(
    "3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", "Urea nitrogen", ("mg/dL", 1),
    (14, 4, 7, 20, (0, 100), (2, 200)),
)  # fmt: skip
CREATININE = _analyte(
    "2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "Creatinine", ("mg/dL", 100),
    (95, 17, 60, 130, (20, 500), (15, 2500)),
)  # fmt: skip
GLUCOSE = _analyte(
    "2345-7", "Glucose [Mass/volume] in Serum or Plasma", "Glucose", ("mg/dL", 1),
    (90, 10, 70, 110, (40, 450), (20, 600)),
)  # fmt: skip
CALCIUM = _analyte(
    "17861-6", "Calcium [Mass/volume] in Serum or Plasma", "Calcium", ("mg/dL", 10),
    (94, 4, 86, 103, (60, 130), (40, 180)),
)  # fmt: skip
LEUKOCYTES = _analyte(
    "6690-2", "Leukocytes [#/volume] in Blood by Automated count", "Leukocytes", ("10*3/uL", 10),
    (75, 17, 40, 110, (10, 300), (2, 1000)),
)  # fmt: skip
HAEMOGLOBIN = _analyte(
    "718-7", "Hemoglobin [Mass/volume] in Blood", "Hemoglobin", ("g/dL", 10),
    (143, 12, 120, 170, (70, 200), (20, 250)),
)  # fmt: skip
HAEMATOCRIT = _analyte(
    "4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", "Hematocrit", ("%", 10),
    (430, 34, 360, 510, (210, 600), (60, 750)),
)  # fmt: skip
PLATELETS = _analyte(
    "777-3", "Platelets [#/volume] in Blood by Automated count", "Platelets", ("10*3/uL", 1),
    (265, 58, 150, 400, (20, 1000), (5, 2000)),
)  # fmt: skip
HBA1C = _analyte(
    "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "Hemoglobin A1c", ("%", 10),
    (53, 2, 40, 56, (0, 150), (35, 180)),
)  # fmt: skip
CHOLESTEROL = _analyte(
    "2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "Cholesterol", ("mg/dL", 1),
    (188, 32, 100, 200, (0, 500), (50, 800)),
)  # fmt: skip
TRIGLYCERIDE = _analyte(
    "2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "Triglyceride", ("mg/dL", 1),
    (120, 35, 40, 150, (0, 1000), (20, 2000)),
)  # fmt: skip
HDL = _analyte(
    "2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "HDL cholesterol",
    ("mg/dL", 1), (53, 11, 40, 90, (0, 200), (10, 150)),
)  # fmt: skip
LDL = _analyte(
    "13457-7", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation",
    "LDL cholesterol", ("mg/dL", 1), (112, 28, 0, 130, (0, 400), (10, 500)),
)  # fmt: skip
TROPONIN = _analyte(
    "67151-1", "Troponin T.cardiac [Mass/volume] in Serum or Plasma by High sensitivity method",
    "Troponin T", ("ng/L", 1), (5, 3, 0, 14, (0, 52), (6, 10000)),
)  # fmt: skip
LACTATE = _analyte(
    "2524-7", "Lactate [Moles/volume] in Serum or Plasma", "Lactate", ("mmol/L", 10),
    (11, 3, 5, 20, (0, 40), (3, 200)),
)  # fmt: skip
CRP = _analyte(
    "1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "C-reactive protein",
    ("mg/L", 10), (20, 12, 0, 50, (0, 3000), (10, 5000)),
)  # fmt: skip
PROCALCITONIN = _analyte(
    "33959-8", "Procalcitonin [Mass/volume] in Serum or Plasma", "Procalcitonin", ("ng/mL", 100),
    (4, 2, 0, 10, (0, 1000), (5, 10000)),
)  # fmt: skip
PH = _analyte(
    "2744-1", "pH of Arterial blood", "pH", ("[pH]", 100),
    (740, 2, 735, 745, (720, 760), (680, 780)),
)  # fmt: skip
CARBON_DIOXIDE = _analyte(
    "2019-8", "Carbon dioxide [Partial pressure] in Arterial blood", "pCO2", ("mm[Hg]", 1),
    (40, 3, 35, 45, (20, 70), (5, 150)),
)  # fmt: skip
OXYGEN = _analyte(
    "2703-7", "Oxygen [Partial pressure] in Arterial blood", "pO2", ("mm[Hg]", 1),
    (88, 6, 80, 100, (40, 300), (10, 500)),
)  # fmt: skip
CULTURE = _text("600-7", "Bacteria identified in Blood by Culture", "Blood culture")
BLOOD_GROUP = _text("883-9", "ABO group [Type] in Blood", "ABO group")
RHESUS = _text("10331-7", "Rh [Type] in Blood", "Rh type")
KETONES = _text("2514-8", "Ketones [Presence] in Urine by Test strip", "Urine ketones")

METABOLIC = Battery(
    Code(LOINC, "51990-0", "Basic metabolic panel - Blood"), "Basic metabolic panel", "blood",
    (SODIUM, POTASSIUM, CHLORIDE, BICARBONATE, UREA, CREATININE, GLUCOSE, CALCIUM),
)  # fmt: skip
COUNT = Battery(
    Code(LOINC, "58410-2", "CBC panel - Blood by Automated count"), "Complete blood count",
    "blood", (LEUKOCYTES, HAEMOGLOBIN, HAEMATOCRIT, PLATELETS),
)  # fmt: skip
LIPID = Battery(
    Code(LOINC, "24331-1", "Lipid 1996 panel - Serum or Plasma"), "Lipid panel", "blood",
    (CHOLESTEROL, TRIGLYCERIDE, HDL, LDL),
)  # fmt: skip
SUGAR = Battery(HBA1C.code, "Hemoglobin A1c", "blood", (HBA1C,))
CARDIAC = Battery(TROPONIN.code, "Troponin T", "blood", (TROPONIN,))
INFLAMMATION = Battery(CRP.code, "Inflammation markers", "blood", (CRP, PROCALCITONIN, LACTATE))
GASES = Battery(
    Code(LOINC, "24336-0", "Gas panel - Arterial blood"), "Arterial blood gases", "arterial",
    (PH, CARBON_DIOXIDE, OXYGEN),
)  # fmt: skip
BLOOD_CULTURE = Battery(CULTURE.code, "Blood culture", "blood", (CULTURE,))
BLOOD_TYPE = Battery(
    Code(LOINC, "34532-2", "Blood type and Indirect antibody screen panel - Blood"), "Blood type",
    "blood", (BLOOD_GROUP, RHESUS),
)  # fmt: skip
URINE = Battery(KETONES.code, "Urine ketones", "urine", (KETONES,))
