"""Parts of resources that are said often, made once."""

from functools import cache
from typing import Any

from lakehouse.datasets.synthetic.words.codes import TERMS, Code

Body = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
NPI = "http://hl7.org/fhir/sid/us-npi"
SSN = "http://hl7.org/fhir/sid/us-ssn"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"


@cache
def concept(*codes: Code) -> Body:
    """A CodeableConcept; its text is the first code's display."""
    return {
        "coding": [one._asdict() for one in codes],
        "text": codes[0].display,
    }


@cache
def term(system: str, code: str, display: str) -> Body:
    """A CodeableConcept of a code system of HL7's, by the last part of its address."""
    return concept(Code(f"{TERMS}/{system}", code, display))


@cache
def category(code: str, display: str) -> list[Body]:
    """The category of an observation."""
    return [term("observation-category", code, display)]


def quantity(value: int, parts: int, unit: str) -> Body:
    """A Quantity in UCUM of a number in 1/`parts`."""
    told = value if parts == 1 else value / parts
    return {"value": told, "unit": unit, "system": UCUM, "code": unit}


@cache
def identifier_type(code: str, display: str) -> Body:
    """HL7 table 0203."""
    return term("v2-0203", code, display)


VITAL = category("vital-signs", "Vital Signs")
LABORATORY = category("laboratory", "Laboratory")
SOCIAL = category("social-history", "Social History")
SURVEY = category("survey", "Survey")
PROCEDURE = category("procedure", "Procedure")


def placer(base: str, number: str) -> Body:
    """The number that the one who ordered gave to an order."""
    kind = identifier_type("PLAC", "Placer Identifier")
    return {"type": kind, "system": f"{base}/order", "value": number}
