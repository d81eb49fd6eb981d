"""Too much of a batch would be refused: people are asked in the real Airflow, and what they say is done, once."""

import json
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lakehouse.answers.feeds import list_feeds
from lakehouse.catalog.load import Catalog
from lakehouse.ingest.decisions import Decision, decided
from lakehouse.settings import Settings
from lakehouse.state.store import open_state
from lakehouse.storage.lake import Lake, open_lake
from lakehouse.transform.river import decide_batch
from tests.chat import Chat
from tests.chat import serving as hooking
from tests.served import API, SCHEDULER, TRIGGERER, Served, serving
from tests.workbench import FEEDS, day, drop, lines, patient, rows, settings_at

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("acting")]

USERS = {"vera": "viewer", "olaf": "op", "nora": "user", "stella": "admin"}
POLICY = """
roles: {}
airflow:
  users: {stella: [operator]}
  groups: {op: [operator], user: [viewer], viewer: [viewer]}
"""
SITES = ("given", "denied", "killed", "swift", "stalled", "moot", "paused", "watched", "again")
"""One feed for each test, so that none waits for another."""
BROKEN = b"not JSON, Zanzibar-Canary\n"


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    """Whom people are told by."""
    made = Chat()
    with hooking(made):
        yield made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, chat: Chat) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("acting")
    (root / "hook").write_text(chat.url)
    settings = settings_at(root, LAKEHOUSE_NOTIFY_URL_FILE=str(root / "hook"))
    stanza = FEEDS.partition("[feed.north_lab]")[0]
    told = (stanza.replace("north_ehr", name).replace('"north"', f'"{name}"') for name in SITES)
    own = "".join(f"{text}most_refused = 0.2\n" for text in told)
    (root / "config" / "feeds.toml").write_text(own)
    (root / "config" / "policy.yml").write_text(POLICY)
    parts = (API, SCHEDULER, TRIGGERER)
    with serving(root / "airflow", settings, USERS, parts) as running:
        for dag_id in ("refine", "watch"):
            pause(running, dag_id)  # what these do costs time here, and shows nothing
        yield running


def pause(served: Served, dag_id: str, *, is_paused: bool = True) -> None:
    body = json.dumps({"is_paused": is_paused})
    assert served.ask(f"/api/v2/dags/{dag_id}", "olaf", body, "json", "PATCH").status == 200


def send(served: Served, feed: str, name: str, good: int, broken: int) -> None:
    inbox = served.settings.inbox / feed
    inbox.mkdir(parents=True, exist_ok=True)
    told = lines(patient(f"{name}{number}", day(1)) for number in range(good))
    (inbox / f"{name}.ndjson").write_bytes(told + BROKEN * broken)


def ingest(served: Served, feed: str) -> None:
    run_id = served.trigger(f"ingest__{feed}", "olaf")
    assert served.await_end(f"ingest__{feed}", run_id)["state"] == "success"


def questions(served: Served, feed: str, *, is_answered: bool = False) -> list[dict[str, Any]]:
    """What waits under Required Actions, or was answered."""
    path = f"/api/v2/dags/approve__{feed}/dagRuns/~/hitlDetails"
    found = served.ask(f"{path}?response_received={str(is_answered).lower()}", "vera").told
    return list(found["hitl_details"])


def await_question(served: Served, feed: str, *states: str) -> dict[str, Any]:
    """Wait until somebody is asked; the question, once its task is in one of these states."""

    def found() -> list[dict[str, Any]]:
        asked = questions(served, feed)
        return [q for q in asked if q["task_instance"]["state"] in (states or ("deferred",))]

    (question,) = served.until(found)
    return dict(question)


def respond(served: Served, question: dict[str, Any], who: str, option: str) -> int:
    instance = question["task_instance"]
    run = f"{instance['dag_id']}/dagRuns/{urllib.parse.quote(instance['dag_run_id'])}"
    path = f"/api/v2/dags/{run}/taskInstances/approve/-1/hitlDetails"
    body = json.dumps({"chosen_options": [option], "params_input": {}})
    return served.ask(path, who, body, "json", "PATCH").status


def answer(served: Served, feed: str, who: str, option: str, heard: Callable[[], Any]) -> None:
    """Answer once, and wait until it is heard."""
    assert respond(served, await_question(served, feed), who, option) == 200
    served.until(heard)


def await_held(served: Served, feed: str, patients: list[str], waiting: int) -> None:
    """Wait until all that may be loaded is: the answer wakes the feed."""
    served.until(lambda: held(served, feed) == (patients, waiting))


def log_of(served: Served, feed: str) -> str:
    """What the tries of a question's task wrote."""
    found = (served.folder / "logs" / f"dag_id=approve__{feed}").rglob("*.log")
    return "".join(path.read_text() for path in found)


def is_over(served: Served, dag_id: str) -> bool:
    return [run["state"] for run in served.runs(dag_id)] == ["success"]


