"""repeat: depth first, nested, beside loops and unions; and what cannot be repeated."""

from typing import Any

import pytest

from lakehouse.errors import SpecError
from lakehouse.transform.views import evaluate
from tests.viewdefinition.asking import column

ANSWERS = {
    "resourceType": "QuestionnaireResponse",
    "id": "q",
    "identifier": {"value": "i"},
    "item": [
        {"linkId": "1", "item": [
            {"linkId": "1.1", "answer": [{"valueString": "a", "item": [{"linkId": "1.1.a"}]}]},
            {"linkId": "1.2", "item": [{"linkId": "1.2.1"}]},
        ]},
        "of the wrong shape",
        {"linkId": "2", "answer": [{"valueInteger": 7}, {"valueString": "b"}]},
    ],
}  # fmt: skip
LINK = column("link", "linkId")
AT = column("at", "%rowIndex")
INNER = column("inner", "linkId")
TEXT = column("text", "value.ofType(string)")

# a select, and the values of its rows
SELECTS: list[tuple[dict[str, Any], list[tuple[Any, ...]]]] = [
    ({"repeat": ["item"], "column": [AT, LINK]},
     [(0, "1"), (1, "1.1"), (2, "1.2"), (3, "1.2.1"), (4, "2")]),
    ({"repeat": ["item", "answer.item"], "column": [AT, LINK]},
     [(0, "1"), (1, "1.1"), (2, "1.1.a"), (3, "1.2"), (4, "1.2.1"), (5, "2")]),
    ({"repeat": ["item"], "column": [LINK], "select": [{"repeat": ["item"], "column": [AT, INNER]}]},
     [("1", 0, "1.1"), ("1", 1, "1.2"), ("1", 2, "1.2.1"), ("1.2", 0, "1.2.1")]),
    ({"repeat": ["item"], "column": [LINK], "select": [
        {"repeat": ["item"], "column": [INNER], "select": [{"repeat": ["answer.item"], "column": [column("third", "linkId")]}]}]},
     [("1", "1.1", "1.1.a")]),
    ({"forEach": "item.where(linkId = '1')", "column": [LINK, column("first", "item.linkId.first()")],
      "select": [{"repeat": ["item", "answer.item"], "column": [INNER]}]},
     [("1", "1.1", "1.1"), ("1", "1.1", "1.1.a"), ("1", "1.1", "1.2"), ("1", "1.1", "1.2.1")]),
    ({"repeat": ["item"], "column": [LINK], "select": [{"forEachOrNull": "answer", "column": [AT, TEXT]}]},
     [("1", 0, None), ("1.1", 0, "a"), ("1.2", 0, None), ("1.2.1", 0, None), ("2", 0, None), ("2", 1, "b")]),
    ({"repeat": ["item"], "column": [LINK], "unionAll": [
        {"forEach": "answer", "column": [TEXT]}, {"repeat": ["item"], "column": [column("text", "linkId")]}]},
     [("1", "1.1"), ("1", "1.2"), ("1", "1.2.1"), ("1.1", "a"), ("1.2", "1.2.1"), ("2", None), ("2", "b")]),
    ({"repeat": ["identifier"], "column": [column("v", "value")]}, [("i",)]),
    ({"repeat": ["item.where(linkId != '1.2')"], "column": [LINK]}, [("1",), ("1.1",), ("2",)]),
    ({"unionAll": [{"repeat": ["item"], "column": [LINK]}, {"column": [column("link", "'none'")]}]},
     [("1",), ("1.1",), ("1.2",), ("1.2.1",), ("2",), ("none",)]),
]  # fmt: skip


@pytest.mark.parametrize(("select", "rows"), SELECTS, ids=range(len(SELECTS)))
def test_repeat_reaches_all_below_depth_first(
    select: dict[str, Any], rows: list[tuple[Any, ...]]
) -> None:
    others = [
        {"resourceType": "QuestionnaireResponse", "id": "none"},
        ANSWERS,
        {"resourceType": "Patient", "id": "p"},
    ]
    view = {"resource": "QuestionnaireResponse", "select": [select]}
    found = [tuple(row.values()) for row in evaluate(view, [ANSWERS]).to_pylist()]
    assert sorted(found, key=repr) == sorted(rows, key=repr)
    twice = evaluate(view, [*others, ANSWERS]).to_pylist()
    none = evaluate(view, others[:1]).to_pylist()
    assert len(twice) == 2 * len(rows) + len(none)


WRONG = [["itm"], ["item", "subject"], ["item.linkId"], ["$this"], [], ["'x'"], [5], "item"]


@pytest.mark.parametrize("paths", WRONG, ids=str)
def test_what_cannot_be_repeated_is_refused(paths: object) -> None:
    with pytest.raises(SpecError):
        evaluate(
            {"resource": "QuestionnaireResponse", "select": [{"repeat": paths, "column": [LINK]}]},
            [ANSWERS],
        )
