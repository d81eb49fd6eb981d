"""The state says what the lake says: as it was written, after a kill, and made anew."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lakehouse.answers.lineage import ancestors as told_ancestors
from lakehouse.catalog.acts import DISMISS
from lakehouse.errors import StoreError
from lakehouse.govern import follow as following
from lakehouse.govern.follow import follow, follow_all, rebuild
from lakehouse.govern.lineage import store_events
from lakehouse.govern.maintain import maintain
from lakehouse.govern.upkeep import care, find_unread
from lakehouse.ingest.decisions import Decision, decide
from lakehouse.ingest.questions import Doubt, ask
from lakehouse.ingest.replay import Act, Which, apply, enter
from lakehouse.lineage.emit import running
from lakehouse.lineage.walk import Ancestor
from lakehouse.state.schema import TABLES
from lakehouse.state.store import State, open_state
from lakehouse.storage.lake import Lake
from lakehouse.transform.ancestry import ancestors
from lakehouse.transform.build import build
from lakehouse.transform.river import run
from tests.workbench import NOW, day, drop, encounter, ingest, lake_at, patient, take

FEED = "north_ehr"
BUILT = ("silver.patient", "silver.encounter", "gold.readmission")


def flow(lake: Lake, *deliveries: bytes | list[dict[str, Any]]) -> None:
    """Take deliveries through the river, as the command line does."""
    for number, content in enumerate(deliveries):
        drop(lake, FEED, f"{number}.ndjson", content)
    run(lake.settings, lambda _: None, feeds=[FEED], tables=BUILT, clock=lambda: NOW)


def contents(state: State) -> Mapping[str, list[tuple[Any, ...]]]:
    """All rows, but for what only a version that is the newest can tell."""
    found = {}
    for name in TABLES:
        rows = [dict(row) for row in state.ask(f"select * from {name}")]
        for row in rows if name == "version" else ():
            row["rows"] = row["bytes"] = None
        found[name] = sorted((tuple(row.values()) for row in rows), key=repr)
    return found


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


@pytest.fixture
def state(lake: Lake) -> State:
    return open_state(lake.settings)


@pytest.mark.long
def test_what_is_written_as_the_river_goes_is_what_the_lake_tells_in_the_end(
    lake: Lake, state: State
) -> None:
    flow(lake, [patient(), encounter()], b"not json\n{}\n")
    flow(lake, [encounter("e2", day(3), status="no such"), patient(gender="male")])
    enter(lake, Act(FEED, DISMISS, "jane", "test data", Which(None, 2, 1)))
    apply(lake, lake.catalog.feeds[FEED])
    ask(lake, [Doubt(FEED, 1, 2, 4, 2), Doubt(FEED, 3, 3, 1, 1)])
    decide(lake, Decision(FEED, 1, 2, is_accepted=True, reason="a test", by="jane"))
    number, _ = care(lake, None)
    find_unread(lake, number, None)
    follow_all(lake)
    written = contents(state)
    sizes = {name: len(rows) for name, rows in written.items()}
    assert min(sizes.values()) > 0
    assert (sizes["arrival"], sizes["load"], sizes["act"]) == (3, 2, 1)
    store_events(lake)
    rebuild(lake)
    after = contents(state)
    tables = [name for name in TABLES if name not in ("followed", "version")]
    assert {name: after[name] for name in tables} == {name: written[name] for name in tables}
    mine = [row for row in after["version"] if not row[0].startswith("lineage.")]
    assert mine == [row for row in written["version"] if not row[0].startswith("lineage.")]


@pytest.mark.long
def test_a_writer_that_was_killed_before_it_told_is_made_up_for(lake: Lake, state: State) -> None:
    flow(lake, [patient(), encounter()])
    take(lake, patient("p2"), {})
    with running("run.build.silver.patient", lake.settings):
        build(lake, "silver.patient")
    assert state.ask("select max(sequence) as n from arrival") == [{"n": 1}]
    follow(lake, ["silver.patient"])
    (newest,) = state.ask(
        "select version, rows from version where table_name = 'silver.patient' "
        "order by version desc limit 1"
    )
    assert newest == {"version": 2, "rows": 2}
    follow_all(lake)
    assert state.ask("select count(*) as n from refusal") == [{"n": 1}]
    assert state.ask("select max(sequence) as n from arrival") == [{"n": 2}]


@pytest.mark.long
def test_who_saw_less_takes_nothing_back(lake: Lake, state: State) -> None:
    take(lake, {}, patient())
    older = lake.open("quarantine.north_ehr")
    take(lake, {}, {}, name="more.ndjson")
    follow(lake, ["quarantine.north_ehr"])
    before = contents(state)
    following._follow(lake, state, older)
    assert contents(state) == before
    assert len(before["refusal"]) == 3


@pytest.mark.long
def test_what_left_a_quarantine_leaves_the_state(lake: Lake, state: State) -> None:
    flow(lake, [encounter("e1", day(1), status="no such"), {}])
    reasons = "select table_name, reason, sequence, line from refusal order by table_name"
    assert [tuple(row.values()) for row in state.ask(reasons)] == [
        ("quarantine.north_ehr", "no resource type", 1, 2),
        ("quarantine.silver_encounter", "encounter_status is one of 8 codes", 1, 1),
    ]
    flow(lake, [encounter("e1", day(2))])
    enter(lake, Act(FEED, DISMISS, "jane", "not needed", Which("no resource type")))
    apply(lake, lake.catalog.feeds[FEED])
    follow_all(lake)
    assert state.ask(reasons) == []


@pytest.mark.long
def test_maintenance_adds_a_version_and_no_result_of_a_check(lake: Lake, state: State) -> None:
    flow(lake, *([patient(f"p{number}")] for number in range(2)))
    for number in range(10):
        take(lake, patient(f"q{number}"), name=f"q{number}.ndjson")
        build(lake, "silver.patient")
    follow_all(lake)
    checks = state.ask("select count(*) as n from check_result")
    list(maintain(lake))
    follow_all(lake)
    assert state.ask("select count(*) as n from check_result") == checks
    kept = state.ask(
        "select job from version where is_maintenance = 1 and table_name = 'silver.patient'"
    )
    assert {row["job"] for row in kept} == {None}
    assert len(kept) >= 2


@pytest.mark.long
def test_a_state_that_cannot_be_written_is_no_failure_of_the_work(
    lake: Lake, state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(state._place).parent.mkdir(parents=True)
    Path(state._place).write_bytes(b"no database at all" * 100)
    flow(lake, [patient()])
    assert "the state was not written" in capsys.readouterr().err
    with pytest.raises(StoreError):
        follow(lake, ["silver.patient"])


def shown(found: Ancestor) -> tuple[str, ...]:
    """An edge; OpenLineage calls what comes from whole rows indirect, which our own edges do not."""
    edge = found.edge
    told = edge.column, edge.source, edge.source_column, edge.path, edge.subtype, edge.how.strip()
    return str(found.depth), found.table, *map(str, told)


@pytest.mark.long
def test_lineage_from_the_state_is_lineage_from_the_sql(lake: Lake, state: State) -> None:
    flow(lake, [patient(), encounter()])
    for name in (*BUILT, "gold.readmission.days_to_next", "silver.encounter.admitted_at"):
        told = [shown(found) for found in told_ancestors(state, lake.catalog, name)]
        assert told
        assert sorted(told) == sorted(shown(found) for found in ancestors(lake.catalog, name))


@pytest.mark.long
def test_loading_twice_from_two_processes_is_told_once(lake: Lake, state: State) -> None:
    drop(lake, FEED, "a.ndjson", [patient(), {}])
    ingest(lake)
    for _ in range(2):
        follow_all(lake_at(lake.settings.home.parent))
    assert state.ask("select records, good, quarantined from load") == [
        {"records": 2, "good": 1, "quarantined": 1}
    ]
