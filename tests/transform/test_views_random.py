"""Random views over spoilt resources give the rows that the specification gives, said slowly.

The judge is tests/transform/oracle; compare.py has the rules. The examples are the same on every
run; for a longer search: pytest --hypothesis-profile long tests/transform/test_views_random.py
"""

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lakehouse.errors import LakehouseError, SpecError
from tests.transform.oracle.compare import differences, judge
from tests.transform.oracle.drawn_resources import spell
from tests.transform.oracle.drawn_views import Case, broken, case, cases
from tests.transform.oracle.viewdefinition import ViewError

pytestmark = pytest.mark.long

views = pytest.importorskip("lakehouse.transform.views", reason="the view compiler is not here")

LONG = settings.default.max_examples if settings.default else 0
calm = settings(
    max_examples=max(100, LONG),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
few = settings(calm, max_examples=max(40, LONG // 3))
Json = dict[str, Any]


def held_against_the_judge(view: Json, resources: list[Json]) -> None:
    """The resources reach both as they come from JSON text, numbers as written."""
    lines = [spell(resource) for resource in resources]
    read = [json.loads(line, parse_float=Decimal) for line in lines]
    verdict = judge(view, read)
    if verdict.error is not None:
        expected = SpecError if isinstance(verdict.error, ViewError) else LakehouseError
        with pytest.raises(expected):
            views.evaluate(view, read)
        return
    table = views.evaluate(view, read)
    assert differences(verdict, table.column_names, table.to_pylist()) == [], "\n".join(
        [spell(view), *lines]
    )


@calm
@given(cases())
def test_a_drawn_view_gives_the_rows_of_the_specification(drawn: Case) -> None:
    held_against_the_judge(*drawn)


@pytest.mark.parametrize("seed", range(max(100, LONG // 10)))
def test_a_view_by_chance_gives_the_rows_of_the_specification(seed: int) -> None:
    held_against_the_judge(*case(Random(seed).randrange))


@few
@given(cases(beside=True))
def test_extensions_of_primitives_are_read_as_r4_says(drawn: Case) -> None:
    held_against_the_judge(*drawn)


@few
@given(broken())
def test_a_view_with_one_thing_wrong_is_refused(view: Json) -> None:
    with pytest.raises(SpecError):
        views.evaluate(view, [])
