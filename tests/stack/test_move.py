"""The lake moves to another store with all its history, is as it was there, and goes on."""

import json
import random
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.cli import main
from lakehouse.errors import SpecError, StoreError
from lakehouse.govern.maintain import stored_names
from lakehouse.govern.question import When, ask
from lakehouse.objects import copying, open_objects
from lakehouse.objects.copying import Journal, copy_all
from lakehouse.settings import Settings, read_settings
from lakehouse.stack import minio
from lakehouse.stack.move import move
from lakehouse.stack.places import Places, read_json
from lakehouse.stack.process import record_self
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Lake, open_lake
from lakehouse.transform import river
from lakehouse.transform.trace import trace
from tests.guillotine import COMMITS, raise_guillotine
from tests.processes import run
from tests.test_whole import deliver_between, deliver_first, deliver_second
from tests.workbench import NOW, contents, settings_at, without_empty

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("the stack")]

NO_MINIO = "no minio program is here (`make minio` builds one)"
FEEDS = ("north_ehr", "north_lab", "south_ehr")
TABLES = ("silver.encounter", "gold.readmission")
QUESTION = "select * from gold.readmission order by all"


def flow(settings: Settings) -> None:
    river.run(settings, lambda _: None, feeds=FEEDS, tables=TABLES, clock=lambda: NOW)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake in a folder with some versions of its tables, and quarantine, tombstones, events."""
    root = tmp_path_factory.mktemp("made")
    for deliver in (deliver_first, deliver_second):
        deliver(root)
        flow(settings_at(root))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """The same lake, of this test's own."""
    shutil.copytree(made, tmp_path / "root")
    return tmp_path / "root"


def bound_for(root: Path, **given: str) -> Settings:
    """The settings of somebody who wants the lake elsewhere."""
    environment = {**settings_at(root).environment, **given}
    return read_settings({name: value for name, value in environment.items() if value})


def everything(lake: Lake) -> dict[tuple[str, int], Any]:
    """Each version of each table: its rows, when and by what it was made."""
    found = {}
    for name in stored_names(lake):
        for commit in lake.open(name).history():
            stored = lake.find(name, commit.version)
            assert stored
            with Engine(lake, threads=1) as engine:
                engine.attach(stored.table, stored.version)
                rows = engine.table(f"select * from {name}").to_pylist()
            found[name, commit.version] = (commit, sorted(rows, key=repr))
    return found


def answer(lake: Lake, when: When) -> list[dict[str, Any]]:
    with ask(lake, QUESTION, when) as rows:
        return rows.read_all().to_pylist()


def objects(root: Path, place: str = "lake") -> dict[str, bytes]:
    folder = root / place
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_moves_to_another_with_every_byte_and_the_record_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_TELL_EVERY", 20)
    settings = bound_for(root, LAKEHOUSE_URL=str(root / "new"))
    said: list[str] = []
    moved = move(settings, said.append, root / "lake")
    assert objects(root, "new") == objects(root)
    assert moved.objects == len(objects(root))
    assert f"copied 20 of {moved.objects} objects" in said
    assert moved.bytes == sum(map(len, objects(root).values()))
    recorded = read_settings({"LAKEHOUSE_HOME": str(settings.home)})
    assert recorded.lake_url() == str(root / "new") == moved.url
    assert not Places(settings.home).move_journal.exists()
    assert not Places(settings.home).next_store_record.exists()
    with pytest.raises(SpecError, match="lies there already"):
        move(recorded, said.append)


def test_no_table_and_no_log_knows_where_it_lies_and_lineage_tells_where_it_lay(root: Path) -> None:
    place = str(root.parent / "root")  # the lake was made elsewhere and copied: look for both
    lake = open_lake(settings_at(root), "read")
    made = re.escape(str(lake.settings.home.parent.name))
    logs = [path.read_text() for path in (root / "lake").rglob("_delta_log/*.json")]
    assert logs
    assert not [text for text in logs if place in text or re.search(rf"/{made}/", text)]
    told = {name for (name, _), (_, rows) in everything(lake).items() if "file://" in repr(rows)}
    assert told <= {"lineage.event"}


