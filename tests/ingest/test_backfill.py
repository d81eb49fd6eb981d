"""What was loaded once more is there once: the same rows, and what was lost or read wrongly put right."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakehouse.answers.quarantine import list_acts
from lakehouse.catalog.acts import BACKFILL
from lakehouse.errors import SpecError
from lakehouse.govern.follow import follow
from lakehouse.ingest.backfill import Backfilled, backfill
from lakehouse.ingest.readers import fhir
from lakehouse.ingest.replay import ACTS
from lakehouse.state.store import open_state
from lakehouse.storage.lake import Lake, open_lake
from lakehouse.transform.backfill import as_act, carry_out
from tests.guillotine import count_boundaries, killed_at
from tests.ingest.test_decisions import say, send
from tests.ingest.test_reconcile import MANY, export
from tests.processes import run
from tests.workbench import (
    NOW,
    build_all,
    contents,
    day,
    deletion,
    ingest,
    lake_at,
    patient,
    rows,
    take,
    without_empty,
)

FEED, BRONZE = "north_ehr", "bronze.fhir_resource"
ALL = datetime(2000, 1, 1, tzinfo=UTC)
NOTHING = re.compile(r"p[0-9]\Z")


def again(lake: Lake, feed: str = FEED, since: datetime = ALL) -> Backfilled:
    return backfill(lake, lake.catalog.feeds[feed], since)


def undated_there_and_back(lake: Lake) -> None:
    for gender in ("male", "female", "male", "male"):
        take(lake, patient(gender=gender), name=f"{gender}.ndjson")


def several_in_one_file(lake: Lake) -> None:
    take(lake, patient(gender="male"), patient(gender="male"), patient(gender="female"))


def older_after_newer(lake: Lake) -> None:
    take(lake, patient("p1", day(3)), name="a.ndjson")
    take(lake, patient("p1", day(1), gender="male"), patient("p1", day(3)), name="b.ndjson")


def two_feeds_of_one_source(lake: Lake) -> None:
    for number, feed in enumerate([FEED, "north_lab", FEED, "north_lab"]):
        take(lake, patient("p1", gender="male" if number == 1 else "female"), feed=feed)


def deleted_and_back(lake: Lake) -> None:
    take(lake, patient("p1", day(1)))
    take(lake, deletion("Patient/p1"), name="d.ndjson")
    take(lake, patient("p1", day(2)), name="b.ndjson")


def exports_that_lack_records(lake: Lake) -> None:
    export(lake, day(2), *MANY)
    export(lake, day(5), *MANY[1:])
    export(lake, day(7), *MANY)


def refused(lake: Lake) -> None:
    take(lake, patient(), {"resourceType": "Patient"})


HISTORIES: dict[str, Callable[[Lake], Any]] = {
    told.__name__: told
    for told in (
        undated_there_and_back,
        several_in_one_file,
        older_after_newer,
        two_feeds_of_one_source,
        deleted_and_back,
        exports_that_lack_records,
        refused,
    )
}
"""Ways in which records came."""


@pytest.mark.long
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_what_is_loaded_once_more_is_there_once(lake: Lake, history: Callable[[Lake], Any]) -> None:
    history(lake)
    before, version = contents(lake, envelope=True), lake.open(BRONZE).version
    for feed in (FEED, "north_lab"):
        assert (again(lake, feed).rows, again(lake, feed).left) == (0, 0)
    assert without_empty(contents(lake, envelope=True)) == without_empty(before)
    assert lake.open(BRONZE).version == version, "where nothing is to be done nothing is committed"


def lose(lake: Lake, where: str) -> None:
    """Rows that a mishap took: nothing of ours deletes any."""
    DeltaTable(lake.place(BRONZE)).delete(where)


LOST = [
    (history, lost)
    for history in HISTORIES
    # feeds of one source are loaded once more one after the other: of both not all may be lost
    for lost in ("_sequence = 1", "_sequence >= 1", "_line = 1")[: 1 if "two" in history else 3]
]


@pytest.mark.long
@pytest.mark.parametrize(("history", "lost"), LOST)
def test_what_bronze_lacks_of_what_was_delivered_comes_back(
    lake: Lake, history: str, lost: str
) -> None:
    HISTORIES[history](lake)
    delivered = [r for r in rows(lake, BRONZE, envelope=True) if r["version_basis"] != "missing"]
    lose(lake, f"({lost}) and version_basis <> 'missing'")
    again(lake)
    found = [r for r in rows(lake, BRONZE, envelope=True) if r["version_basis"] != "missing"]
    assert found == delivered


@pytest.mark.long
def test_only_what_was_received_since_then_is_read(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        at = datetime(2026, 3, number, 12, tzinfo=UTC)
        take(lake_at(tmp_path, at), patient(f"p{number}"), name=f"{number}.ndjson")
    lake = lake_at(tmp_path)
    assert [again(lake, since=datetime(2026, 3, d, tzinfo=UTC)).deliveries for d in (1, 3, 4)] == [
        3, 1, 0,
    ]  # fmt: skip


@pytest.mark.long
def test_what_a_reader_read_wrongly_is_put_right_at_its_own_place(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fhir, "ID", NOTHING)
        take(lake, patient("p1", day(1)), patient("p10", day(1)))
    DeltaTable(lake.place(BRONZE)).update({"patient_id": "'wrong'"})
    build_all(lake, ["silver.patient"])
    assert again(lake) == Backfilled(deliveries=1, rows=2, left=1)
    found = rows(lake, BRONZE, envelope=True)
    assert [(r["patient_id"], r["_line"]) for r in found] == [("north/p1", 1), ("north/p10", 2)]
    assert rows(lake, "quarantine.north_ehr") == []
    build_all(lake, ["silver.patient"])
    assert {row["patient_id"] for row in rows(lake, "silver.patient")} == {"north/p1", "north/p10"}


@pytest.mark.long
def test_what_was_left_out_stays_out_and_what_waits_is_not_brought_forward(lake: Lake) -> None:
    send(lake, "a", 1, 0)
    say(lake, 1, 1, is_accepted=False)
    ingest(lake)
    send(lake, "b", 1, 0)
    assert again(lake) == Backfilled()
    assert rows(lake, BRONZE) == []


@pytest.mark.long
def test_a_table_is_built_anew_though_nothing_has_changed(lake: Lake) -> None:
    take(lake, patient())
    build_all(lake, ["silver.patient"])
    before = rows(lake, "silver.patient")
    DeltaTable(lake.place("silver.patient")).delete()
    assert build_all(lake, ["silver.patient"])["silver.patient"].mode == "unchanged"
    act = as_act(lake.catalog, "silver.patient", None, "ann")
    assert carry_out(lake, act) == {"version": 3, "rows": 1, "quarantined": 0}
    assert rows(lake, "silver.patient") == before
    assert build_all(lake, ["silver.patient"])["silver.patient"].mode == "unchanged"


@pytest.mark.long
def test_who_asked_for_what_is_written_down(lake: Lake) -> None:
    take(lake, patient())
    for name, since in (
        ("silver.patient", None),
        (FEED, datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None)),
    ):
        carry_out(lake, as_act(lake.catalog, name, since, "ann"))
    told = sorted(rows(lake, "audit.act"), key=lambda row: row["act_number"])
    assert [(r["act_by"], r["act"], r["feed"], r["table_name"]) for r in told] == [
        ("ann", BACKFILL, None, "silver.patient"),
        ("ann", BACKFILL, FEED, None),
    ]
    # midnight where the feed is
    assert told[1]["since_at"] == datetime(2026, 3, 1, 5, tzinfo=UTC)


WRONG = [
    ("nobody", None, "neither a feed nor a table"),
    (FEED, None, "since when"),
    ("silver.patient", NOW, "built whole"),
    (BRONZE, None, "neither a feed nor a table"),
]


@pytest.mark.parametrize(("name", "since", "told"), WRONG, ids=[told for *_, told in WRONG])
def test_what_cannot_be_asked_for_is_refused(
    lake: Lake, name: str, since: datetime | None, told: str
) -> None:
    with pytest.raises(SpecError, match=told):
        as_act(lake.catalog, name, since, "ann")


@pytest.mark.long
def test_acts_of_an_older_lake_get_the_columns_that_came_later(lake: Lake) -> None:
    now = lake.catalog.tables[ACTS]
    older = replace(
        now, columns=tuple(c for c in now.columns if c not in ("table_name", "since_at"))
    )
    lake.catalog.tables[ACTS] = older
    lake.open(ACTS)
    lake.catalog.tables[ACTS] = now
    follow(lake, [ACTS])
    take(lake, patient())
    carry_out(lake, as_act(lake.catalog, FEED, NOW, "ann"))
    follow(lake, [ACTS])
    (told,) = rows(lake, ACTS)
    assert (told["act"], told["since_at"]) == (BACKFILL, NOW)
    assert [row["since_at"] for row in list_acts(open_state(lake.settings))] == [
        NOW.isoformat(timespec="milliseconds")
    ]


def begin(root: Path) -> None:
    lake = lake_at(root)
    for history in HISTORIES.values():
        history(lake)
    lose(lake, "_line = 1 and version_basis <> 'missing'")


def backfill_all(root: Path) -> None:
    again(open_lake(lake_at(root).settings, "ingest", lambda: NOW))


@pytest.mark.long
def test_a_kill_at_any_commit_and_a_run_after_it_leave_what_one_run_leaves(tmp_path: Path) -> None:
    base = tmp_path / "base"
    assert run(begin, base) == 0
    shutil.copytree(base, tmp_path / "calm")
    assert run(count_boundaries, tmp_path / "calm", backfill_all) == 0
    expected = contents(lake_at(tmp_path / "calm"), envelope=True)
    boundaries = int((tmp_path / "calm" / "crossed").read_text())
    assert boundaries >= 4
    for falls_at in range(1, boundaries + 1):
        root = tmp_path / f"killed{falls_at}"
        shutil.copytree(base, root)
        assert run(killed_at, root, backfill_all, falls_at) < 0
        assert run(backfill_all, root) == 0
        assert contents(lake_at(root), envelope=True) == expected, f"killed at {falls_at}"
        shutil.rmtree(root)
