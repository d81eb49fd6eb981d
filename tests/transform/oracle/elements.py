"""The FHIR R4 elements that the judge knows, written by hand from the R4 pages.

One line a type: `name type`, `name* type` where the element may repeat (max > 1, so JSON has an
array, R4 §2.6.2.1), `name[x] a|b` for a choice of types (§2.1.1). It is on purpose not the table
that the lakehouse ships: two tables from two hands disagree where one is wrong.
"""

from dataclasses import dataclass
from functools import cache

VALUES = (
    "base64Binary|boolean|canonical|code|date|dateTime|decimal|id|instant|integer|markdown|oid|positiveInt|"
    "string|time|unsignedInt|uri|url|uuid|Address|Age|Annotation|Attachment|CodeableConcept|Coding|"
    "ContactPoint|Duration|HumanName|Identifier|Period|Quantity|Range|Ratio|Reference|SampledData"
)
MEASURED = (
    "Quantity|CodeableConcept|string|boolean|integer|Range|Ratio|SampledData|time|dateTime|Period"
)
PLACE = "QuestionnaireResponse.item"

DATATYPES = f"""
Extension: url uri, value[x] {VALUES}
Address: use code, type code, text string, line* string, city string, district string, state string, postalCode string, country string, period Period
Annotation: author[x] Reference|string, time dateTime, text markdown
Attachment: contentType code, language code, data base64Binary, url url, size unsignedInt, title string, creation dateTime
CodeableConcept: coding* Coding, text string
Coding: system uri, version string, code code, display string, userSelected boolean
ContactPoint: system code, value string, use code, rank positiveInt, period Period
HumanName: use code, text string, family string, given* string, prefix* string, suffix* string, period Period
Identifier: use code, type CodeableConcept, system uri, value string, period Period, assigner Reference
Meta: versionId id, lastUpdated instant, source uri, profile* canonical, security* Coding, tag* Coding
Narrative: status code, div xhtml
Period: start dateTime, end dateTime
Quantity: value decimal, comparator code, unit string, system uri, code code
Age: value decimal, comparator code, unit string, system uri, code code
Duration: value decimal, comparator code, unit string, system uri, code code
Range: low Quantity, high Quantity
Ratio: numerator Quantity, denominator Quantity
Reference: reference string, type uri, identifier Identifier, display string
SampledData: origin Quantity, period decimal, factor decimal, lowerLimit decimal, upperLimit decimal, dimensions positiveInt, data string
Dosage: sequence integer, text string, additionalInstruction* CodeableConcept, patientInstruction string, asNeeded[x] boolean|CodeableConcept, site CodeableConcept, route CodeableConcept, method CodeableConcept, doseAndRate* Dosage.doseAndRate, maxDosePerPeriod Ratio
Dosage.doseAndRate: type CodeableConcept, dose[x] Range|Quantity, rate[x] Ratio|Range|Quantity
"""

BACKBONES = f"""
Patient.contact: relationship* CodeableConcept, name HumanName, telecom* ContactPoint, address Address, gender code, organization Reference, period Period
Patient.communication: language CodeableConcept, preferred boolean
Patient.link: other Reference, type code
Observation.referenceRange: low Quantity, high Quantity, type CodeableConcept, appliesTo* CodeableConcept, age Range, text string
Observation.component: code CodeableConcept, value[x] {MEASURED}, dataAbsentReason CodeableConcept, interpretation* CodeableConcept, referenceRange* Observation.referenceRange
Condition.stage: summary CodeableConcept, assessment* Reference, type CodeableConcept
Condition.evidence: code* CodeableConcept, detail* Reference
Encounter.statusHistory: status code, period Period
Encounter.participant: type* CodeableConcept, period Period, individual Reference
Encounter.diagnosis: condition Reference, use CodeableConcept, rank positiveInt
Encounter.hospitalization: origin Reference, admitSource CodeableConcept, dietPreference* CodeableConcept, destination Reference, dischargeDisposition CodeableConcept
Encounter.location: location Reference, status code, physicalType CodeableConcept, period Period
MedicationRequest.dispenseRequest: validityPeriod Period, numberOfRepeatsAllowed unsignedInt, quantity Quantity, expectedSupplyDuration Duration, performer Reference
MedicationRequest.substitution: allowed[x] boolean|CodeableConcept, reason CodeableConcept
QuestionnaireResponse.item: linkId string, definition uri, text string, answer* {PLACE}.answer, item* {PLACE}
QuestionnaireResponse.item.answer: value[x] boolean|decimal|integer|date|dateTime|time|string|uri|Attachment|Coding|Quantity|Reference, item* {PLACE}
Device.udiCarrier: deviceIdentifier string, issuer uri, carrierAIDC base64Binary
ClaimResponse.item: itemSequence positiveInt
Task.output: type CodeableConcept, value[x] {VALUES}
"""

