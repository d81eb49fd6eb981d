"""The real stack: healthy, private, enforcing, healing, and the same after it was down."""

import io
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import urllib3
from deltalake import DeltaTable, write_deltalake
from minio.error import S3Error
from pyarrow import table

from lakehouse.cli import main
from lakehouse.govern.overview import list_tables
from lakehouse.settings import ROLES, read_settings
from lakehouse.stack import Finding, access, doctor, postgres, status
from lakehouse.stack.airflow import NAMES
from lakehouse.stack.airflow_findings import look_at_airflow
from lakehouse.stack.places import read_json
from lakehouse.stack.process import recorded, session_of
from lakehouse.stack.rights import PLACES
from lakehouse.stack.store import client
from lakehouse.storage.lake import open_lake
from tests.stack.conftest import Running

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("the stack")]

PARTS = ("supervisor", "store", "postgres", *NAMES)


def until(found: Callable[[], object], seconds: float = 90, every: float = 0.1) -> None:
    """Wait for something the stack does; fail when it does not."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(every)


def pids(stack: Running) -> dict[str, int]:
    found = {name: recorded(stack.places.process(name)) for name in PARTS}
    return {name: process.pid for name, process in found.items() if process}


def kill(stack: Running, names: Iterable[str]) -> None:
    found = [recorded(stack.places.process(name)) for name in names]
    for process in found:
        os.kill(process.pid, signal.SIGKILL)
    until(lambda: not any(process.is_alive() for process in found))


def processes(stack: Running) -> list[psutil.Process]:
    """Every process of the stack; PostgreSQL's have sessions of their own."""
    leaders = [recorded(stack.places.process(name)) for name in PARTS]
    found = set(_strays(stack.settings.home))
    for leader in leaders:
        for number in session_of(leader) if leader else ():
            with suppress(psutil.NoSuchProcess):
                one = psutil.Process(number)
                found |= {one, *one.children(recursive=True)}
    return list(found)


def _strays(home: Path) -> Iterable[psutil.Process]:
    """Whoever was told of this home, also when it left its session and its parent."""
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.pid != os.getpid() and one.environ().get("LAKEHOUSE_HOME") == str(home):
                yield one


def ask(stack: Running, path: str, body: dict | None = None, token: str = "") -> tuple[int, dict]:
    """Ask Airflow's API; return the status and the body."""
    request = urllib.request.Request(access(stack.settings).url + path)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    data = json.dumps(body).encode() if body else None
    try:
        with urllib.request.urlopen(request, data) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, {}


def sign_in(stack: Running) -> str:
    found = access(stack.settings)
    code, body = ask(stack, "/auth/token", {"username": found.user, "password": found.password})
    assert code == 201
    return body["access_token"]


