"""Parts of the stack alone: a home in a deep folder, and a MinIO server in SeaweedFS' place."""

import io
import os
import threading
from functools import partial
from urllib.parse import urlsplit

import pytest
from minio.error import S3Error

from lakehouse.errors import StoreError
from lakehouse.settings import read_settings
from lakehouse.stack import doctor, minio, postgres, s3_probe, store
from lakehouse.stack.component import log_since, log_size, start
from lakehouse.stack.places import Places
from lakehouse.stack.provision import provision
from lakehouse.stack.seaweed import sweep
from lakehouse.stack.secrets import store_secrets
from lakehouse.stack.store_findings import look_at_store
from lakehouse.stack.supervisor import Supervisor
from tests.stack.conftest import settings_at
from tests.stack.test_supervisor import until

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("the stack")]


@pytest.fixture
def keep():
    """Keep a stage of components for the time of a test."""
    kept: list[tuple[Supervisor, threading.Thread, Places]] = []

    def make(settings, *components):
        places = Places(settings.home)
        supervisor = Supervisor(places, [components])
        thread = threading.Thread(target=supervisor.run)
        thread.start()
        kept.append((supervisor, thread, places))
        until(lambda: "running" in places.state.read_text(), seconds=60)

    yield make
    for supervisor, thread, places in kept:
        supervisor.stop()
        thread.join(60)
        sweep(places)
        places.remove_sockets()


def prepared(home, **variables):
    settings = settings_at(home, **variables)
    Places(settings.home).prepare()
    return settings


def test_a_home_in_a_deep_folder_works(tmp_path, keep):
    settings = prepared(tmp_path / ("deep" * 15) / ("deeper" * 10))
    keep(settings, store.component(settings, store.resolve(settings)), postgres.component(settings))
    assert postgres.check(Places(settings.home)) == ""
    assert store.check(settings) == ""


def test_no_role_may_write_to_seaweedfs_before_it_keeps_writers_of_a_key_apart(tmp_path):
    settings = prepared(tmp_path / "home")
    server, places = store.component(settings, store.resolve(settings)), Places(settings.home)
    role = s3_probe.Client(urlsplit(settings.lake_url()), settings.credentials("refine"))
    for key in ("gold/first", "gold/second"):
        begin = log_size(places, server.name)
        server.prepare()
        process = start(server, places)
        try:
            until(lambda: not server.check(), seconds=60)
            assert b"LockRing: s3@" in log_since(places, server.name, begin)
            with pytest.raises(StoreError, match="403"):
                role.put_if_absent(key, b"x")
            until(partial(is_settled, server), seconds=60)
            assert role.put_if_absent(key, b"x")
        finally:
            process.terminate()
            process.wait(60)
    sweep(places)
    places.remove_sockets()


def is_settled(server):
    try:
        server.settle()
    except StoreError:
        return False
    return True


@pytest.fixture
def with_minio(tmp_path, keep):
    if not minio.find_binary():
        pytest.skip("no minio program is here (`make minio` builds one)")
    settings = prepared(tmp_path / "home", LAKEHOUSE_STORE="minio")
    keep(settings, store.component(settings, store.resolve(settings)))
    return settings


@pytest.mark.peer
def test_minio_has_every_property_and_enforces_every_right(with_minio):
    findings = look_at_store(with_minio, is_server=False)
    assert len(findings) > 5
    assert [finding for finding in findings if not finding.ok] == []


@pytest.mark.peer
def test_what_minio_stores_is_encrypted_at_rest(with_minio):
    marker = os.urandom(64)
    own = store.client(with_minio, "refine")
    own.put_object("lake", "gold/x", io.BytesIO(marker * 99), 64 * 99)
    assert own.get_object("lake", "gold/x").read() == marker * 99
    stored = [path for path in Places(with_minio.home).data.rglob("*") if path.is_file()]
    assert [path for path in stored if marker in path.read_bytes()] == []


@pytest.mark.peer
def test_a_server_of_ones_own_is_provided_with_bucket_and_roles_and_twice_is_once(
    with_minio, tmp_path
):
    keys = store_secrets(Places(with_minio.home))
    roles = {
        f"LAKEHOUSE_S3_{role.upper()}_{kind}_KEY": value
        for role in minio.RIGHTS
        for kind, value in (("ACCESS", f"own-{role}"), ("SECRET", f"secret-of-{role}"))
    }
    outside = read_settings(
        {
            "LAKEHOUSE_HOME": str(tmp_path / "outside"),
            "LAKEHOUSE_URL": "s3://another/folder",
            "LAKEHOUSE_S3_ENDPOINT": f"http://127.0.0.1:{with_minio.ports['s3']}",
            "LAKEHOUSE_S3_ADMIN_ACCESS_KEY": keys["admin_access_key"],
            "LAKEHOUSE_S3_ADMIN_SECRET_KEY": keys["admin_secret_key"],
            **roles,
        }
    )
    provision(outside)
    provision(outside)
    assert [finding for finding in doctor(outside) if finding.ok is False] == []
    with pytest.raises(S3Error):
        store.client(with_minio, "read").get_object("another", "folder/gold/x")
