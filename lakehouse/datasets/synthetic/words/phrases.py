"""What is said in notes.

`{name}` is a value of the patient or of the stay. `[phrase|status]` is a finding: affirmed, negated,
family or uncertain. `[word|look_alike]` looks like a name, a date or a number of somebody, and is none.
"""

from typing import NamedTuple

from lakehouse.datasets.synthetic.words.codes import SNOMED, Code

LOOK_ALIKE = "look_alike"
STATUSES = ("affirmed", "negated", "family", "uncertain")


class Part(NamedTuple):
    """A section of a document: LOINC code, and its template of C-CDA R2.1 as oid:version."""

    title: str
    loinc: str
    template: str


class Kind(NamedTuple):
    """A kind of document: LOINC code, and its template of C-CDA R2.1 as oid:version."""

    title: str
    loinc: str
    template: str


_ROOT = "2.16.840.1.113883.10.20"
_OLDER, _NEWER = ":2014-06-09", ":2015-08-01"
KINDS = {
    "admission": Kind("History and Physical", "34117-2", f"{_ROOT}.22.1.3{_NEWER}"),
    "progress": Kind("Progress Note", "11506-3", f"{_ROOT}.22.1.9{_NEWER}"),
    "visit": Kind("Progress Note", "11506-3", f"{_ROOT}.22.1.9{_NEWER}"),
    "discharge": Kind("Discharge Summary", "18842-5", f"{_ROOT}.22.1.8{_NEWER}"),
    "operative": Kind("Operative Note", "11504-8", f"{_ROOT}.22.1.7{_NEWER}"),
    "radiology": Kind("Diagnostic Imaging Report", "18748-4", f"{_ROOT}.22.1.5{_NEWER}"),
}
CHIEF = Part("Chief Complaint", "10154-3", "1.3.6.1.4.1.19376.1.5.3.1.1.13.2.1")
PRESENT = Part("History of Present Illness", "10164-2", "1.3.6.1.4.1.19376.1.5.3.1.3.4")
PAST = Part("Past Medical History", "11348-0", f"{_ROOT}.22.2.20{_NEWER}")
FAMILY = Part("Family History", "10157-6", f"{_ROOT}.22.2.15{_NEWER}")
SOCIAL = Part("Social History", "29762-2", f"{_ROOT}.22.2.17{_NEWER}")
ALLERGIES = Part("Allergies", "48765-2", f"{_ROOT}.22.2.6{_NEWER}")
MEDICATIONS = Part("Medications", "10160-0", f"{_ROOT}.22.2.1{_OLDER}")
SYSTEMS = Part("Review of Systems", "10187-3", "1.3.6.1.4.1.19376.1.5.3.1.3.18")
GENERAL = Part("General Status", "10210-3", f"{_ROOT}.2.5")
EXAMINATION = Part("Physical Examination", "29545-1", f"{_ROOT}.2.10{_NEWER}")
VITALS = Part("Vital Signs", "8716-3", f"{_ROOT}.22.2.4{_NEWER}")
RESULTS = Part("Results", "30954-2", f"{_ROOT}.22.2.3{_NEWER}")
ASSESSMENT = Part("Assessment and Plan", "51847-2", f"{_ROOT}.22.2.9{_OLDER}")
SUBJECTIVE = Part("Subjective", "61150-9", f"{_ROOT}.21.2.2")
OBJECTIVE = Part("Objective", "61149-1", f"{_ROOT}.21.2.1")
COURSE = Part("Hospital Course", "8648-8", "1.3.6.1.4.1.19376.1.5.3.1.3.5")
DIAGNOSES = Part("Discharge Diagnosis", "11535-2", f"{_ROOT}.22.2.24{_NEWER}")
DISCHARGE_MEDICATIONS = Part("Discharge Medications", "10183-2", f"{_ROOT}.22.2.11{_NEWER}")
TREATMENT = Part("Plan of Treatment", "18776-5", f"{_ROOT}.22.2.10{_OLDER}")
BEFORE = Part("Preoperative Diagnosis", "10219-4", f"{_ROOT}.22.2.34{_NEWER}")
AFTER = Part("Postoperative Diagnosis", "10218-6", f"{_ROOT}.22.2.35")
DONE = Part("Procedure Description", "29554-3", f"{_ROOT}.22.2.27")
ANESTHESIA = Part("Anesthesia", "59774-0", f"{_ROOT}.22.2.25{_OLDER}")
FOUND = Part("Procedure Findings", "59776-5", f"{_ROOT}.22.2.28{_NEWER}")
SPECIMENS = Part("Procedure Specimens Taken", "59773-2", f"{_ROOT}.22.2.31")
COMPLICATIONS = Part("Complications", "55109-3", f"{_ROOT}.22.2.37{_NEWER}")
BLOOD_LOSS = Part("Procedure Estimated Blood Loss", "59770-8", f"{_ROOT}.18.2.9")
INDICATION = Part("Indications for Procedure", "18785-6", "2.16.840.1.113883.10.20.6.1.3")
TECHNIQUE = Part("Procedure Description", "55111-9", "2.16.840.1.113883.10.20.6.1.6")
COMPARISON = Part("Comparison Study", "18834-2", "2.16.840.1.113883.10.20.6.1.7")
FINDINGS = Part("Findings", "18782-3", "2.16.840.1.113883.10.20.6.1.2")
IMPRESSION = Part("Impressions", "19005-8", "2.16.840.1.113883.10.20.6.1.10")