def move_and_die(root: Path, falls_at: int) -> None:
    raise_guillotine(COMMITS, falls_at)
    move(bound_for(root, LAKEHOUSE_URL=str(root / "new")), lambda _: None, root / "lake")


def test_killed_again_and_again_it_goes_on_where_it_stood_and_switches_at_the_end(
    root: Path,
) -> None:
    home, chosen = root / "home", random.Random(3)
    number, codes = len(objects(root)), [-9]
    while codes[-1] == -9 and len(codes) < 60:
        assert not Places(home).store_record.exists(), "it switched too early"
        # a put is crossed twice
        codes.append(run(move_and_die, root, chosen.randint(2, number // 2)))
    assert codes[-1] == 0
    assert len(codes) > 4, "it was hardly ever killed"
    assert objects(root, "new") == objects(root)
    assert read_json(Places(home).store_record)["url"] == str(root / "new")


def test_a_move_to_somewhere_else_than_the_unfinished_one_is_refused(root: Path) -> None:
    assert run(move_and_die, root, 9) == -9
    other = bound_for(root, LAKEHOUSE_URL=str(root / "other"))
    with pytest.raises(SpecError, match="was begun and is not finished") as caught:
        move(other, lambda _: None, root / "lake")
    assert "remove" in caught.value.hint


def test_a_place_that_holds_something_else_is_refused_and_left_as_it_was(root: Path) -> None:
    strange = root / "new" / "gold" / "readmission" / "a.parquet"
    strange.parent.mkdir(parents=True)
    strange.write_text("of another lake")
    settings = bound_for(root, LAKEHOUSE_URL=str(root / "new"))
    with pytest.raises(SpecError, match="holds 1 objects that are not of this lake"):
        move(settings, lambda _: None, root / "lake")
    assert list(objects(root, "new").values()) == [b"of another lake"]


def test_a_running_stack_is_refused(root: Path) -> None:
    settings = bound_for(root, LAKEHOUSE_URL=str(root / "new"))
    places = Places(settings.home)
    places.prepare()
    record_self(places.process("supervisor"))
    with pytest.raises(StoreError, match="the stack is running"):
        move(settings, lambda _: None, root / "lake")
    assert not (root / "new").exists()


def test_a_servers_scheduler_that_is_up_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://airflow/execution/")
    body = {"scheduler": {"status": "healthy"}}
    monkeypatch.setattr("lakehouse.stack.airflow.ask_health", lambda _: body)
    settings = bound_for(root, LAKEHOUSE_URL=str(root / "new"))
    with pytest.raises(StoreError, match="scheduler is up"):
        move(settings, lambda _: None, root / "lake")


def test_a_landed_object_that_is_damaged_is_named_and_nothing_is_switched(root: Path) -> None:
    damaged = next((root / "lake" / "landing" / "objects").glob("*/*"))
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    settings = bound_for(root, LAKEHOUSE_URL=str(root / "new"))
    with pytest.raises(StoreError, match=damaged.name):
        move(settings, lambda _: None, root / "lake")
    assert not Places(settings.home).store_record.exists()


class Restless:
    """A place to which somebody writes whenever it is read."""

    def __init__(self, root: Path) -> None:
        self._objects = open_objects(str(root), None)
        self._log = root / "gold" / "log.json"
        self._number = 0

    def __getattr__(self, name: str) -> Any:
        if name == "open":
            self._number += 1
            self._log.write_text("x" * self._number)
        return getattr(self._objects, name)


def test_what_is_written_meanwhile_is_copied_too_and_an_endless_writer_is_told(
    tmp_path: Path,
) -> None:
    source, target = tmp_path / "a", open_objects(str(tmp_path / "b"), None)
    (source / "gold").mkdir(parents=True)
    (source / "gold" / "log.json").write_text("x")
    journal = Journal(tmp_path / "journal", "a to b")
    with pytest.raises(StoreError, match="something writes"):
        copy_all(Restless(source), target, ["gold"], journal)
    (source / "gold" / "new.json").write_text("new")
    copied = copy_all(open_objects(str(source), None), target, ["gold"], journal)
    assert copied.objects == 2
    (source / "gold" / "new.json").unlink()
    copy_all(open_objects(str(source), None), target, ["gold"], journal)
    assert objects(tmp_path, "b") == objects(tmp_path, "a")


class Lying:
    """A place that gives back other bytes than were put there."""

    def __init__(self, root: Path) -> None:
        self._objects = open_objects(str(root), None)

    def put(self, key: str, stream: Any, size: int) -> None:
        self._objects.put(key, stream, size)
        path = self._objects._root / key
        path.write_bytes(b"\0" + path.read_bytes()[1:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)


def test_a_place_that_gives_back_other_bytes_is_found(tmp_path: Path) -> None:
    (tmp_path / "a" / "gold").mkdir(parents=True)
    (tmp_path / "a" / "gold" / "x").write_bytes(b"some bytes")
    source = open_objects(str(tmp_path / "a"), None)
    with pytest.raises(StoreError, match="other bytes"):
        copy_all(source, Lying(tmp_path / "b"), ["gold"], Journal(tmp_path / "journal", "x"))


def test_without_a_record_it_asks_where_the_lake_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKEHOUSE_URL", str(tmp_path / "new"))
    assert main(["move"]) == 10
    assert main(["move", "--from", str(tmp_path / "nowhere")]) == 10
    assert "--from FOLDER" in capsys.readouterr().err


@pytest.fixture(params=["seaweedfs", pytest.param("minio", marks=pytest.mark.peer)])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "minio" and not minio.find_binary():
        pytest.skip(NO_MINIO)
    return str(request.param)


def history(lake: Lake) -> dict[str, Any]:
    """What can be asked of the past: every version, answers as of then, and where a row comes from."""
    every = everything(lake)
    times = sorted(commit.at for (name, _), (commit, _) in every.items() if name == TABLES[1])
    whens = [When(at=at + timedelta(milliseconds=1)) for at in times]
    whens += [When(known_at=datetime(2026, 1, 6, tzinfo=UTC))]
    key = answer(lake, When())[0]["encounter_id"]
    return {
        "every version": every,
        "as of": [answer(lake, when) for when in whens],
        "trace": trace(lake, TABLES[1], key),
    }


def test_a_folder_moves_to_a_server_with_all_its_history_and_goes_on_as_if_it_had_not(
    root: Path, tmp_path: Path, kind: str, serving: Any
) -> None:
    before, whole = history(open_lake(settings_at(root), "read")), tmp_path / "whole"
    assert len({repr(rows) for rows in before["as of"]}) > 1
    shutil.copytree(root, whole)
    settings = bound_for(root, LAKEHOUSE_URL="", LAKEHOUSE_STORE=kind)
    assert move(settings, lambda _: None, root / "lake").objects == len(objects(root))
    with serving(settings) as there:
        lake = open_lake(there, "read")
        assert lake.url == "s3://lake"
        assert history(lake) == before
        for place, seen in ((root, there), (whole, settings_at(whole))):
            deliver_between(place)
            flow(seen)
        told = [
            without_empty(contents(open_lake(seen, "govern"), envelope=True))
            for seen in (there, settings_at(whole))
        ]
        assert told[0] == told[1]


@pytest.mark.peer
def test_from_one_server_to_another_and_back_to_a_folder_not_a_byte_changes(root: Path) -> None:
    if not minio.find_binary():
        pytest.skip(NO_MINIO)
    before = objects(root)
    first = bound_for(root, LAKEHOUSE_URL="", LAKEHOUSE_STORE="seaweedfs")
    move(first, lambda _: None, root / "lake")
    move(bound_for(root, LAKEHOUSE_URL="", LAKEHOUSE_STORE="minio"), lambda _: None)
    back = bound_for(root, LAKEHOUSE_URL=str(root / "back"))
    move(back, lambda _: None)
    assert objects(root, "back") == before
    assert json.loads(Places(back.home).store_record.read_text())["store"] == "folder"
