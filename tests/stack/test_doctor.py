"""The doctor tells what is fit from what is not, says what it cannot see, and gives no secret away."""

import json
import socket
import time

import pytest

from lakehouse.cli import main
from lakehouse.stack import doctor
from lakehouse.stack.folder_probe import Probe
from lakehouse.stack.places import Places
from lakehouse.state.store import open_state


def verdicts(settings) -> dict[str, bool | None]:
    return {finding.name: finding.ok for finding in doctor(settings)}


@pytest.fixture
def lake(tmp_path):
    folder = tmp_path / "lake"
    folder.mkdir(mode=0o700)
    return folder


def test_a_folder_of_ones_own_is_fit_and_nothing_is_left_in_it(configure, lake):
    found = verdicts(configure(LAKEHOUSE_URL=str(lake)))
    unseen = {name for name, ok in found.items() if ok is None}
    assert unseen == {"Airflow's parts are healthy", "Airflow's database answers", "the DAGs"}
    assert False not in found.values()
    assert list(lake.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "answer", "finding"),
    [
        ("race", [1, 1, 2], "of those who write one key at once, one wins"),
        ("race", [1, 0, 1], "of those who write one key at once, one wins"),
        ("round_trip", False, "what was written is read back"),
        ("skew_seconds", 61.0, "the clocks agree"),
        ("skew_seconds", -61.0, "the clocks agree"),
    ],
)
def test_what_does_not_hold_is_found_and_has_a_hint(
    configure, lake, monkeypatch, name, answer, finding
):
    monkeypatch.setattr(Probe, name, lambda _: answer)
    (wrong,) = [one for one in doctor(configure(LAKEHOUSE_URL=str(lake))) if one.ok is False]
    assert wrong.name == finding
    assert wrong.hint


def test_a_lake_and_secrets_that_others_may_read_are_found(configure, lake):
    settings = configure(LAKEHOUSE_URL=str(lake))
    lake.chmod(0o755)
    secret = Places(settings.home).secrets / "a.json"
    secret.write_text("{}")
    secret.chmod(0o644)
    wrong = {name for name, ok in verdicts(settings).items() if ok is False}
    assert wrong == {"the lake is its owner's only", "secrets are their owner's only"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "no lake is known here"),
        ({"LAKEHOUSE_URL": "/nowhere/lake"}, "is not a folder"),
        (
            {
                "LAKEHOUSE_URL": "s3://lake",
                "LAKEHOUSE_S3_ENDPOINT": "http://127.0.0.1:1",
                "LAKEHOUSE_S3_ACCESS_KEY": "a",
                "LAKEHOUSE_S3_SECRET_KEY": "b",
            },
            "does not answer",
        ),
        (
            {"LAKEHOUSE_URL": "s3://lake", "LAKEHOUSE_S3_ENDPOINT": "http://127.0.0.1:1"},
            "no S3 access key",
        ),
    ],
)
def test_a_store_that_is_not_there_is_a_finding_and_no_crash(configure, variables, said):
    (wrong,) = [one for one in doctor(configure(**variables)) if one.name == "the store answers"]
    assert not wrong.ok
    assert said in wrong.detail
    assert wrong.hint


def put_run(settings, outcome: str, ended_at: str) -> None:
    row = {"run_id": ended_at, "job": "ingest__north_ehr.load", "outcome": outcome}
    with open_state(settings).change() as change:
        change.put("run", [row | {"ended_at": ended_at}])


def test_a_feed_tells_its_last_good_run_and_is_wrong_when_it_failed_since(configure, lake):
    settings = configure(LAKEHOUSE_URL=str(lake))
    put_run(settings, "COMPLETE", "2026-01-01T00:00:00.000+00:00")
    assert verdicts(settings)["the feed north_ehr"]
    put_run(settings, "FAIL", "2026-01-02T00:00:00.000+00:00")
    (wrong,) = [one for one in doctor(settings) if one.ok is False]
    assert wrong.name == "the feed north_ehr"
    assert "last good run 2026-01-01" in wrong.detail
    assert "its last run failed" in wrong.detail


