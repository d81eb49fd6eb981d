"""What views could not read is counted each night, once, by feed, view, column and path."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from os.path import exists
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest

from lakehouse.answers.findings import views_of
from lakehouse.answers.upkeep import tell_upkeep
from lakehouse.catalog.acts import WHY
from lakehouse.cli import main
from lakehouse.govern import findings as module
from lakehouse.govern import lineage, maintain
from lakehouse.govern.looked import FINDINGS, RESOURCES
from lakehouse.govern.upkeep import care, find_unread, store_lineage
from lakehouse.ingest.backfill import backfill
from lakehouse.ingest.landing import land
from lakehouse.ingest.readers import fhir
from lakehouse.ingest.replay import Act, Which, apply, enter
from lakehouse.lineage.emit import running
from lakehouse.state.store import open_state
from lakehouse.storage.lake import Lake, open_lake
from tests.guillotine import COMMITS, raise_guillotine
from tests.pages.house import POLICY, House
from tests.processes import race
from tests.processes import run as run_apart
from tests.workbench import (
    NOW,
    Resource,
    deletion,
    drop,
    ingest,
    lake_at,
    pulse,
    rows,
    take,
)

NORTH, LAB, SOUTH = "north_ehr", "north_lab", "south_ehr"
VIEW: Resource = {
    "resourceType": "ViewDefinition",
    "name": "observation",
    "status": "active",
    "resource": "Observation",
    "select": [
        {
            "column": [
                {"name": "pulse_id", "path": "getResourceKey()", "type": "string"},
                {"name": "beats", "path": "value.ofType(Quantity).value", "type": "decimal"},
                {"name": "at", "path": "effective.ofType(dateTime)", "type": "dateTime"},
                {"name": "code", "path": "code.coding.code.first()", "type": "string"},
            ]
        }
    ],
    "where": [{"path": "status = 'final'"}],
}
CANARY = "Zzyzx"
TEXT: Resource = {"valueQuantity": {"value": CANARY}}
OBJECT: Resource = {"code": {"coding": {"code": CANARY}}}
DATE: Resource = {"effectiveDateTime": f"2026-02-30 {CANARY}"}
STATUS: Resource = {"status": 5}
BEATS, CODES, AT, ROWS = (
    ("beats", "$.valueQuantity.value"),
    ("code", "$.code.coding"),
    ("at", "$.effectiveDateTime"),
    ("", "$.status"),
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_with_view(tmp_path)


def lake_with_view(root: Path, **environment: str) -> Lake:
    """A lake whose own `fhir.observation` stands in place of the one that is shipped."""
    lake_at(root)
    folder = root / "config" / "sql" / "fhir"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "observation.json").write_text(json.dumps(VIEW))
    return lake_at(root, **environment)


def night(lake: Lake) -> int:
    """A whole night; its number."""
    with running("run.govern", lake.settings):
        number, _ = care(lake, None)
        find_unread(lake, number, None)
        store_lineage(lake, number, None)
    return number


def found(lake: Lake, number: int | None = None) -> Counter[tuple[str, str, str]]:
    """How often what could not be read, by feed, columns and path, in one night or all."""
    told: Counter[tuple[str, str, str]] = Counter()
    for row in rows(lake, "audit.finding"):
        if row["view_name"] and number in (None, row["upkeep_number"]):
            assert row["view_name"] == "fhir.observation"
            told[row["feed"], " ".join(row["column_names"]), row["json_path"]] += row["n_unread"]
    return told


def looked(lake: Lake, number: int | None = None) -> Counter[str]:
    """How many records of each feed were looked through, in one night or all."""
    told: Counter[str] = Counter()
    for row in rows(lake, "audit.finding"):
        if not row["view_name"] and number in (None, row["upkeep_number"]):
            told[row["feed"]] += row["n_looked"]
    return told


def planted(feed: str, resources: Iterable[Resource]) -> Counter[tuple[str, str, str]]:
    """The same, counted in what was planted and by nothing of ours."""
    told: Counter[tuple[str, str, str]] = Counter()
    for one in resources:
        if isinstance(one["valueQuantity"]["value"], str):
            told[feed, *BEATS] += 1
        if isinstance(one["code"]["coding"], dict):
            told[feed, *CODES] += 1
        if " " in one["effectiveDateTime"]:
            told[feed, *AT] += 1
        if not isinstance(one["status"], str):
            told[feed, *ROWS] += 1
    return told


def pulses(first: int, *faults: Resource) -> list[Resource]:
    """A pulse for each fault, which stands in it, each with an id of its own."""
    return [pulse(f"o{first + n}") | fault for n, fault in enumerate(faults)]


@pytest.mark.long
def test_what_arrived_is_counted_by_feed_view_column_and_path_as_it_was_planted(
    lake: Lake,
) -> None:
    sent = pulses(0, TEXT, OBJECT, DATE, STATUS, {}, TEXT | DATE)
    take(lake, *sent, {"resourceType": "Account", "id": "a1", "status": "active"})
    number = night(lake)
    assert found(lake) == planted(NORTH, sent)
    assert found(lake)[NORTH, *BEATS] == 2
    assert looked(lake) == {NORTH: 6}, "no view shows accounts"
    (told,) = (row for row in rows(lake, "audit.finding") if row["json_path"] == BEATS[1])
    ends = told["first_sequence"], told["last_sequence"]
    assert (told["upkeep_number"], *ends, told["n_looked"]) == (number, 1, 1, 6)
    assert told["looked_at"] == NOW


@pytest.mark.long
def test_a_night_without_news_adds_nothing_and_says_that_it_looked(lake: Lake) -> None:
    take(lake, *pulses(0, TEXT))
    night(lake)
    before = rows(lake, "audit.finding")
    night(lake)
    assert rows(lake, "audit.finding") == before
    second, first = tell_upkeep(open_state(lake.settings), lake.catalog).nights
    assert (first.looked, first.unread) == (1, 1)
    assert (second.looked, second.unread) == (0, 0)


@pytest.mark.long
def test_a_later_delivery_adds_only_its_own_also_where_it_corrects(lake: Lake) -> None:
    take(lake, *pulses(0, TEXT, DATE))
    first = night(lake)
    # o0 is corrected, and was faulty all the same; o7 is sent twice, corrected before the night
    later = [*pulses(0, {}), *pulses(7, OBJECT)]
    take(lake, *later)
    take(lake, *pulses(7, {}))
    second = night(lake)
    assert found(lake, first) == planted(NORTH, pulses(0, TEXT, DATE))
    assert found(lake, second) == planted(NORTH, later)
    assert looked(lake, second) == {NORTH: 3}


@pytest.mark.long
def test_a_record_that_is_deleted_before_the_night_was_sent_all_the_same(lake: Lake) -> None:
    take(lake, *pulses(0, TEXT))
    take(lake, deletion("Observation/o0"))
    night(lake)
    assert found(lake) == {(NORTH, *BEATS): 1}
    assert looked(lake) == {NORTH: 1}


def interleave(lake: Lake) -> dict[str, list[Resource]]:
    """Deliveries of three feeds, landed in turns and loaded feed by feed; what each sent."""
    sent: dict[str, list[Resource]] = {NORTH: [], LAB: [], SOUTH: []}
    for turn, fault in enumerate((TEXT, OBJECT, DATE)):
        for place, feed in enumerate(sent):
            own = pulses(10 * turn + 100 * place, *[fault] * (place + 1), {})
            sent[feed] += own
            drop(lake, feed, f"{turn}.ndjson", own)
            land(lake, lake.catalog.feeds[feed])
    for feed in (SOUTH, NORTH, LAB):
        ingest(lake, feed)
    return sent


@pytest.mark.long
def test_feeds_whose_deliveries_came_in_turns_are_told_apart(lake: Lake) -> None:
    sent = interleave(lake)
    night(lake)
    assert found(lake) == sum((planted(*one) for one in sent.items()), Counter())
    assert looked(lake) == {NORTH: 6, LAB: 9, SOUTH: 12}
    ends = {
        (r["feed"], r["first_sequence"], r["last_sequence"]) for r in rows(lake, "audit.finding")
    }
    assert ends == {(NORTH, 1, 7), (LAB, 2, 8), (SOUTH, 3, 9)}


@pytest.mark.long
def test_many_small_turns_find_what_one_finds(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = interleave(lake)
    monkeypatch.setattr(module, "_MOST_RECORDS", 5)
    number = night(lake)
    assert found(lake) == sum((planted(*one) for one in sent.items()), Counter())
    assert looked(lake) == {NORTH: 6, LAB: 9, SOUTH: 12}
    turns = Counter(r["feed"] for r in rows(lake, "audit.finding") if not r["view_name"])
    assert turns == {NORTH: 2, LAB: 3, SOUTH: 3}
    assert number == 1


@pytest.fixture
def swept(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The lake where each night joins all files and keeps no old one."""
    monkeypatch.setattr(maintain, "_SMALL_FILES", 1)
    settings = replace(lake.settings, keep_days=0)
    return open_lake(settings, "refine", lambda: NOW)


