"""Lineage in the lake: each event once, and no commit without one, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import QualityError
from lakehouse.govern import lineage
from lakehouse.govern.question import ask
from lakehouse.lineage import collect, outbox
from lakehouse.lineage.emit import running
from lakehouse.settings import PROJECT, Settings
from lakehouse.storage.commit import Note
from lakehouse.storage.lake import Lake, open_lake
from lakehouse.transform.build import build
from lakehouse.transform.columns import trace_columns


@pytest.fixture
def lake(river: Settings) -> Lake:
    """One patient in silver; the lineage of it waits in the outbox."""
    return open_lake(river, "govern")


def rows(lake: Lake, query: str) -> list[dict[str, Any]]:
    with ask(lake, query) as reader:
        return list(reader.read_all().to_pylist())


def counts(lake: Lake) -> tuple[int, int, int]:
    """Events, events told apart, and column edges."""
    (events,) = rows(lake, "select count(*) as n, count(distinct event_id) as d from lineage.event")
    (edges,) = rows(lake, "select count(*) as n from lineage.column")
    return events["n"], events["d"], edges["n"]


BUILT = """
    from lineage.event where event_type = 'COMPLETE' and job = 'run.build.silver.patient'
    order by event_at
"""


def named(commits: list[Any]) -> list[tuple[str, int]]:
    return [(commit.table, commit.version) for commit in commits]


@pytest.mark.long
def test_events_move_from_the_outbox_into_the_lake(lake: Lake) -> None:
    waiting = len(outbox.waiting(lake.settings.outbox))
    assert lineage.store_events(lake) == waiting
    assert outbox.waiting(lake.settings.outbox) == []
    assert counts(lake)[:2] == (waiting, waiting)
    (built,) = rows(lake, BUILT)
    assert {"name": "silver.patient", "version": 1, "rows": 1} in json.loads(built["outputs"])
    assert json.loads(built["payload"])["run"]["runId"] == built["run_id"]


@pytest.mark.long
def test_a_column_edge_in_the_lake_names_the_json_path(lake: Lake) -> None:
    lineage.store_events(lake)
    edges = rows(
        lake,
        "from lineage.column where table_name = 'silver.patient' and column_name = 'birth_on'",
    )
    paths = {(edge["source_table"], edge["source_column"], edge["path"]) for edge in edges}
    assert ("bronze.fhir_resource", "resource", "$.birthDate") in paths
    assert {edge["version"] for edge in edges} == {1}


@pytest.mark.long
def test_every_commit_of_an_undisturbed_river_has_its_event(lake: Lake, hospital: Any) -> None:
    again = hospital.patient(1, version=2)
    hospital.send(lake.settings, again, hospital.patient(2), to="silver.patient")
    assert named(lineage.missing(lake)) == []
    lineage.require_told(lake)
    lineage.require_explained(lake)


@pytest.mark.long
def test_an_event_that_a_kill_swallowed_is_found_and_rebuilt_from_the_log(
    lake: Lake, hospital: Any
) -> None:
    hospital.send(lake.settings, hospital.patient(2), to="silver.location")
    _build_and_die_before_telling(lake.settings)
    (lost,) = lineage.missing(lake)
    assert (lost.table, lost.version) == ("silver.patient", 2)
    with pytest.raises(QualityError, match="no lineage event, in silver"):
        lineage.require_told(lake)

    assert lineage.rebuild(lake) == 1
    assert lineage.missing(lake) == []
    assert lineage.rebuild(lake) == 0
    lineage.store_events(lake)
    _, again = rows(lake, BUILT)
    assert again["run_id"] == lost.state["run"]
    event = json.loads(again["payload"])
    assert "reconstructed" in event["run"]["facets"]
    assert event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert {item["name"] for item in event["inputs"]} >= {"bronze.fhir_resource"}


def _build_and_die_before_telling(settings: Settings) -> None:
    """Build silver.patient in a process that is killed between the commit and its COMPLETE."""
    program = """
import os, signal
from lakehouse.lineage.emit import running
from lakehouse.settings import read_settings
from lakehouse.storage.lake import open_lake
from lakehouse.transform.build import build
from lakehouse.transform.columns import trace_columns

settings = read_settings()
with running("run.build.silver.patient", settings):
    build(open_lake(settings, "refine"), "silver.patient")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = os.environ | settings.environment | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        (sys.executable, "-c", program), env=environment, check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.long
def test_work_that_may_still_be_going_on_is_not_called_lost(lake: Lake) -> None:
    with running("run.build.silver.location", lake.settings):
        build(lake, "silver.location")
        assert lineage.missing(lake) == []
    outbox.waiting(lake.settings.outbox)[-1].unlink()
    collect.begin("", "")
    (lost,) = lineage.missing(lake)
    assert lineage.missing(lake, before=lost.at - timedelta(seconds=1)) == []
    assert named(lineage.missing(lake, before=lost.at)) == [("silver.location", 1)]


