"""Vital signs and laboratory values of a visit, as FHIR R4 Observations."""

from collections.abc import Iterator

from lakehouse.datasets.sample import words
from lakehouse.datasets.sample.dice import Dice
from lakehouse.datasets.sample.records import TERMS, Body, Record, Site, concept, visit_id
from lakehouse.datasets.sample.story import DAY, HOUR, Person, Visit

_LOINC = "http://loinc.org"
_ROUND = 6 * HOUR
_NAMES = {"vital-signs": "Vital Signs", "laboratory": "Laboratory"}


def rounds(visit: Visit, until: int) -> Iterator[tuple[int, int]]:
    """The number and minute of each time that somebody took the vital signs and wrote them down."""
    step = _ROUND if visit.is_inpatient else DAY
    for number, minute in enumerate(range(visit.start + 20, visit.end, step), 1):
        if minute + 10 <= until:
            yield number, minute


def observations(site: Site, person: Person, visit: Visit, until: int) -> Iterator[Record]:
    """All that was measured in a visit and written down by a minute."""
    for number, minute in rounds(visit, until):
        yield from _vitals(site, person, visit, number, minute)
        if visit.is_inpatient and number % 4 == 1 and minute + 65 <= until:
            yield from _labs(site, person, visit, number, minute)


def observation_id(person: Person, visit: Visit, number: int, code: str) -> str:
    """The id of what was measured in one round."""
    return f"{visit_id(person, visit)}-{number}-{code}"


def _vitals(site: Site, person: Person, visit: Visit, number: int, minute: int) -> Iterator[Record]:
    dice = person.dice.at(f"{visit.number}/{number}")
    header = _header(site, person, visit, minute, "vital-signs")
    measures = words.VITALS if visit.is_inpatient else (*words.VITALS, words.WEIGHT)
    for measure in measures:
        body = {
            **header,
            "id": observation_id(person, visit, number, measure.code),
            "code": _coded(measure),
            "valueQuantity": _quantity(measure, dice, site.uses_fahrenheit),
        }
        yield Record(body, 1, minute + 10)
    pressure = {
        **header,
        "id": observation_id(person, visit, number, words.PRESSURE),
        "code": concept(_LOINC, words.PRESSURE, "Blood pressure panel with all children optional"),
        "component": [
            {"code": _coded(measure), "valueQuantity": _quantity(measure, dice, False)}
            for measure in words.PRESSURES
        ],
    }
    yield Record(pressure, 1, minute + 10)


def _labs(site: Site, person: Person, visit: Visit, number: int, minute: int) -> Iterator[Record]:
    dice = person.dice.at(f"{visit.number}/{number}")
    header = _header(site, person, visit, minute + 5, "laboratory")
    for measure in words.LABS:
        body = {
            **header,
            "id": observation_id(person, visit, number, measure.code),
            "code": _coded(measure),
            "issued": site.time(minute + 60),
            "valueQuantity": _quantity(measure, dice, False),
        }
        yield Record(body, 1, minute + 65)


def _header(site: Site, person: Person, visit: Visit, minute: int, category: str) -> Body:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [concept(f"{TERMS}/observation-category", category, _NAMES[category])],
        "subject": {"reference": f"Patient/{person.id}"},
        "encounter": {"reference": f"Encounter/{visit_id(person, visit)}"},
        "effectiveDateTime": site.time(minute),
    }


def _coded(measure: words.Measure) -> Body:
    """The pulse oximeter's value also carries the code that the FHIR profile asks for."""
    coded = concept(_LOINC, measure.code, measure.display)
    if measure.code == "59408-5":
        coded["coding"].append(
            {"system": _LOINC, "code": "2708-6", "display": "Oxygen saturation in Arterial blood"}
        )
    return coded


def _quantity(measure: words.Measure, dice: Dice, uses_fahrenheit: bool) -> Body:
    parts, unit = dice.about(measure.middle, measure.spread, measure.code), measure.unit
    if unit == "Cel" and uses_fahrenheit:
        # tenths of a degree, whole numbers throughout
        parts, unit = (parts * 9 + 2) // 5 + 320, "[degF]"
    value = parts if measure.parts == 1 else parts / measure.parts
    return {
        "value": value,
        "unit": unit,
        "system": "http://unitsofmeasure.org",
        "code": unit,
    }
