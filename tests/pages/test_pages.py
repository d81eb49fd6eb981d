"""What the pages show is what `lakehouse.answers` says, and nothing that data holds ever runs."""

import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from unittest import mock
from urllib.parse import quote

import pytest

from lakehouse.cli import main
from lakehouse.errors import QualityError
from lakehouse.govern.follow import follow_all
from lakehouse.govern.upkeep import care
from lakehouse.ingest.decisions import Decision
from lakehouse.pages.wiring import Seen
from lakehouse.settings import PROJECT, Settings
from lakehouse.state.schema import TABLES
from lakehouse.state.store import open_state
from lakehouse.transform.river import decide_batch, run
from tests.pages.house import FEED, POLICY, QUARANTINE, House
from tests.workbench import FEEDS, drop, lake_at, patient, settings_at

EVIL = "\"'><script>window.ran=1</script><img src=x onerror=window.ran=1>{{7*7}}"
MARK = "window.ran"


class Active(HTMLParser):
    """What of a page could run: scripts, handlers, styles within it, addresses that are code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "script" and set(told) != {"src"}:
            self.found.append(f"<{tag} {told}>")
        if tag in ("img", "iframe", "object", "embed", "style", "base"):
            self.found.append(f"<{tag}>")
        for name, value in told.items():
            is_code = (value or "").strip().lower().startswith(("javascript:", "data:"))
            if name.startswith("on") or name == "style" or is_code:
                self.found.append(f"{tag} {name}={value}")


def active(text: str) -> list[str]:
    parser = Active()
    parser.feed(text)
    return parser.found


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A state in which every text is an attack, and declarations that are no better."""
    root = tmp_path_factory.mktemp("evil")
    settings = settings_at(root)
    config = root / "config"
    (config / "policy.yml").write_text(POLICY)
    feeds = FEEDS.replace("The north's records", EVIL.replace('"', "'"))
    (config / "feeds.toml").write_text(feeds.replace("settle", "most_refused = 0.1\nsettle"))
    (config / "sql" / "gold").mkdir(parents=True)
    told = json.dumps(EVIL)
    column = f"{{type: varchar, phi: none, means: {told}, unit: {told}, system: {told}}}"
    ours = (PROJECT / "sql" / "columns.yml").read_text()
    spoilt = re.sub(r"^patient_id: .*$", lambda _: f"patient_id: {column}", ours, flags=re.M)
    (config / "sql" / "columns.yml").write_text(spoilt)
    front = f"about: {told}\nowner: {told}\nkeep: {told}\nwrite: merge\nkey: [patient_id]\n"
    front += f"checks: [{{expr: {told}}}]"
    text = f"/*---\n{front}\n---*/\nselect patient_id from silver.patient -- {EVIL}\n"
    (config / "sql" / "gold" / "evil.sql").write_text(text)
    spoil(settings)
    return House(settings, seen=Seen(EVIL, EVIL, is_cut=True))


def spoil(settings: Settings) -> None:
    """Rows in every table of the state whose texts attack, and others that lead to them."""
    state = open_state(settings)
    keep = {"table_name": "gold.evil", "at": "2026-01-01T00:00:00+00:00"}
    keep |= dict.fromkeys(("received_at", "export_at", "started_at", "ended_at"), keep["at"])
    with state.change() as change:
        for name, shape in TABLES.items():
            row = {c: EVIL if kind == "text" else 1 for c, kind in shape.columns.items()}
            row |= {c: keep[c] for c in row if c in keep}
            if name != "about":
                change.put(name, [row])
                change.put(name, [{**row, "table_name": QUARANTINE}] if "table_name" in row else [])
        change.put(
            "arrival", [{"sequence": 1, "feed": FEED, "received_at": keep["at"], "object_id": "ab"}]
        )
        unread = dict.fromkeys(("path", "column_names", "feed"), EVIL) | {"at": keep["at"]}
        counts = dict.fromkeys(
            ("number", "first_sequence", "last_sequence", "n_unread", "n_looked"), 1
        )
        change.put("finding", [unread | counts | {"view_name": "fhir.claim"}])
        change.put("followed", [{"name": "gold.evil", "version": 1}])
        asked = {"feed": FEED, "at": keep["at"], "number": 1, "records": 2, "refused": 1}
        change.put("question", [asked | {"first_sequence": 5, "last_sequence": 6}])
        decided = {"feed": FEED, "at": keep["at"], "by_whom": EVIL, "is_accepted": 1}
        change.put("decision", [decided | {"first_sequence": 1, "last_sequence": 1}])
        change.put("run", [{"run_id": "r2", "job": "govern.maintain", "error": EVIL}])
        change.put("run", [{"run_id": "r1", "job": EVIL, "error": EVIL, "outcome": EVIL}])
        change.put(
            "run_dataset", [{"run_id": "r1", "direction": "outputs", "name": EVIL, "version": 1}]
        )
        change.put(
            "run_dataset",
            [{"run_id": "r1", "direction": "inputs", "name": f"landing/{EVIL}", "version": 1}],
        )
        change.put(
            "load",
            [
                {
                    "feed": FEED,
                    "last_sequence": 2,
                    "first_sequence": 1,
                    "run_id": "r1",
                    "at": keep["at"],
                    "records": 1,
                    "good": 1,
                    "unchanged": 0,
                    "quarantined": 1,
                    "blank": 0,
                    "missing": 0,
                }
            ],
        )


