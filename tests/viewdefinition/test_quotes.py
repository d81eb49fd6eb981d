"""A leaf that is taken without its quotes is still a string or nothing, wherever it stands."""

from decimal import Decimal
from typing import Any

import pytest

from lakehouse.transform.views import evaluate
from tests.viewdefinition.asking import ask, column, patient

STRINGS = ["", " 5", "5", "-1", "1e5", "1e999", "-Infinity", "NaN", "true", "false", "0x1", "10*3/uL", "%", "{score}",
           "[1]", "[-1]", "[]", "[true]", "[null]", "[false", '["a"]', "[{}]", "[lb_av]", "[ft_i]", "{}", '{"a":1}', "null", "\\", 'say "5"', "é", "a\nb", "word"]  # fmt: skip
OTHERS = [
    None,
    5,
    -1,
    1.5,
    1e300,
    Decimal(10**30),
    Decimal("-1e999"),
    True,
    False,
    {},
    {"a": 1},
    [],
    ["5"],
    ["word"],
]


@pytest.mark.parametrize("sent", [*STRINGS, *OTHERS], ids=repr)
def test_a_string_is_told_from_everything_that_reads_like_it(sent: Any) -> None:
    told = sent if isinstance(sent, str) else None
    kept = [told] if told is not None else []
    names = [{"family": sent}, {"family": "x"}]
    assert ask("gender", patient(gender=sent)) == [told]
    assert ask("maritalStatus.text", patient(maritalStatus={"text": sent})) == [told]
    assert ask("name.family.first()", patient(name=names)) == [told if kept else "x"]
    assert ask("name.family.first()", patient(name=names[:1])) == [told]
    assert ask("name.family", patient(name=names), collection=True) == [[*kept, "x"]]
    given = patient(name=[{"given": ["y", sent]}, {"given": [sent]}])
    assert ask("name.given", given, collection=True) == [["y", *kept, *kept]]


@pytest.mark.parametrize("sent", [*STRINGS, *OTHERS], ids=repr)
def test_a_key_is_taken_only_from_a_reference(sent: Any) -> None:
    assert ask("managingOrganization.getReferenceKey(Organization)",
               patient(managingOrganization={"reference": sent})) == [None]  # fmt: skip
    several = patient(
        generalPractitioner=[{"reference": sent}, {"reference": "Practitioner/5"}, "Practitioner/6"]
    )
    path = "generalPractitioner.getReferenceKey(Practitioner)"
    assert ask(path, several, collection=True) == [["5"]]


REFERENCES = [
    ("Organization/5", "5"),
    ("Organization/", None),
    ("Organization//5", None),
    ("Organization/5/6", None),
    ("Organization/5#6", None),
    ("Organization/5/_history/2", "5"),
    ("Organizations/5", None),
    ("https://a.b/fhir/Organization/5", "5"),
    ("urn:uuid:5", None),
]


@pytest.mark.parametrize(("sent", "key"), REFERENCES)
def test_a_reference_gives_the_id_that_it_names(sent: str, key: str | None) -> None:
    path = "managingOrganization.getReferenceKey(Organization)"
    told = patient(managingOrganization={"reference": sent})
    assert ask(path, told) == [key]
    both = [column("key", path), column("sent", "managingOrganization.reference")]
    rows = evaluate({"resource": "Patient", "select": [{"column": both}]}, [told]).to_pylist()
    assert rows == [{"key": key, "sent": sent}]


DATES = [
    ("2012", "2012"),
    (2012, None),
    ("0000", None),
    ("0001", "0001"),
    (" 201", None),
    ("+201", None),
    ("2012-00", None),
    ("2012-12", "2012-12"),
    ("2012-12-31", "2012-12-31"),
    ("2012-02-30", None),
    ("2012-12-31T23:59:60Z", "2012-12-31T23:59:60Z"),
    ("2012-12-31T24:00:00Z", None),
    ("2012-12-31T23:59:59", None),
    ("2012-12-31T23:59:59.123+14:00", "2012-12-31T23:59:59.123+14:00"),
    ("2012-12-31T23:59:59+14:01", None),
    ({"a": "2012"}, None),
    (["2012"], None),
    (True, None),
]


@pytest.mark.parametrize(("sent", "value"), DATES, ids=repr)
def test_a_date_is_of_its_grammar_and_no_number(sent: Any, value: str | None) -> None:
    assert ask("deceased.ofType(dateTime)", patient(deceasedDateTime=sent)) == [value]
    assert ask("meta.lastUpdated", patient(meta={"lastUpdated": sent})) == [
        value if value and "T" in value else None
    ]
    day = value if value and "T" not in value else None
    assert ask("birthDate", patient(birthDate=sent)) == [day]
    periods = patient(name=[{"period": {"start": sent}}])
    assert ask("name.period.start.first()", periods) == [value]


CONTACTS = [
    {"telecom": [{"value": "1"}, {"use": "home"}, {}, "x", {"rank": 1}]},
    {"telecom": None},
    "x",
    {"telecom": {"value": "2"}},
    {"telecom": [None, {"value": 5}, {"value": "3"}]},
]


def test_an_item_counts_where_it_has_only_what_the_view_does_not_name() -> None:
    for each, extra in (("forEach", []), ("forEachOrNull", [None])):
        select = {each: "contact.telecom", "column": [column("v", "value")]}
        told = {"resource": "Patient", "select": [select]}
        found = evaluate(told, [patient(contact=CONTACTS), patient(), patient(contact=[{}])])
        assert found["v"].to_pylist() == ["1", None, None, None, "3", *extra, *extra]


UNIONS = [
    ({}, ["p"]),
    ({"name": [{"family": "f"}]}, ["p", "f"]),
    ({"contact": [{"gender": "g"}, {"gender": 5}]}, ["p", "g", None]),
    ({"name": [{}], "contact": "x"}, ["p"]),
]


@pytest.mark.parametrize(("told", "value"), UNIONS, ids=str)
def test_a_branch_that_loops_over_nothing_has_no_row(told: dict[str, Any], value: Any) -> None:
    branches = [
        {"column": [column("v", "id")]},
        {"forEach": "name", "column": [column("v", "family")]},
        {"forEach": "contact", "column": [column("v", "gender")]},
    ]
    found = evaluate({"resource": "Patient", "select": [{"unionAll": branches}]}, [patient(**told)])
    assert found["v"].to_pylist() == value