def write_event(settings, age_hours: float) -> None:
    settings.outbox.mkdir()
    then = time.time_ns() - int(age_hours * 3600 * 10**9)
    (settings.outbox / f"{then:020d}-abc.json").write_text("{}")


def write_feeds(settings, text: str) -> None:
    (settings.home / "feeds.toml").write_text(text)


def open_home(settings) -> None:
    settings.home.chmod(0o755)


TROUBLES = {
    "more memory than there is": (
        {"LAKEHOUSE_MEMORY": "9999GiB"}, None, "the memory of all tasks is there",
    ),
    "a share of memory too small to work with": (
        {"LAKEHOUSE_MEMORY": "1GiB", "LAKEHOUSE_SLOTS": "64"}, None, "the memory of all tasks is there",
    ),
    "a home that others may enter": ({}, open_home, "secrets are their owner's only"),
    "a secret's file that is not there": (
        {"LAKEHOUSE_S3_SECRET_KEY_FILE": "/nowhere"}, None, "secrets are their owner's only",
    ),
    "lineage that nobody stored": ({}, lambda it: write_event(it, 48), "lineage is stored every night"),
    "a stanza that is wrong": (
        {"LAKEHOUSE_CONFIG": "{home}"}, lambda it: write_feeds(it, "[feed.x]"), "the declarations can be read",
    ),
    "a webhook in the clear": (
        {"LAKEHOUSE_NOTIFY_URL_FILE": "{home}/hook"}, lambda it: hook(it, "http://chat.example/x"), "the webhook could be told",
    ),
    "a webhook that is not there": (
        {"LAKEHOUSE_NOTIFY_URL_FILE": "{home}/hook"}, lambda it: hook(it, "http://127.0.0.1:1/x"), "the webhook could be told",
    ),
}  # fmt: skip


def hook(settings, url: str) -> None:
    path = settings.home / "hook"
    path.write_text(url)
    path.chmod(0o600)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_trouble_is_found_alone_and_has_its_cure(configure, lake, tmp_path, trouble):
    variables, make, name = TROUBLES[trouble]
    home = str(tmp_path / "home")
    given = {key: value.format(home=home) for key, value in variables.items()}
    settings = configure(LAKEHOUSE_URL=str(lake), **given)
    if make:
        make(settings)
    (wrong,) = [one for one in doctor(settings) if one.ok is False]
    assert wrong.name == name
    assert wrong.hint


def test_a_port_that_another_program_holds_is_found(configure, lake):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = verdicts(configure(LAKEHOUSE_URL=str(lake), LAKEHOUSE_AIRFLOW_PORT=port))
    assert found["the ports"] is False


CANARY = "Canary0f5ecrets"


@pytest.mark.parametrize("words", [["doctor"], ["doctor", "--json"]], ids=" ".join)
def test_no_secret_is_in_what_it_says_and_what_is_wrong_ends_with_13(
    configure, tmp_path, monkeypatch, capsys, words
):
    settings = configure(
        LAKEHOUSE_URL="s3://lake",
        LAKEHOUSE_S3_ENDPOINT="http://127.0.0.1:1",
        LAKEHOUSE_S3_ACCESS_KEY=f"{CANARY}-access",
        LAKEHOUSE_S3_SECRET_KEY=f"{CANARY}-secret",
        LAKEHOUSE_LINEAGE_URL=f"http://user:{CANARY}@127.0.0.1:1",
        LAKEHOUSE_NOTIFY_URL_FILE=str(tmp_path / "home" / "hook"),
    )
    hook(settings, f"https://127.0.0.1:1/{CANARY}")
    (Places(settings.home).secrets / f"{CANARY[:6]}.json").write_text(CANARY)
    # as in a server's container: Airflow and its database are elsewhere, and down
    told = {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:1/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": f"echo postgresql+psycopg2://a:{CANARY}@127.0.0.1:1/x",
    }
    for name, value in {**settings.environment, **told}.items():
        monkeypatch.setenv(name, value)
    assert main(words) == 13
    out, err = capsys.readouterr()
    assert CANARY not in out + err
    assert "Airflow's database answers" in out
    if "--json" in words:
        found = {one["name"]: one["ok"] for one in json.loads(out)}
        assert found["the ports"] is None
        assert found["Airflow's database answers"] is False
