"""silver.observation: one row per value, vital signs in their own unit, nothing guessed."""

import json

import pytest

from tests.sql.drawn import Tables, read
from tests.sql.fhir import LOINC, UCUM, concept, observation, quantity

SNOMED = "http://snomed.info/sct"
JUDGED = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
PRESSURE = {
    "code": concept("85354-9"),
    "component": [
        {"code": concept("8480-6"), "valueQuantity": quantity(121, "mm[Hg]")},
        {"code": concept("8462-4"), "valueQuantity": quantity(79, "mm[Hg]")},
    ],
}


def test_a_blood_pressure_is_two_values_of_one_observation(tables: Tables) -> None:
    tables.tell(observation(**PRESSURE))
    tables.build("silver.observation")
    tables.holds(
        "silver.observation",
        """
        observation_id | component_number | panel_code | value_number | vital_sign
        north/o1       | 1                | 85354-9    | 121.0        | systolic_pressure
        north/o1       | 2                | 85354-9    | 79.0         | diastolic_pressure
        """,
    )


def test_a_value_beside_components_is_a_row_of_its_own(tables: Tables) -> None:
    tables.tell(observation(**PRESSURE, valueString="sitting"))
    tables.build("silver.observation")
    tables.holds(
        "silver.observation",
        """
        component_number | panel_code | observation_code | value_text
        0                | -          | 85354-9          | sitting
        1                | 85354-9    | 8480-6           | 121
        2                | 85354-9    | 8462-4           | 79
        """,
    )


def test_an_observation_without_any_value_is_not_lost(tables: Tables) -> None:
    tables.tell(observation(dataAbsentReason=concept("refused")), observation("o2", component=[]))
    tables.build("silver.observation")
    tables.holds(
        "silver.observation",
        """
        observation_id | component_number | value_number | absent_reason_code
        north/o1       | 0                | -            | refused
        north/o2       | 0                | -            | -
        """,
    )


UNITS = """
code    | value | unit      | vital_sign         | vital_sign_value | is_plausible
8867-4  | 72    | /min      | heart_rate         | 72.0             | true
8867-4  | 72    | {beats}/min | heart_rate       | 72.0             | true
8867-4  | 0     | /min      | heart_rate         | 0.0              | false
8867-4  | 72    | bpm       | heart_rate         | -                | -
9279-1  | 16    | /min      | respiratory_rate   | 16.0             | true
2708-6  | 97    | %         | oxygen_saturation  | 97.0             | true
59408-5 | 101   | %         | oxygen_saturation  | 101.0            | false
8310-5  | 98.6  | [degF]    | body_temperature   | 37.0             | true
8310-5  | 37.2  | Cel       | body_temperature   | 37.2             | true
8310-5  | 98.6  | Cel       | body_temperature   | 98.6             | false
8302-2  | 70    | [in_i]    | body_height        | 177.8            | true
8302-2  | 1.8   | m         | body_height        | 180.0            | true
29463-7 | 150   | [lb_av]   | body_weight        | 68.038856        | true
29463-7 | 3200  | g         | body_weight        | 3.2              | true
29463-7 | 3200  | kg        | body_weight        | 3200.0           | false
39156-5 | 24.5  | kg/m2     | body_mass_index    | 24.5             | true
8480-6  | 121   | mm[Hg]    | systolic_pressure  | 121.0            | true
8462-4  | 79    | kPa       | diastolic_pressure | -                | -
9843-4  | 35    | cm        | head_circumference | 35.0             | true
2951-2  | 140   | mmol/L    | -                  | -                | -
"""


def test_a_vital_sign_is_converted_exactly_or_not_at_all(tables: Tables) -> None:
    header, *rows = read(UNITS)
    for number, (code, value, unit, *_) in enumerate(rows):
        told = quantity(float(value), unit)
        tables.tell(observation(f"o{number:02}", code=concept(code), valueQuantity=told))
    tables.build("silver.observation")
    columns = ["observation_id", "observation_code", "value_number", "value_unit", *header[3:]]
    assert tables.draw("silver.observation", columns) == [
        (f"north/o{number:02}", code, str(float(value)), *rest)
        for number, (code, value, *rest) in enumerate(rows)
    ]