def _snomed(code: str, display: str) -> Code:
    return Code(SNOMED, code, display)


_BREAST_CANCER = _snomed("254837009", "Malignant neoplasm of breast (disorder)")
_DYSPNOEA = _snomed("267036007", "Dyspnea (finding)")
CONCEPTS = {
    "fever": _snomed("386661006", "Fever (finding)"),
    "cough": _snomed("49727002", "Cough (finding)"),
    "shortness of breath": _DYSPNOEA,
    "dyspnea": _DYSPNOEA,
    "chest pain": _snomed("29857009", "Chest pain (finding)"),
    "nausea": _snomed("422587007", "Nausea (finding)"),
    "headache": _snomed("25064002", "Headache (finding)"),
    "diarrhea": _snomed("62315008", "Diarrhea (finding)"),
    "abdominal pain": _snomed("21522001", "Abdominal pain (finding)"),
    "syncope": _snomed("271594007", "Syncope (disorder)"),
    "palpitations": _snomed("80313002", "Palpitations (finding)"),
    "leg swelling": _snomed("449614009", "Swelling of lower limb (finding)"),
    "vaginal bleeding": _snomed("289530006", "Bleeding from vagina (finding)"),
    "knee pain": _snomed("30989003", "Knee pain (finding)"),
    "wheezing": _snomed("56018004", "Wheezing (finding)"),
    "pneumonia": _snomed("233604007", "Pneumonia (disorder)"),
    "sepsis": _snomed("91302008", "Sepsis (disorder)"),
    "pulmonary embolism": _snomed("59282003", "Pulmonary embolism (disorder)"),
    "deep vein thrombosis": _snomed("128053003", "Deep venous thrombosis (disorder)"),
    "aortic dissection": _snomed("308546005", "Dissection of aorta (disorder)"),
    "stroke": _snomed("230690007", "Cerebrovascular accident (disorder)"),
    "breast cancer": _BREAST_CANCER,
    "colon cancer": _snomed("363406005", "Malignant neoplasm of colon (disorder)"),
    "diabetes": _snomed("73211009", "Diabetes mellitus (disorder)"),
    "myocardial infarction": _snomed("22298006", "Myocardial infarction (disorder)"),
    "pleural effusion": _snomed("60046008", "Pleural effusion (disorder)"),
    "pneumothorax": _snomed("36118008", "Pneumothorax (disorder)"),
    "consolidation": _snomed("95436008", "Lung consolidation (disorder)"),
    "nodule": _snomed("427359005", "Solitary nodule of lung (finding)"),
    "granuloma": _snomed("45647009", "Granuloma (morphologic abnormality)"),
    "emphysema": _snomed("87433001", "Pulmonary emphysema (disorder)"),
    "osteoarthritis": _snomed("396275006", "Osteoarthritis (disorder)"),
    "baker cyst": _snomed("82675004", "Synovial cyst of popliteal space (disorder)"),
    "anomaly": _snomed("276654001", "Congenital malformation (disorder)"),
    "infection": _snomed("40733004", "Infectious disease (disorder)"),
}
"""What a phrase means, in small letters."""

