"""What there is: every table with its size, its version and how its rows stand to their checks."""

from dataclasses import asdict, dataclass
from typing import Any

from lakehouse.storage.lake import Lake


@dataclass(frozen=True, slots=True)
class TableState:
    """One table as it stands. `passed` of `checks` held at the last build; `waiting` rows are
    quarantined."""

    name: str
    about: str
    rows: int | None
    bytes: int | None
    version: int | None
    checks: int
    passed: int
    waiting: int

    def to_json(self) -> dict[str, Any]:
        """The state by field names."""
        return asdict(self)


def list_tables(lake: Lake) -> list[TableState]:
    """Every declared table and its quarantine where there is one, in the order of the layers."""
    states = [_state(lake, name) for name in lake.catalog.tables]
    models = [f"quarantine.{table.layer}_{table.noun}" for table in lake.catalog.models()]
    waiting = [_state(lake, name) for name in models if lake.find(name)]
    return states + waiting


def _state(lake: Lake, name: str) -> TableState:
    table = lake.catalog.table(name)
    stored = None if table.sql and not table.is_model else lake.find(name)
    if stored is None:
        return TableState(name, table.about, None, None, None, len(table.checks), 0, 0)
    rows, size = stored.measure()
    state = stored.state()
    results = state.get("checks", ())
    passed = sum(1 for result in results if result["broken"] == 0)
    waiting = state.get("quarantined", 0) if table.is_model else 0
    return TableState(name, table.about, rows, size, stored.version, len(results), passed, waiting)
