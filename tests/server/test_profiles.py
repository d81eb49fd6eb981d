"""The compose file's profiles on a real engine: tasks on two workers behind a queue, TLS in front."""

import json
import re
import ssl
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest

from lakehouse.airflow.api import Api
from lakehouse.airflow.follow import REFINE, await_dags
from lakehouse.stack import server as secrets
from lakehouse.stack.ports import find
from tests.server.engine import Server
from tests.server.river import INGEST, Person, bring, brought_up, contents, undisturbed

pytestmark = [pytest.mark.peer, pytest.mark.xdist_group("server")]

ADDED = {"redis", "airflow-worker", "airflow-worker-2", "gateway"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server with both profiles; its settings are those that the documentation names."""
    port = str(find())
    settings = {
        "COMPOSE_PROFILES": "celery,tls",
        "LAKEHOUSE_EXECUTOR": "CeleryExecutor",
        "LAKEHOUSE_TLS": "True",
        "LAKEHOUSE_TLS_PORT": port,
        "LAKEHOUSE_AIRFLOW_URL": f"https://localhost:{port}",
    }
    with brought_up(tmp_path_factory.mktemp("profiles"), settings) as made:
        yield made


def test_what_the_profiles_add_is_healthy_without_root_and_without_a_secret_in_sight(server):
    assert set(server.health()) >= ADDED
    values = {name: (server.secrets / name).read_text() for name in secrets.NAMES}
    for name in ADDED:
        told = server.inspect()[name]
        users = server.shell(f"docker top {told['Id']} -eo uid,pid,args")
        assert {line.split()[0] for line in users.splitlines()[1:]} == {"10001"}, name
        status = server.shell(f"docker exec {told['Id']} cat /proc/1/status")
        assert re.search(r"^CapEff:\s+0+$", status, re.M), name
        seen = [users, json.dumps(told), server.shell(f"docker logs {told['Id']} 2>&1")]
        assert [key for key, text in values.items() if any(text in it for it in seen)] == []


def test_redis_answers_to_its_password_only(server):
    container = server.inspect()["redis"]["Id"]
    assert "NOAUTH" in server.shell(f"docker exec {container} redis-cli info 2>&1")


def get(server: Server, path: str) -> tuple[int, dict[str, str]]:
    """Ask the gateway as a browser would that trusts its certificate."""
    trusted = ssl.create_default_context(cafile=str(server.secrets / "tls_certificate"))
    url = f"https://localhost:{server.settings['LAKEHOUSE_TLS_PORT']}{path}"
    try:
        with urllib.request.urlopen(url, context=trusted, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}
    except HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}


def test_airflow_is_behind_tls_and_the_door_of_the_tasks_is_shut(server):
    code, told = get(server, "/api/v2/version")
    assert (code, told["strict-transport-security"]) == (200, "max-age=31536000")
    assert get(server, "/execution/health")[0] == 404
    code, told = get(server, "/auth/login/")
    assert code == 200
    assert "secure" in told["set-cookie"].lower()


def test_two_exports_come_through_a_queue_that_is_killed_with_its_workers(server, tmp_path):
    await_dags(Api.sign_in(Person(server, "admin")), [INGEST, REFINE], 90)
    bring(server, 1, starts=True)
    first = contents(server)
    for name in sorted(ADDED):
        server.kill(name)
    server.await_health()
    assert contents(server) == first
    bring(server, 2, starts=False)
    assert contents(server) == undisturbed(tmp_path, 2)
    logs = server.shell("docker compose logs --no-color airflow-worker")
    ran = {line.split("|")[0].strip() for line in logs.splitlines() if "succeeded in" in line}
    assert len(ran) == 2
