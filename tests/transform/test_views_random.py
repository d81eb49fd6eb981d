"""Random views over spoilt resources, held against what the specification gives, said slowly.

The judge is tests/transform/oracle; compare.py has the rules.
"""

import json
from collections.abc import Iterator
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

SEEDS = (*range(150), 869, 2909)
"""The first of them, and those further ones that showed a fault."""

Json = dict[str, Any]


@pytest.fixture(autouse=True, scope="module")
def room() -> Iterator[None]:
    """What is drawn nests deeper than records do; a view takes memory for each key that may be there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_MEMORY", "8GiB")
        yield


def agrees(view: Json, resources: list[Json]) -> bool:
    """True when both give the same rows, or both an error; the resources reach both as they come
    from JSON text, numbers as written."""
    lines = [spell(resource) for resource in resources]
    read = [json.loads(line, parse_float=Decimal) for line in lines]
    verdict = judge(view, read)
    try:
        table = views.evaluate(view, read)
    except LakehouseError as error:
        is_invalid = isinstance(verdict.error, ViewError)
        return verdict.error is not None and (isinstance(error, SpecError) or not is_invalid)
    if verdict.error is not None:
        return False
    return not differences(verdict, table.column_names, table.to_pylist())


def test_drawn_views_give_what_the_specification_says() -> None:
    apart = [seed for seed in SEEDS if not agrees(*case(Random(seed).randrange))]
    assert apart == []


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(cases())
def test_any_view_gives_what_the_specification_says(drawn: Case) -> None:
    assert agrees(*drawn)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(broken())
def test_a_view_with_one_thing_wrong_is_refused(view: Json) -> None:
    with pytest.raises(SpecError):
        views.evaluate(view, [])
