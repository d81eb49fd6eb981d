"""The store is chosen once, recorded, and not changed in silence; rights are data."""

import pytest

from lakehouse.catalog.load import Catalog
from lakehouse.errors import SpecError
from lakehouse.settings import PROJECT, ROLES, read_settings
from lakehouse.stack import minio, seaweed, store
from lakehouse.stack.places import Places, read_json
from lakehouse.stack.rights import PLACES, RIGHTS, may_remove

KEYS = {"LAKEHOUSE_S3_ACCESS_KEY": "shared", "LAKEHOUSE_S3_SECRET_KEY": "secret"}
OUTSIDE = {"LAKEHOUSE_STORE": "https://s3.example", **KEYS}


@pytest.fixture
def no_minio(monkeypatch):
    monkeypatch.setattr(minio, "find_binary", lambda: None)


@pytest.fixture
def a_minio(monkeypatch, tmp_path):
    monkeypatch.setattr(minio, "find_binary", lambda: tmp_path / "minio")


def test_auto_takes_the_wheel_where_no_minio_is(configure, no_minio):
    assert store.resolve(configure(LAKEHOUSE_STORE="auto")).kind == "seaweedfs"


def test_auto_takes_minio_where_one_is(configure, a_minio):
    assert store.resolve(configure(LAKEHOUSE_STORE="auto")).kind == "minio"


def test_auto_keeps_what_was_chosen_when_a_minio_appears_later(configure, a_minio):
    store.resolve(configure(LAKEHOUSE_STORE="seaweedfs"))
    assert store.resolve(configure(LAKEHOUSE_STORE="auto")).kind == "seaweedfs"


def test_settings_read_the_keys_of_each_role_from_the_record(configure):
    settings = configure()
    store.resolve(settings)
    keys = {role: settings.credentials(role) for role in ROLES}
    assert settings.lake_url() == "s3://lake"
    assert len({found.access_key for found in keys.values()}) == len(ROLES)
    assert {found.endpoint for found in keys.values()} == {
        f"http://127.0.0.1:{settings.ports['s3']}"
    }


def test_keys_stay_the_same_and_the_endpoint_follows_the_port(configure):
    first = configure()
    store.resolve(first)
    before = read_json(Places(first.home).store_record)
    second = configure(LAKEHOUSE_S3_PORT="12345")
    store.resolve(second)
    after = read_json(Places(second.home).store_record)
    assert after["identities"] == before["identities"]
    assert after["endpoint"] == "http://127.0.0.1:12345"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"LAKEHOUSE_STORE": "seaweedfs"}, {"LAKEHOUSE_STORE": "minio"}),
        ({"LAKEHOUSE_STORE": "seaweedfs"}, OUTSIDE),
        ({"LAKEHOUSE_STORE": "seaweedfs"}, {"LAKEHOUSE_URL": "s3://other"}),
        ({"LAKEHOUSE_STORE": "seaweedfs"}, {"LAKEHOUSE_URL": "folder"}),
        (OUTSIDE, {"LAKEHOUSE_STORE": "seaweedfs"}),
        (OUTSIDE, {**OUTSIDE, "LAKEHOUSE_STORE": "https://elsewhere.example"}),
        ({"LAKEHOUSE_URL": "folder"}, {"LAKEHOUSE_STORE": "seaweedfs", "LAKEHOUSE_URL": ""}),
    ],
)
def test_another_store_than_the_recorded_one_is_refused_and_the_record_stays(
    configure, a_minio, first, then
):
    settings = configure(**first)
    store.resolve(settings)
    before = read_json(Places(settings.home).store_record)
    with pytest.raises(SpecError, match="another store"):
        store.resolve(configure(**then))
    assert read_json(Places(settings.home).store_record) == before


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"LAKEHOUSE_STORE": "gcs"}, "names no store"),
        ({"LAKEHOUSE_STORE": "minio"}, "no minio program"),
        ({"LAKEHOUSE_STORE": "https://s3.example"}, "no keys for the role"),
    ],
)
def test_a_store_that_cannot_be_had_is_told(configure, no_minio, variables, message):
    with pytest.raises(SpecError, match=message):
        store.resolve(configure(**variables))