RESOURCES = f"""
Patient: identifier* Identifier, active boolean, name* HumanName, telecom* ContactPoint, gender code, birthDate date, deceased[x] boolean|dateTime, address* Address, maritalStatus CodeableConcept, multipleBirth[x] boolean|integer, photo* Attachment, contact* Patient.contact, communication* Patient.communication, generalPractitioner* Reference, managingOrganization Reference, link* Patient.link
Observation: identifier* Identifier, basedOn* Reference, partOf* Reference, status code, category* CodeableConcept, code CodeableConcept, subject Reference, focus* Reference, encounter Reference, effective[x] dateTime|Period|instant, issued instant, performer* Reference, value[x] {MEASURED}, dataAbsentReason CodeableConcept, interpretation* CodeableConcept, note* Annotation, bodySite CodeableConcept, method CodeableConcept, specimen Reference, device Reference, referenceRange* Observation.referenceRange, hasMember* Reference, derivedFrom* Reference, component* Observation.component
Condition: identifier* Identifier, clinicalStatus CodeableConcept, verificationStatus CodeableConcept, category* CodeableConcept, severity CodeableConcept, code CodeableConcept, bodySite* CodeableConcept, subject Reference, encounter Reference, onset[x] dateTime|Age|Period|Range|string, abatement[x] dateTime|Age|Period|Range|string, recordedDate dateTime, recorder Reference, asserter Reference, stage* Condition.stage, evidence* Condition.evidence, note* Annotation
Encounter: identifier* Identifier, status code, statusHistory* Encounter.statusHistory, class Coding, type* CodeableConcept, serviceType CodeableConcept, priority CodeableConcept, subject Reference, participant* Encounter.participant, period Period, length Duration, reasonCode* CodeableConcept, reasonReference* Reference, diagnosis* Encounter.diagnosis, hospitalization Encounter.hospitalization, location* Encounter.location, serviceProvider Reference, partOf Reference
MedicationRequest: identifier* Identifier, status code, statusReason CodeableConcept, intent code, category* CodeableConcept, priority code, doNotPerform boolean, reported[x] boolean|Reference, medication[x] CodeableConcept|Reference, subject Reference, encounter Reference, authoredOn dateTime, requester Reference, reasonCode* CodeableConcept, reasonReference* Reference, note* Annotation, dosageInstruction* Dosage, dispenseRequest MedicationRequest.dispenseRequest, substitution MedicationRequest.substitution
QuestionnaireResponse: identifier Identifier, questionnaire canonical, status code, subject Reference, encounter Reference, authored dateTime, author Reference, source Reference, item* {PLACE}
Organization: identifier* Identifier, active boolean, name string
Device: udiCarrier* Device.udiCarrier
ClaimResponse: created dateTime, item* ClaimResponse.item
DetectedIssue: status code, identified[x] dateTime|Period
ImagingStudy: numberOfSeries unsignedInt
Measure: url uri, status code
Task: status code, output* Task.output
"""

IN_EVERY_RESOURCE = (
    "id id, meta Meta, implicitRules uri, language code, text Narrative, extension* Extension"
)
IN_EVERY_ELEMENT = "id string, extension* Extension"


@dataclass(frozen=True)
class Element:
    """One element of a type; of a choice it lists every type that the choice may have."""

    name: str
    types: tuple[str, ...]
    repeats: bool
    is_choice: bool

    def properties(self) -> list[tuple[str, str]]:
        """The JSON property of each type the element may have (R4 §2.6.2.0 for choices)."""
        if not self.is_choice:
            return [(self.name, self.types[0])]
        return [(self.name + kind[0].upper() + kind[1:], kind) for kind in self.types]


def _element(told: str) -> Element:
    name, kinds = told.split()
    plain = name.removesuffix("[x]").removesuffix("*")
    return Element(plain, tuple(kinds.split("|")), name.endswith("*"), name.endswith("[x]"))


def _read(table: str, common: str) -> dict[str, dict[str, Element]]:
    types = {}
    for line in table.strip().splitlines():
        name, told = line.split(": ")
        elements = [_element(one) for one in f"{common}, {told}".split(", ")]
        types[name] = {element.name: element for element in elements}
    return types


@cache
def types() -> dict[str, dict[str, Element]]:
    """Every complex type and resource by name, with its elements by name."""
    inner = _read(DATATYPES + BACKBONES.lstrip(), IN_EVERY_ELEMENT)
    return inner | _read(RESOURCES, IN_EVERY_RESOURCE)


@cache
def resources() -> frozenset[str]:
    """The names of the resource types."""
    return frozenset(_read(RESOURCES, IN_EVERY_RESOURCE))
