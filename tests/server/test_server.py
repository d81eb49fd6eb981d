"""The shipped compose file on a real engine, by the commands of docs/server.md, looked at from outside."""

import json
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from lakehouse.airflow.api import Api
from lakehouse.airflow.follow import REFINE, await_dags
from lakehouse.errors import PolicyError
from lakehouse.settings import PROJECT
from lakehouse.stack import server as secrets
from tests.server.engine import Server, blocks
from tests.server.river import (
    ASK,
    INGEST,
    OPERATE,
    PATIENCE_SECONDS,
    SHOW,
    TABLES,
    UP,
    Person,
    River,
    Workstation,
    contents,
    export,
    prepared,
    trickle,
)

pytestmark = [pytest.mark.peer, pytest.mark.xdist_group("server")]

OURS = ("apiserver", "scheduler", "dag-processor", "triggerer")
STAY = {"minio", "postgres", *(f"airflow-{name}" for name in OURS)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, image: None) -> Iterator[Server]:
    """The whole server, brought up as the documentation says."""
    with prepared(tmp_path_factory.mktemp("server")) as made:
        made.shell(UP)
        made.await_health()
        yield made


def values(server: Server) -> dict[str, str]:
    """The secrets, and the part of an address that is one."""
    return {name: (server.secrets / name).read_text() for name in secrets.NAMES}


def in_the_image(server: Server, program: str, network: str = "none") -> str:
    words = f"docker run --rm --interactive --network {network} clinical-lakehouse:local python -"
    return server.shell(words, told=program.encode())


def test_what_stays_is_healthy_and_what_runs_once_has_ended_well(server):
    assert "airflow-apiserver" in server.shell(SHOW)
    found = server.inspect()
    assert set(server.health()) == STAY
    ended = {name: found[name]["State"]["ExitCode"] for name in set(found) - STAY}
    assert ended == {"secrets-check": 0, "airflow-init": 0}


def test_no_process_runs_as_root_and_none_has_a_capability(server):
    for name in sorted(STAY):
        container = server.inspect()[name]["Id"]
        users = server.shell(f"docker top {container} -eo uid,pid").split("\n", 1)[1].split()[::2]
        assert users
        assert "0" not in users, name
        if name != "postgres":
            assert set(users) == {"10001"}, name
        status = server.shell(f"docker exec {container} cat /proc/1/status")
        assert re.search(r"^CapEff:\s+0+$", status, re.M), name
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), name


@pytest.mark.parametrize("name", sorted(STAY - {"postgres"}))
def test_the_root_file_system_cannot_be_written(server, name):
    container = server.inspect()[name]["Id"]
    told = server.shell(
        f"docker exec --user 0 {container} sh -c 'touch /etc/x /usr/x 2>&1 || true'"
    )
    assert told.count("Read-only file system") == 2


def test_only_airflow_answers_and_on_loopback_only(server):
    published = {
        name: bound
        for name, it in server.inspect().items()
        if (bound := [b for b in it["NetworkSettings"]["Ports"].values() if b])
    }
    told = {"HostIp": "127.0.0.1", "HostPort": str(server.port)}
    assert published == {"airflow-apiserver": [[told]]}
    with socket.create_connection(("127.0.0.1", server.port), timeout=5):
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; tells which address would
        outer = probe.getsockname()[0]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((outer, server.port), timeout=5)


def listening(server: Server, name: str) -> set[int]:
    """The ports that a container's processes listen on, beyond its own loopback."""
    container = server.inspect()[name]["Id"]
    table = server.shell(f"docker exec {container} cat /proc/net/tcp /proc/net/tcp6")
    found = re.findall(r"^ *\d+: (\w+):(\w+) \w+:\w+ 0A ", table, re.M)
    return {int(port, 16) for host, port in found if not re.fullmatch(r"\w{6}7F", host)}


def test_a_container_listens_on_what_it_serves_and_nothing_else(server):
    found = {name: listening(server, name) for name in STAY}
    serve = {"minio": {9000}, "postgres": {5432}, "airflow-apiserver": {8080}}
    assert found == {name: serve.get(name, set()) for name in STAY}


LOOK = """
import json, socket
def answers(host, port):
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex((host, port)) == 0
def known(name):
    try: return socket.gethostbyname(name)
    except OSError: return None
print(json.dumps({
    "names": [name for name in ("minio", "postgres", "airflow-apiserver") if known(name)],
    "places": [place for place in PLACES if answers(*place)],
}))
"""


def test_from_the_outer_network_neither_store_nor_database_can_be_reached(server):
    found = server.inspect()

    def address(name: str) -> str:
        (network,) = found[name]["NetworkSettings"]["Networks"].values()
        return network["IPAddress"]

    inner = [[address("minio"), 9000], [address("postgres"), 5432]]

    def look(network: str) -> dict[str, list[object]]:
        program = f"PLACES = {inner}{LOOK}"
        return json.loads(in_the_image(server, program, f"lakehouse-test_{network}"))

    assert look("outer") == {"names": ["airflow-apiserver"], "places": []}
    # the same look from inside does see them, so it is not blind
    assert look("inner") == {"names": ["minio", "postgres", "airflow-apiserver"], "places": inner}