def test_an_outside_server_takes_the_keys_of_each_role_and_new_ones_replace_old_ones(configure):
    own = {"LAKEHOUSE_S3_READ_ACCESS_KEY": "r", "LAKEHOUSE_S3_READ_SECRET_KEY": "s"}
    settings = configure(**OUTSIDE, **own)
    assert store.component(settings, store.resolve(settings)) is None
    identities = read_json(Places(settings.home).store_record)["identities"]
    assert identities["read"] == {"access_key": "r", "secret_key": "s"}
    assert identities["ingest"] == {"access_key": "shared", "secret_key": "secret"}
    store.resolve(configure(**OUTSIDE, **own, LAKEHOUSE_S3_INGEST_ACCESS_KEY="i"))
    assert (
        read_json(Places(settings.home).store_record)["identities"]["ingest"]["access_key"] == "i"
    )
    # a later `up` without the keys in its environment uses the recorded ones
    assert store.resolve(configure(LAKEHOUSE_STORE="auto")).endpoint == "https://s3.example"


def test_a_folder_needs_no_server_and_is_the_recorded_lake(configure, tmp_path):
    settings = configure(LAKEHOUSE_URL=str(tmp_path / "lake"))
    choice = store.resolve(settings)
    assert choice.kind == "folder"
    assert store.component(settings, choice) is None
    assert read_settings({"LAKEHOUSE_HOME": str(settings.home)}).lake_url() == choice.url


def test_no_secret_is_on_a_command_line(configure):
    settings = configure()
    found = store.component(settings, store.resolve(settings))
    secrets = [path.read_text() for path in Places(settings.home).secrets.rglob("*.json")]
    values = {word.strip('",') for text in secrets for word in text.split() if len(word) > 16}
    assert values
    assert not [word for word in found.arguments if any(value in word for value in values)]


def test_every_role_has_rights_and_nobody_else_has():
    assert set(RIGHTS) == set(ROLES)


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("ingest", "landing/objects landing/ledger inbox bronze quarantine lineage audit", "="),
        (
            "refine",
            "landing/ledger bronze silver gold quarantine lineage",
            "silver gold quarantine lineage",
        ),
        ("publish", "silver gold lineage", ""),
        ("read", "landing/ledger bronze silver gold quarantine lineage audit", ""),
        (
            "govern",
            "landing/objects landing/ledger inbox bronze silver gold quarantine lineage audit",
            "=",
        ),
    ],
)
def test_each_role_has_exactly_these_rights(role, reads, writes):
    may_read = {place for place in PLACES if RIGHTS[role].may_read(place)}
    may_write = {place for place in PLACES if RIGHTS[role].may_write(place)}
    assert may_read == set(reads.split())
    assert may_write == (may_read if writes == "=" else set(writes.split()))


def test_what_was_received_is_removed_by_govern_alone():
    assert [role for role in ROLES if may_remove(role, "landing/objects")] == ["govern"]
    assert may_remove("ingest", "landing/ledger")


def test_a_folder_whose_name_begins_like_a_granted_one_is_not_granted():
    assert not RIGHTS["read"].may_read("silverware")
    assert not RIGHTS["refine"].may_read("landing")


@pytest.mark.parametrize("folder", ["", "site/lake"])
def test_the_policy_of_a_minio_role_names_its_places_only(folder):
    root = f"arn:aws:s3:::b/{folder}/" if folder else "arn:aws:s3:::b/"
    granted = [
        resource.removeprefix(root)
        for statement in minio.policy("publish", "b", folder)["Statement"]
        if "s3:GetObject" in statement["Action"]
        for resource in statement["Resource"]
    ]
    assert granted == ["silver/*", "gold/*", "lineage/*"]
    policy = str(minio.policy("publish", "b", folder))
    assert "PutObject" not in policy
    assert "s3:*" not in policy


def test_who_takes_from_the_inbox_may_be_told_of_what_comes_and_nobody_else():
    told = [
        role for role in ROLES if "ListenBucketNotification" in str(minio.policy(role, "b", ""))
    ]
    assert told == ["ingest", "govern"]


@pytest.mark.parametrize(
    ("folder", "resource"),
    [("", "arn:aws:s3:::b/landing/objects/*"), ("x/y", "arn:aws:s3:::b/x/y/landing/objects/*")],
)
def test_the_buckets_policy_guards_the_evidence_wherever_the_lake_lies(folder, resource):
    (statement,) = seaweed.evidence_policy("b", folder)["Statement"]
    assert statement["Resource"] == [resource]


def test_who_reads_the_lake_may_read_every_table_that_is_declared():
    catalog = Catalog.read([PROJECT / "sql"], PROJECT / "dags" / "feeds.toml")
    stored = [t for t in catalog.tables.values() if t.is_model or not t.sql]
    assert "audit.decision" in {table.name for table in stored}
    for role in ("read", "govern"):
        hidden = [t.name for t in stored if not RIGHTS[role].may_read(f"{t.layer}/{t.noun}")]
        assert hidden == [], role