def test_a_commit_that_says_nothing_of_itself_is_found_too(lake: Lake) -> None:
    collect.begin("", "")
    table = lake.open("silver.patient")
    table.append(table.schema.empty_table(), Note())
    assert named(lineage.missing(lake)) == [("silver.patient", 2)]
    lineage.rebuild(lake)
    assert lineage.missing(lake) == []


@pytest.mark.long
def test_maintenance_brings_no_rows_and_needs_no_event(lake: Lake, hospital: Any) -> None:
    hospital.send(lake.settings, hospital.patient(2), to="silver.patient")
    collect.begin("", "")
    bronze = lake.open("bronze.fhir_resource")
    before = bronze.version
    assert bronze.compact() == 2
    assert bronze.version > before
    assert lineage.missing(lake) == []


@pytest.mark.long
@pytest.mark.parametrize("dies_in", ["_commit", "_clear"])
def test_a_kill_between_the_commits_stores_nothing_twice(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    expected = len(outbox.waiting(lake.settings.outbox))
    whole = getattr(lineage, dies_in)
    calls = []

    def die(*arguments: Any) -> Any:
        calls.append(arguments)
        # the first commit is of the edges, the second of the events
        if dies_in == "_clear" or len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(lineage, dies_in, die)
    with pytest.raises(KeyboardInterrupt):
        lineage.store_events(lake)
    monkeypatch.undo()
    assert len(outbox.waiting(lake.settings.outbox)) == expected
    lineage.store_events(lake)
    events, apart, edges = counts(lake)
    assert events == apart == expected
    (told,) = rows(lake, "select count(*) as n from (select distinct * from lineage.column)")
    assert edges == told["n"] > 0


@pytest.mark.long
def test_three_that_store_at_once_store_each_event_once(lake: Lake) -> None:
    files = {path: path.read_bytes() for path in outbox.waiting(lake.settings.outbox)}
    stored: list[int] = []
    threads = [
        threading.Thread(target=lambda: stored.append(lineage.store_events(lake))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(stored) == len(files)
    # and the same files again, as a backup would bring them back
    for path, content in files.items():
        path.write_bytes(content)
    assert lineage.store_events(lake) == 0
    assert counts(lake)[:2] == (len(files), len(files))


def test_what_is_no_event_is_set_aside_and_the_rest_goes_on(lake: Lake) -> None:
    folder = lake.settings.outbox
    expected = len(outbox.waiting(folder))
    for name, content in {
        "00000000000000000001-torn.json": b'{"run": {"runId"',
        "00000000000000000002-list.json": b"[]",
        "00000000000000000003-bytes.json": b"\xff\xfe",
        "00000000000000000004-empty.json": b"",
    }.items():
        (folder / name).write_bytes(content)
    assert lineage.store_events(lake) == expected
    assert len(list(folder.glob("*.refused"))) == 4
    assert outbox.waiting(folder) == []


@pytest.mark.long
def test_no_patient_value_is_in_any_event(lake: Lake, hospital: Any) -> None:
    def fail() -> None:
        with running("run.load.north_ehr", lake.settings):
            raise ValueError(hospital.canary)

    with pytest.raises(ValueError, match=hospital.canary):
        fail()
    landed = b"".join(
        path.read_bytes() for path in (Path(lake.url) / "landing" / "objects").glob("*/*")
    )
    assert hospital.canary.encode() in landed
    written = [path.read_text() for path in outbox.waiting(lake.settings.outbox)]
    lineage.store_events(lake)
    written += [str(row) for row in rows(lake, "from lineage.event")]
    written += [str(row) for row in rows(lake, "from lineage.column")]
    assert not any(hospital.canary in text for text in written)


@pytest.mark.long
def test_every_built_column_has_a_source_or_is_declared_constant(lake: Lake) -> None:
    names = sorted(table.name for table in lake.catalog.models())
    collect.begin("", "")
    edges = {name: trace_columns(lake.catalog.table(name), lake.catalog) for name in names}
    for name in names:
        with running(f"run.build.{name}", lake.settings):
            collect.wrote(collect.Dataset(name, 1, edges=edges[name]))
    lineage.store_events(lake)
    held = rows(lake, "select distinct table_name from lineage.column order by all")
    assert [row["table_name"] for row in held] == names
    assert lineage.unexplained(lake) == []


def test_a_column_without_source_or_declaration_is_named(lake: Lake) -> None:
    with running("run.build.silver.location", lake.settings):
        edge = collect.Edge("location_id", "bronze.fhir_resource", "x", None, "DIRECT", "IDENTITY")
        collect.wrote(collect.Dataset("silver.location", 1, edges=(edge,)))
    lineage.store_events(lake)
    lacking = lineage.unexplained(lake)
    assert "silver.location.source" in lacking
    assert "silver.location.location_id" not in lacking
    with pytest.raises(QualityError, match="columns have no source"):
        lineage.require_explained(lake)
