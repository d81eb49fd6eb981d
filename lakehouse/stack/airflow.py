"""Airflow's four components, and what they share; Airflow is started here, not imported."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lakehouse.errors import StoreError
from lakehouse.lineage.events import JOB_NAMESPACE
from lakehouse.lineage.outbox import transport_config
from lakehouse.settings import PROJECT, Settings
from lakehouse.stack import postgres
from lakehouse.stack.component import Component, base_environment, log_of, open_log
from lakehouse.stack.places import Places, write_private
from lakehouse.stack.ports import LOOPBACK, running
from lakehouse.stack.process import recorded
from lakehouse.stack.secrets import airflow_password, airflow_secrets

SERVER = "airflow-api-server"
"""Tasks tell it how they ended, so that it is the last of the four to stop."""
NAMES = (SERVER, "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
# name of ours -> (what Airflow's health endpoint calls it, the command)
_COMPONENTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    SERVER: ("metadatabase", ("api-server", "--workers", "1")),
    "airflow-scheduler": ("scheduler", ("scheduler", "--skip-serve-logs")),
    "airflow-dag-processor": ("dag_processor", ("dag-processor",)),
    "airflow-triggerer": ("triggerer", ("triggerer", "--skip-serve-logs")),
}
_AUTH = "airflow.api_fastapi.auth.managers.simple"
_AIRFLOW = (sys.executable, "-m", "lakehouse.airflow")
_MIGRATE_SECONDS = 240
_ANSWER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class AirflowAccess:
    """Where Airflow answers, and as whom to come."""

    url: str
    user: str
    password: str = field(repr=False)
    password_file: Path


def access(settings: Settings) -> AirflowAccess:
    """Return how to reach this stack's Airflow."""
    settings = running(settings)
    places = Places(settings.home)
    user, password = airflow_password(places)
    return AirflowAccess(address(settings), user, password, places.airflow_passwords)


def components(settings: Settings) -> list[Component]:
    """Describe the API server, the scheduler, the DAG processor and the triggerer."""
    variables = environment(settings)
    return [
        Component(
            name=name,
            arguments=(*_AIRFLOW, *command),
            environment=variables,
            check=partial(check, settings, name),
            prepare=partial(migrate, settings),
            stop_seconds=20,
            outlasts=name == SERVER,
        )
        for name, (_, command) in _COMPONENTS.items()
    ]


def migrate(settings: Settings) -> None:
    """Bring the metadata database to this Airflow's schema; raises StoreError when that fails."""
    places = Places(settings.home)
    stamp = places.data / "airflow.schema"
    release = version("apache-airflow-core")
    if stamp.is_file() and stamp.read_text() == release:
        return
    with open_log(places, "airflow-migrate") as log:
        done = subprocess.run(
            (*_AIRFLOW, "db", "migrate"),
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=_MIGRATE_SECONDS,
            check=False,
        )
    if done.returncode:
        raise StoreError(
            "the metadata database could not be brought to this Airflow's schema",
            hint=f"read {log_of(places, 'airflow-migrate')}",
        )
    write_private(stamp, release)


def check(settings: Settings, name: str) -> str:
    """Return what is wrong with one of the four components, or nothing."""
    return _wrong(settings, name, partial(ask_health, address(settings)))


def checks(settings: Settings) -> dict[str, Callable[[], str]]:
    """Return the check of each of the four; together they ask Airflow once."""
    told = cache(lambda: ask_health(address(settings)))
    return {name: partial(_wrong, settings, name, told) for name in NAMES}