def lake_of(served: Served) -> Lake:
    return open_lake(served.settings, "read")


def held(served: Served, feed: str) -> tuple[list[str], int]:
    """The patients of a feed in bronze, and how many records wait in its quarantine."""
    lake = lake_of(served)
    found = [
        row["resource_id"] for row in rows(lake, "bronze.fhir_resource") if row["source"] == feed
    ]
    return sorted(name.partition("/")[2] for name in found), len(rows(lake, f"quarantine.{feed}"))


def waits(settings: Settings, feed: str) -> Any:
    found = list_feeds(open_state(settings), Catalog.of(settings), datetime.now(UTC))
    return next(state.question for state in found if state.name == feed)


def decisions(served: Served, feed: str) -> list[tuple[bool, str]]:
    return [(d.is_accepted, d.by) for d in decided(lake_of(served), feed)]


def test_what_is_in_doubt_is_asked_once_and_holds_up_what_comes_behind_it_until_it_is_answered(
    served: Served,
) -> None:
    send(served, "given", "a", 1, 1)
    ingest(served, "given")
    question = await_question(served, "given")
    assert question["subject"] == "given: 1 of 2 records would be refused"
    assert question["options"] == ["Load", "Leave out"]
    (batch,) = waits(served.settings, "given").batches
    assert f"| {batch} | 2 | 1 |" in question["body"]
    assert "Canary" not in json.dumps(question)
    send(served, "given", "b", 1, 0)
    ingest(served, "given")
    landed = rows(lake_of(served), "landing.ledger")
    assert len([row for row in landed if row["feed"] == "given"]) == 2, "it goes on landing"
    assert held(served, "given") == ([], 0)
    assert len(questions(served, "given")) == 1
    assert (waits(served.settings, "given").records, waits(served.settings, "given").refused) == (
        2,
        1,
    )
    assert respond(served, question, "vera", "Load") == 403
    answer(served, "given", "olaf", "Load", lambda: decisions(served, "given"))
    await_held(served, "given", ["a0", "b0"], 1)
    assert decisions(served, "given") == [(True, "olaf")]
    assert waits(served.settings, "given") is None
    assert respond(served, question, "olaf", "Leave out") == 409


def test_who_may_not_answer_is_refused_and_the_question_is_put_again(
    served: Served, chat: Chat
) -> None:
    send(served, "denied", "a", 1, 1)
    ingest(served, "denied")
    await_question(served, "denied")
    # Airflow itself lets her
    answer(
        served, "denied", "nora", "Load", lambda: "does not give nora" in log_of(served, "denied")
    )
    assert decisions(served, "denied") == []
    await_question(served, "denied")
    assert held(served, "denied") == ([], 0)
    answer(served, "denied", "olaf", "Leave out", lambda: decisions(served, "denied"))
    assert decisions(served, "denied") == [(False, "olaf")]
    send(served, "denied", "b", 1, 0)
    ingest(served, "denied")
    assert held(served, "denied") == (["b0"], 0)
    assert questions(served, "denied") == []
    told = [post for post in chat.posts if "denied" in post]
    assert len(told) == 1, "people are told once, however often it is asked"
    assert told[0].startswith("An answer is needed: denied: 1 of 2 records would be refused\n")
    assert "/required_actions" in told[0]


def test_a_question_outlives_a_scheduler_that_is_killed(served: Served) -> None:
    send(served, "killed", "a", 2, 1)
    ingest(served, "killed")
    question = await_question(served, "killed")
    served.kill(SCHEDULER)
    assert respond(served, question, "stella", "Load") == 200
    served.start(SCHEDULER)
    await_held(served, "killed", ["a0", "a1"], 1)
    assert decisions(served, "killed") == [(True, "stella")]


@pytest.mark.parametrize(
    ("feed", "states"),
    [("swift", ("running", "deferred")), ("stalled", ("deferred",))],
    ids=["before its task waits", "before the scheduler knows that its task waits"],
)
def test_an_answer_of_the_first_moment_is_taken(
    served: Served, feed: str, states: tuple[str, ...]
) -> None:
    send(served, feed, "a", 1, 1)
    ingest(served, feed)
    path = f"/api/v2/dags/approve__{feed}/dagRuns/~/taskInstances?state=running&state=deferred"
    served.until(lambda: served.ask(path, "vera").told["task_instances"])
    with served.standing_still(SCHEDULER):
        question = await_question(served, feed, *states)
        assert respond(served, question, "olaf", "Load") == 200
    await_held(served, feed, ["a0"], 1)
    assert decisions(served, feed) == [(True, "olaf")]
    served.until(lambda: is_over(served, f"approve__{feed}"))
    assert questions(served, feed) == []


