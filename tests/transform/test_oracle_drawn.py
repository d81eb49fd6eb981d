"""What is drawn to judge the view compiler by: valid, wide, and sharp enough to find a fault."""

import json
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.transform.oracle import fhirpath, values, viewdefinition
from tests.transform.oracle.compare import Verdict, differences, judge
from tests.transform.oracle.drawn_resources import POOLS, spell
from tests.transform.oracle.drawn_views import KINDS, Case, broken, case, cases
from tests.transform.oracle.fhirpath import EvaluationError, Item
from tests.transform.oracle.viewdefinition import Column, View, ViewError

Json = dict[str, Any]
few = settings(
    max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Case, Verdict]]:
    """Cases by chance alone, with what comes out."""
    chance = Random(1)
    seen = [case(chance.randrange) for _ in range(300)]
    return [(one, judge(*one)) for one in seen]


@few
@given(broken())
def test_every_broken_view_is_refused(view: Json) -> None:
    with pytest.raises(ViewError):
        View(view)


@few
@given(cases(beside=True))
def test_a_drawn_view_is_valid(drawn_case: Case) -> None:
    assert not isinstance(judge(*drawn_case).error, ViewError)


@pytest.mark.long
def test_the_rows_from_text_are_those_from_objects(drawn: list[tuple[Case, Verdict]]) -> None:
    for (view, resources), verdict in drawn:
        read = [json.loads(spell(one), parse_float=Decimal) for one in resources]
        assert judge(json.loads(spell(view), parse_float=Decimal), read).rows == verdict.rows


@pytest.mark.long
def test_a_row_comes_from_one_resource_and_order_does_not_count(
    drawn: list[tuple[Case, Verdict]],
) -> None:
    for (view, resources), verdict in drawn:
        if verdict.error is None and len(verdict.rows) < 200:
            apart = [row for one in reversed(resources) for row in judge(view, [one]).rows]
            names = [column.name for column in verdict.columns]
            assert differences(verdict, names, apart) == []


def test_what_a_primitive_is_drawn_from_conforms() -> None:
    spoilt = [
        (kind, one)
        for kind, pool in POOLS.items()
        for one in pool
        if values.read(kind, one) is None
    ]
    assert spoilt == []


# --- by which rules rows agree ---

RULES = [
    ("decimal", "value", Decimal("1.50"), Decimal("1.5"), True),
    ("decimal", "value", Decimal("1.50"), "1.500", True),
    ("decimal", "value", Decimal("0.1"), 0.1, True),
    ("decimal", "value", Decimal("3.14159265358979323846"), 3.141592653589793, True),
    ("decimal", "value", Decimal("3.14159265358979323846"), Decimal("3.14159265358979"), False),
    ("decimal", "value", Decimal("1.5"), 1.5000001, False),
    ("decimal", "value", Decimal(1), True, False),
    ("decimal", "value", None, Decimal(0), False),
    ("decimal", "a / b", Decimal(1) / 3, Decimal("0.3333333333"), True),
    ("decimal", "a / b", Decimal(1) / 3, Decimal("0.33333"), False),
    ("decimal", "a * b", Decimal("1e21"), None, True),
    ("decimal", "a * b", Decimal("1e19"), None, False),
    ("integer", "a + b", 2**31, None, True),
    ("integer", "a", 42, "42", True),
    ("boolean", "a", True, True, True),
    ("boolean", "a", True, 1, False),
    ("string", "a", "1.50", "1.5", False),
    ("string", "a", "Zo\u00eb", "Zoe\u0308", False),
    ("string", "a", "", None, False),
    ("date", "a", values.read("date", "2012"), "2012", True),
    ("date", "a", values.read("date", "2012"), "2012-01-01", False),
]


@pytest.mark.parametrize(("kind", "path", "wanted", "given_", "agree"), RULES)
def test_values_agree_by_the_rules(
    kind: str, path: str, wanted: Any, given_: Any, agree: bool
) -> None:
    verdict = Verdict([Column("a", path, kind, False)], [{"a": wanted}])
    assert (differences(verdict, ["a"], [{"a": given_}]) == []) is agree


def test_lists_agree_in_order_and_nothing_is_an_empty_list() -> None:
    verdict = Verdict([Column("a", "a", "string", True)], [{"a": ["x", "y"]}, {"a": []}])
    assert differences(verdict, ["a"], [{"a": None}, {"a": ["x", "y"]}]) == []
    assert differences(verdict, ["a"], [{"a": []}, {"a": ["y", "x"]}]) != []


