"""What a commit says of itself, and how one that was overtaken is tried again."""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from lakehouse.errors import StoreError
from lakehouse.lineage import collect

_Result = TypeVar("_Result")
TRIES = 20
STATE = "lakehouse"
"""Under which name a commit of ours says of itself what it says."""

_UPKEEP = ("CREATE", "VACUUM", "OPTIMIZE")

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Ledger entries, each range from its first to its last."""


class Conflict(StoreError):  # noqa: N818 (the word the store's users know)
    """Somebody else committed first: look up again on a fresh snapshot, and recompute."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a commit says of itself, beside its rows."""

    marks: Mapping[str, int] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    edges: tuple[collect.Edge, ...] = ()
    checks: tuple[collect.CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a table, as its log tells it."""

    table: str
    version: int
    at: datetime
    operation: str
    state: Mapping[str, Any]
    files_added: int
    files_removed: int

    @property
    def is_upkeep(self) -> bool:
        """True for what changes no rows."""
        return bool(self.state.get("maintenance")) or self.operation.startswith(_UPKEEP)

    @property
    def is_load(self) -> bool:
        """True for what ledger entries of a feed brought, or those of them that were judged
        again."""
        return "entries" in self.state and not self.is_upkeep


def read_commit(table: str, entry: Mapping[str, Any]) -> Commit:
    """A version of a table, from its entry in the log."""
    metrics = entry.get("operationMetrics", {})
    return Commit(
        table,
        int(entry["version"]),
        datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        str(entry["operation"]),
        json.loads(entry.get(STATE, "{}")),
        int(metrics.get("num_added_files", metrics.get("num_target_files_added", 0))),
        int(metrics.get("num_removed_files", metrics.get("num_target_files_removed", 0))),
    )


def committed(attempt: Callable[[], _Result]) -> _Result:
    """Run `attempt` until it is not overtaken; it must look up again each time.

    Raises StoreError when others keep committing first.
    """
    for tried in range(TRIES):
        try:
            return attempt()
        except Conflict:
            time.sleep(random.uniform(0, min(0.05 * 2**tried, 2)))  # noqa: S311 (no secret)
    raise StoreError(f"{TRIES} commits in a row were overtaken", hint="run it again later")


def is_apart(told: Mapping[str, Any], within: Ranges) -> bool:
    """True when the bounds of a file say that it holds rows of none of these ledger entries."""
    low, high = told.get("min._sequence"), told.get("max._sequence")
    if low is None or high is None:
        return False
    return not any(first <= high and low <= last for first, last in within)