QUANTITIES = """
told                                                                  | number | unit | text | vital
{"value": 72, "unit": "/min"}                                         | 72.0   | -    | /min | -
{"value": 72, "unit": "/min", "system": "urn:x", "code": "/min"}      | 72.0   | -    | /min | -
{"value": 72, "system": "UCUM", "code": "/min"}  | 72.0   | /min | -    | 72.0
{"value": 7, "comparator": "<", "system": "UCUM", "code": "/min"}  | -      | /min | -    | -
{"value": "NaN", "system": "UCUM", "code": "/min"} | -    | /min | -    | -
{"value": "many", "system": "UCUM", "code": "/min"} | -   | /min | -    | -
{"value": true, "system": "UCUM", "code": "/min"} | -     | /min | -    | -
"""


@pytest.mark.parametrize(("told", "number", "unit", "text", "vital"), read(QUANTITIES)[1:])
def test_only_a_plain_number_in_a_coded_unit_is_a_vital_sign(
    tables: Tables, told: str, number: str, unit: str, text: str, vital: str
) -> None:
    tables.tell(observation(valueQuantity=json.loads(told.replace("UCUM", UCUM))))
    tables.build("silver.observation")
    columns = ["value_number", "value_unit", "value_unit_text", "vital_sign_value"]
    assert tables.draw("silver.observation", columns) == [(number, unit, text, vital)]


def test_the_code_of_a_vital_sign_is_found_among_others(tables: Tables) -> None:
    codings = [
        {"system": "urn:local", "code": "T"},
        {"system": LOINC, "code": "8331-1"},
        {"system": LOINC, "code": "8310-5"},
    ]
    tables.tell(observation(code={"coding": codings}, valueQuantity=quantity(37, "Cel")))
    tables.build("silver.observation")
    tables.holds(
        "silver.observation",
        "observation_code | vital_sign\n8310-5 | body_temperature",
    )
    tokens = tables.one("select codings from silver.observation")
    assert tokens == ["urn:local|T", f"{LOINC}|8331-1", f"{LOINC}|8310-5"]


def test_the_code_of_a_vital_sign_counts_in_its_own_system_only(tables: Tables) -> None:
    codings = [{"system": "urn:local", "code": "8867-4"}, {"system": LOINC, "code": "8310-5"}]
    tables.tell(observation(code={"coding": codings}))
    tables.build("silver.observation")
    tables.holds("silver.observation", "observation_code\n8310-5")


def test_a_code_of_another_system_is_no_vital_sign(tables: Tables) -> None:
    told = concept("8867-4", "urn:local")
    tables.tell(observation(code=told, valueQuantity=quantity(72, "/min")))
    tables.build("silver.observation")
    tables.holds("silver.observation", "observation_code | vital_sign\n8867-4 | -")


VALUES = """
told                                                     | type    | value_code | value_text | value_number
valueQuantity: {"value": 72.5, "unit": "kg"}             | Quantity | -         | 72.5       | 72.5
valueQuantity: {"unit": "kg"}                            | Quantity | -         | -          | -
valueCodeableConcept: {"coding": [{"code": "c1"}], "text": "t"} | CodeableConcept | c1 | t   | -
valueCodeableConcept: {"text": "only text"}              | CodeableConcept | -  | only text  | -
valueString: "words"                                     | string  | -          | words      | -
valueBoolean: true                                       | boolean | true       | -          | -
valueInteger: 3                                          | integer | -          | 3          | 3.0
valueTime: "12:00:00"                                    | time    | -          | 12:00:00   | -
valueDateTime: "2026-01"                                 | dateTime | -         | 2026-01    | -
valueRange: {"low":{"value":1}}                          | Range   | -          | {"low":{"value":1}} | -
valueRatio: {"numerator":{"value":1}}                    | Ratio   | -          | {"numerator":{"value":1}} | -
valueSampledData: {"origin":{"value":0},"data":"1 E 2"}  | SampledData | -      | {"origin":{"value":0},"data":"1 E 2"} | -
valuePeriod: {"end":"2026-01-05"}                        | Period  | -          | {"end":"2026-01-05"} | -
valueRange: "some"                                       | Range   | -          | some       | -
valueQuantity: "some"                                    | Quantity | -          | -          | -
valueAttachment: {"url": "Binary/b1"}                    | -       | -          | -          | -
"""

