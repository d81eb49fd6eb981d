"""What every Airflow process is told, and whom it does not listen to."""

import json

import pytest

from lakehouse.stack import access, airflow
from lakehouse.stack.places import Places


def test_airflow_is_told_what_keeps_it_private_and_bounded(configure):
    settings = configure(LAKEHOUSE_SLOTS="3", LAKEHOUSE_AIRFLOW_PORT="9999")
    told = airflow.environment(settings)
    assert {name: told[f"AIRFLOW__{name}"] for name in (
        "API__HOST", "API__PORT", "CORE__PARALLELISM", "CORE__LOAD_EXAMPLES",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION", "CORE__EXECUTION_API_SERVER_URL",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME", "DAG_PROCESSOR__REFRESH_INTERVAL",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL",
        "OPENLINEAGE__EXECUTE_IN_THREAD", "USAGE_DATA_COLLECTION__ENABLED",
    )} == {
        "API__HOST": "127.0.0.1",
        "API__PORT": "9999",
        "CORE__PARALLELISM": "3",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:9999/execution/",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "OPENLINEAGE__EXECUTE_IN_THREAD": "True",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }  # fmt: skip


def test_lineage_goes_to_the_outbox_and_where_else_it_is_wanted(configure):
    for wanted in (None, "http://marquez.example"):
        settings = configure(**({"LAKEHOUSE_LINEAGE_URL": wanted} if wanted else {}))
        told = json.loads(airflow.environment(settings)["AIRFLOW__OPENLINEAGE__TRANSPORT"])
        assert told["type"] == "lakehouse.lineage.emit.OutboxTransport"
        assert told["path"] == str(settings.outbox)
        assert told.get("second") == wanted


def test_a_strangers_variables_do_not_steer_the_stack(configure, monkeypatch):
    for name in ("AIRFLOW__CORE__EXECUTOR", "AIRFLOW_CONN_X", "AWS_ACCESS_KEY_ID", "PYTHONPATH"):
        monkeypatch.setenv(name, "stranger")
    told = airflow.environment(configure())
    assert "stranger" not in told.values()


def test_relative_settings_mean_the_same_in_every_process(configure, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    told = airflow.environment(
        configure(LAKEHOUSE_URL="lake", LAKEHOUSE_INBOX="inbox", LAKEHOUSE_CONFIG="own")
    )
    assert [told[f"LAKEHOUSE_{name}"] for name in ("URL", "INBOX", "CONFIG")] == [
        str(tmp_path / name) for name in ("lake", "inbox", "own")
    ]


def test_the_password_is_airflows_own_and_not_in_what_is_printed_of_it(configure):
    settings = configure()
    found = access(settings)
    assert json.loads(found.password_file.read_text()) == {found.user: found.password}
    assert found.password not in repr(found)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, "does not answer"),
        ({"scheduler": {"status": "unhealthy", "latest_scheduler_heartbeat": None}}, "not healthy"),
        ({"scheduler": {"status": None}}, "not healthy"),
        # a predecessor that was killed a moment ago still counts as healthy for Airflow
        (
            {
                "scheduler": {
                    "status": "healthy",
                    "latest_scheduler_heartbeat": "2026-01-01T00:00:00Z",
                }
            },
            "not heard of",
        ),
    ],
)
def test_health_is_read_from_the_body_and_belongs_to_the_process_that_runs(
    configure, monkeypatch, body, wrong
):
    settings = configure()
    Places(settings.home).process("airflow-scheduler").write_text(
        json.dumps({"pid": 1, "started": 2e9})
    )
    monkeypatch.setattr(airflow, "ask_health", lambda _: body)
    assert wrong in airflow.check(settings, "airflow-scheduler")


def test_nobody_answering_is_not_healthy(configure):
    assert airflow.ask_health(airflow.address(configure())) == {}