def test_a_row_too_many_or_another_column_is_a_difference() -> None:
    verdict = Verdict([Column("a", "a", "string", False)], [{"a": "x"}])
    assert differences(verdict, ["a"], [{"a": "x"}, {"a": "x"}]) == ["not wanted {'a': 'x'}"]
    assert differences(verdict, ["a"], []) == ["missing {'a': 'x'}"]
    assert differences(verdict, ["b"], [{"b": "x"}]) == ["columns ['b'], wanted ['a']"]


# --- whether it is sharp ---


@pytest.mark.long
def test_what_is_drawn_reaches_every_part_of_a_view(drawn: list[tuple[Case, Verdict]]) -> None:
    told = [spell(view) for (view, _), _ in drawn]
    verdicts = [verdict for _, verdict in drawn]
    words = ["forEach", "forEachOrNull", "repeat", "unionAll", "where", "constant", "collection",
             "%rowIndex", "%k", ".ofType(", "extension(", ".first()", "[1]", "[0]", ".where(", ".exists(",
             ".empty()", ".join(", ".not()", "lowBoundary()", "highBoundary()", "getReferenceKey(",
             "getResourceKey()", " and ", " or ", " = ", " != ", " < ", " > ", " <= ", " >= ", " + ",
             " - ", " * ", " / ", "$this", *KINDS]  # fmt: skip
    assert [word for word in words if not any(word in one for one in told)] == []
    cells = [cell for verdict in verdicts for row in verdict.rows for cell in row.values()]
    assert sum(cell is not None and cell != [] for cell in cells) > len(cells) / 4
    assert sum(bool(verdict.rows) for verdict in verdicts) > len(drawn) / 2
    assert any(isinstance(verdict.error, EvaluationError) for verdict in verdicts)


def lenient(kind: str, json_: Any) -> Any:
    """Text for a number, a number for text: what a cast would do."""
    value = READ(kind, json_)
    if value is None and isinstance(json_, str) and kind in ("integer", "decimal", "boolean"):
        return READ(kind, {"true": True, "5": 5, "1.50": Decimal("1.50")}.get(json_))
    if value is None and isinstance(json_, int | Decimal) and kind in values.TEXTS:
        return str(json_)
    return value


def one_or_many(kind: str, json_: Any, more: Any) -> Any:
    return EACH(kind, json_ if isinstance(json_, list) else [json_], more)


def keeping_holes(kind: str, json_: Any, more: Any) -> Any:
    """An array item of the wrong shape is still a struct, of nulls."""
    if kind not in values.PRIMITIVES and json_ is not None and not isinstance(json_, dict):
        return iter([Item(kind, {})])
    return CONFORMING(kind, json_, more)


def two_valued(sign: str, left: Any, right: Any) -> Any:
    return LOGIC(sign, bool(left), bool(right))


def padded(left: Any, right: Any) -> Any:
    """Dates compared as text: a year is before its days."""
    return (left.text > right.text) - (left.text < right.text)


def evaluated_null_row(select: Any) -> Any:
    literals = {c.name: "x" for c in select.columns if c.path == "'x'"}
    return NULL_ROW(select) | literals


READ, EACH, CONFORMING = values.read, fhirpath._each, fhirpath._conforming
LOGIC, NULL_ROW = fhirpath._logic, viewdefinition._null_row
FAULTS: list[tuple[Any, str, Callable[..., Any]]] = [
    (values, "read", lenient),
    (fhirpath, "_each", one_or_many),
    (fhirpath, "_conforming", keeping_holes),
    (fhirpath, "_logic", two_valued),
    (values, "order", padded),
    (viewdefinition, "_null_row", evaluated_null_row),
    (fhirpath, "_at", lambda on, index: on[:1]),
    (viewdefinition, "_below", lambda paths, scope, _: fhirpath.evaluate(paths[0], scope)),
]


@pytest.mark.parametrize(
    ("module", "name", "fault"), FAULTS, ids=lambda told: getattr(told, "__name__", told)
)
def test_a_planted_fault_is_found(
    module: Any,
    name: str,
    fault: Any,
    drawn: list[tuple[Case, Verdict]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, name, fault)
    faulty = ((judge(*one), right) for one, right in drawn)
    assert any(
        wrong.rows != right.rows or (wrong.error is None) != (right.error is None)
        for wrong, right in faulty
    )