each_place = pytest.mark.parametrize("place", ["own", "component"])


def build_value(tables: Tables, place: str, name: str, value: str) -> str:
    """The table with one observation that has this value, itself or in a component."""
    told = {name: json.loads(value)}
    inside = {"component": [{"code": concept("8867-4"), **told}]}
    tables.tell(observation(**(told if place == "own" else inside)))
    tables.build("silver.observation")
    return "silver.observation"


@each_place
@pytest.mark.parametrize("row", read(VALUES)[1:], ids=lambda row: row[0])
def test_a_value_of_any_kind_stands_in_its_column(
    tables: Tables, place: str, row: tuple[str, ...]
) -> None:
    name, _, value = row[0].partition(": ")
    table = build_value(tables, place, name, value)
    columns = ["value_type", "value_code", "value_text", "value_number"]
    assert tables.draw(table, columns) == [row[1:]]


BOUNDS = """
told                                                               | number | low | high | unit
valueQuantity: {"value": 7, "comparator": "<", "unit": "mg"}       | -      | -   | 7.0  | mg
valueQuantity: {"value": 7, "comparator": "<=", "unit": "mg"}      | -      | -   | 7.0  | mg
valueQuantity: {"value": 7, "comparator": ">=", "unit": "mg"}      | -      | 7.0 | -    | mg
valueQuantity: {"value": 7, "comparator": ">", "unit": "mg"}       | -      | 7.0 | -    | mg
valueRange: {"low": {"value": 1.5, "unit": "mg"}, "high": {"value": 2, "unit": "mg"}} | - | 1.5 | 2.0 | mg
valueRange: {"high": {"value": 2, "unit": "mg"}}                   | -      | -   | 2.0  | mg
valueRange: {"low": {"value": "many"}}                             | -      | -   | -    | -
"""


@each_place
@pytest.mark.parametrize("row", read(BOUNDS)[1:], ids=lambda row: row[0])
def test_a_comparator_and_a_range_are_bounds_and_never_a_number(
    tables: Tables, place: str, row: tuple[str, ...]
) -> None:
    name, _, value = row[0].partition(": ")
    table = build_value(tables, place, name, value)
    columns = ["value_number", "value_low", "value_high", "value_unit_text"]
    assert tables.draw(table, columns) == [row[1:]]


def test_a_range_has_a_unit_where_its_ends_agree(tables: Tables) -> None:
    ends = [("mg", "mg"), ("mg", "g"), ("mg", None), (None, "g")]
    for number, (low, high) in enumerate(ends):
        told = {"low": low and quantity(1, low), "high": high and quantity(2, high)}
        tables.tell(observation(f"o{number}", valueRange={k: v for k, v in told.items() if v}))
    foreign = {"low": quantity(1, "mg"), "high": {"value": 2, "system": "urn:x", "code": "mg"}}
    tables.tell(observation("o4", valueRange=foreign))
    tables.build("silver.observation")
    tables.holds(
        "silver.observation",
        """
        observation_id | value_unit
        north/o0       | mg
        north/o1       | -
        north/o2       | mg
        north/o3       | g
        north/o4       | -
        """,
    )


RATIOS = """
told                                                                   | upper | lower
{"numerator": {"value": 1}, "denominator": {"value": 128}}             | 1.0   | 128.0
{"numerator": {"value": 1}, "denominator": {"value": 8, "comparator": ">"}} | 1.0 | -
"""


