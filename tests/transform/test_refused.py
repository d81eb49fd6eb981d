"""What waits in the quarantine of a built table is built anew or dismissed, by a person who is named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakehouse.answers.upkeep import tell_upkeep
from lakehouse.catalog.acts import DISMISS, REPLAY, WHY
from lakehouse.catalog.spec import DISMISSED
from lakehouse.errors import SpecError
from lakehouse.govern.follow import follow, follow_all
from lakehouse.govern.overview import list_tables
from lakehouse.ingest.replay import Act, Applied, Which
from lakehouse.state.store import open_state
from lakehouse.storage.lake import Lake
from lakehouse.transform import build as builds
from lakehouse.transform import refused as module
from lakehouse.transform.build import build
from lakehouse.transform.refused import act_on
from tests.workbench import contents, day, encounter, lake_at, rows, take

pytestmark = pytest.mark.long

ENCOUNTER, WAITING = "silver.encounter", "quarantine.silver_encounter"
STATUS = "encounter_status is one of 8 codes"
PERIOD = "discharged_at is null or admitted_at is null or discharged_at >= admitted_at"
BACKWARDS = {"start": "2026-01-09T18:00:00Z", "end": "2026-01-09T17:00:00Z"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with three encounters that are refused for one reason or two, and one that is not."""
    lake = lake_at(tmp_path)
    take(
        lake,
        encounter("e1", day(1), status="no such"),
        encounter("e2", day(1), status="no such", period=BACKWARDS),
        encounter("e3", day(1), period=BACKWARDS),
        encounter("e4", day(1)),
    )
    assert build(lake, ENCOUNTER).quarantined == 3
    build(lake, "gold.readmission")
    follow_all(lake)
    return lake


def act(lake: Lake, kind: str, reason: str | None = None, **more: Any) -> Applied:
    return act_on(lake, Act(None, kind, "jane", WHY[0], Which(reason), table=ENCOUNTER, **more))


def waiting(lake: Lake) -> list[str]:
    """The encounters that wait, as pages and lists tell it, and as the table itself does."""
    found = rows(lake, WAITING, envelope=True)
    names = sorted(row["encounter_id"] for row in found if row[DISMISSED] is None)
    follow(lake, [ENCOUNTER, WAITING])
    state = open_state(lake.settings)
    told = state.ask(
        "select count(distinct line) as n from refusal where table_name = :q", q=WAITING
    )
    assert told[0]["n"] == len(names)
    (listed,) = (table for table in list_tables(lake) if table.name == ENCOUNTER)
    assert listed.waiting == len(names)
    return names


def reasons(lake: Lake) -> set[str]:
    return {name for row in rows(lake, WAITING, envelope=True) for name in row["_broke"]}


def test_the_checks_are_called_as_these_tests_call_them(lake: Lake) -> None:
    assert reasons(lake) == {STATUS, PERIOD}


def test_all_of_a_reason_are_dismissed_and_the_others_wait(lake: Lake) -> None:
    before = contents(lake)[ENCOUNTER]
    assert act(lake, DISMISS, STATUS) == Applied(places=2, left=2)
    assert waiting(lake) == ["north/e3"]
    assert contents(lake)[ENCOUNTER] == before
    assert act(lake, DISMISS) == Applied(places=1, left=1)
    assert waiting(lake) == []
    assert build(lake, ENCOUNTER).mode == "unchanged"
    assert [
        b.table for b in tell_upkeep(open_state(lake.settings), lake.catalog).behind if b.built_at
    ] == []
    kept = rows(lake, "audit.act")
    assert [(r["act_by"], r["act"], r["why"], r["table_name"]) for r in kept] == [
        ("jane", DISMISS, WHY[0], ENCOUNTER)
    ] * 2


@pytest.mark.parametrize("is_whole", [False, True])
def test_what_is_dismissed_stays_so_whatever_is_built_and_comes_back_when_it_changes(
    lake: Lake, *, is_whole: bool
) -> None:
    act(lake, DISMISS)
    take(lake, encounter("e1", day(2), status="still no such"), encounter("e5", day(2)))
    take(lake, encounter("e3", day(1), period=BACKWARDS), name="again.ndjson")
    assert build(lake, ENCOUNTER, is_whole=is_whole).quarantined == 1
    assert waiting(lake) == ["north/e1"]
    take(lake, encounter("e1", day(3)), encounter("e2", day(3)))
    assert build(lake, ENCOUNTER, is_whole=is_whole).quarantined == 0
    assert {row["encounter_id"] for row in rows(lake, WAITING)} == {"north/e3"}
    assert build(lake, ENCOUNTER).quarantined == 0


def test_replay_is_the_backfill_of_the_table(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert act(lake, REPLAY, PERIOD) == Applied(places=2, left=0)
    assert waiting(lake) == ["north/e1", "north/e2", "north/e3"]
    told = lake.open(ENCOUNTER).state()
    assert told["mode"] == "full"
    table = lake.catalog.table(ENCOUNTER)
    eased = tuple(check for check in table.checks if check.name != PERIOD)
    tables = {**lake.catalog.tables, ENCOUNTER: replace(table, checks=eased)}
    monkeypatch.setattr(lake, "catalog", replace(lake.catalog, tables=tables))
    assert act(lake, REPLAY, PERIOD) == Applied(places=2, left=2)
    assert waiting(lake) == ["north/e1", "north/e2"]
    assert {row["encounter_id"] for row in rows(lake, ENCOUNTER)} == {"north/e3", "north/e4"}


@pytest.mark.parametrize("kind", [REPLAY, DISMISS])
def test_an_act_that_was_killed_is_applied_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, "_note", die)
        with pytest.raises(Killed):
            act(lake, kind, STATUS, request="r1")
    assert waiting(lake) == ["north/e1", "north/e2", "north/e3"]
    done = act(lake, kind, STATUS, request="r1")
    assert done.places == 2
    assert act(lake, kind, STATUS, request="r1") == Applied()
    assert len(rows(lake, "audit.act")) == 1


def test_a_quarantine_of_before_has_no_marks_and_is_dismissed_all_the_same(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = lake.open(WAITING)
    older = replace(stored.table, columns=tuple(c for c in stored.table.columns if c != DISMISSED))
    with monkeypatch.context() as patch:
        patch.setattr(type(lake.catalog.table(ENCOUNTER)), "quarantine", lambda _: older)
        patch.setattr(builds, "keep_dismissed", lambda *_: None)
        assert build(lake, ENCOUNTER, is_whole=True).quarantined == 3
    assert DISMISSED not in lake.open(WAITING).stored_columns()
    assert act(lake, DISMISS, STATUS) == Applied(places=2, left=2)
    assert waiting(lake) == ["north/e3"]


WRONG = [
    (Act(None, DISMISS, "jane", WHY[0], Which(), table="bronze.fhir_resource"), "not built"),
    (Act(None, DISMISS, "jane", WHY[0], Which(None, 1, 1), table=ENCOUNTER), "by reason"),
    (Act(None, DISMISS, "jane", "she asked", Which(), table=ENCOUNTER), "none of the list"),
    (Act(None, DISMISS, "jane", WHY[0], Which()), "no feed is called None"),
]


@pytest.mark.parametrize(("wrong", "told"), WRONG)
def test_what_is_no_act_on_a_table_is_not_written_down(lake: Lake, wrong: Act, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        act_on(lake, wrong)
    assert lake.find("audit.act") is None