@pytest.mark.long
def test_compaction_and_vacuum_between_two_nights_change_nothing(swept: Lake) -> None:
    for number in range(3):
        take(swept, *pulses(number, TEXT))
    assert found(swept, night(swept)) == {(NORTH, *BEATS): 3}
    take(swept, *pulses(3, DATE))
    take(swept, *pulses(4, DATE))
    files = set(swept.open(RESOURCES).files())
    assert {one.table: one.joined for one in maintain.maintain(swept)}[RESOURCES] > 1
    take(swept, *pulses(5, OBJECT))
    assert found(swept, night(swept)) == {(NORTH, *AT): 2, (NORTH, *CODES): 1}
    assert found(swept, night(swept)) == {}
    assert not any(map(exists, files)), "old files are gone"


def take_half(lake: Lake, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery of which the reader refuses two of four records, the second and the last."""
    with monkeypatch.context() as patch:
        patch.setattr(fhir, "ID", re.compile(r"[a-z]+\Z"))
        faults = {f"{key}x": TEXT, f"{key}1": TEXT, f"{key}y": DATE, f"{key}2": DATE}
        loaded = take(lake, *(pulse(one) | fault for one, fault in faults.items()))
    assert (loaded.good, loaded.quarantined) == (2, 2)


def replay(lake: Lake, **which: int) -> None:
    enter(lake, Act(NORTH, "replay", "jane", WHY[0], Which(**which)))
    assert apply(lake, lake.catalog.feeds[NORTH]).loaded == 1


@pytest.mark.long
def test_what_a_replay_brings_is_counted_once_whenever_it_comes(
    swept: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_half(swept, "a", monkeypatch)
    assert found(swept, night(swept)) == {(NORTH, *BEATS): 1, (NORTH, *AT): 1}
    replay(swept, sequence=1, line=2)
    take_half(swept, "b", monkeypatch)
    replay(swept, sequence=2, line=4)
    second = night(swept)
    assert found(swept, second) == {(NORTH, *BEATS): 2, (NORTH, *AT): 2}
    assert looked(swept, second) == {NORTH: 4}, "one of the first delivery, three of the second"
    replay(swept, sequence=1, line=4)
    third = night(swept)
    assert found(swept, third) == {(NORTH, *AT): 1}
    assert looked(swept, third) == {NORTH: 1}
    assert found(swept, night(swept)) == {}


@pytest.mark.long
def test_what_a_backfill_brings_is_counted_and_what_it_leaves_is_not(
    swept: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_half(swept, "a", monkeypatch)
    night(swept)
    since = datetime(2000, 1, 1, tzinfo=UTC)
    assert backfill(swept, swept.catalog.feeds[NORTH], since).rows == 2
    second = night(swept)
    assert found(swept, second) == {(NORTH, *BEATS): 1, (NORTH, *AT): 1}
    assert backfill(swept, swept.catalog.feeds[NORTH], since).rows == 0
    assert found(swept, night(swept)) == {}


@pytest.mark.long
@pytest.mark.parametrize("is_act_told", [True, False])
def test_acts_are_left_out_where_the_log_forgot_the_last_look_and_the_night_says_so(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, *, is_act_told: bool
) -> None:
    take_half(lake, "a", monkeypatch)
    night(lake)
    looked_at = lake.open(RESOURCES).version
    replay(lake, sequence=1, line=2)
    take(lake, *pulses(0, DATE))
    told = StringIO()
    with redirect_stderr(told):
        number = night(forgetful(lake, looked_at + 1 if is_act_told else None))
    assert found(lake, number) == {(NORTH, *AT): 1}
    assert "cannot be told apart" in told.getvalue()


def forgetful(lake: Lake, first: int | None = None) -> Lake:
    """The lake whose log of resources tells nothing before a version, or before the newest."""
    stored = lake.open(RESOURCES)
    stored.checkpoint()
    for entry in (Path(lake.place(RESOURCES)) / "_delta_log").glob("0*.*"):
        if int(entry.name.split(".")[0]) < (stored.version if first is None else first):
            entry.unlink()
    return lake_with_view(lake.settings.home.parent)


@pytest.mark.long
def test_tables_are_cared_for_where_the_log_forgot_all_since_the_last_look(lake: Lake) -> None:
    take(lake, *pulses(0, DATE))
    night(lake)
    take(lake, *pulses(1, DATE))
    forgot = forgetful(lake)
    newest = forgot.open(RESOURCES).version
    (Path(lake.place(RESOURCES)) / "_delta_log" / f"{newest:020}.json").unlink()
    cared = maintain.maintain(lake_with_view(forgot.settings.home.parent))
    assert RESOURCES in {one.table for one in cared}


def few_at_once(root: Path) -> Lake:
    module._MOST_RECORDS = 2
    return lake_with_view(root)


def look_killed_at(root: Path, falls_at: int) -> None:
    lake = few_at_once(root)
    raise_guillotine(COMMITS, falls_at)
    find_unread(lake, 1, None)


def look_counted(root: Path) -> None:
    lake = few_at_once(root)
    crossed = raise_guillotine(COMMITS)
    find_unread(lake, 1, None)
    (root / "crossed").write_text(str(crossed()))


@pytest.mark.long
def test_a_look_that_is_killed_anywhere_loses_and_doubles_nothing(tmp_path: Path) -> None:
    base = tmp_path / "base"
    sent = interleave(lake_with_view(base))
    told = sum((planted(*one) for one in sent.items()), Counter())
    shutil.copytree(base, tmp_path / "counted")
    assert run_apart(look_counted, tmp_path / "counted") == 0
    boundaries = int((tmp_path / "counted" / "crossed").read_text())
    assert boundaries > 20
    for falls_at in range(1, boundaries + 1, 3):
        root = tmp_path / f"killed{falls_at}"
        shutil.copytree(base, root)
        assert run_apart(look_killed_at, root, falls_at) < 0
        lake = lake_with_view(root)
        before = sum(found(lake).values())
        assert falls_at < 6 or before > 0, "what was committed stays"
        find_unread(lake, 2, None)
        assert found(lake) == told, f"killed at {falls_at}"
        assert looked(lake) == {NORTH: 6, LAB: 9, SOUTH: 12}
        shutil.rmtree(root)


def look_at_all(root: Path, number: int) -> None:
    find_unread(few_at_once(root), number, None)


@pytest.mark.long
def test_nights_at_once_count_all_of_it_once(tmp_path: Path) -> None:
    sent = interleave(lake_with_view(tmp_path))
    assert race([(look_at_all, (tmp_path, number)) for number in (1, 2, 3)]) == [0, 0, 0]
    lake = lake_with_view(tmp_path)
    assert found(lake) == sum((planted(*one) for one in sent.items()), Counter())
    assert looked(lake) == {NORTH: 6, LAB: 9, SOUTH: 12}


@pytest.mark.long
def test_no_value_stands_where_findings_are_told(lake: Lake) -> None:
    take(lake, *pulses(0, TEXT, OBJECT, DATE, STATUS))
    told = StringIO()
    with redirect_stdout(told), redirect_stderr(told):
        night(lake)
    assert found(lake)[NORTH, *BEATS] == 1
    root = lake.settings.home.parent
    kept = [path for path in root.rglob("*") if path.is_file() and holds(path, CANARY)]
    apart = {path.relative_to(root).parts[:2] for path in kept}
    assert apart <= {("lake", "landing"), ("lake", "bronze"), ("home", "inbox")}
    assert CANARY not in told.getvalue()


def holds(path: Path, word: str) -> bool:
    content = path.read_bytes()
    if path.suffix == ".parquet":
        content = json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
    return word.encode() in content


@pytest.mark.long
def test_every_commit_of_a_look_is_told_with_the_version_that_it_read(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    interleave(lake)
    monkeypatch.setattr(module, "_MOST_RECORDS", 5)
    night(lake)
    night(lake)
    lineage.store_events(lake)
    assert {commit.table for commit in lineage.missing(lake)} & {FINDINGS, "audit.upkeep"} == set()
    stored = lake.open(FINDINGS)
    turns = [commit for commit in stored.history() if not commit.is_upkeep]
    assert len(turns) > 3
    assert {commit.state["inputs"].keys() <= {RESOURCES} for commit in turns} == {True}
    told = rows(lake, "lineage.event")
    (ended,) = (
        t for t in told if f'"{FINDINGS}"' in t["outputs"] and t["event_type"] == "COMPLETE"
    )
    assert f'"{RESOURCES}"' in ended["inputs"]


@pytest.mark.long
def test_one_very_large_record_is_looked_through_in_the_smallest_slot(lake: Lake) -> None:
    coding = [{"system": "http://loinc.org", "code": f"8867-{n}"} for n in range(200_000)]
    assert len(json.dumps(coding)) > 10 * 2**20
    take(lake, pulse("o1", code={"coding": [*coding, {"code": 5}]}), *pulses(2, TEXT))
    night(lake)
    assert found(lake) == {(NORTH, "code", "$.code.coding[*].code"): 1, (NORTH, *BEATS): 1}


@pytest.mark.long
def test_a_lake_that_no_longer_tells_of_its_loads_is_looked_through_from_the_first(
    lake: Lake,
) -> None:
    for number in range(3):
        take(lake, *pulses(number, TEXT))
    assert found(forgetful(lake), night(forgetful(lake))) == {(NORTH, *BEATS): 3}


@pytest.mark.long
def test_the_pages_and_the_command_line_tell_it(lake: Lake) -> None:
    (lake.settings.home.parent / "config" / "policy.yml").write_text(POLICY)
    house = House(lake.settings)
    assert "No night has looked" in house.get("/tables/fhir.observation").text
    take(lake, *pulses(0, TEXT, STATUS, {}))
    night(lake)
    cells = ["$.valueQuantity.value", "beats", f'<a href="/feeds/{NORTH}">', ">1<", ">3<"]
    told = house.get("/tables/fhir.observation").text.replace("<wbr>", "")
    part = told.partition("What it could not read")[2].partition("</table>")[0]
    assert [cell for cell in (*cells, "which rows there are") if cell not in part] == []
    told = house.get("/upkeep").text.replace("<wbr>", "")
    assert '<a class="wait" href="#unread">2 values could not be read</a>' in told
    part = told.partition('id="unread"')[2].partition("</table>")[0]
    assert [
        cell for cell in (*cells, '<a href="/tables/fhir.observation">') if cell not in part
    ] == []
    assert "Nothing, in all" in house.get("/tables/silver.claim").text
    assert "could not read" not in house.get("/tables/silver.patient").text
    beats = {
        "view": "fhir.observation",
        "columns": ["beats"],
        "path": BEATS[1],
        "feed": NORTH,
        "n": 1,
    }
    for words in (("upkeep",), ("table", "fhir.observation")):
        said = json.loads(say(lake, *words, "--json"))
        assert [one for one in said["unread"] if beats.items() <= one.items()], words
    (said,) = json.loads(say(lake, "upkeep", "--json"))["nights"]
    assert (said["looked"], said["unread"]) == (3, 2)
    assert f"1 values at {BEATS[1]} of fhir.observation, from {NORTH}" in say(lake, "upkeep")


def test_a_built_table_tells_of_the_views_that_it_reads(lake: Lake) -> None:
    assert views_of(lake.catalog, lake.catalog.table("silver.claim")) == ["fhir.claim"]
    assert views_of(lake.catalog, lake.catalog.table("fhir.observation")) == ["fhir.observation"]
    assert views_of(lake.catalog, lake.catalog.table("gold.readmission")) == []


def say(lake: Lake, *words: str) -> str:
    told = StringIO()
    with mock.patch.dict("os.environ", lake.settings.environment), redirect_stdout(told):
        assert main(words) == 0
    return told.getvalue()