def _wrong(settings: Settings, name: str, told: Callable[[], Mapping[str, Any]]) -> str:
    found = told().get(_COMPONENTS[name][0])
    if not found:
        return "the API server does not answer"
    if found.get("status") != "healthy":
        return "not healthy, says Airflow"
    return "" if _is_of_this_start(settings, name, found) else "not heard of since it started"


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of every Airflow process; it holds the secrets they share."""
    sections = {**_settings(settings), **_shared_secrets(settings)}
    named = {f"AIRFLOW__{name.upper()}": value for name, value in sections.items()}
    return {
        **base_environment(settings),
        **named,
        "AIRFLOW_HOME": str(Places(settings.home).airflow),
        "DO_NOT_TRACK": "1",
        "SCARF_NO_ANALYTICS": "true",
    }


def ask_health(server: str) -> Mapping[str, Any]:
    """Return the body of the health endpoint of the Airflow at `server`; empty when nobody answers.

    The endpoint says 200 also when a part is unhealthy: only the body tells.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        path = "/api/v2/monitor/health"
        with opener.open(f"{server}{path}", timeout=_ANSWER_SECONDS) as answer:
            return dict(json.load(answer))
    except (urllib.error.URLError, OSError, ValueError):
        return {}


def address(settings: Settings) -> str:
    """Return where this stack's Airflow answers."""
    return f"http://{LOOPBACK}:{settings.ports['airflow']}"


def _settings(settings: Settings) -> dict[str, str]:
    places = Places(settings.home)
    return {
        "core__executor": "lakehouse.airflow.executor.WarmLocalExecutor",
        "core__parallelism": str(settings.slots),
        "core__dags_folder": str(PROJECT / "dags"),
        "core__plugins_folder": str(PROJECT / "plugins"),
        "core__load_examples": "False",
        "core__dags_are_paused_at_creation": "False",
        "core__auth_manager": f"{_AUTH}.simple_auth_manager.SimpleAuthManager",
        "core__simple_auth_manager_users": f"{airflow_password(places)[0]}:admin",
        "core__simple_auth_manager_passwords_file": str(places.airflow_passwords),
        "core__execution_api_server_url": f"{address(settings)}/execution/",
        "api__host": LOOPBACK,
        "api__port": str(settings.ports["airflow"]),
        "api__base_url": address(settings),
        "scheduler__scheduler_idle_sleep_time": "0.5",
        # tasks of a scheduler that was killed start again when the next one looks for them
        "scheduler__orphaned_tasks_check_interval": "30",
        "dag_processor__refresh_interval": "10",
        # its DAGs change with feeds.toml, which has no say in when a DAG file is read
        "dag_processor__min_file_process_interval": "60",
        "dag_processor__parsing_processes": "1",
        "logging__base_log_folder": str(places.logs / "tasks"),
        "logging__dag_processor_child_process_log_directory": str(places.logs / "dags"),
        "usage_data_collection__enabled": "False",
        **_lineage(settings),
    }


def _lineage(settings: Settings) -> dict[str, str]:
    return {
        "openlineage__transport": json.dumps(transport_config(settings)),
        "openlineage__namespace": JOB_NAMESPACE,
        "openlineage__extractors": "lakehouse.airflow.lineage.LakehouseExtractor",
        "openlineage__execute_in_thread": "True",
    }


def _shared_secrets(settings: Settings) -> dict[str, str]:
    places = Places(settings.home)
    secrets = airflow_secrets(places)
    return {
        "api_auth__jwt_secret": secrets["jwt_secret"],
        "core__fernet_key": secrets["fernet_key"],
        "api__secret_key": secrets["secret_key"],
        "database__sql_alchemy_conn": postgres.connection(places, "psycopg2"),
        "database__sql_alchemy_conn_async": postgres.connection(places, "asyncpg"),
    }


def _is_of_this_start(settings: Settings, name: str, found: Mapping[str, Any]) -> bool:
    """Whether the heartbeat is the running process's own, and not a killed predecessor's."""
    beats = [text for key, text in found.items() if key.startswith("latest_")]
    process = recorded(Places(settings.home).process(name))
    if not beats:
        return True
    if not process or not beats[0]:
        return False
    return datetime.fromisoformat(beats[0]).timestamp() >= process.started
