"""What is not of its type or its shape is empty, and counted; so it never looks like an answer."""

from typing import Any

import pytest

from lakehouse.errors import SpecError
from lakehouse.transform.views import Finding, conformance, evaluate
from tests.viewdefinition.asking import ask, column, observation, patient, view

# path, then its value where the patient has this name
NAMES = [
    ([], [False, [], None, 0]),
    ([{"family": "F"}], [True, ["F"], None, 1]),
    ([{"text": "t"}], [True, [], "t", 1]),
    ([{"use": "usual"}, {"text": "t"}], [True, [], "t", 2]),
    ("x", [False, [], None, 0]),
    ({"family": "Q"}, [False, [], None, 0]),
    (["x", {"family": "F", "text": "t"}, None, 5, True], [True, ["F"], "t", 1]),
    ([[{"family": "Z"}]], [False, [], None, 0]),
    ([{}], [False, [], None, 0]),
    ([{"family": {"a": 1}, "text": ["t"]}], [True, [], None, 1]),
    (None, [False, [], None, 0]),
]


@pytest.mark.parametrize(("name", "told"), NAMES, ids=str)
def test_an_element_of_the_wrong_shape_is_not_there(name: Any, told: list[Any]) -> None:
    resource = patient(name=name)
    assert ask("name.exists()", resource) == [told[0]]
    assert ask("name.empty()", resource) == [not told[0]]
    assert ask("name.family", resource, collection=True) == [told[1]]
    assert ask("name.text.first()", resource) == [told[2]]
    for path in ("name", "name.where(true)", "name.where(period.empty())"):
        each = {"forEach": path, "column": [column("i", "%rowIndex"), column("f", "family")]}
        rows = evaluate({"resource": "Patient", "select": [each]}, [resource]).to_pylist()
        assert [row["i"] for row in rows] == list(range(told[3]))
        each = {"forEach": path, "column": [column("f", "family")]}
        assert evaluate({"resource": "Patient", "select": [each]}, [resource]).num_rows == told[3]
        each = {"forEachOrNull": path, "column": [column("f", "family")]}
        assert evaluate({"resource": "Patient", "select": [each]}, [resource]).num_rows == max(
            told[3], 1
        )


# path, what stands there, what the view makes of it, how many findings
LEAVES = [
    ("gender", {"gender": "male"}, "male", 0),
    ("gender", {"gender": {"a": 1}}, None, 1),
    ("gender", {"gender": ["male"]}, None, 1),
    ("gender", {"gender": "[male"}, "[male", 0),
    ("gender", {"gender": "{x}"}, "{x}", 0),
    ("gender", {"gender": "[1]"}, "[1]", 0),
    ("gender", {"gender": 5}, None, 1),
    ("gender", {"gender": ""}, "", 0),
    ("gender", {"gender": None}, None, 0),
    ("active", {"active": True}, True, 0),
    ("active", {"active": "maybe"}, None, 1),
    ("active", {"active": 1}, None, 1),
    ("active.exists()", {"active": "maybe"}, False, 1),
    ("birthDate", {"birthDate": "1970-05"}, "1970-05", 0),
    ("birthDate", {"birthDate": "soon"}, None, 1),
    ("birthDate", {"birthDate": "2012-02-30"}, None, 1),
    ("birthDate", {"birthDate": "2012-02-29"}, "2012-02-29", 0),
    ("birthDate", {"birthDate": 2012}, None, 1),
    ("birthDate < @2000", {"birthDate": "soon"}, None, 1),
    ("multipleBirth.ofType(integer)", {"multipleBirthInteger": 2}, 2, 0),
    ("multipleBirth.ofType(integer)", {"multipleBirthInteger": 1.5}, None, 1),
    ("multipleBirth.ofType(integer)", {"multipleBirthInteger": 3_000_000_000}, None, 1),
    ("multipleBirth.ofType(integer)", {"multipleBirthInteger": "two"}, None, 1),
    ("maritalStatus.text", {"maritalStatus": "M"}, None, 1),
    ("maritalStatus.exists()", {"maritalStatus": "M"}, False, 1),
    ("maritalStatus.exists()", {"maritalStatus": {"text": "m"}}, True, 0),
    ("contact.where(gender.empty()).exists()", {"contact": ["x"]}, False, 1),
    ("contact.name.text.first()", {"contact": [{"name": {"text": 5}}]}, None, 1),
    ("contact.name.text.first()", {"contact": [{"name": "x"}, {"name": {"text": "t"}}]}, "t", 1),
]