PLACES = [
    "/feeds", f"/feeds/{FEED}", "/catalogue", f"/catalogue?words={EVIL}", "/tables/gold.evil", "/tables/fhir.claim", "/lineage",
    "/lineage/gold.evil", "/lineage/gold.evil.patient_id", "/quarantine", f"/quarantine/{QUARANTINE}",
    f"/quarantine/{QUARANTINE}?reason={EVIL}", f"/quarantine/{QUARANTINE}/1/1", "/acts", f"/acts?started={EVIL}",
    "/upkeep", "/runs", f"/runs?table={EVIL}&outcome={EVIL}", "/runs/r1", "/objects/ab", f"/tables/{EVIL}", f"/{EVIL}",
    f"/dag/{EVIL}/{EVIL}", f"/quarantine/{EVIL}",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.replace(EVIL, "EVIL"))
def test_nothing_that_data_or_a_request_holds_becomes_part_of_a_page(
    evil: House, place: str
) -> None:
    told = evil.get(place)
    assert told.status_code < 500
    assert active(told.text) == []
    assert "49" not in told.text.replace("2026", "") or "{{7*7}}" in told.text


def test_the_attack_is_there_to_be_seen(evil: House) -> None:
    seen = [place for place in PLACES if MARK in evil.get(place).text]
    assert len(seen) >= 15
    assert active(f"<b>{EVIL}</b>") != []


def test_a_record_that_attacks_is_shown_as_text(evil: House) -> None:
    told = evil.post(f"/quarantine/{QUARANTINE}/1/1/content")
    assert told.status_code == 200
    assert told.text.count(MARK) >= 4
    assert active(told.text) == []


def test_a_feed_shows_its_arrival_and_its_refused_share(house: House) -> None:
    told = house.get("/feeds").text
    assert "north_ehr" in told
    assert "south_ehr" in told
    assert "newest 40.0 %" in told
    assert "2031-01-02 03:04" in told


