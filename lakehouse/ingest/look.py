"""The one way to what a refused record holds: a look at one place, which is written down first."""

import json
from dataclasses import dataclass
from typing import Any

from lakehouse.catalog.acts import LOOK
from lakehouse.errors import SpecError
from lakehouse.ingest.landing import LEDGER
from lakehouse.ingest.replay import Act, Which, enter
from lakehouse.storage.engine import Engine, engine_for
from lakehouse.storage.lake import Lake

MOST_BYTES = 64 * 2**10
"""So much of a record is shown; the landed object has the rest."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was refused, in words that name patients: for one person's eyes, to be kept nowhere."""

    feed: str
    file_name: str
    object_id: str
    text: str
    is_cut: bool


def look(lake: Lake, table: str, place: tuple[int, int], by: str) -> Content:
    """Write down who looks, then show what waits at a place (delivery, line) of a quarantine.

    Raises SpecError where nothing waits there; then nothing is written down.
    """
    sequence, line = place
    declared, stored = lake.catalog.table(table), lake.find(table)
    if declared.layer != "quarantine" or stored is None or "_line" not in declared.columns:
        raise SpecError(f"{table} holds nothing that can be looked at by its place")
    with engine_for(lake) as engine:
        engine.attach(stored.table, stored.version)
        found = engine.table(
            f"select * from {table} where _sequence = $sequence and _line = $line",
            {"sequence": sequence, "line": line},
        ).to_pylist()
        entry = _entry(engine, lake, sequence)
    if not found or entry is None:
        raise SpecError(f"{table}: nothing waits at line {line} of delivery {sequence}")
    enter(lake, Act(entry["feed"], LOOK, by, None, Which(None, sequence, line)))
    text = _text(found)
    return Content(
        entry["feed"], entry["file_name"], entry["object_id"], text[:MOST_BYTES],
        len(text) > MOST_BYTES,
    )  # fmt: skip


def _entry(engine: Engine, lake: Lake, sequence: int) -> dict[str, Any] | None:
    ledger = lake.open(LEDGER)
    engine.attach(ledger.table, ledger.version)
    found: list[dict[str, Any]] = engine.table(
        f"select feed, file_name, object_id from {LEDGER} where sequence = $sequence",
        {"sequence": sequence},
    ).to_pylist()
    return found[0] if found else None


def _text(rows: list[dict[str, Any]]) -> str:
    """The record as it came, or the rows that a built table refused."""
    if "record" in rows[0]:
        return "\n".join(bytes(row["record"] or b"").decode(errors="replace") for row in rows)
    shown = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return json.dumps(shown, indent=1, default=str, ensure_ascii=False)
