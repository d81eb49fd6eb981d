"""An order that points to its medication takes the code from silver.medication, whenever that one comes."""

from pathlib import Path

import pytest

from lakehouse.storage.lake import Lake
from tests.workbench import (
    Resource,
    build_all,
    contents,
    day,
    lake_at,
    rows,
    take,
    without_empty,
)

NAMES = ["silver.medication", "silver.medication_request"]
REQUEST = "silver.medication_request"


def order(number: int, updated: str, status: str = "active") -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": f"r{number}",
        "meta": {"lastUpdated": updated},
        "status": status,
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": f"Medication/m{number}"},
    }


def medication(number: int, updated: str, code: str) -> Resource:
    return {
        "resourceType": "Medication",
        "id": f"m{number}",
        "meta": {"lastUpdated": updated},
        "code": {"coding": [{"system": "urn:x", "code": code}]},
    }


def codes(lake: Lake) -> dict[str, str | None]:
    return {r["medication_request_id"]: r["medication_code"] for r in rows(lake, REQUEST)}


@pytest.mark.long
def test_a_late_or_corrected_medication_corrects_the_orders_before_it(tmp_path: Path) -> None:
    deliveries = [
        ([order(1, day(1)), order(2, day(1)), medication(2, day(1), "b")], "full", (None, "b")),
        ([order(1, day(2), "completed")], "incremental", (None, "b")),
        ([medication(1, day(3), "a")], "full", ("a", "b")),
        ([order(2, day(4), "stopped")], "incremental", ("a", "b")),
        ([medication(2, day(5), "c"), order(2, day(5), "no such")], "full", ("a", "c")),
    ]
    steps, once = lake_at(tmp_path / "steps"), lake_at(tmp_path / "once")
    for told, mode, found in deliveries:
        for lake in (steps, once):
            take(lake, *told)
        assert build_all(steps, NAMES)[REQUEST].mode == mode
        assert codes(steps) == dict(zip(("north/r1", "north/r2"), found, strict=True))
    build_all(once, NAMES)
    layers = ("silver", "quarantine")
    first, second = (without_empty(contents(lake, layers=layers)) for lake in (steps, once))
    assert first == second
    assert "quarantine.silver_medication_request" in first