@pytest.mark.parametrize(("path", "told", "value", "findings"), LEAVES, ids=str)
def test_a_value_that_does_not_convert_is_null_and_counted(
    path: str, told: dict[str, Any], value: Any, findings: int
) -> None:
    resource = patient(**told)
    assert ask(path, resource) == [value]
    found = conformance(view("Patient", column("v", path)), [resource, resource, patient()])
    assert sum(finding.count for finding in found) == 2 * findings
    assert all(finding.columns == ("v",) for finding in found)


NUMBERS = [(1.5, 1.5), (100, 100.0), ("1.50", None), ("x", None), ("NaN", None), (True, None), ("0x10", None),
           (" 5", None), ("1e400", None), ({"a": 1}, None), ("1_0", None), (1e-7, 1e-7)]  # fmt: skip


@pytest.mark.parametrize(("sent", "value"), NUMBERS, ids=str)
def test_a_number_is_one_or_null(sent: Any, value: float | None) -> None:
    resource = observation(valueQuantity={"value": sent})
    told = view("Observation", column("v", "value.ofType(Quantity).value"))
    assert ask("value.ofType(Quantity).value", resource) == [value]
    assert len(conformance(told, [resource])) == (value is None)


def test_findings_name_the_columns_and_the_place_and_no_value() -> None:
    told = {
        "resource": "Patient",
        "select": [
            {"column": [column("f", "name.family.first()"), column("g", "name.given.first()")]}
        ],
        "where": [{"path": "active"}],
    }
    broken = patient(name="Canary", active="Canary")
    found = conformance(told, [broken, broken])
    assert found == [Finding((), "$.active", 2), Finding(("f", "g"), "$.name", 2)]


EXTENDED = {"extension": [{"url": "u", "valueCode": "c"}]}
# path, the patient, the value
BESIDE = [
    ("birthDate.exists()", {"_birthDate": EXTENDED}, True),
    ("birthDate.empty()", {"_birthDate": EXTENDED}, False),
    ("birthDate.exists()", {"_birthDate": {}}, False),
    ("birthDate", {"_birthDate": EXTENDED}, None),
    ("name.given.exists()", {"name": [{"_given": [EXTENDED]}]}, True),
    ("name.exists()", {"name": [{"_family": EXTENDED}]}, True),
    ("name.exists()", {"name": [{"unknown": 1}]}, False),
]


@pytest.mark.parametrize(("path", "told", "value"), BESIDE)
def test_a_primitive_with_only_extensions_is_there_without_a_value(
    path: str, told: dict[str, Any], value: Any
) -> None:
    assert ask(path, patient(**told)) == [value]


def test_every_column_is_null_in_the_row_that_foreachornull_makes_of_nothing() -> None:
    inner = {"forEach": "period", "column": [column("deep", "%rowIndex"), column("two", "2")]}
    branches = [{"column": [column("one", "'x'")]}, {"column": [column("one", "'y'")]}]
    select = {"forEachOrNull": "name", "select": [inner], "unionAll": branches,
              "column": [column("at", "%rowIndex"), column("none", "family.empty()")]}  # fmt: skip
    told = {"resource": "Patient", "select": [{"column": [column("all", "1")]}, select]}
    (row,) = evaluate(told, [patient()]).to_pylist()
    assert row == {"all": 1, "at": 0, "none": None, "deep": None, "two": None, "one": None}


def test_several_values_fail_also_where_no_row_is_left() -> None:
    told = {"resource": "Patient", "select": [
        {"column": [column("v", "name.family")]}, {"forEach": "contact", "column": [column("g", "gender")]}]}  # fmt: skip
    with pytest.raises(SpecError, match="several values"):
        evaluate(told, [patient(name=[{"family": "a"}, {"family": "b"}])])
