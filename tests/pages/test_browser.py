"""The pages in the real Airflow, looked at by a real browser; and an act from the press of a button to its end."""

import json
import os
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse.settings import PROJECT
from lakehouse.state.store import open_state
from tests.pages.house import FEED, QUARANTINE, fill
from tests.pages.test_pages import EVIL, PLACES, spoil
from tests.served import Answer, Served, serving
from tests.workbench import lake_at, rows

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("pages")]

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "clinical-lakehouse"
MODULES = CACHE / "browser" / "node_modules"
LOOK = PROJECT / "tests" / "peers" / "browser" / "look.js"
USERS = {"vera": "viewer", "olaf": "op", "stella": "admin", "nora": "user"}
OWN = """
roles: {}
airflow:
  users: {vera: [viewer], stella: [steward]}
  groups: {op: [operator]}
"""


def act(served: Served, who: str, **fields: Any) -> Answer:
    page = served.ask(f"/lakehouse/quarantine/{QUARANTINE}/1/3", who).text
    token = page.partition('name="token" value="')[2].partition('"')[0]
    form = {"token": token, "feed": FEED, "why": "test data", **fields}
    return served.ask("/lakehouse/acts", who, urllib.parse.urlencode(form))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("browser")
    settings = fill(root)
    (root / "config" / "policy.yml").write_text(OWN)
    with serving(root / "airflow", settings, USERS) as running:
        yield running


def test_airflows_sign_in_is_the_pages_sign_in(served: Served) -> None:
    for path in (
        "/lakehouse/feeds",
        "/lakehouse/static/pages.css",
        f"/lakehouse/quarantine/{QUARANTINE}",
    ):
        assert served.ask(path).status == 401
        assert served.ask(path, "vera").status == 200
    assert served.ask("/lakehouse/feeds", "nora").status == 403
    assert "vera, viewer" in served.ask("/lakehouse/feeds", "vera").text
    assert "olaf, operator" in served.ask("/lakehouse/feeds", "olaf").text


def test_airflow_leads_to_the_pages_from_its_navigation_dags_and_tasks(served: Served) -> None:
    told = json.loads(served.ask("/api/v2/plugins", "stella").text)
    (plugin,) = [plugin for plugin in told["plugins"] if plugin["name"] == "lakehouse"]
    assert {view["destination"] for view in plugin["external_views"]} == {"nav", "dag", "task"}
    assert (
        json.loads(served.ask("/api/v2/plugins/importErrors", "stella").text)["total_entries"] == 0
    )
    assert served.ask("/lakehouse/dag/refine/silver.patient", "vera").place.endswith(
        "/tables/silver.patient"
    )


def test_what_one_presses_is_done_in_airflow_in_that_persons_name(served: Served) -> None:
    assert act(served, "vera", act="replay", sequence=1, line=3).status == 403
    pressed = act(served, "olaf", act="dismiss", sequence=1, line=3)
    assert pressed.status == 200
    run_id = urllib.parse.parse_qs(urllib.parse.urlsplit(pressed.place).query)["started"][0]
    told = served.await_end("quarantine", run_id)
    assert told["state"] == "success"
    assert (told["triggering_user_name"], told["triggered_by"]) == ("olaf", "ui")
    lake = lake_at(served.settings.home.parent)
    assert [
        row["line"]
        for row in open_state(served.settings).ask(
            "select line from refusal where table_name = :t", t=QUARANTINE
        )
    ] == []
    acts = [
        (row["act_by"], row["act"], row["request_id"])
        for row in rows(lake, "audit.act", envelope=True)
    ]
    assert ("olaf", "dismiss", run_id) in acts
    assert "olaf" in served.ask("/lakehouse/acts", "vera").text


