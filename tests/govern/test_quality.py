"""What a check refuses, lets pass with a warning, or stops altogether."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakehouse.catalog.checks import parse_checks
from lakehouse.catalog.spec import Table
from lakehouse.errors import QualityError, SpecError
from lakehouse.govern.quality import empty_refused, judge
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Lake

ROWS, REFUSED = "work.rows", "work.refused"
HERE = Path("silver/encounter.sql")


def judged(
    lake: Lake, checks: list[Any], values: str, key: tuple[str, ...] = ()
) -> tuple[list[Any], list[Any], list[int]]:
    """The rows (encounter_id, encounter_status, n_encounter) that pass, those refused with the
    checks they broke, and how many rows broke each check."""
    table = replace(
        lake.catalog.table("silver.encounter"),
        columns=("encounter_id", "encounter_status", "n_encounter"),
        checks=parse_checks(HERE, checks, key),
    )
    with Engine(lake, threads=1) as engine:
        fill(engine, table, values)
        verdict = judge(engine, table, ROWS, REFUSED)
        passed = engine.table(f"select encounter_id from {ROWS} order by all").to_pylist()
        refused = engine.table(f"select encounter_id, _broke from {REFUSED} order by 1").to_pylist()
    assert verdict.refused == len(refused)
    return (
        [row["encounter_id"] for row in passed],
        [(row["encounter_id"], row["_broke"]) for row in refused],
        [result.broken for result in verdict.results],
    )


def fill(engine: Engine, table: Table, values: str) -> None:
    columns = "encounter_id::varchar as encounter_id, status::varchar as encounter_status, n::bigint as n_encounter"
    engine.execute(
        f"create table {ROWS} as select {columns} from (values {values}) as v(encounter_id, status, n)"
    )
    empty_refused(engine, table, ROWS, REFUSED)


@pytest.mark.parametrize(
    ("check", "values", "broken"),
    [
        ({"not_null": ["encounter_status"]}, "('a', 'x', 1), ('b', null, 1)", ["b"]),
        (
            {"one_of": {"encounter_status": ["x", "it's"]}},
            "('a', 'it''s', 1), ('b', 'y', 1)",
            ["b"],
        ),
        ({"one_of": {"encounter_status": ["x"]}}, "('a', null, 1)", []),
        ({"range": {"n_encounter": [1, 3]}}, "('a', '', 1), ('b', '', 3), ('c', '', 4)", ["c"]),
        ({"range": {"n_encounter": [1, 3]}}, "('a', '', null), ('b', '', 0)", ["b"]),
        ({"expr": "n_encounter > 1"}, "('a', '', 1), ('b', '', 2), ('c', '', null)", ["a"]),
        ({"expr": "encounter_status <> 'it''s'"}, "('a', 'it''s', 1)", ["a"]),
        (
            {"unique": ["encounter_status"]},
            "('a', 'x', 1), ('b', 'x', 2), ('c', 'y', 2)",
            ["a", "b"],
        ),
        ({"unique": ["encounter_status", "n_encounter"]}, "('a', 'x', 1), ('b', 'x', 2)", []),
    ],
)
def test_a_check_refuses_the_rows_that_break_it(
    lake: Lake, check: dict[str, Any], values: str, broken: list[str]
) -> None:
    passed, refused, counts = judged(lake, [check | {"on_fail": "quarantine"}], values)
    assert [key for key, _ in refused] == broken
    assert counts == [len(broken)]
    assert len(passed) == values.count("(") - len(broken)
    warned, nothing, counts = judged(lake, [check | {"on_fail": "warn"}], values)
    assert (nothing, counts) == ([], [len(broken)])
    assert len(warned) == len(passed) + len(broken)


def test_a_row_names_every_check_that_it_broke_and_warnings_are_none(lake: Lake) -> None:
    checks = [
        {"not_null": ["encounter_status"], "on_fail": "quarantine"},
        {"range": {"n_encounter": [1, 9]}, "on_fail": "quarantine"},
        {"expr": "n_encounter <> 0", "on_fail": "warn"},
    ]
    _, refused, _ = judged(lake, checks, "('a', null, 0), ('b', 'x', 0), ('c', 'x', 1)")
    both = ["encounter_status is present", "n_encounter between 1 and 9"]
    assert refused == [("a", both), ("b", both[1:])]


@pytest.mark.parametrize("values", ["('a', 'x', 1), ('a', 'y', 1)", "(null, 'x', 1)"])
def test_a_key_that_is_missing_or_doubled_stops_the_build(lake: Lake, values: str) -> None:
    with pytest.raises(QualityError, match="checks that must hold do not") as caught:
        judged(lake, [], values, key=("encounter_id",))
    assert "nothing was committed" in caught.value.hint


def test_what_must_hold_is_judged_before_anything_is_refused(lake: Lake) -> None:
    checks = [
        {"not_null": ["encounter_status"], "on_fail": "quarantine"},
        {"expr": "n_encounter > 0"},
    ]
    with pytest.raises(QualityError, match="n_encounter > 0: 1 rows"):
        judged(lake, checks, "('a', null, 0)")


@pytest.mark.parametrize(
    "told",
    [
        "not a check",
        {"no_kind": ["x"]},
        {"not_null": "x"},
        {"range": {"n_encounter": [1]}},
        {"not_null": ["x"], "on_fail": "explode"},
        {"not_null": ["x"], "unique": ["y"]},
    ],
)
def test_a_check_that_is_declared_wrong_names_its_file(told: Any) -> None:
    with pytest.raises(SpecError, match="silver/encounter.sql"):
        parse_checks(HERE, [told], ())


def test_a_check_is_declared_once() -> None:
    with pytest.raises(SpecError, match="declared twice"):
        parse_checks(HERE, [{"not_null": ["x"]}], ("x",))
