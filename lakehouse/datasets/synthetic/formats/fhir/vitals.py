"""Vital signs, and the odd things that are asked at the desk: every kind of value that FHIR has."""

from functools import partial
from typing import NamedTuple

from lakehouse.datasets.synthetic.changes import IMPOSSIBLE, ROUND_IN_ERROR, ROUND_LATE
from lakehouse.datasets.synthetic.clock import DAY
from lakehouse.datasets.synthetic.formats.fhir.sink import Sink, Version
from lakehouse.datasets.synthetic.formats.fhir.terms import (
    PROCEDURE,
    SOCIAL,
    SURVEY,
    VITAL,
    Body,
    concept,
    quantity,
)
from lakehouse.datasets.synthetic.model import Change, Encounter, Person, Round
from lakehouse.datasets.synthetic.words.codes import ELECTROCARDIOGRAM, LOINC, SNOMED, Code


def _loinc(code: str, display: str) -> Code:
    return Code(LOINC, code, display)


class _Sign(NamedTuple):
    suffix: str
    code: Body
    attribute: str
    unit: str


_SIGNS = (
    _Sign("hr", concept(_loinc("8867-4", "Heart rate")), "heart_rate", "/min"),
    _Sign("rr", concept(_loinc("9279-1", "Respiratory rate")), "respiratory_rate", "/min"),
    _Sign(
        "ox",
        concept(
            _loinc("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
            _loinc("2708-6", "Oxygen saturation in Arterial blood"),
        ),
        "oxygen_saturation",
        "%",
    ),
)
_TEMPERATURE = concept(_loinc("8310-5", "Body temperature"))
_PRESSURE = concept(_loinc("85354-9", "Blood pressure panel with all children optional"))
_SYSTOLIC = concept(_loinc("8480-6", "Systolic blood pressure"))
_DIASTOLIC = concept(_loinc("8462-4", "Diastolic blood pressure"))
_WEIGHT = concept(_loinc("29463-7", "Body weight"))
_HEIGHT = concept(_loinc("8302-2", "Body height"))
_MASS_INDEX = concept(_loinc("39156-5", "Body mass index (BMI) [Ratio]"))
_PAIN = concept(_loinc("72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported"))
_SMOKING = concept(_loinc("72166-2", "Tobacco smoking status"))
_SMOKERS = {
    "never": Code(SNOMED, "266919005", "Never smoked tobacco (finding)"),
    "former": Code(SNOMED, "8517006", "Ex-smoker (finding)"),
    "current": Code(SNOMED, "77176002", "Smoker (finding)"),
}
_TRACE = concept(_loinc("11524-6", "EKG study"))
_BEAT = "0 0 1 3 5 3 1 0 0 -4 -12 58 164 71 -22 -6 0 0 2 5 9 14 18 19 16 10 5 2 0 0"
_QUESTIONS = 8
SIGN_SUFFIXES = ("hr", "rr", "ox", "t", "bp", "w", "h", "bmi", "pain")
"""What stands behind the id of a round, after a hyphen, in the ids of its observations."""


def write(sink: Sink, person: Person, told: Encounter, changes: dict[str, Change]) -> None:
    """All rounds, the smoking status, an answer of every kind, and traces of the heart."""
    for turn in told.rounds:
        _write_round(sink, told, turn, changes.get(turn.id))
    if told.smoking:
        at = told.start + 12
        answer = {"valueCodeableConcept": concept(_SMOKERS[told.smoking])}
        body = _header(sink, told, at) | {"category": SOCIAL, "code": _SMOKING} | answer
        sink.put("Observation", f"{told.id}-smoking", body, at + 3)
        _write_answer(sink, person, told)
    for done in told.procedures:
        if done.code is ELECTROCARDIOGRAM:
            sink.put("Observation", f"{done.id}-ecg", _trace(sink, told, done.start), done.end)


def _header(sink: Sink, told: Encounter, at: int) -> Body:
    return {
        "status": "final",
        "subject": sink.subject,
        "encounter": {"reference": f"Encounter/{told.id}"},
        "effectiveDateTime": sink.time(at),
        "performer": [sink.practitioner(told.attending)],
    }


def _write_round(sink: Sink, told: Encounter, turn: Round, change: Change | None) -> None:
    kind = None if change is None else change.kind
    bodies = _bodies(sink, told, turn)
    for suffix, body in bodies:
        identity = f"{turn.id}-{suffix}"
        if kind == ROUND_LATE:
            sink.late(2, "Observation", identity, body, (turn.recorded, 1))
        elif kind == ROUND_IN_ERROR and change is not None:
            wrong = body | {"status": "entered-in-error"}
            versions: list[Version] = [
                (turn.recorded, partial(_same, body)),
                (change.at, partial(_same, wrong)),
            ]
            sink.put_versions("Observation", identity, versions)
        else:
            if kind == IMPOSSIBLE and change is not None and suffix == "hr":
                body["valueQuantity"]["value"] = change.value
            sink.put("Observation", identity, body, turn.recorded)


def _same(body: Body) -> Body:
    return body


def _bodies(sink: Sink, told: Encounter, turn: Round) -> list[tuple[str, Body]]:
    signs = turn.signs
    header = {**_header(sink, told, turn.minute), "category": VITAL}
    found: list[tuple[str, Body]] = [
        (
            sign.suffix,
            {
                **header,
                "code": sign.code,
                "valueQuantity": quantity(getattr(signs, sign.attribute), 1, sign.unit),
            },
        )
        for sign in _SIGNS
    ]
    warmth = quantity(signs.temperature, 10, "Cel")
    if sink.site.uses_fahrenheit:
        warmth = quantity((signs.temperature * 9 + 2) // 5 + 320, 10, "[degF]")
    found.append(("t", {**header, "code": _TEMPERATURE, "valueQuantity": warmth}))
    parts = [
        {"code": _SYSTOLIC, "valueQuantity": quantity(signs.systolic, 1, "mm[Hg]")},
        {"code": _DIASTOLIC, "valueQuantity": quantity(signs.diastolic, 1, "mm[Hg]")},
    ]
    found.append(("bp", {**header, "code": _PRESSURE, "component": parts}))
    return found + _more(turn, header)


def _more(turn: Round, header: Body) -> list[tuple[str, Body]]:
    """What is measured in a clinic too, and asked of those in pain."""
    found: list[tuple[str, Body]] = []
    if turn.weight is not None and turn.height is not None:
        index = turn.weight * 10_000 // (turn.height * turn.height)
        sources = [{"reference": f"Observation/{turn.id}-{suffix}"} for suffix in ("w", "h")]
        mass = {"code": _MASS_INDEX, "valueQuantity": quantity(index, 10, "kg/m2")}
        found += [
            ("w", {**header, "code": _WEIGHT, "valueQuantity": quantity(turn.weight, 10, "kg")}),
            ("h", {**header, "code": _HEIGHT, "valueQuantity": quantity(turn.height, 1, "cm")}),
            ("bmi", {**header, **mass, "derivedFrom": sources}),
        ]
    if turn.pain is not None:
        pain = quantity(turn.pain, 1, "{score}")
        found.append(("pain", {**header, "code": _PAIN, "valueQuantity": pain}))
    return found


def _write_answer(sink: Sink, person: Person, told: Encounter) -> None:
    """One of the questions of the desk, by turns; the answers have every type of value."""
    number = person.number + told.number
    code, text, value = _answers(sink, told.start, number)[number % _QUESTIONS]
    question = Code(f"{sink.base}/question", code, text)
    at = told.start + 4
    body = _header(sink, told, at) | {"category": SURVEY, "code": concept(question)} | value
    body["performer"] = [sink.subject]
    sink.put("Observation", f"{told.id}-desk", body, at + 6)


def _answers(sink: Sink, start: int, number: int) -> tuple[tuple[str, str, Body], ...]:
    night = {"start": sink.time(start - 1020), "end": sink.time(start - 600)}
    low, high = 110 + number % 10, 135 + number % 12
    usual = {"low": quantity(low, 1, "mm[Hg]"), "high": quantity(high, 1, "mm[Hg]")}
    sight = {"numerator": {"value": 20}, "denominator": {"value": 20 + 5 * (number % 5)}}
    clock = f"{6 + number % 3:02}:{number % 60:02}:00"
    since = sink.site.zone.day(start - number % 30 * DAY)
    return (
        ("fasting", "Fasting today", {"valueBoolean": number % 2 == 0}),
        ("last-meal", "Time of the last meal", {"valueTime": clock}),
        ("steps", "Stairs climbed without a rest", {"valueInteger": number % 9}),
        ("night", "Last night's sleep", {"valuePeriod": night}),
        ("usual", "Usual systolic pressure at home", {"valueRange": usual}),
        ("since", "Day of the last dentist's visit", {"valueDateTime": since}),
        ("diet", "Diet in the patient's words", {"valueString": "greens, “some” fish & eggs"}),
        ("acuity", "Visual acuity", {"valueRatio": sight}),
    )


def _trace(sink: Sink, told: Encounter, at: int) -> Body:
    """Some beats of lead II, 100 values a second."""
    data = " ".join([_BEAT, "0 " * (10 + told.number % 20) + "0"] * 4)
    sampled = {
        "origin": {"value": 0, "unit": "mV", "system": "http://unitsofmeasure.org", "code": "mV"},
        "period": 10,
        "factor": 0.01,
        "dimensions": 1,
        "data": data,
    }
    return _header(sink, told, at) | {
        "category": PROCEDURE,
        "code": _TRACE,
        "valueSampledData": sampled,
    }
