"""The pages in the real Airflow, looked at by a real browser; and an act from the press of a button to its end."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakehouse.settings import PROJECT, Settings
from lakehouse.stack.ports import find
from lakehouse.state.store import open_state
from tests.pages.house import FEED, QUARANTINE, fill
from tests.pages.test_pages import EVIL, PLACES, spoil
from tests.workbench import lake_at, rows

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("pages")]

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "clinical-lakehouse"
MODULES = CACHE / "browser" / "node_modules"
LOOK = PROJECT / "tests" / "peers" / "browser" / "look.js"
USERS = {"vera": "viewer", "olaf": "op", "stella": "admin", "nora": "user"}
WAIT_SECONDS = 120
OWN = """
roles: {}
airflow:
  users: {vera: [viewer], stella: [steward]}
  groups: {op: [operator]}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Served:
    """A real Airflow with the pages in it."""

    base: str
    settings: Settings
    passwords: Mapping[str, str]

    def token(self, who: str) -> str:
        told = {"username": who, "password": self.passwords[who]}
        return str(
            json.loads(self.ask("/auth/token", body=json.dumps(told), kind="json").text)[
                "access_token"
            ]
        )

    def ask(
        self, path: str, who: str = "", body: str | None = None, kind: str = "x-www-form-urlencoded"
    ) -> Answer:
        headers = {"Content-Type": f"application/{kind}"}
        if who:
            headers["Cookie"] = f"_token={self.token(who)}"
        data = None if body is None else body.encode()
        request = urllib.request.Request(self.base + path, data, headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.read().decode(), answer.url)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), self.base + path)

    def act(self, who: str, **fields: Any) -> Answer:
        page = self.ask(f"/lakehouse/quarantine/{QUARANTINE}/1/3", who).text
        token = page.partition('name="token" value="')[2].partition('"')[0]
        form = {"token": token, "feed": FEED, "why": "test data", **fields}
        return self.ask("/lakehouse/acts", who, urllib.parse.urlencode(form))


def environment(folder: Path, settings: Settings, port: int) -> dict[str, str]:
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "LAKEHOUSE"))
    }
    manager = "simple_auth_manager"
    named = {
        "core__load_examples": "False",
        "core__dags_folder": str(PROJECT / "dags"),
        "core__plugins_folder": str(PROJECT / "plugins"),
        "core__dags_are_paused_at_creation": "False",
        "core__parallelism": "2",
        "core__execution_api_server_url": f"http://127.0.0.1:{port}/execution/",
        f"core__{manager}_users": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        f"core__{manager}_passwords_file": str(folder / "passwords.json"),
        "database__sql_alchemy_conn": f"sqlite:///{folder / 'airflow.db'}",
        "api__host": "127.0.0.1",
        "api__port": str(port),
        "api__base_url": f"http://127.0.0.1:{port}",
        "api__secret_key": secrets.token_hex(32),
        "api_auth__jwt_secret": secrets.token_hex(64),
        "core__fernet_key": "",
        "usage_data_collection__enabled": "False",
        "logging__base_log_folder": str(folder / "logs"),
    }
    return (
        own
        | dict(settings.environment)
        | {"AIRFLOW_HOME": str(folder)}
        | {f"AIRFLOW__{name.upper()}": value for name, value in named.items()}
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("browser")
    settings = fill(root)
    (root / "config" / "policy.yml").write_text(OWN)
    folder, port = root / "airflow", find()
    folder.mkdir()
    passwords = {name: secrets.token_urlsafe(12) for name in USERS}
    (folder / "passwords.json").write_text(json.dumps(passwords))
    given = environment(folder, settings, port)
    airflow = (sys.executable, "-m", "airflow")
    for words in (("db", "migrate"), ("dags", "reserialize")):
        subprocess.run((*airflow, *words), env=given, capture_output=True, check=True)
    with (folder / "out").open("wb") as out:
        commands = (("api-server", "--workers", "1"), ("scheduler", "--skip-serve-logs"))
        parts = [
            subprocess.Popen(
                (*airflow, *c), env=given, stdout=out, stderr=out, start_new_session=True
            )
            for c in commands
        ]
        try:
            running = Served(f"http://127.0.0.1:{port}", settings, passwords)
            await_answer(running, parts)
            yield running
        finally:
            for part in parts:
                os.killpg(part.pid, signal.SIGKILL)
                part.wait(60)


def await_answer(served: Served, parts: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        assert all(part.poll() is None for part in parts)
        try:
            if served.ask("/api/v2/monitor/health").status == 200:
                return
        except OSError:
            parts[0].poll()
        time.sleep(0.3)
    raise TimeoutError("Airflow does not answer")


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
    assert served.act("vera", act="replay", sequence=1, line=3).status == 403
    pressed = served.act("olaf", act="dismiss", sequence=1, line=3)
    assert pressed.status == 200
    run_id = urllib.parse.parse_qs(urllib.parse.urlsplit(pressed.place).query)["started"][0]
    told = await_end(served, run_id)
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
    assert await_end(served, json.loads(started.text)["dag_run_id"])["state"] == "failed"
    assert rows(lake_at(served.settings.home.parent), "audit.act", envelope=True) == before


def await_end(served: Served, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        asked = served.ask(
            f"/api/v2/dags/quarantine/dagRuns/{urllib.parse.quote(run_id)}", "stella"
        )
        told: dict[str, Any] = json.loads(asked.text)
        if told.get("state") in ("success", "failed"):
            return told
        time.sleep(0.5)
    raise TimeoutError("the run does not end")


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
