"""Two contents of one rank are a conflict: recorded, and the later received stands."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.govern.question import ask
from lakehouse.storage.lake import Lake
from tests.workbench import NOW, day, deletion, lake_at, patient, take

pytestmark = pytest.mark.long


def conflicts(lake: Lake) -> list[tuple[str, str]]:
    """Of each conflict the content that does not stand, and the one that does."""
    names = "select content_hash, resource ->> 'name' as name from bronze.fhir_resource"
    query = f"""
        select lost.name as lost, won.name as won from fhir.conflict as c
        join (select distinct * from ({names})) as lost on lost.content_hash = c.content_hash
        join (select distinct * from ({names})) as won on won.content_hash = c.standing_hash
        order by c._sequence"""
    with ask(lake, query) as rows:
        return [(row["lost"], row["won"]) for batch in rows for row in batch.to_pylist()]


# What is received in turn: a content, the day of its own time (0: none) and its version; then the conflicts.
CASES: list[tuple[str, list[tuple[str, int, Any]], list[tuple[str, str]], str]] = [
    ("another time", [("A", 1, 1), ("B", 2, 1)], [], "B"),
    ("another version", [("A", 1, 1), ("B", 1, 2)], [], "B"),
    ("an older version later", [("A", 1, 2), ("B", 1, 1)], [], "A"),
    ("the same content", [("A", 1, 1), ("A", 1, 1)], [], "A"),
    ("one time and version", [("A", 1, 1), ("B", 1, 1)], [("A", "B")], "B"),
    ("one time, no version", [("A", 1, None), ("B", 1, None)], [("A", "B")], "B"),
    ("one time, versions that are no numbers", [("A", 1, "x"), ("B", 1, "y")], [("A", "B")], "B"),
    ("one time, a number and none", [("A", 1, 1), ("B", 1, "y")], [], "A"),
    ("three", [("A", 1, 1), ("B", 1, 1), ("C", 1, 1)], [("A", "C"), ("B", "C")], "C"),
    ("replayed", [("A", 1, 1), ("B", 1, 1), ("A", 1, 1)], [("A", "B")], "B"),
    ("settled since", [("A", 1, 1), ("B", 1, 1), ("C", 2, 2)], [("A", "B")], "C"),
    ("without times, one after the other", [("A", 0, None), ("B", 0, None)], [], "B"),
]


@pytest.mark.parametrize(
    ("sent", "found", "stands"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_equal_rank_and_other_content_is_a_conflict(
    tmp_path: Path, sent: list[tuple[str, int, Any]], found: list[tuple[str, str]], stands: str
) -> None:
    for turn, (name, on, version) in enumerate(sent):
        lake = lake_at(tmp_path, NOW + timedelta(days=turn))
        take(lake, patient("p1", day(on) if on else None, version=version, name=name))
        # of another source, which never meets
        take(lake, patient("p1", day(1), version=1, name="other"), feed="south_ehr")
    assert conflicts(lake) == found
    with ask(
        lake, "select resource ->> 'name' as name from fhir.resource where source = 'north'"
    ) as rows:
        assert [row["name"] for batch in rows for row in batch.to_pylist()] == [stands]


def test_one_export_that_tells_a_resource_twice_contradicts_itself(lake: Lake) -> None:
    take(lake, patient("p1", name="A"), patient("p1", name="B"))
    assert conflicts(lake) == [("A", "B")]


def test_a_delete_of_the_same_time_is_no_conflict(lake: Lake) -> None:
    take(lake, patient("p1", name="A"), deletion("Patient/p1"))
    assert conflicts(lake) == []


def test_a_conflict_shows_no_value(lake: Lake) -> None:
    view = lake.catalog.table("fhir.conflict")
    assert "resource" not in view.columns
    assert {"content_hash", "standing_hash", "version_at", "_received_at"} <= set(view.columns)
