"""Names, places and codes of the sample: invented people, and code systems that may be passed on.

ICD-10-CM and ICD-10-PCS are in the public domain, RxNorm codes are from the prescribable subset,
and LOINC codes are used under the LOINC licence (https://loinc.org/license).
"""

from typing import NamedTuple


class Measure(NamedTuple):
    """A value to make up, in units of 1/`parts`."""

    code: str
    display: str
    unit: str
    middle: int
    spread: int
    parts: int = 1


FEMALE = (
    "Ada",
    "Bela",
    "Cora",
    "Dina",
    "Edda",
    "Faye",
    "Gala",
    "Hilma",
    "Ilse",
    "Juna",
    "Kaia",
    "Lora",
    "Mina",
    "Nele",
)
MALE = (
    "Abel",
    "Bram",
    "Cato",
    "Dirk",
    "Elmo",
    "Finn",
    "Gero",
    "Hugo",
    "Ivo",
    "Jan",
    "Karl",
    "Levi",
    "Mika",
    "Nils",
)
FAMILIES = (
    "Ackerby",
    "Bellwick",
    "Corvane",
    "Dunmere",
    "Eastrop",
    "Fallowden",
    "Grenhart",
    "Hollisk",
    "Ingersby",
    "Jarrowin",
    "Kestleton",
    "Lomberly",
    "Mardenfield",
    "Norwick",
    "Oakhurstin",
    "Pellingay",
    "Quillam",
    "Rosterby",
)
STREETS = ("Mill", "Station", "Chapel", "Orchard", "Harbor", "Meadow", "Quarry", "Spring")
CITIES = (("Northvale", "00001"), ("Eastmere", "00002"), ("Stonebrook", "00003"))

PROBLEMS = (
    ("I50.9", "Heart failure, unspecified"),
    ("J18.9", "Pneumonia, unspecified organism"),
    ("J44.1", "Chronic obstructive pulmonary disease with (acute) exacerbation"),
    ("N39.0", "Urinary tract infection, site not specified"),
    ("E11.9", "Type 2 diabetes mellitus without complications"),
    ("I10", "Essential (primary) hypertension"),
    ("K35.80", "Unspecified acute appendicitis"),
)
PROCEDURES = (
    ("0DTJ4ZZ", "Resection of Appendix, Percutaneous Endoscopic Approach"),
    ("02HV33Z", "Insertion of Infusion Device into Superior Vena Cava, Percutaneous Approach"),
    ("5A09357", "Assistance with Respiratory Ventilation, Less than 24 Consecutive Hours"),
)
DRUGS = (
    ("314076", "lisinopril 10 MG Oral Tablet"),
    ("860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet"),
    ("310965", "ibuprofen 200 MG Oral Tablet"),
)

VITALS = (
    Measure("8867-4", "Heart rate", "/min", 80, 8),
    Measure("9279-1", "Respiratory rate", "/min", 16, 2),
    Measure("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%", 96, 1),
    Measure("8310-5", "Body temperature", "Cel", 370, 4, 10),
)
PRESSURE = "85354-9"
PRESSURES = (
    Measure("8480-6", "Systolic blood pressure", "mm[Hg]", 124, 9),
    Measure("8462-4", "Diastolic blood pressure", "mm[Hg]", 76, 6),
)
WEIGHT = Measure("29463-7", "Body weight", "kg", 720, 60, 10)
LABS = (
    Measure("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 139, 2),
    Measure("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 41, 2, 10),
    Measure("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 100, 12, 100),
    Measure("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 128, 7, 10),
)
