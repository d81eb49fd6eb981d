"""Of a large table only what lies near the wanted rows is read, and all of these are."""

import json
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.storage.commit import Note
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import Lake
from lakehouse.storage.runs import _MOST_PARTS, _MOST_RUNS, BLOCK_ROWS, Part, find_parts
from tests.workbench import NOW

TABLE = "bronze.fhir_seen"
ROWS = 10 * BLOCK_ROWS
WANTED = "resource_id in (from work.wanted)"

places = st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, 3000)), max_size=200)


@given(places)
def test_runs_hold_every_block_that_is_wanted(told: set[tuple[str, int]]) -> None:
    parts = find_parts(sorted(told), 100 * 3000 * BLOCK_ROWS)
    assert parts is not None
    runs = {name: part.runs for part in parts for name in part.files}
    assert sum(len(part.files) for part in parts) == len(runs)
    assert {name for name, _ in told} == set(runs)
    for name, block in told:
        assert any(first <= block <= last for first, last in runs[name])
    for of in runs.values():
        assert len(of) <= _MOST_RUNS
        assert all(before[1] + 1 < after[0] for before, after in pairwise(of))


@pytest.mark.parametrize(
    ("blocks", "rows", "expected"),
    [
        ([], 100, []),
        ([("a", 0)], 2 * BLOCK_ROWS, None),  # the half
        ([("a", 0)], 2 * BLOCK_ROWS + 1, [Part(("a",), ((0, 0),))]),
        ([("a", 3), ("a", 7)], 10**6, [Part(("a",), ((3, 7),))]),  # near
        ([("a", 3), ("a", 8)], 10**6, [Part(("a",), ((3, 3), (8, 8)))]),
        (
            [("a", 0), ("b", 0), ("b", 9), ("c", 0)],
            10**6,
            [Part(("a", "c"), ((0, 0),)), Part(("b",), ((0, 0), (9, 9)))],
        ),
        (
            [("a", 9 * n - (n > 0)) for n in range(_MOST_RUNS + 1)],
            10**9,
            [Part(("a",), ((0, 8), *((9 * n - 1,) * 2 for n in range(2, _MOST_RUNS + 1))))],
        ),
        ([(str(n), n) for n in range(_MOST_PARTS + 1)], 10**9, None),  # as many files
    ],
    ids=["none", "half", "less", "near", "apart", "alike", "many runs", "many parts"],
)
def test_blocks_make_runs_where_that_pays(
    blocks: list[tuple[str, int]], rows: int, expected: list[Part] | None
) -> None:
    assert find_parts(blocks, rows) == expected


@pytest.fixture
def engine(lake: Lake) -> Any:
    """An engine, and a table in two files of records in no order."""
    for half in (0, ROWS // 2):
        stored = lake.open(TABLE)
        numbers = pa.array(range(half, half + ROWS // 2))
        told = {"resource_id": [f"{n * 7919 % ROWS:06}" for n in numbers.to_pylist()]}
        told |= {"_sequence": numbers, "version_at": pa.repeat(pa.scalar(NOW), len(numbers))}
        rows = {f.name: told.get(f.name, pa.nulls(len(numbers))) for f in stored.schema}
        stored.append(pa.table(rows).cast(stored.schema), Note())
    with engine_for(lake) as made:
        yield made


def want(engine: Engine, places: list[int]) -> None:
    listed = ", ".join(f"('{n * 7919 % ROWS:06}')" for n in places)
    engine.execute(f"create table work.wanted as select * from (values {listed}) as _ (wanted)")


def scanned(engine: Engine) -> int:
    """The rows of data files that a look at all columns takes in."""
    asked = f"explain (analyze, format json) select max(columns(*)) from {TABLE}"
    nodes, count = [json.loads(str(engine.table(asked).column(1)[0]))], 0
    while nodes:
        node = nodes.pop()
        nodes += node["children"]
        if node.get("operator_name") == "READ_PARQUET":
            count += node["operator_cardinality"]
    return count


@pytest.mark.parametrize("wanted", [[3, 5, 900], [0, 1, ROWS - 1], [ROWS // 2 - 1, ROWS // 2]])
def test_a_look_at_few_rows_takes_in_their_blocks_and_no_other(
    lake: Lake, engine: Engine, wanted: list[int]
) -> None:
    want(engine, wanted)
    stored = lake.open(TABLE)
    engine.attach_files(stored.table, stored.files(), WANTED)
    all_rows, expected = scanned(engine), engine.table(f"from {TABLE} order by _sequence")
    engine.attach_near(stored.table, stored.files(), WANTED, rows=ROWS)
    assert engine.table(f"from {TABLE} order by _sequence") == expected
    assert expected["_sequence"].to_pylist() == wanted
    assert scanned(engine) <= 2 * BLOCK_ROWS < all_rows


def test_a_look_at_rows_that_lie_everywhere_takes_in_the_files(lake: Lake, engine: Engine) -> None:
    want(engine, [*range(0, ROWS, BLOCK_ROWS)])
    stored = lake.open(TABLE)
    engine.attach_near(stored.table, stored.files(), WANTED, rows=ROWS)
    assert engine.count(f"select count(*) from {TABLE}") == 10
    assert scanned(engine) > ROWS // 2