@pytest.mark.parametrize(("told", "upper", "lower"), read(RATIOS)[1:])
def test_a_ratio_is_two_numbers(tables: Tables, told: str, upper: str, lower: str) -> None:
    table = build_value(tables, "own", "valueRatio", told)
    assert tables.draw(table, ["value_numerator", "value_denominator"]) == [(upper, lower)]


MOMENTS = """
told                                                                          | at | until
valueDateTime: "2026-01-06T03:00:00Z"                                         | 03 | -
valueDateTime: "2026-01-06"                                                   | -  | -
valuePeriod: {"start": "2026-01-06T03:00:00Z", "end": "2026-01-06T04:00:00Z"} | 03 | 04
"""


@pytest.mark.parametrize(("told", "at", "until"), read(MOMENTS)[1:])
def test_a_time_that_is_the_value_is_an_instant_where_it_has_one(
    tables: Tables, told: str, at: str, until: str
) -> None:
    name, _, value = told.partition(": ")
    table = build_value(tables, "own", name, value)
    columns = [f"strftime({column}, '%H')" for column in ("value_at", "value_until_at")]
    assert tables.draw(table, columns) == [(at, until)]


@each_place
def test_what_a_value_is_judged_by_stands_beside_it(tables: Tables, place: str) -> None:
    judgement = {"coding": [{"system": "urn:x", "code": "no"}, *concept("H", JUDGED)["coding"]]}
    ranges = [{"low": {"value": 3.5}, "high": {"value": 5}, "text": "adults"}, {"text": "others"}]
    told = {"valueInteger": 6, "interpretation": [judgement], "referenceRange": ranges}
    inside = {"component": [{"code": concept("8867-4"), **told}]}
    tables.tell(observation(**(told if place == "own" else inside)))
    tables.build("silver.observation")
    tables.holds(
        "silver.observation",
        """
        interpretation_code | reference_range_low | reference_range_high | reference_range_text
        H                   | 3.5           | 5.0            | adults
        """,
    )


def test_each_value_of_an_observation_says_how_and_by_whom_it_was_made(tables: Tables) -> None:
    told = {
        "bodySite": {"coding": [{"code": "arm"}, *concept("368209003", SNOMED)["coding"]]},
        "method": concept("m", "urn:m"),
        "specimen": {"reference": "Specimen/s1"},
        "performer": [
            {"reference": "Practitioner/d1"},
            {"display": "somebody"},
            {"reference": "Organization/o1/_history/2"},
        ],
        "hasMember": [{"reference": "Observation/m1"}, {"reference": "Media/m2"}],
        "derivedFrom": [{"reference": "Media/m2"}, {"reference": "Observation/m3"}],
    }
    tables.tell(observation(**PRESSURE, **told), observation("o2"))
    tables.build("silver.observation")
    tables.holds(
        "silver.observation",
        """
        component_number | body_site_code | method_code | specimen_id | performer_ids
        1                | 368209003      | m           | north/s1    | [north/d1, north/o1]
        2                | 368209003      | m           | north/s1    | [north/d1, north/o1]
        0                | -              | -           | -           | []
        """,
    )
    tables.holds(
        "silver.observation",
        """
        performer_types              | member_ids | derived_from_types   | derived_from_ids
        [Practitioner, Organization] | [north/m1] | [Media, Observation] | [north/m2, north/m3]
        [Practitioner, Organization] | [north/m1] | [Media, Observation] | [north/m2, north/m3]
        []                           | []         | []                   | []
        """,
    )


def test_a_value_that_cannot_be_read_is_told_of(tables: Tables) -> None:
    tables.tell(observation(valueQuantity="some"), observation("o2", valueBoolean=False))
    tables.build("silver.observation")
    assert tables.broken("silver.observation") == {
        "coalesce(value_text, value_code, value_display) is not null or value_type is null": 1
    }


def test_a_value_and_a_reason_for_its_absence_contradict_each_other(tables: Tables) -> None:
    tables.tell(observation(valueInteger=3, dataAbsentReason=concept("refused", ABSENT)))
    tables.build("silver.observation")
    assert "absent_reason_code is null or value_type is null" in tables.broken("silver.observation")