def test_no_secret_is_in_what_the_engine_tells_nor_in_the_image_nor_in_a_log(server):
    told = [
        json.dumps(server.inspect()),
        server.shell("docker image history --no-trunc clinical-lakehouse:local"),
        server.shell("docker compose config"),
        server.shell("docker compose logs --no-color"),
    ]
    assert all(told)
    found = [name for name, text in values(server).items() if any(text in it for it in told)]
    assert found == []


def test_a_container_holds_its_own_secrets_only(server):
    for name in sorted(STAY):
        container = server.inspect()[name]["Id"]
        held = server.shell(f"docker exec {container} ls /run/secrets").split()
        assert held, name
        assert ("minio_root_password" in held) == (name == "minio")
        assert ("postgres_password" in held) == (name == "postgres")


def test_a_weak_secret_stops_everything_before_it_starts(server, tmp_path):
    weak = tmp_path / "weak"
    shutil.copytree(server.secrets, weak)
    for path in (weak, *weak.iterdir()):
        shutil.chown(path, secrets.IMAGE_USER, secrets.IMAGE_USER)
    (weak / "minio_root_password").write_text("minioadmin")
    (weak / "airflow_jwt_secret").write_text("")
    check = "docker compose run --rm --no-deps secrets-check 2>&1 || echo code $?"
    told = server.shell(f"LAKEHOUSE_SECRETS={weak} {check}")
    assert "minio_root_password is too easy to guess" in told
    assert "airflow_jwt_secret is empty" in told
    assert told.splitlines()[-1] == "code 10"


def test_the_image_holds_what_the_lock_names_and_no_tool_of_developers(server):
    lock = (PROJECT / "requirements.lock").read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock, re.M))
    program = (
        "from importlib.metadata import distributions as d\nfor x in d(): print(x.name, x.version)"
    )
    there = {
        (re.sub(r"[-_.]+", "-", name).lower(), version)
        for name, version in map(str.split, in_the_image(server, program).splitlines())
    }
    assert len(there) > 100
    assert there - pinned == {("clinical-lakehouse", "0.1.0")}
    assert {"pytest", "mypy", "ruff", "uv", "pip"}.isdisjoint(name for name, _ in there)
    (told,) = json.loads(server.shell("docker image inspect clinical-lakehouse:local"))
    assert told["Config"]["User"] == "10001:10001"
    assert len(told["RootFS"]["Layers"]) <= 10
    assert told["Size"] < 1.4e9


def test_nobody_comes_in_without_a_password_and_the_viewer_only_looks(server):
    viewer = Api.sign_in(Person(server, "viewer"))
    await_dags(viewer, [INGEST, REFINE], PATIENCE_SECONDS)
    with pytest.raises(PolicyError, match="403"):
        viewer.trigger(INGEST)
    for api in (Api(f"http://127.0.0.1:{server.port}"), None):
        with pytest.raises(PolicyError, match="401"):
            api.knows(REFINE) if api else Api.sign_in(Stranger(server, "admin"))


class Stranger(Person):
    """Somebody who guesses."""

    @property
    def password(self) -> str:
        return "admin"


def test_each_container_is_killed_under_a_trickle_and_the_tables_are_the_undisturbed_ones(
    server, tmp_path
):
    river, whole = River(server), Workstation(tmp_path)

    def deliver(delivery):
        river.deliver(delivery)
        whole.take(delivery)

    deliver(export(tmp_path, 1))
    river.api.trigger(INGEST)
    for number, name in enumerate(sorted(STAY)):
        deliver(trickle(tmp_path, number))
        river.await_work()
        server.kill(name)
        server.await_health()
    river.await_contents(whole.contents())
    assert "gold.readmission" in server.shell(TABLES)
    assert "encounter_id" in server.shell(ASK)


def test_the_doctor_finds_nothing_wrong_from_inside_a_container(server):
    ((look,),) = blocks(OPERATE, "docker compose exec")
    told = server.shell(look)
    assert "FAIL" not in told
    assert [line.split(":")[0] for line in told.splitlines() if line.startswith("?")] == [
        "?    the ports"
    ]
    assert [name for name, text in values(server).items() if text in told] == []


def test_tables_outlast_a_stop_and_a_server_comes_back_from_its_backup_with_all_it_knew(server):
    back_up, restore = blocks(OPERATE, "docker compose down")
    before = contents(server)
    assert "gold.readmission" in before
    for line in back_up:
        server.shell(line)
    assert contents(server) == before
    began = time.monotonic()
    for line in restore:
        server.shell(line)
    server.await_health()
    sys.stdout.write(f"brought back in {time.monotonic() - began:.0f} s\n")
    assert contents(server) == before
    assert Api.sign_in(Person(server, "viewer")).knows(INGEST)
