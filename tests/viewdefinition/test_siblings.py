"""Selects side by side: all are answered before their rows multiply, so one that is empty hides
nothing of what another finds (SQL on FHIR v2, Processing Algorithm)."""

from itertools import permutations
from typing import Any

import pytest

from lakehouse.errors import SpecError
from lakehouse.transform.views import evaluate
from tests.viewdefinition.asking import column, patient

Select = dict[str, Any]

NONE = column("none", "'x'")
ONE = {"name": [{"family": "F", "given": ["G"]}]}
SEVERAL = {"name": [{"family": "F", "given": ["G", "H"]}]}
SEVERAL_INSIDE = {"name": SEVERAL["name"][0]}

EMPTY: list[Select] = [
    {"forEach": "contact", "column": [NONE]},
    {"forEach": "maritalStatus", "column": [column("none", "text")]},
    {"forEach": "contact", "column": [column("none", "%rowIndex")]},
    {"repeat": ["contact"], "column": [NONE]},
    {"repeat": ["item"], "column": [NONE]},
    {"select": [{"forEach": "contact", "column": [NONE]}]},
    {"forEach": "name", "select": [{"forEach": "period", "column": [NONE]}]},
    {"forEach": "contact", "column": [NONE], "select": [{"forEachOrNull": "name", "column": [column("n", "family")]}]},
    {"forEach": "contact", "unionAll": [{"column": [NONE]}, {"forEach": "telecom", "column": [NONE]}]},
    {"unionAll": [{"forEach": "contact", "column": [NONE]}, {"forEach": "photo", "column": [NONE]}]},
    {"unionAll": [{"repeat": ["contact"], "column": [NONE]}, {"select": [{"forEach": "photo", "column": [NONE]}]}]},
]  # fmt: skip
FAILING: list[Select] = [
    {"forEach": "name", "column": [column("v", "given")]},
    {"forEachOrNull": "name", "select": [{"column": [column("v", "given")]}]},
    {"forEach": "name.where(given <= 'Z')", "column": [column("v", "family")]},
    {"select": [{"forEach": "name", "column": [column("v", "given")]}]},
    {"unionAll": [{"column": [column("v", "'y'")]}, {"forEach": "name", "column": [column("v", "given")]}]},
    {"forEach": "name", "unionAll": [{"column": [column("v", "given")]}]},
]  # fmt: skip


def rows(selects: list[Select], *resources: dict[str, Any]) -> list[Select]:
    view = {"resource": "Patient", "select": selects}
    return evaluate(view, resources).to_pylist()


@pytest.mark.long
@pytest.mark.parametrize("failing", FAILING, ids=range(len(FAILING)))
@pytest.mark.parametrize("empty", EMPTY, ids=range(len(EMPTY)))
def test_several_values_fail_beside_what_is_empty(empty: Select, failing: Select) -> None:
    for selects in permutations([empty, failing]):
        assert rows(list(selects), patient(**ONE)) == []
        with pytest.raises(SpecError, match="several values"):
            rows(list(selects), patient(**SEVERAL))


def test_it_fails_before_a_union_of_the_same_select() -> None:
    branches = [{"forEach": "name", "column": [column("v", "given")]}]
    (select,) = [{"forEach": "$this", "select": [EMPTY[0]], "unionAll": branches}]
    assert rows([select], patient(**ONE)) == []
    with pytest.raises(SpecError, match="several values"):
        rows([select], patient(**SEVERAL))


def test_it_does_not_fail_on_what_where_leaves_out_nor_in_the_branch_of_nothing() -> None:
    view = {"resource": "Patient", "select": [EMPTY[0], FAILING[0]], "where": [{"path": "active"}]}
    assert evaluate(view, [patient(**SEVERAL)]).num_rows == 0
    behind = {"forEach": "name", "column": [column("w", "given")]}
    inside = [{"forEach": "telecom", "column": [NONE]}, FAILING[0]]
    assert rows([{"forEach": "contact", "select": inside}, behind], patient(**ONE)) == []
    with pytest.raises(SpecError, match="column v"):
        rows([{"forEach": "contact", "select": inside}, behind], patient(contact=[SEVERAL_INSIDE]))


CONTACTS = [
    {"gender": "male", "telecom": [{"value": "1"}, {"value": "2"}]},
    {"gender": "other"},
    {"gender": "female", "telecom": [{"value": "3"}]},
]
BEFORE: list[tuple[Select, list[tuple[Any, ...]]]] = [
    ({"forEach": "contact", "column": [column("i", "%rowIndex"), column("a", "gender")]},
     [(0, "male"), (1, "other"), (2, "female")]),
    ({"forEach": "contact", "column": [column("i", "%rowIndex")], "select": [{"forEach": "telecom", "column": [column("a", "value")]}]},
     [(0, "1"), (0, "2"), (2, "3")]),
    ({"forEach": "contact", "column": [column("i", "%rowIndex")], "select": [{"forEachOrNull": "telecom", "column": [column("a", "value")]}]},
     [(0, "1"), (0, "2"), (1, None), (2, "3")]),
    ({"unionAll": [
        {"forEach": "contact", "column": [column("i", "%rowIndex")], "select": [{"forEach": "telecom", "column": [column("a", "value")]}]},
        {"forEach": "photo", "column": [column("i", "%rowIndex"), column("a", "title")]},
        {"column": [column("i", "9"), column("a", "'x'")]}]},
     [(0, "1"), (0, "2"), (2, "3"), (9, "x")]),
    ({"repeat": ["contact.where(telecom.exists())"], "column": [column("i", "%rowIndex"), column("a", "gender")]},
     [(0, "male"), (1, "female")]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "told"), BEFORE, ids=range(len(BEFORE)))
def test_the_rows_before_what_may_fail_are_those_there_are(
    before: Select, told: list[tuple[Any, ...]]
) -> None:
    names = [{"given": ["G"]}, {"given": ["H"]}]
    behind = {"forEach": "name", "column": [column("v", "given")]}
    found = rows([before, behind], patient(contact=CONTACTS, name=names), patient(name=names))
    lone = rows([before, behind], patient(name=names))
    assert sorted((tuple(row.values()) for row in found), key=repr) == sorted(
        [(*row, name) for row in told for name in "GH"] + [tuple(row.values()) for row in lone],
        key=repr,
    )
    assert all(row["i"] == 9 for row in lone)
