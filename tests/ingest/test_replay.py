"""What waits in quarantine is judged again or dismissed, once, by a person who is named."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakehouse.catalog.acts import DISMISS, REPLAY, WHY
from lakehouse.errors import SpecError
from lakehouse.ingest.readers import fhir
from lakehouse.ingest.replay import Act, Applied, Which, apply, enter
from lakehouse.storage.lake import Lake
from tests.ingest.test_reconcile import MANY, export
from tests.workbench import build_all, day, lake_at, patient, rows, take

FEED = "north_ehr"
STRICT = re.compile(r"p[0-9]\Z")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose reader refused ids of more than one digit once, and takes them now."""
    lake = lake_at(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(fhir, "ID", STRICT)
        loaded = take(
            lake,
            patient("p1", day(1)),
            patient("p10", day(1)),
            patient("p11", day(1)),
            {"resourceType": "Patient"},
        )
    assert (loaded.good, loaded.quarantined) == (1, 3)
    return lake


def act(lake: Lake, kind: str, why: str = WHY[0], **which: Any) -> Applied:
    enter(lake, Act(FEED, kind, "jane", why, Which(**which)))
    return apply(lake, lake.catalog.feeds[FEED])


def waiting(lake: Lake) -> list[tuple[int, str]]:
    found = rows(lake, "quarantine.north_ehr", envelope=True)
    return sorted((row["_line"], row["reason"]) for row in found)


def ids(lake: Lake) -> list[tuple[str, int, int]]:
    found = rows(lake, "bronze.fhir_resource", envelope=True)
    return sorted((row["resource_id"], row["_sequence"], row["_line"]) for row in found)


@pytest.mark.long
def test_a_record_that_passes_now_comes_to_bronze_at_its_own_place(lake: Lake) -> None:
    assert act(lake, REPLAY, sequence=1, line=2) == Applied(places=1, left=1, loaded=1)
    assert ids(lake) == [("north/p1", 1, 1), ("north/p10", 1, 2)]
    assert waiting(lake) == [(3, "no resource id"), (4, "no resource id")]


@pytest.mark.long
def test_of_all_of_a_reason_those_that_still_fail_stay(lake: Lake) -> None:
    assert act(lake, REPLAY, reason="no resource id") == Applied(places=3, left=2, loaded=2)
    assert waiting(lake) == [(4, "no resource id")]
    assert act(lake, REPLAY, reason="no resource id") == Applied(places=1, left=0, loaded=0)
    assert waiting(lake) == [(4, "no resource id")]


@pytest.mark.long
def test_what_is_built_sees_a_replayed_record_as_if_it_had_come_in_order(lake: Lake) -> None:
    build_all(lake, ["silver.patient"])
    take(lake, patient("p10", day(3), gender="male"), name="newer.ndjson")
    act(lake, REPLAY)
    built = build_all(lake, ["silver.patient"])["silver.patient"]
    assert built.mode == "incremental"
    genders = {row["patient_id"]: row["gender"] for row in rows(lake, "silver.patient")}
    assert genders == {"north/p1": "female", "north/p10": "male", "north/p11": "female"}


@pytest.mark.long
def test_a_replay_of_what_bronze_has_already_adds_nothing(lake: Lake) -> None:
    take(lake, patient("p10", day(1)), name="again.ndjson")
    assert act(lake, REPLAY, sequence=1, line=2) == Applied(places=1, left=1, loaded=0)
    assert ids(lake) == [("north/p1", 1, 1), ("north/p10", 2, 1)]


@pytest.mark.long
def test_a_dismissed_record_leaves_and_who_and_why_is_kept(lake: Lake) -> None:
    assert act(lake, DISMISS, "test data", sequence=1, line=4).left == 1
    assert waiting(lake) == [(2, "no resource id"), (3, "no resource id")]
    (kept,) = rows(lake, "audit.act", envelope=True)
    assert (kept["act_by"], kept["act"], kept["why"]) == ("jane", "dismiss", "test data")
    assert (kept["feed"], kept["sequence"], kept["_line"]) == (FEED, 1, 4)


def test_a_request_that_is_repeated_is_one_act(lake: Lake) -> None:
    asked = Act(FEED, DISMISS, "jane", "not needed", Which(), request="dismiss__1")
    assert [enter(lake, asked), enter(lake, asked)] == [1, 1]
    assert enter(lake, replace(asked, request="dismiss__2")) == 2


@pytest.mark.long
def test_a_manifest_that_waits_is_accepted_by_its_own_verb_only(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    export(lake, day(2), *MANY)
    export(lake, day(5), *MANY[90:])
    before = waiting(lake)
    assert before[0][1].startswith("a complete export, which lacks")
    act(lake, REPLAY)
    act(lake, DISMISS, "not needed")
    assert waiting(lake) == before


REFUSED = [
    (Act("nobody", REPLAY, "jane", WHY[0], Which()), "no feed is called"),
    (Act(FEED, "delete", "jane", WHY[0], Which()), "look, replay, dismiss or backfill"),
    (Act(FEED, DISMISS, "jane", "because Mrs Smith called", Which()), "none of the list"),
    (Act(FEED, DISMISS, "jane", None, Which()), "none of the list"),
    (Act(FEED, REPLAY, "jane", WHY[0], Which(sequence=1)), "a delivery and a line"),
]


@pytest.mark.parametrize(("wrong", "told"), REFUSED, ids=[told for _, told in REFUSED])
def test_an_act_that_cannot_be_is_refused_and_not_kept(lake: Lake, wrong: Act, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        enter(lake, wrong)
    assert rows(lake, "audit.act") == []