@pytest.mark.long
def test_a_feed_that_waits_for_an_answer_says_so_and_then_what_was_decided(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    stanza = f"[feed.{FEED}]\n"
    feeds = FEEDS.replace(stanza, f"{stanza}most_refused = 0.2\n")
    (tmp_path / "config" / "feeds.toml").write_text(feeds)
    (tmp_path / "config" / "policy.yml").write_text(POLICY)
    lake = lake_at(tmp_path)
    drop(lake, FEED, "a.ndjson", b"not JSON\n" * 3)
    with pytest.raises(QualityError):
        run(lake.settings, lambda _: None, feeds=[FEED], tables=["silver.patient"])
    house = House(lake.settings)
    assert "3 of 3 records would be refused" in house.get("/feeds").text.replace("\u202f", "")
    told = house.get(f"/feeds/{FEED}").text
    assert "Waits for an answer" in told
    assert f"lakehouse accept {FEED} 1-1" in told
    decide_batch(lake.settings, Decision(FEED, 1, 1, False, "a test", "ann"))
    told = house.get(f"/feeds/{FEED}").text
    assert "Waits for an answer" not in told
    assert "left out" in told
    assert "ann" in told


@pytest.mark.long
def test_upkeep_shows_the_last_night_and_what_is_behind(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    (tmp_path / "config" / "policy.yml").write_text(POLICY)
    drop(lake, FEED, "a.ndjson", [patient()])
    run(lake.settings, lambda _: None, feeds=[FEED], tables=["silver.patient"])
    care(lake, "jane")
    follow_all(lake)
    told = House(lake.settings).get("/upkeep").text
    assert "by jane" in told
    assert "not stored" in told, "the lineage of this night"
    row = 'scope="row"><a href="/tables/{}">'
    assert row.format("silver.encounter") in told
    assert row.format("silver.patient") not in told


def test_the_catalogue_finds_by_meaning_column_and_phi_class(house: House) -> None:
    for words, expected in {
        "readmission": "gold.readmission",
        "phi:direct family": "silver.patient",
        "admitted_at": "silver.encounter",
    }.items():
        assert f"/tables/{expected}" in house.get(f"/catalogue?words={words}").text
    assert "0 tables" in house.get("/catalogue?words=zebra+crossing").text


def test_a_table_shows_columns_versions_checks_and_neighbours(house: House) -> None:
    told = house.get("/tables/silver.encounter").text
    for part in (
        "admitted_at",
        "pseudonym",
        "run.<wbr>build.<wbr>silver.<wbr>encounter",
        "gold.readmission",
        "select",
    ):
        assert part in told
    assert "encounter_status is one of 8 codes" in told


def test_a_picture_leads_from_bronze_to_gold(house: House) -> None:
    told = house.get("/lineage/silver.encounter").text
    assert told.count("<svg") == 1
    for name in ("bronze.fhir_resource", "gold.readmission"):
        assert f'href="/lineage/{name}"' in told


def test_a_viewer_sees_places_and_no_way_to_act(house: House) -> None:
    for place in (
        f"/quarantine/{QUARANTINE}?reason=no+resource+type",
        f"/quarantine/{QUARANTINE}/1/3",
    ):
        viewer, steward = house.get(place, "viewer").text, house.get(place, "steward").text
        assert "no resource type" in viewer
        assert "<form" not in viewer
        assert "Replay" in steward


def test_an_act_starts_a_run_as_the_person_who_pressed(house: House) -> None:
    told = house.post(
        "/acts", "operator", feed=FEED, act="replay", why="test data", sequence=1, line=3
    )
    assert (told.status_code, told.headers["location"]) == (303, "/acts?started=replay__1")
    asked = {
        "feed": FEED,
        "table": None,
        "act": "replay",
        "why": "test data",
        "reason": None,
        "sequence": 1,
        "line": 3,
    }
    assert house.started == [("olaf", "quarantine", asked)]
    house.post("/acts", feed=FEED, act="dismiss", why="not needed", reason="no resource type")
    asked |= {"act": "dismiss", "why": "not needed", "reason": "no resource type"}
    asked |= {"sequence": None, "line": None}
    assert house.started[1] == ("stella", "quarantine", asked)


BUILT, BROKEN = "silver.encounter", "encounter_status is one of 8 codes"


def test_rows_of_a_built_table_are_taken_up_by_the_check_that_they_broke(house: House) -> None:
    path = f"/quarantine/quarantine.silver_encounter?reason={quote(BROKEN)}"
    shown = house.get(path, "operator").text
    assert f'<input type="hidden" name="table" value="{BUILT}">' in shown
    assert "lakehouse backfill" in shown
    assert 'name="act"' not in house.get(path, "viewer").text
    told = {"table": BUILT, "act": "dismiss", "why": "not needed", "reason": BROKEN}
    assert house.post("/acts", "operator", **told).status_code == 303
    place = {"feed": None, "sequence": None, "line": None}
    assert house.started == [("olaf", "quarantine", told | place)]


NOT_OF_A_TABLE = [
    {"table": "bronze.fhir_resource"},
    {"table": "silver.nothing"},
    {"reason": "Mrs Smith"},
    {"reason": ""},
    {"feed": FEED},
    {"reason": "", "sequence": "1", "line": "1"},
]


@pytest.mark.parametrize("wrong", NOT_OF_A_TABLE, ids=str)
def test_of_a_built_table_nothing_else_can_be_asked(house: House, wrong: dict[str, str]) -> None:
    right = {"table": BUILT, "act": "replay", "why": "test data", "reason": BROKEN}
    assert house.post("/acts", **(right | wrong)).status_code == 422
    assert house.started == []


NOT_ASKED = [
    {"why": "because Mrs Smith called"},
    {"feed": "nobody"},
    {"act": "delete"},
    {"sequence": "", "reason": "Mrs Smith"},
    {"sequence": "", "line": ""},
    {"sequence": "one"},
]


@pytest.mark.parametrize("wrong", NOT_ASKED, ids=str)
def test_what_no_form_of_ours_says_starts_nothing(house: House, wrong: dict[str, str]) -> None:
    right = {"feed": FEED, "act": "replay", "why": "test data", "sequence": "1", "line": "3"}
    assert house.post("/acts", **(right | wrong)).status_code == 422
    assert house.started == []


def test_a_look_is_asked_for_by_name_and_shown_to_that_person_only(house: House) -> None:
    told = house.post(f"/quarantine/{QUARANTINE}/1/3/content")
    assert house.looked == [("stella", QUARANTINE, 1, 3)]
    assert "names.ndjson" in told.text
    assert told.headers["cache-control"] == "no-store"


def test_a_runs_page_names_batch_objects_and_checks(house: House) -> None:
    places = house.places()
    told = house.get(f"/runs/{places['run_id']}").text
    assert "5 records" in told
    assert places["object_id"] in told
    told = house.get(f"/objects/{places['object_id']}").text
    assert "silver.patient" in told


@pytest.mark.parametrize(
    ("place", "leads"),
    [
        ("/", "/feeds"),
        ("/dag/ingest__north_ehr", "/feeds/north_ehr"),
        ("/dag/refine", "/catalogue"),
        ("/dag/govern", "/upkeep"),
        ("/dag/watch", "/feeds"),
        ("/dag/backfill", "/acts"),
        ("/dag/approve__north_ehr/approve", "/feeds/north_ehr"),
        ("/dag/refine/silver.patient", "/tables/silver.patient"),
        ("/dag/ingest__north_ehr/load", "/feeds/north_ehr"),
    ],
)
def test_airflows_links_lead_to_the_page_of_their_dag_or_task(
    house: House, place: str, leads: str
) -> None:
    assert house.get(place).headers["location"] == leads


def test_the_command_line_gives_the_same_answers(house: House) -> None:
    def said(*words: str) -> list[dict[str, str]]:
        told = StringIO()
        with mock.patch.dict("os.environ", house.settings.environment), redirect_stdout(told):
            assert main(words) == 0
        found: list[dict[str, str]] = json.loads(told.getvalue())
        return found

    assert {feed["name"] for feed in said("feeds", "--json")} == {
        "north_ehr",
        "north_lab",
        "south_ehr",
    }
    assert [t["name"] for t in said("catalogue", "readmission", "index", "--json")] == [
        "gold.readmission"
    ]
    assert said("upkeep", "--json")["nights"] == []
    waiting = {(w["table"], w["reason"]): w["rows"] for w in said("quarantine", "--json")}
    assert waiting[QUARANTINE, "no resource type"] == 1
    assert all(
        f"/runs/{run['run_id']}" in house.get("/runs").text for run in said("runs", "--json")[:5]
    )


@pytest.mark.long
def test_an_empty_lake_has_pages_too(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    (tmp_path / "config" / "policy.yml").write_text(POLICY)
    house = House(lake.settings)
    for place in ("/feeds", f"/feeds/{FEED}", "/catalogue", "/tables/gold.readmission", "/lineage",
                  "/lineage/gold.readmission", "/quarantine", f"/quarantine/{QUARANTINE}", "/acts", "/runs", "/upkeep"):  # fmt: skip
        assert house.get(place).status_code == 200, place


def test_a_state_that_cannot_be_read_is_said_with_its_cure(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    (tmp_path / "config" / "policy.yml").write_text(POLICY)
    place = open_state(settings)._place
    place.parent.mkdir(parents=True)
    place.write_bytes(b"no database" * 1000)
    told = House(settings).get("/runs")
    assert told.status_code == 503
    assert "lakehouse state rebuild" in told.text


def test_a_declaration_that_changes_is_seen_at_the_next_look(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    (tmp_path / "config" / "policy.yml").write_text(POLICY)
    house = House(settings)
    assert "east_lab" not in house.get("/feeds").text
    stanza = FEEDS.replace("feed.south_ehr", "feed.east_lab")
    (tmp_path / "config" / "feeds.toml").write_text(stanza)
    assert "east_lab" in house.get("/feeds").text


@pytest.mark.parametrize("name", ["policy.yml", "feeds.toml"])
def test_a_declaration_that_is_wrong_is_named_and_nothing_is_shown(
    tmp_path: Path, name: str
) -> None:
    settings = settings_at(tmp_path)
    (tmp_path / "config" / "policy.yml").write_text(POLICY)
    house = House(settings)
    assert house.get("/feeds").status_code == 200
    (tmp_path / "config" / name).write_text("[")
    told = house.get("/feeds")
    assert told.status_code == 503
    assert name in told.text


@pytest.mark.long
def test_the_pages_load_no_data_library() -> None:
    program = "import json, sys, lakehouse.pages.app, lakehouse.pages.acting; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        (sys.executable, "-c", program), capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & {"duckdb", "deltalake", "pyarrow", "sqlglot", "minio", "openlineage"} == set()


def test_the_script_is_short() -> None:
    script = Path(__file__).parents[2] / "lakehouse" / "pages" / "static" / "theme.js"
    assert len(script.read_text().splitlines()) <= 30
