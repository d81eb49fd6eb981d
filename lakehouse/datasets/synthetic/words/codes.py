"""Codes with their system and display, as tables by subject."""

from typing import NamedTuple

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10_PROCEDURE = "http://www.cms.gov/Medicare/Coding/ICD10"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
OMB = "urn:oid:2.16.840.1.113883.6.238"
TERMS = "http://terminology.hl7.org/CodeSystem"


class Code(NamedTuple):
    """One coding."""

    system: str
    code: str
    display: str


def _snomed(code: str, display: str) -> Code:
    return Code(SNOMED, code, display)


def _icd(code: str, display: str) -> Code:
    return Code(ICD10, code, display)


class Problem(NamedTuple):
    """A condition in the two systems that hospitals use."""

    icd: Code
    snomed: Code | None


CHEST_PAIN = Problem(
    _icd("R07.9", "Chest pain, unspecified"), _snomed("29857009", "Chest pain (finding)")
)
INFARCTION = Problem(
    _icd("I21.4", "Non-ST elevation (NSTEMI) myocardial infarction"),
    _snomed("401314000", "Acute non-ST segment elevation myocardial infarction (disorder)"),
)
HYPERTENSION = Problem(
    _icd("I10", "Essential (primary) hypertension"),
    _snomed("38341003", "Hypertensive disorder, systemic arterial (disorder)"),
)
LIPIDS = Problem(
    _icd("E78.5", "Hyperlipidemia, unspecified"), _snomed("55822004", "Hyperlipidemia (disorder)")
)
PNEUMONIA = Problem(
    _icd("J18.9", "Pneumonia, unspecified organism"), _snomed("233604007", "Pneumonia (disorder)")
)
SEPSIS = Problem(
    _icd("A41.9", "Sepsis, unspecified organism"), _snomed("91302008", "Sepsis (disorder)")
)
SHOCK = Problem(
    _icd("R65.21", "Severe sepsis with septic shock"),
    _snomed("76571007", "Septic shock (disorder)"),
)
DIABETES = Problem(
    _icd("E11.9", "Type 2 diabetes mellitus without complications"),
    _snomed("44054006", "Type 2 diabetes mellitus (disorder)"),
)
PREGNANCY = Problem(
    _icd(
        "Z34.90",
        "Encounter for supervision of normal pregnancy, unspecified, unspecified trimester",
    ),
    _snomed("72892002", "Normal pregnancy (finding)"),
)
DELIVERY = Problem(
    _icd("O80", "Encounter for full-term uncomplicated delivery"),
    _snomed("48782003", "Delivery normal (finding)"),
)
ANAEMIA = Problem(_icd("D64.9", "Anemia, unspecified"), _snomed("271737000", "Anemia (disorder)"))
ARTHROSIS = Problem(
    _icd("M17.11", "Unilateral primary osteoarthritis, right knee"),
    _snomed("239873007", "Osteoarthritis of knee (disorder)"),
)
COPD = Problem(
    _icd("J44.1", "Chronic obstructive pulmonary disease with (acute) exacerbation"),
    _snomed("13645005", "Chronic obstructive pulmonary disease (disorder)"),
)
CHECKUP = Problem(
    _icd("Z00.00", "Encounter for general adult medical examination without abnormal findings"),
    None,
)
AFTERCARE = Problem(
    _icd("Z09", "Encounter for follow-up examination after completed treatment"), None
)

EMERGENCY_VISIT = _snomed("50849002", "Emergency room admission (procedure)")
ADMISSION = _snomed("32485007", "Hospital admission (procedure)")
CHECK_VISIT = _snomed("185349003", "Encounter for check up (procedure)")
FOLLOW_UP = _snomed("185389009", "Follow-up visit (procedure)")
ANTENATAL = _snomed("424441002", "Prenatal initial visit (regime/therapy)")

STENT = Code(
    ICD10_PROCEDURE,
    "027034Z",
    "Dilation of Coronary Artery, One Artery with Drug-eluting Intraluminal Device, Percutaneous Approach",
)
KNEE_REPLACEMENT = Code(
    ICD10_PROCEDURE,
    "0SRC0J9",
    "Replacement of Right Knee Joint with Synthetic Substitute, Cemented, Open Approach",
)
BIRTH = Code(ICD10_PROCEDURE, "10E0XZZ", "Delivery of Products of Conception, External Approach")
VENTILATION = Code(ICD10_PROCEDURE, "5A1945Z", "Respiratory Ventilation, 24-96 Consecutive Hours")
LINE = Code(
    ICD10_PROCEDURE,
    "02HV33Z",
    "Insertion of Infusion Device into Superior Vena Cava, Percutaneous Approach",
)
SPIROMETRY = _snomed("127783003", "Spirometry (procedure)")
ELECTROCARDIOGRAM = _snomed("29303009", "Electrocardiographic procedure (procedure)")
KNEE_IMPLANT = Code("https://synthetic.example.org/device", "knee", "Knee prosthesis (synthetic)")

RACES = (
    (60, Code(OMB, "2106-3", "White")),
    (14, Code(OMB, "2054-5", "Black or African American")),
    (7, Code(OMB, "2028-9", "Asian")),
    (2, Code(OMB, "1002-5", "American Indian or Alaska Native")),
    (1, Code(OMB, "2076-8", "Native Hawaiian or Other Pacific Islander")),
)
HISPANIC = Code(OMB, "2135-2", "Hispanic or Latino")
NOT_HISPANIC = Code(OMB, "2186-5", "Not Hispanic or Latino")

RELATIONSHIPS = (
    Code(f"{TERMS}/v3-RoleCode", "SPS", "spouse"),
    Code(f"{TERMS}/v3-RoleCode", "CHILD", "child"),
    Code(f"{TERMS}/v3-RoleCode", "SIB", "sibling"),
    Code(f"{TERMS}/v3-RoleCode", "PRN", "parent"),
)
ALLERGENS = (
    (_snomed("764146007", "Penicillin (substance)"), _snomed("247472004", "Wheal (finding)")),
    (_snomed("256349002", "Peanut (substance)"), _snomed("39579001", "Anaphylaxis (disorder)")),
    (_snomed("111088007", "Latex (substance)"), _snomed("418290006", "Itching (finding)")),
)
VACCINES = (
    Code(CVX, "140", "Influenza, split virus, trivalent, PF"),
    Code(CVX, "115", "Tdap"),
    Code(CVX, "187", "zoster recombinant"),
    Code(CVX, "33", "pneumococcal polysaccharide PPV23"),
)
