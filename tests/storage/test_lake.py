"""Tables under many writers, and what their logs and errors tell."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.errors import SpecError, StoreError
from lakehouse.settings import PROJECT
from lakehouse.storage.commit import Conflict, Note, committed
from lakehouse.storage.lake import OPERATION, Lake
from lakehouse.storage.snapshots import Snapshots
from tests.processes import race
from tests.workbench import NOW, build_all, encounter, lake_at, patient, rows, take

TABLE = "bronze.fhir_seen"
CANARY = "Zanzibar-Canary"


def some(lake: Lake, name: str, told: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(told, schema=lake.open(name).schema)


def seen(number: int, writer: int = 0, content: str = "x") -> dict[str, Any]:
    return {
        "source": "north",
        "resource_type": "Patient",
        "resource_id": f"{writer}/{number}",
        "content_hash": content.encode(),
        "version_at": NOW,
        "_sequence": number,
        "_line": writer,
    }


def append_ten(root: Path, writer: int) -> None:
    lake = lake_at(root)
    for number in range(10):
        rows = some(lake, TABLE, [seen(number, writer)])
        committed(lambda rows=rows: lake.open(TABLE).append(rows, Note({f"w/{writer}": 1})))


def merge_five(root: Path, writer: int) -> None:
    """Add one to a shared counter, and to one of the writer's own, five times."""
    lake = lake_at(root)

    def attempt() -> int:
        stored = lake.open(TABLE)
        told = {(r["resource_id"]): r["_sequence"] for r in rows(lake, TABLE, envelope=True)}
        if stored.version != lake.open(TABLE).version:
            raise Conflict("somebody came between")
        changes = [
            seen(told.get(key, 0) + 1) | {"resource_id": key, OPERATION: "upsert"}
            for key in ("shared", f"own {writer}")
        ]
        schema = stored.schema.append(pa.field(OPERATION, pa.string()))
        table = pa.Table.from_pylist(changes, schema=schema)
        return stored.merge(table, ("resource_type", "resource_id"), Note())

    for _ in range(5):
        while True:
            try:
                attempt()
                break
            except Conflict:
                continue


@pytest.mark.long
def test_eight_writers_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    assert race((append_ten, (tmp_path, writer)) for writer in range(8)) == [0] * 8
    lake = lake_at(tmp_path)
    found = [(r["_line"], r["_sequence"]) for r in rows(lake, TABLE, envelope=True)]
    assert sorted(found) == [(writer, number) for writer in range(8) for number in range(10)]
    assert lake.open(TABLE).version == 80


@pytest.mark.long
def test_four_writers_that_merge_at_once_lose_no_update(tmp_path: Path) -> None:
    lake_at(tmp_path).open(TABLE)
    assert race((merge_five, (tmp_path, writer)) for writer in range(4)) == [0] * 4
    told = {r["resource_id"]: r["_sequence"] for r in rows(lake_at(tmp_path), TABLE, envelope=True)}
    assert told == {"shared": 20} | {f"own {writer}": 5 for writer in range(4)}


def open_all(root: Path) -> None:
    lake = lake_at(root)
    for name, table in lake.catalog.tables.items():
        if not table.sql:
            assert lake.open(name).version == 0


@pytest.mark.long
def test_a_table_that_many_open_first_is_created_once(tmp_path: Path) -> None:
    assert race((open_all, (tmp_path,)) for _ in range(6)) == [0] * 6


@pytest.mark.long
def test_work_on_a_snapshot_that_was_overtaken_is_refused_without_a_value(lake: Lake) -> None:
    first, second = lake.open(TABLE), lake.open(TABLE)
    told = some(lake, TABLE, [seen(1, content=CANARY)])
    first.append(told, Note({CANARY.lower(): 1}))
    with pytest.raises(Conflict) as caught:
        second.append(told, Note({CANARY.lower(): 1}))
    assert CANARY.lower() not in str(caught.value).lower()
    assert len(rows(lake, TABLE)) == 1


def test_who_is_overtaken_for_ever_gives_up_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse.storage.commit.time.sleep", lambda _: None)

    def attempt() -> None:
        raise Conflict("somebody else")

    with pytest.raises(StoreError, match="20 commits in a row were overtaken"):
        committed(attempt)


def test_an_error_of_the_store_quotes_nothing(lake: Lake) -> None:
    stored = lake.open(TABLE)
    wrong = pa.table({"source": [CANARY], "resource_type": [CANARY]})
    with pytest.raises(StoreError) as caught:
        stored.append(wrong, Note())
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("version", [7, 10**9])
def test_a_version_that_is_not_there_is_a_clear_error(lake: Lake, version: int) -> None:
    lake.open(TABLE)
    with pytest.raises(StoreError, match=TABLE):
        lake.find(TABLE, version)


def test_a_name_that_nothing_declares_is_a_clear_error(lake: Lake) -> None:
    for name in ("silver.nothing", "nothing", "quarantine.silver_nothing", "a.b.c", ""):
        with pytest.raises(SpecError):
            lake.find(name)