def test_what_was_decided_on_the_command_line_ends_the_question_and_wakes_the_feed(
    served: Served,
) -> None:
    send(served, "moot", "a", 1, 1)
    ingest(served, "moot")
    question = await_question(served, "moot")
    (batch,) = waits(served.settings, "moot").batches
    first, last = map(int, batch.split("-"))
    decide_batch(served.settings, Decision("moot", first, last, True, "a test", "ann"))
    assert waits(served.settings, "moot") is None
    served.until(lambda: is_over(served, "approve__moot"))
    await_held(served, "moot", ["a0"], 1)
    run = f"approve__moot/dagRuns/{urllib.parse.quote(question['task_instance']['dag_run_id'])}"
    path = f"/api/v2/dags/{run}/taskInstances/approve/xcomEntries/return_value"
    assert "'by': ['ann']" in str(served.ask(path, "stella").told)
    respond(served, question, "olaf", "Leave out")
    assert decisions(served, "moot") == [(True, "ann")]


def test_a_run_that_names_no_question_asks_nobody(served: Served) -> None:
    run_id = served.trigger("approve__given", "olaf", question=99)
    assert served.await_end("approve__given", run_id)["state"] == "failed"
    assert questions(served, "given") == []


def test_what_came_while_a_feed_was_paused_is_loaded_in_order_when_it_goes_on(
    served: Served,
) -> None:
    pause(served, "ingest__paused")
    waiting = [served.trigger("ingest__paused", "olaf") for _ in range(2)]
    genders = ["male", "female", "other"]
    for number, gender in enumerate(genders):
        drop(lake_of(served), "paused", f"v{number}.ndjson", [patient("p1", gender=gender)])
    assert {run["state"] for run in served.runs("ingest__paused")} == {"queued"}
    pause(served, "ingest__paused", is_paused=False)
    for run_id in waiting:
        assert served.await_end("ingest__paused", run_id)["state"] == "success"
    found = rows(lake_of(served), "bronze.fhir_resource", envelope=True)
    mine = sorted(
        (row for row in found if row["source"] == "paused"), key=lambda row: row["_sequence"]
    )
    assert [json.loads(row["resource"])["gender"] for row in mine] == genders


def test_what_a_watcher_saw_while_a_feed_was_paused_is_loaded_once_when_it_goes_on(
    served: Served,
) -> None:
    pause(served, "ingest__watched")
    for number in range(3):
        drop(lake_of(served), "watched", f"v{number}.ndjson", [patient(f"p{number}")])
    path = "/api/v2/assets/events?name_pattern=inbox/watched"
    served.until(lambda: served.ask(path, "stella").told["asset_events"])
    assert served.runs("ingest__watched") == []
    pause(served, "ingest__watched", is_paused=False)
    await_held(served, "watched", ["p0", "p1", "p2"], 0)
    woken = served.runs("ingest__watched")
    assert {run["run_type"] for run in woken} == {"asset_triggered"}
    for run in woken:
        served.await_end("ingest__watched", run["dag_run_id"])
    assert held(served, "watched") == (["p0", "p1", "p2"], 0)


def test_a_feed_is_loaded_once_more_for_who_may_ask_and_nothing_doubles(served: Served) -> None:
    send(served, "again", "a", 2, 0)
    ingest(served, "again")
    before = rows(lake_of(served), "bronze.fhir_resource", envelope=True)
    for who, state in (("nora", "failed"), ("olaf", "success")):
        run_id = served.trigger("backfill", who, name="again", since="2020-01-01")
        assert served.await_end("backfill", run_id)["state"] == state
    assert rows(lake_of(served), "bronze.fhir_resource", envelope=True) == before
    acts = [(r["act_by"], r["feed"], r["request_id"]) for r in rows(lake_of(served), "audit.act")]
    assert acts == [("olaf", "again", run_id)]


def test_a_table_is_built_once_more_for_who_may_ask(served: Served) -> None:
    for name in ("silver.patient", "silver.patient"):
        run_id = served.trigger("backfill", "stella", name=name)
        assert served.await_end("backfill", run_id)["state"] == "success"
    assert lake_of(served).find("silver.patient").state()["mode"] == "full"
    acts = [(r["act_by"], r["table_name"]) for r in rows(lake_of(served), "audit.act")]
    assert acts[-2:] == [("stella", "silver.patient")] * 2


def test_no_patient_value_leaves_the_tables_and_the_landed_bytes(
    served: Served, chat: Chat
) -> None:
    root = served.settings.home.parent
    kept = (served.settings.inbox, root / "lake" / "landing" / "objects")
    searched = 0
    for path in root.rglob("*"):
        is_data = path.suffix == ".parquet" and "_delta_log" not in path.parts
        if path.is_file() and not is_data and not any(place in path.parents for place in kept):
            assert b"Zanzibar-Canary" not in path.read_bytes(), path.relative_to(root)
            searched += 1
    assert searched > 50
    assert "Canary" not in str(chat.posts)
