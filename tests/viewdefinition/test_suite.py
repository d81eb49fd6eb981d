"""The official SQL on FHIR v2 suite passes, by three routes that agree: at hand, from a file, from the lake."""

import json
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import SpecError
from lakehouse.settings import PROJECT, read_settings
from lakehouse.storage.lake import Lake
from lakehouse.transform.views import evaluate, over_file, over_lake
from tests.viewdefinition.suite import (
    FILES,
    FOLDER,
    WITHDRAWN,
    Case,
    cases,
    expected,
    multiset,
    passes,
    read,
    report,
    resources,
)
from tests.workbench import lake_at, lines, take

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not FILES, reason=f"the suite is not at {FOLDER}"),
]
REPORT = PROJECT / "docs" / "sql-on-fhir-test-report.json"


@pytest.mark.parametrize(
    ("name", "case"), cases(), ids=lambda told: told if isinstance(told, str) else told["title"]
)
def test_a_test_of_the_suite_passes(name: str, case: Case) -> None:
    if case.get("expectError"):
        with pytest.raises(SpecError):
            evaluate(case["view"], read(FOLDER / name)["resources"])
        return
    rows = expected(name, case)
    if rows is not None:
        assert multiset(
            evaluate(case["view"], read(FOLDER / name)["resources"]).to_pylist()
        ) == multiset(rows)
    assert passes(name, case)


def test_the_suite_is_whole() -> None:
    assert len(cases()) == 134
    assert {(name, case["title"]) for name, case in cases()} >= WITHDRAWN


def test_the_report_says_what_passes_now() -> None:
    assert json.loads(REPORT.read_text()) == report()


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def loaded(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Lake]:
    """One file of the suite as NDJSON and as a lake."""
    root = tmp_path_factory.mktemp("suite")
    told = resources(request.param.name)
    path = root / "resources.ndjson"
    path.write_bytes(lines(told))
    # a view takes memory for each key that may be there, whatever the number of rows
    lake = lake_at(root, LAKEHOUSE_MEMORY="4GiB")
    assert take(lake, *told).quarantined == 0
    return request.param.name, path, lake


def test_a_file_and_the_lake_give_the_rows_of_evaluate(loaded: tuple[str, Path, Lake]) -> None:
    name, path, lake = loaded
    for case in read(FOLDER / name)["tests"]:
        if case.get("expectError"):
            continue
        rows = evaluate(case["view"], resources(name))
        with over_file(case["view"], path, read_settings()) as found:
            assert found.read_all() == rows, case["title"]
        with over_lake(case["view"], lake) as found:
            told = found.read_all()
        assert told.schema == rows.schema
        assert multiset(bare(told.to_pylist())) == multiset(rows.to_pylist()), case["title"]


def bare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def key(value: Any) -> Any:
        return value.removeprefix("north/") if isinstance(value, str) else value

    return [{name: key(value) for name, value in row.items()} for row in rows]