def log_entries(lake: Lake) -> Iterator[dict[str, Any]]:
    for path in Path(lake.url).rglob("_delta_log/*.json"):
        yield from map(json.loads, path.read_text().splitlines())


@pytest.mark.long
def test_the_log_keeps_bounds_of_the_envelope_only(lake: Lake) -> None:
    take(lake, patient(gender=CANARY), encounter(status=CANARY), encounter("e2"))
    build_all(lake, ["silver.patient", "silver.encounter", "gold.readmission"])
    bounded: set[str] = set()
    for entry in log_entries(lake):
        if "add" in entry:
            told = json.loads(entry["add"]["stats"])
            bounded |= told["minValues"].keys() | told["maxValues"].keys()
    assert bounded <= {"_sequence", "_line", "_entry", "_offset", "_length", "_omitted"}
    assert lake.open("silver.patient").measure()[0] == 1


def test_a_commit_tells_its_run_its_marks_and_what_it_says_of_itself(lake: Lake) -> None:
    stored = lake.open(TABLE)
    stored.append(some(lake, TABLE, [seen(1)]), Note({"work": 7}, {"rows": 1}))
    again = lake.open(TABLE)
    assert (again.mark("work"), again.mark("other")) == (7, None)
    assert again.state()["rows"] == 1
    assert again.data_version() == 1
    assert [commit.version for commit in again.history()] == [1, 0]


def test_care_keeps_rows_marks_and_the_version_of_the_data(lake: Lake) -> None:
    for number in range(4):
        rows_ = some(lake, TABLE, [seen(number)])
        lake.open(TABLE).append(rows_, Note({"work": number}, {"n": number}))
    before = rows(lake, TABLE, envelope=True)
    assert lake.open(TABLE).compact() == 4
    assert lake.open(TABLE).vacuum(timedelta(0)) == 4
    lake.open(TABLE).checkpoint()
    stored = lake.open(TABLE)
    assert rows(lake, TABLE, envelope=True) == before
    assert (stored.mark("work"), stored.state()["n"], stored.data_version()) == (3, 3, 4)
    snapshots = Snapshots(lake)
    assert snapshots.alike(TABLE, 4) == stored.version
    assert (snapshots.alike(TABLE, 2), snapshots.alike(TABLE, None)) == (2, None)
    stored.append(some(lake, TABLE, [seen(9)]), Note())
    assert lake.open(TABLE).data_version() == stored.version
    assert lake.open(TABLE).mark("work") == 3


def test_a_table_as_it_was_at_a_time(lake: Lake) -> None:
    assert lake.version_at(TABLE, datetime.now(UTC)) is None
    lake.open(TABLE).append(some(lake, TABLE, [seen(1)]), Note())
    first = lake.open(TABLE).history()[0].at
    lake.open(TABLE).append(some(lake, TABLE, [seen(2)]), Note())
    assert lake.version_at(TABLE, first) in (1, 2)  # both may fall into one millisecond
    assert lake.version_at(TABLE, first - timedelta(days=1)) is None
    assert lake.version_at(TABLE, datetime.now(UTC) + timedelta(days=1)) == 2


@pytest.mark.long
@pytest.mark.parametrize("name", ["o'brien's lake", "ä ü", 'a "b" c'])
def test_a_lake_may_lie_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    lake = lake_at(tmp_path / name)
    for number in range(2):
        take(lake, patient(f"p{number}"))
        built = build_all(lake, ["silver.patient"])["silver.patient"]
    assert (built.mode, built.rows) == ("incremental", 2)


@pytest.mark.parametrize("name", ["100%", "a#b", "what?"])
def test_a_folder_that_cannot_be_an_address_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="address"):
        lake_at(tmp_path / name)


@pytest.mark.long
def test_a_column_that_a_newer_release_declares_is_added_and_old_rows_have_none(
    tmp_path: Path,
) -> None:
    old = lake_at(tmp_path)
    old.open(TABLE).append(some(old, TABLE, [seen(1)]), Note({"w": 1}))
    release = tmp_path / "config" / "sql" / "bronze"
    release.mkdir(parents=True)
    ours = (PROJECT / "sql" / "bronze" / "fhir_seen.yml").read_text()
    newer = ours.replace("  - version_at\n", "  - version_at\n  - value_number\n")
    assert newer != ours
    (release / "fhir_seen.yml").write_text(newer)
    new = lake_at(tmp_path)
    for number in (2, 3):
        told = seen(number) | {"value_number": float(number)}
        new.open(TABLE).append(some(new, TABLE, [told]), Note({"w": number}))
    found = {row["resource_id"]: row["value_number"] for row in rows(new, TABLE)}
    assert found == {"0/1": None, "0/2": 2.0, "0/3": 3.0}
    assert new.open(TABLE).mark("w") == 3
    before = old.find(TABLE, 1)
    assert before
    assert "value_number" not in before._delta.schema().to_arrow().names
    # the older release, put back, still reads what it knows
    assert len(rows(old, TABLE)) == 3
