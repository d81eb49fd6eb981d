"""Snapshots are read from the log once, stand still, and are never older than what was committed."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.storage.commit import Conflict, Note
from lakehouse.storage.lake import Lake
from lakehouse.storage.opened import Opened
from tests.workbench import NOW, lake_at

TABLE = "bronze.fhir_seen"


@dataclass
class Shot:
    at: int


class Counted(Opened):
    """Of a log that is made up, which counts how often it is read."""

    def __init__(self, last: int) -> None:
        super().__init__(None)
        self.last, self.read = last, 0

    def _open(self, place: str, version: int | None = None) -> Any:
        self.read += 1
        return Shot(self.last if version is None else version)

    def _is_newest(self, known: Any) -> bool:
        return bool(known.at == self.last)


def test_a_log_is_read_once_for_each_version_that_is_asked_for() -> None:
    opened: Any = Counted(last=7)
    assert [opened.newest("t").at for _ in range(3)] == [7, 7, 7]
    assert [opened.at("t", 3).at for _ in range(3)] == [3, 3, 3]
    assert opened.read == 2
    opened.last = 8
    assert [opened.newest("t").at for _ in range(3)] == [8, 8, 8]
    assert opened.read == 3


def test_what_a_commit_left_is_the_newest_and_one_that_failed_leaves_nothing() -> None:
    opened: Any = Counted(last=0)
    shared = opened.newest("t")
    with opened.alone("t", 0) as own:
        own.at = opened.last = 1
    assert shared.at == 0
    assert opened.newest("t") is own
    with pytest.raises(RuntimeError), opened.alone("t", 1):
        raise RuntimeError
    assert opened.newest("t") is own
    assert opened.read == 3


def test_only_so_many_old_versions_are_kept() -> None:
    opened: Any = Counted(last=1000)
    for version in range(100):
        opened.at("t", version)
    opened.at("t", 99)
    assert opened.read == 100
    opened.at("t", 0)
    assert (opened.read, len(opened._older)) == (101, 32)


def row(lake: Lake, number: int) -> pa.Table:
    told = {"source": "north", "resource_type": "Patient", "resource_id": "1"}
    told |= {"content_hash": b"x", "version_at": NOW, "_sequence": number, "_line": 1}
    return pa.Table.from_pylist([told], schema=lake.open(TABLE).schema)


def test_a_snapshot_stands_still_while_another_of_the_same_version_commits(lake: Lake) -> None:
    first, second, looked = lake.open(TABLE), lake.open(TABLE), lake.find(TABLE)
    assert first.append(row(lake, 1), Note({"w": 1})) == 1
    assert looked
    assert [(it.version, it.measure()[0], it.mark("w")) for it in (second, looked)] == [
        (0, 0, None),
        (0, 0, None),
    ]
    with pytest.raises(Conflict):
        second.append(row(lake, 2), Note({"w": 2}))
    newest = lake.open(TABLE)
    assert (newest.version, newest.measure()[0], newest.mark("w")) == (1, 1, 1)
    assert [c.version for c in newest.history()] == [1, 0]


def test_what_another_committed_is_seen_at_once_and_told_in_full(
    lake: Lake, tmp_path: Path
) -> None:
    assert lake.open(TABLE).version == 0
    other = lake_at(tmp_path)
    for number in (1, 2, 3):
        other.open(TABLE).append(row(other, number), Note(state={"number": number}))
        mine = lake.open(TABLE)
        assert (mine.version, mine.state()["number"]) == (number, number)
    assert [c.version for c in mine.since(1)] == [3, 2]
    assert [c.version for c in mine.history()] == [3, 2, 1, 0]
    old = lake.find(TABLE, 1)
    assert old
    assert (old.measure()[0], old.state()["number"]) == (1, 1)


def test_a_table_that_was_taken_away_is_not_there(lake: Lake) -> None:
    lake.open(TABLE).append(row(lake, 1), Note())
    shutil.rmtree(lake.place(TABLE))
    assert lake.find(TABLE) is None
    assert lake.open(TABLE).version == 0


def test_a_snapshot_tells_nothing_of_what_came_after_it(lake: Lake, tmp_path: Path) -> None:
    for number in (1, 2):
        lake.open(TABLE).append(row(lake, number), Note(state={"number": number}))
    mine, late, other = lake.open(TABLE), lake.open(TABLE), lake_at(tmp_path)
    for number in (3, 4):
        other.open(TABLE).append(row(other, number), Note(state={"number": number}))
    assert mine.state()["number"] == 2
    assert [(c.version, c.state.get("number")) for c in mine.since(0)] == [(2, 2), (1, 1)]
    assert [c.version for c in late.history()] == [2, 1, 0]
    assert lake.open(TABLE).state()["number"] == 4
