"""What a night does for the lake, and tells of it: tables cared for, what arrived looked through,
lineage stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lakehouse.govern import lineage
from lakehouse.govern.findings import Looked, look
from lakehouse.govern.follow import follow_all
from lakehouse.govern.maintain import Cared, maintain
from lakehouse.storage.commit import Note, committed
from lakehouse.storage.lake import Lake, Stored

UPKEEPS = "audit.upkeep"


@dataclass(frozen=True, slots=True)
class StoredLineage:
    """Events that moved from the outbox into the lake, and those of them that were made anew."""

    events: int
    rebuilt: int


def care(lake: Lake, by: str | None) -> tuple[int, list[Cared]]:
    """Compact, vacuum and checkpoint all tables, and write down what that did; the number of this
    upkeep. `by` is who started it, None where nobody did."""
    cared = list(maintain(lake))

    def attempt() -> int:
        # whoever was overtaken looks again, for the number is taken
        stored = lake.open(UPKEEPS)
        number = (stored.mark(UPKEEPS) or 0) + 1
        rows = _rows(lake, stored, (number, by), map(_cared_row, cared))
        stored.append(rows, Note({UPKEEPS: number}, {"rows": rows.num_rows}))
        return number

    return committed(attempt), cared


def find_unread(lake: Lake, number: int, by: str | None) -> Looked:
    """Look through what arrived since the last night for what the views cannot read, and write down
    how much that was."""
    looked = look(lake, number)
    row = {"n_looked": looked.records, "n_unread": looked.values}
    committed(lambda: _add(lake, (number, by), row))
    return looked


def store_lineage(lake: Lake, number: int, by: str | None) -> StoredLineage:
    """Move lineage into the lake, rebuild what a kill swallowed, and prove that nothing lacks.

    Raises QualityError when a commit still has no event or a column no source.
    """
    # others may be at work: what they committed just now they will tell themselves
    before = datetime.now(UTC) - lineage.SETTLED
    events = lineage.store_events(lake)
    rebuilt = lineage.rebuild(lake, before)
    stored = StoredLineage(events + lineage.store_events(lake), rebuilt)
    row = {"n_event": stored.events, "n_event_rebuilt": stored.rebuilt}
    committed(lambda: _add(lake, (number, by), row))
    follow_all(lake)
    if rebuilt:
        # else all of it was just looked at, and what was told by then stays told
        lineage.require_told(lake, before)
    lineage.require_explained(lake)
    return stored


def _cared_row(cared: Cared) -> dict[str, Any]:
    return {
        "table_name": cared.table,
        "n_file_joined": cared.joined,
        "n_file_removed": cared.removed,
        "is_left_alone": cared.is_left_alone,
    }


def _add(lake: Lake, whose: tuple[int, str | None], row: dict[str, Any]) -> None:
    stored = lake.open(UPKEEPS)
    stored.append(_rows(lake, stored, whose, [row]), Note({}, {"rows": 1}))


def _rows(
    lake: Lake, stored: Stored, whose: tuple[int, str | None], rows: Iterable[dict[str, Any]]
) -> pa.Table:
    number, by = whose
    own = {"upkeep_number": number, "upkeep_at": lake.clock(), "upkeep_by": by}
    return pa.Table.from_pylist([row | own for row in rows], schema=stored.schema)