def test_a_run_that_no_page_asked_for_changes_nothing(served: Served) -> None:
    before = rows(lake_at(served.settings.home.parent), "audit.act", envelope=True)
    conf = {
        "feed": FEED,
        "act": "dismiss",
        "why": "test data",
        "reason": None,
        "sequence": None,
        "line": None,
    }
    body = json.dumps({"logical_date": None, "conf": conf})
    started = served.ask("/api/v2/dags/quarantine/dagRuns", "olaf", body, "json")
    assert (
        served.await_end("quarantine", json.loads(started.text)["dag_run_id"])["state"] == "failed"
    )
    assert rows(lake_at(served.settings.home.parent), "audit.act", envelope=True) == before


def test_a_look_is_written_down_before_it_is_answered(served: Served) -> None:
    place = "/lakehouse/quarantine/quarantine.silver_encounter/2/1"
    page = served.ask(place, "stella").text
    token = page.partition('name="token" value="')[2].partition('"')[0]
    seen = served.ask(f"{place}/content", "stella", urllib.parse.urlencode({"token": token}))
    assert seen.status == 200
    assert "no such" in seen.text
    assert "b.ndjson" in seen.text
    found = rows(lake_at(served.settings.home.parent), "audit.act", envelope=True)
    assert ("stella", "look", 2, 1) in [
        (r["act_by"], r["act"], r["sequence"], r["_line"]) for r in found
    ]
    denied = served.ask(f"{place}/content", "olaf", urllib.parse.urlencode({"token": token}))
    assert denied.status == 403
    assert "no such" not in denied.text


def test_rows_that_a_check_refused_are_dismissed_in_that_persons_name(served: Served) -> None:
    reason = "encounter_status is one of 8 codes"
    place = f"/lakehouse/quarantine/quarantine.silver_encounter?reason={urllib.parse.quote(reason)}"
    token = served.ask(place, "olaf").text.partition('name="token" value="')[2].partition('"')[0]
    form = {"token": token, "table": "silver.encounter", "reason": reason, "why": "test data"}
    told = urllib.parse.urlencode(form | {"act": "dismiss"})
    pressed = served.ask("/lakehouse/acts", "olaf", told)
    run_id = urllib.parse.parse_qs(urllib.parse.urlsplit(pressed.place).query)["started"][0]
    assert served.await_end("quarantine", run_id)["state"] == "success"
    assert "0 in quarantine.silver_encounter" in served.ask(place, "vera").text
    found = rows(lake_at(served.settings.home.parent), "audit.act", envelope=True)
    assert ("olaf", "dismiss", "silver.encounter", run_id) in [
        (r["act_by"], r["act"], r["table_name"], r["request_id"]) for r in found
    ]


@pytest.mark.peer
@pytest.mark.skipif(
    not (MODULES.is_dir() and shutil.which("chromium")),
    reason="Chromium or axe-core is not here (`make browser` gets them)",
)
def test_every_page_is_fit_to_be_seen_and_nothing_in_it_runs(
    served: Served, tmp_path: Path
) -> None:
    # last of all: the state is spoiled
    spoil(served.settings)
    places = [
        {"name": str(n), "path": urllib.parse.quote(place, safe="/?=&")}
        for n, place in enumerate(PLACES)
        if f"/{EVIL}" not in place
    ]
    places += [
        {"name": place, "path": f"/tables/{place}"}
        for place in ("silver.encounter", "fhir.resource")
    ]
    places += [{"name": "lineage", "path": "/lineage/gold.readmission"}]
    asked = {
        "base": served.base,
        "token": served.token("stella"),
        "chromium": shutil.which("chromium"),
        "profile": str(tmp_path / "profile"),
        "places": places,
    }
    done = subprocess.run(
        ("node", str(LOOK)),
        input=json.dumps(asked),
        env=os.environ | {"NODE_PATH": str(MODULES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(looks) == 4 * len(places)
    for look in looks:
        who = look["path"], look["theme"], look["width"]
        assert look["shown"] == look["theme"], who
        assert look["faults"] == [], who
        assert not look["ran"], who
        assert not look["wide"], who
        assert [line for line in look["said"] if "status of 404" not in line] == [], who
    grounds = {(look["theme"], look["ground"]) for look in looks}
    assert len(grounds) == 2