EPONYMS = (
    "Remote [Bell|look_alike] palsy, resolved.",
    "An uncle lives with [Parkinson|look_alike] disease; the patient has no tremor.",
    "[Addison|look_alike] disease was once considered and ruled out.",
    "A nephew has [Down|look_alike] syndrome.",
    "[Raynaud|look_alike] phenomenon in winter.",
    "[Hashimoto|look_alike] thyroiditis, on replacement.",
    "[Dupuytren|look_alike] contracture of the left hand.",
    "[Graves|look_alike] disease in remission.",
)
HISTORY = (
    "Mother had [breast cancer|family] at 61.",
    "Father had a [myocardial infarction|family] at [58|look_alike].",
    "Sister has [diabetes|family].",
    "Maternal grandfather died of [stroke|family].",
    "No family history of [colon cancer|negated].",
)
NEGATIVES = (
    "Denies [nausea|negated], [diarrhea|negated] and [abdominal pain|negated].",
    "No [headache|negated]. No [syncope|negated].",
    "Without [leg swelling|negated] or [palpitations|negated].",
)
SIGNS = (
    "[Babinski|look_alike] downgoing, [Romberg|look_alike] negative.",
    "[Murphy|look_alike] sign negative. Strength [5/5|look_alike] in all limbs.",
    "[Homans|look_alike] sign negative. Visual acuity [20/25|look_alike].",
)
CARE = (
    "[Foley|look_alike] catheter removed, voiding.",
    "Penicillin-free regimen discussed; home [Nexium|look_alike] continued.",
    "[Trendelenburg|look_alike] position not tolerated. [Ringer|look_alike] lactate stopped.",
    "[Glasgow|look_alike] coma scale 15. [Tylenol|look_alike] as needed.",
    "[Allegra|look_alike] for hay fever, [Celexa|look_alike] at night.",
    "[Braden|look_alike] score 19. [Lovenox|look_alike] for prophylaxis.",
)
OPENINGS = {
    "chest_pain": (
        "presents with [chest pain|affirmed] since this morning. No [fever|negated], no [cough|negated]. A [pulmonary embolism|uncertain] is possible but unlikely.",
        "woke with [chest pain|affirmed] radiating to the left arm. Possible [myocardial infarction|uncertain]. No signs of [aortic dissection|negated].",
    ),
    "pneumonia": (
        "presents with [fever|affirmed], [cough|affirmed] and [shortness of breath|affirmed] for three days. No [chest pain|negated].",
        "has had [fever|affirmed] and a productive [cough|affirmed]. An early [sepsis|uncertain] cannot be excluded.",
    ),
    "copd": (
        "presents with worsening [dyspnea|affirmed] and [wheezing|affirmed]. No [fever|negated]. Possible [infection|uncertain] as the trigger.",
        "has more [cough|affirmed] and [shortness of breath|affirmed] than usual, no [chest pain|negated].",
    ),
    "knee": (
        "has had [knee pain|affirmed] on the right for years, worse on stairs. No [fever|negated].",
        "reports [knee pain|affirmed] at night. Questionable [infection|uncertain] was ruled out before.",
    ),
    "pregnancy": (
        "is seen in pregnancy. No [vaginal bleeding|negated], no [headache|negated]. Feels the baby move.",
        "is well, some [nausea|affirmed]. No [leg swelling|negated].",
    ),
    "diabetes": (
        "is seen for [diabetes|affirmed]. No [chest pain|negated]. Feet without ulcers.",
        "follows the plan for [diabetes|affirmed]; possible early [infection|uncertain] of a toe.",
    ),
    "wellness": (
        "comes for a check-up and feels well. No [chest pain|negated], no [cough|negated].",
        "has no complaints. Occasional [headache|affirmed], no [syncope|negated].",
    ),
}
COURSES = (
    "Slept well, less [dyspnea|affirmed] than yesterday. No [fever|negated] overnight.",
    "Reports some [nausea|affirmed]. No [chest pain|negated]. Walks the corridor with help.",
    "Tired. Doubtful [deep vein thrombosis|uncertain], ultrasound was considered. No [headache|negated].",
)
REPORTS = {
    "clear chest": (
        "The lungs are clear. No [pleural effusion|negated] or [pneumothorax|negated]. The heart is of normal size.",
        "No acute cardiopulmonary process. No evidence of [pneumonia|negated].",
    ),
    "consolidation": (
        "Airspace opacity in the right lower lobe with air bronchograms. No [pleural effusion|negated].",
        "Right lower lobe [consolidation|affirmed], consistent with [pneumonia|affirmed].",
    ),
    "consolidation with effusion": (
        "Extensive [consolidation|affirmed] of the right lung, and a moderate right [pleural effusion|affirmed]. Lines in place.",
        "Progression of the [pneumonia|affirmed] with a new parapneumonic effusion.",
    ),
    "hyperinflation": (
        "Hyperinflated lungs with flattened diaphragms. No focal [consolidation|negated].",
        "[Emphysema|affirmed]. No [pneumonia|negated]. A 6 mm [nodule|affirmed] in the left upper lobe, possibly a [granuloma|uncertain].",
    ),
    "knee arthrosis": (
        "Full-thickness cartilage loss in the medial compartment with subchondral oedema. A [Baker cyst|affirmed].",
        "Advanced [osteoarthritis|affirmed] of the right knee.",
    ),
    "single live fetus": (
        "Single live intrauterine fetus, cephalic. Placenta posterior, clear of the internal os.",
        "Growth as expected for dates. No [anomaly|negated] seen.",
    ),
}
"""What a report says of a finding: `Finding.findings` and `Finding.impression` with their marks."""
