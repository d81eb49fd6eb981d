"""The table of R4's elements: the traps that tables of other releases fall into, and that it is what HL7 publishes."""

from pathlib import Path

import pytest

from lakehouse.viewdefinition import elements
from tests.viewdefinition.generate_elements import TABLE, generate

JAR = Path.home() / (
    ".m2/repository/ca/uhn/hapi/fhir/hapi-fhir-validation-resources-r4/8.8.1/"
    "hapi-fhir-validation-resources-r4-8.8.1.jar"
)

# type, element, its types, whether it repeats
TRAPS = [
    ("Encounter", "class", "Coding", False),  # a CodeableConcept that repeats in R5
    ("Encounter", "period", "Period", False),  # actualPeriod in R5
    ("Encounter", "hospitalization", "Encounter.hospitalization", False),  # admission in R5
    ("Encounter", "reasonCode", "CodeableConcept", True),
    (
        "MedicationRequest",
        "medication",
        "CodeableConcept Reference",
        False,
    ),  # CodeableReference in R5
    ("ClaimResponse.item", "itemSequence", "positiveInt", False),
    ("ImagingStudy", "numberOfSeries", "unsignedInt", False),
    ("Questionnaire.item", "item", "Questionnaire.item", True),  # a content reference
    ("QuestionnaireResponse.item.answer", "item", "QuestionnaireResponse.item", True),
    ("Observation.component", "referenceRange", "Observation.referenceRange", True),
    ("Bundle.entry", "link", "Bundle.link", True),
    ("Observation", "effective", "dateTime Period Timing instant", False),
    ("Patient", "deceased", "boolean dateTime", False),
    ("Patient", "contained", "Resource", True),
    ("Patient", "id", "string", False),
    ("Patient.contact", "modifierExtension", "Extension", True),
    ("HumanName", "given", "string", True),
    ("HumanName", "extension", "Extension", True),
    ("Age", "value", "decimal", False),
    ("Timing.repeat", "frequency", "positiveInt", False),
    ("DataRequirement.codeFilter", "valueSet", "canonical", False),
]


@pytest.mark.parametrize(("owner", "name", "types", "is_list"), TRAPS, ids=str)
def test_an_element_has_the_types_of_r4(owner: str, name: str, types: str, is_list: bool) -> None:
    found = elements.element(owner, name)
    assert found is not None
    assert found.types == tuple(types.split())
    assert found.is_list == is_list


def test_an_extension_may_have_every_open_type() -> None:
    found = elements.element("Extension", "value")
    assert found is not None
    assert len(found.types) == 50
    assert found.json_name("CodeableConcept") == "valueCodeableConcept"
    assert found.json_name("base64Binary") == "valueBase64Binary"


def test_a_type_of_another_release_is_none() -> None:
    assert elements.element("Encounter", "admission") is None
    assert elements.type_named("CodeableReference") is None
    assert elements.type_named("SubscriptionTopic") is None
    assert elements.is_resource("SubstanceNucleicAcid")


def test_every_type_that_an_element_has_is_in_the_table() -> None:
    names = [
        line.split("\t")[0] for line in TABLE.read_text().splitlines() if not line.startswith("#")
    ]
    told = {kind for name in names for element in elements.elements(name) for kind in element.types}
    assert {kind for kind in told if elements.type_named(kind) is None} == set()


@pytest.mark.peer
@pytest.mark.skipif(
    not JAR.is_file(), reason="the artifact is not in Maven's folder: mvn dependency:get"
)
def test_the_table_is_what_the_generator_makes_of_the_profiles() -> None:
    assert TABLE.read_text() == generate(JAR)