def cli(stack: Running, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run one verb in this process, as a person who named the home only; its exit code."""
    monkeypatch.setenv("LAKEHOUSE_HOME", str(stack.settings.home))
    return main(words)


def options(stack: Running, role: str) -> dict[str, str]:
    keys = stack.settings.credentials(role)
    return {
        "AWS_ENDPOINT_URL": keys.endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_REGION": keys.region,
        "AWS_ALLOW_HTTP": "true",
    }


def test_up_tells_each_step_and_where_the_password_lies_but_not_the_password(stack):
    said = "\n".join(stack.said)
    found = access(stack.settings)
    assert "starting postgres" in said
    assert "store answers" in said
    assert found.url in said
    assert str(found.password_file) in said
    assert found.password not in said


def test_every_part_is_healthy(stack):
    # on a machine at its limit one answer may come late
    until(lambda: status(stack.settings).healthy, every=0.5)
    assert [part.name for part in status(stack.settings).components] == list(PARTS)


@pytest.mark.parametrize("words", [("status",), ("status", "--json")])
def test_the_status_of_a_healthy_stack_ends_with_0(stack, words, monkeypatch, capsys):
    assert cli(stack, words, monkeypatch) == 0
    told = capsys.readouterr()
    assert all(name in told.out for name in PARTS)
    assert told.err == ""


def test_status_finds_the_running_ports_without_being_told(stack):
    assert status(read_settings({"LAKEHOUSE_HOME": str(stack.settings.home)})).healthy


def test_a_second_up_says_so_and_touches_nothing(stack):
    before = pids(stack)
    assert "the stack is already running" in stack.up()
    assert pids(stack) == before


def test_a_demo_brings_the_hospital_through_airflow_and_run_again_does_no_work_twice(
    stack, monkeypatch, capsys
):
    demo = ("demo", "--patients", "20")
    assert cli(stack, demo, monkeypatch) == 0
    first, built = capsys.readouterr().out, versions(stack)
    assert all(built[name] for name in ("gold.readmission", "lineage.event", "landing.ledger"))
    assert "done before" not in first
    assert cli(stack, demo, monkeypatch) == 0
    second = capsys.readouterr().out
    assert versions(stack) == built
    assert second.count("done before") == 2
    assert shown(second) == shown(first)
    assert access(stack.settings).password not in first + second


def versions(stack: Running) -> dict[str, int | None]:
    lake = open_lake(read_settings({"LAKEHOUSE_HOME": str(stack.settings.home)}), "read")
    return {state.name: state.version for state in list_tables(lake)}


def shown(told: str) -> str:
    return told[told.index("The tables") :]


def connections(process: psutil.Process, kind: str) -> list[Any]:
    """Of a process that may end meanwhile, as a task does, or be closed, as one that ran tasks is."""
    try:
        return list(process.net_connections(kind))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def is_closed(process: psutil.Process) -> bool:
    """Whether it lets only root look into it."""
    try:
        process.net_connections()
    except psutil.Error as error:
        return isinstance(error, psutil.AccessDenied)
    return False


def unseen() -> set[tuple[str, int]]:
    """Where processes of this user listen that cannot be looked into: of such the machine's table of
    sockets tells the user, and no process."""
    table = "".join(Path(f"/proc/net/{kind}").read_text() for kind in ("tcp", "tcp6"))
    found = re.findall(r"^ *\d+: \w+:(\w+) \w+:\w+ 0A \S+ \S+ \S+ +(\d+)", table, re.M)
    own = {int(port, 16) for port, user in found if int(user) == os.getuid()}
    return {
        (one.laddr.ip, one.laddr.port)
        for one in psutil.net_connections("tcp")
        if one.pid is None and one.status == psutil.CONN_LISTEN and one.laddr.port in own
    }


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() or [""]
    except psutil.NoSuchProcess:
        return [""]


def test_nothing_listens_beyond_loopback(stack):
    listening = {
        (process.pid, connection.laddr.ip, connection.laddr.port)
        for process in processes(stack)
        for connection in connections(process, "inet")
        if connection.status in {psutil.CONN_LISTEN, psutil.CONN_NONE}
    }
    ports = {port for _, _, port in listening}
    assert set(stack.settings.ports.values()) <= ports
    places = {(ip, port) for _, ip, port in listening}
    if any(map(is_closed, processes(stack))):
        places |= unseen()
    assert {found for found in places if found[0] not in {"127.0.0.1", "::1"}} == set()


def test_no_socket_file_may_be_used_by_others(stack):
    paths = _socket_files(processes(stack))
    assert any(".s.PGSQL" in path.name for path in paths)
    assert {path for path in paths if path.stat().st_mode & 0o022} == set()


def _socket_files(of: Iterable[psutil.Process]) -> set[Path]:
    links = [link for process in of for link in connections(process, "unix")]
    return {Path(link.laddr) for link in links if link.laddr.startswith("/")}


def test_no_secret_is_in_a_log_or_an_argument(stack):
    secrets = {
        value
        for path in stack.places.secrets.glob("*.json")
        for value in _texts(read_json(path))
        if len(value) >= 16 and "/" not in value and "." not in value
    }
    assert len(secrets) > 15
    written = [path.read_text() for path in stack.places.logs.rglob("*.log")]
    arguments = [word for process in processes(stack) for word in command(process)]
    assert not [text[:40] for text in written + arguments if any(one in text for one in secrets)]


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def test_the_stores_inner_ports_give_nothing_to_who_has_no_certificate_and_no_token(stack):
    (store,) = [one for one in processes(stack) if "weed" in Path(command(one)[0]).name]
    inner = {one.laddr.port for one in store.net_connections("tcp") if one.status == "LISTEN"}
    inner -= set(stack.settings.ports.values())
    client(stack.settings, "govern").put_object("lake", "gold/inner", io.BytesIO(b"kept"), 4)
    assert len(inner) == 9
    given = {
        (port, secured, path)
        for port in inner
        for secured in (True, False)
        for path in (
            "/",
            "/buckets/lake/gold/inner",
            "/dir/status",
            "/dir/assign",
            "/cluster/status",
        )
        if b" 200 " in _first_line(port, path, secured)
    }
    assert given == set()


def _first_line(port: int, path: str, secured: bool) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            link = context.wrap_socket(plain) if secured else plain
            link.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return link.recv(100).split(b"\r\n")[0]
    except OSError:
        return b""


def test_what_is_stored_is_encrypted_at_rest_and_read_back_whole(stack):
    marker, own = os.urandom(64), client(stack.settings, "refine")
    many_chunks = marker * (20 * 2**20 // len(marker))
    for name, content in (("small", marker), ("large", many_chunks)):
        own.put_object("lake", f"gold/{name}", io.BytesIO(content), len(content))
        assert own.get_object("lake", f"gold/{name}").read() == content
    part = own.get_object("lake", "gold/large", offset=9 * 2**20, length=1000).read()
    assert part == many_chunks[9 * 2**20 :][:1000]
    stored = [path for path in (stack.places.data / "seaweedfs").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in stored) > len(many_chunks)
    assert [path for path in stored if marker in path.read_bytes()] == []


def test_the_doctor_finds_nothing_wrong_and_leaves_nothing(stack):
    assert [finding for finding in doctor(stack.settings) if not finding.ok] == []
    govern = client(stack.settings, "govern")
    left = [one.object_name for place in PLACES for one in govern.list_objects("lake", f"{place}/")]
    assert [name for name in left if "_doctor" in name] == []


BROKEN = """
    insert into import_error (filename, bundle_name, stacktrace, "timestamp")
    values ('/dags/broken.py', 'dags-folder', 'Canary in a traceback', now())"""


def test_the_doctor_names_a_dag_that_cannot_be_read_and_quotes_nothing_of_it(stack):
    place = postgres.connection(stack.places, "").replace("+", "")
    with closing(psycopg2.connect(place)) as link, link.cursor() as cursor:
        link.autocommit = True

        def look() -> Finding:
            # Airflow takes away what it finds no file for
            cursor.execute(BROKEN)
            found = look_at_airflow(stack.settings, is_running=True)
            assert "Canary" not in str(found)
            return next(one for one in found if one.name == "the DAGs")

        until(lambda: "broken.py" in look().detail)
        cursor.execute("delete from import_error where filename = '/dags/broken.py'")


def test_the_doctor_sees_the_same_from_a_container_but_for_what_the_engine_holds(
    stack, monkeypatch, tmp_path
):
    address = tmp_path / "airflow_database"
    address.write_text(postgres.connection(stack.places, "psycopg2"))
    told = {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{access(stack.settings).url}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": f"cat {address}",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    found = doctor(stack.settings)
    assert [one for one in found if one.ok is False] == []
    assert [one.name for one in found if one.ok is None] == ["the ports"]


def test_the_doctor_finds_roles_that_share_the_keys_of_one(stack):
    keys = stack.settings.credentials("govern")
    shared = read_settings(
        {
            "LAKEHOUSE_HOME": str(stack.settings.home),
            "LAKEHOUSE_URL": "s3://lake",
            "LAKEHOUSE_S3_ENDPOINT": keys.endpoint,
            "LAKEHOUSE_S3_ACCESS_KEY": keys.access_key,
            "LAKEHOUSE_S3_SECRET_KEY": keys.secret_key,
        }
    )
    found = [finding for finding in doctor(shared) if finding.name.startswith("the rights")]
    wrong = {finding.name: finding.detail for finding in found if not finding.ok}
    assert set(wrong) == {f"the rights of {role}" for role in ROLES if role != "govern"}
    assert "read in landing/objects is allowed" in wrong["the rights of read"]
    assert "remove in landing/objects is allowed" in wrong["the rights of ingest"]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reaches_what_lies_beside_the_lakes_folders(stack, role):
    own = client(stack.settings, role)
    for asked in (
        lambda: list(own.list_objects("lake")),
        lambda: own.put_object("lake", "elsewhere/x", io.BytesIO(b"x"), 1),
        lambda: own.get_object("lake", "elsewhere/x"),
        lambda: own.make_bucket("another"),
        lambda: own.delete_bucket_policy("lake"),
    ):
        with pytest.raises(S3Error) as caught:
            asked()
        assert caught.value.code == "AccessDenied"


def test_delta_tables_are_written_and_read_with_the_rights_of_a_role(stack):
    place = "s3://lake/silver/of_a_test"
    write_deltalake(place, table({"a": [1]}), storage_options=options(stack, "refine"))
    assert DeltaTable(place, storage_options=options(stack, "read")).version() == 0
    with pytest.raises(OSError, match="privileges"):
        DeltaTable(place, storage_options=options(stack, "ingest"))


def test_airflow_asks_who_comes(stack):
    assert ask(stack, "/api/v2/dags")[0] == 401
    assert ask(stack, "/auth/token", {"username": "admin", "password": "admin"})[0] == 401
    assert ask(stack, "/api/v2/dags", token=sign_in(stack))[0] == 200


def test_what_is_killed_is_told_and_heals_alone(stack, monkeypatch, capsys):
    # each of the others is killed at work: test_killed.py
    before = pids(stack)
    kill(stack, ["store"])
    assert cli(stack, ("status",), monkeypatch) == 13
    told = capsys.readouterr()
    assert f"{'store':<21} DOWN" in told.out
    assert "parts of the stack are down" in told.err
    until(lambda: status(stack.settings).healthy, every=0.5)
    after = pids(stack)
    assert {name for name in PARTS if before[name] != after[name]} == {"store"}


def test_up_heals_a_kill_of_everything_and_all_that_was_known_is_kept(stack):
    govern, name = client(stack.settings, "govern"), "kept"

    def is_put() -> bool:
        # a store that was killed answers before it takes what is written
        with suppress(urllib3.exceptions.HTTPError):
            govern.put_object("lake", f"quarantine/{name}", io.BytesIO(b"kept"), 4)
            return True
        return False

    until(is_put)
    variable = {"key": name, "value": "kept"}
    assert ask(stack, "/api/v2/variables", variable, sign_in(stack))[0] == 201
    kill(stack, PARTS)
    stack.up()
    assert status(stack.settings).healthy
    assert govern.get_object("lake", f"quarantine/{name}").read() == b"kept"
    code, found = ask(stack, f"/api/v2/variables/{name}", token=sign_in(stack))
    assert (code, found["value"]) == (200, "kept")


UP = """
from lakehouse.settings import read_settings
from lakehouse.stack import up
up(read_settings(), print)
"""


def test_after_down_nothing_runs_and_of_two_ups_at_once_one_starts_the_same_stack(stack):
    before, known = processes(stack), access(stack.settings)
    client(stack.settings, "govern").put_object("lake", "gold/kept", io.BytesIO(b"kept"), 4)
    sockets = _socket_files(before)
    assert len(sockets) > 5
    assert stack.down()[-1].startswith("stopped")
    assert [path for path in sockets if path.exists()] == []
    assert [one for one in before if one.is_running() and one.status() != "zombie"] == []
    assert not any(part.healthy for part in status(stack.settings).components)
    assert stack.down() == ["the stack is not running"]

    environment = {**os.environ, **stack.settings.environment}
    ups = [
        subprocess.Popen((sys.executable, "-c", UP), env=environment, stdout=-1, text=True)
        for _ in range(2)
    ]
    said = [up.communicate(timeout=120)[0] for up in ups]
    assert [up.returncode for up in ups] == [0, 0]
    assert sum("starting store" in one or "starting postgres" in one for one in said) == 1
    assert sum("waiting for it" in one and "already running" in one for one in said) == 1
    assert all("the stack is up" in one for one in said)
    assert access(stack.settings) == known
    kept = client(stack.settings, "govern").get_object("lake", "gold/kept")
    assert kept.read() == b"kept"