WAITING = """
change          | broke
code            | observation_code is not null or observation_text is not null
subject         | patient_id is present
status          | observation_status is present
"""


@pytest.mark.parametrize(("missing", "broke"), read(WAITING)[1:])
def test_without_code_patient_or_status_an_observation_waits(
    tables: Tables, missing: str, broke: str
) -> None:
    told = observation(valueQuantity=quantity(72, "/min"))
    del told[missing]
    tables.tell(told)
    tables.build("silver.observation")
    tables.holds("silver.observation", "observation_id")
    tables.holds("quarantine.silver_observation", f"_broke\n{broke}")


def test_a_code_in_words_only_is_told_of_and_kept(tables: Tables) -> None:
    tables.tell(observation(code={"text": "mood"}))
    tables.build("silver.observation")
    tables.holds("silver.observation", "observation_code | observation_text\n- | mood")
    assert "observation_code is present" in tables.broken("silver.observation")


def test_a_code_that_is_a_text_where_an_object_should_be_waits(tables: Tables) -> None:
    tables.tell(observation(code="8867-4"))
    tables.build("silver.observation")
    tables.holds("silver.observation", "observation_id")
    tables.holds("quarantine.silver_observation", "observation_id\nnorth/o1")


def test_the_components_of_an_observation_entered_in_error_leave_too(tables: Tables) -> None:
    tables.tell(observation(**PRESSURE))
    tables.tell(observation(**PRESSURE, status="entered-in-error"))
    tables.build("silver.observation")
    tables.holds("silver.observation", "observation_id")
    tables.holds("quarantine.silver_observation", "observation_id")


def test_a_correction_with_fewer_components_leaves_no_row_behind(tables: Tables) -> None:
    tables.tell(observation(**PRESSURE))
    tables.tell(observation(**PRESSURE | {"component": PRESSURE["component"][1:]}))
    tables.build("silver.observation")
    tables.holds("silver.observation", "component_number | value_number\n1 | 79.0")


WHEN = """
told                                                            | at    | until
effectiveDateTime: "2026-01-05T10:00:00Z"                       | 10:00 | -
effectiveInstant: "2026-01-05T05:00:00-05:00"                   | 10:00 | -
effectivePeriod: {"start": "2026-01-05T10:00:00Z"}              | 10:00 | -
effectivePeriod: {"end": "2026-01-05T11:00:00Z"}                | -     | 11:00
"""


@pytest.mark.parametrize(("told", "at", "until"), read(WHEN)[1:])
def test_a_value_holds_at_an_instant_or_over_a_period(
    tables: Tables, told: str, at: str, until: str
) -> None:
    name, _, value = told.partition(": ")
    plain = {k: v for k, v in observation().items() if k != "effectiveDateTime"}
    tables.tell(plain | {name: json.loads(value)})
    tables.build("silver.observation")
    columns = [f"strftime({name}, '%H:%M')" for name in ("observed_at", "observed_until_at")]
    assert tables.draw("silver.observation", columns) == [(at, until)]


AVAILABLE = """
issued               | version_at           | available_at           | available_basis
2026-01-05T12:00:00Z | 2026-01-06T00:00:00Z | 2026-01-06 00:00:00+00 | export
2026-01-07T12:00:00Z | 2026-01-06T00:00:00Z | 2026-01-07 12:00:00+00 | recorded
2026-01-06           | 2026-01-06T00:00:00Z | 2026-01-06 00:00:00+00 | export
"""


@pytest.mark.parametrize(("issued", "version_at", "at", "basis"), read(AVAILABLE)[1:])
def test_a_fact_is_available_when_both_it_and_its_version_are(
    tables: Tables, issued: str, version_at: str, at: str, basis: str
) -> None:
    tables.tell(observation(issued=issued), at=version_at)
    tables.build("silver.observation")
    columns = ["available_at", "available_basis"]
    assert tables.draw("silver.observation", columns) == [(at, basis)]
