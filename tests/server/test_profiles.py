"""The compose file's profiles on a real engine: tasks on two workers behind a queue, TLS in front."""

import json
import re
import ssl
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest

from lakehouse.stack import server as secrets
from lakehouse.stack.ports import find
from tests.server.engine import Server, blocks, told_to_set
from tests.server.river import (
    ASK,
    DOWN,
    INGEST,
    OPERATE,
    PAGE,
    UP_AGAIN,
    River,
    Workstation,
    contents,
    export,
    lake_of,
    prepared,
    versions,
)

pytestmark = [pytest.mark.peer, pytest.mark.xdist_group("server")]

ADDED = {"redis", "airflow-worker", "airflow-worker-2", "gateway"}


@pytest.fixture(scope="module")
def workstation(tmp_path_factory: pytest.TempPathFactory) -> Workstation:
    """A lake of before the server, with one export in it."""
    made = Workstation(tmp_path_factory.mktemp("workstation"))
    made.take(export(made.root, 1))
    made.contents()
    return made


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, image: None, workstation: Workstation
) -> Iterator[Server]:
    """The server with both profiles, into which the lake of a workstation moved; its settings are
    those that the documentation names, but for the address."""
    port = str(find())
    settings = {
        **told_to_set(PAGE),
        "LAKEHOUSE_TLS_ADDRESS": "127.0.0.1",
        "LAKEHOUSE_TLS_PORT": port,
        "LAKEHOUSE_AIRFLOW_URL": f"https://localhost:{port}",
    }
    (move_in,) = blocks(OPERATE, "docker compose run --rm -T airflow-init")
    with prepared(tmp_path_factory.mktemp("profiles"), settings) as made:
        workstation.move_to(str(made.folder / "export" / "lake"))
        for line in move_in:
            made.shell(line)
        made.await_health()
        yield made


def test_the_lake_of_a_workstation_moved_in_with_every_version(server, workstation):
    assert contents(server) == workstation.contents()
    assert versions(lake_of(server)) == versions(workstation.lake)


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


def test_an_export_comes_through_a_queue_every_container_is_killed_and_all_starts_anew(
    server, workstation
):
    river, delivery = River(server), export(workstation.root, 2)
    river.deliver(delivery)
    river.api.trigger(INGEST)
    workstation.take(delivery)
    whole = workstation.contents()
    river.await_contents(whole)
    logs = server.shell("docker compose logs --no-color airflow-worker")
    ran = {line.split("|")[0].strip() for line in logs.splitlines() if "succeeded in" in line}
    assert len(ran) == 2
    for name in sorted(server.health()):
        server.kill(name)
    server.await_health()
    assert contents(server) == whole
    server.shell(DOWN)
    assert server.inspect() == {}
    server.shell(UP_AGAIN)
    server.await_health()
    assert contents(server) == whole
    assert "encounter_id" in server.shell(ASK)
