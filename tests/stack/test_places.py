"""State is its owner's only, and sockets find a short path."""

import os
import stat

import pytest

from lakehouse.errors import StoreError
from lakehouse.stack.places import Places, read_json, write_json
from lakehouse.stack.secrets import (
    airflow_password,
    airflow_secrets,
    postgres_password,
    store_secrets,
)


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_folder_and_secret_is_its_owners_only(tmp_path):
    places = Places(tmp_path / "home")
    before = os.umask(0)
    try:
        places.prepare()
        for make in (store_secrets, postgres_password, airflow_secrets, airflow_password):
            make(places)
        modes = {path: mode(path) for path in [places.home, *places.home.rglob("*")]}
    finally:
        os.umask(before)
    assert {path for path, found in modes.items() if found & 0o077} == set()


@pytest.mark.parametrize(
    "make", [store_secrets, postgres_password, airflow_secrets, airflow_password]
)
def test_a_secret_is_made_once_and_differs_from_home_to_home(tmp_path, make):
    homes = [Places(tmp_path / name) for name in ("one", "two")]
    for places in homes:
        places.prepare()
    assert make(homes[0]) == make(homes[0])
    assert make(homes[0]) != make(homes[1])


def test_airflows_token_key_has_the_64_bytes_its_algorithm_wants(tmp_path):
    places = Places(tmp_path)
    places.prepare()
    assert len(airflow_secrets(places)["jwt_secret"].encode()) >= 64


def test_a_home_that_is_a_file_is_told(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreError, match="cannot be used") as caught:
        Places(tmp_path / "home").prepare()
    assert "LAKEHOUSE_HOME" in caught.value.hint


def test_sockets_lie_in_the_home_when_its_path_is_short(tmp_path):
    places = Places(tmp_path)
    places.prepare()
    assert places.sockets().is_relative_to(tmp_path) == (len(str(tmp_path)) < 65)


def test_sockets_of_a_deep_home_lie_in_a_short_private_folder_that_stays_the_same(tmp_path):
    places = Places(tmp_path / ("d" * 60) / ("e" * 60))
    places.prepare()
    folder = places.sockets()
    assert len(str(folder / ".s.PGSQL.5432")) < 103
    assert mode(folder) == 0o700
    assert places.sockets() == folder
    folder.chmod(0o755)
    other = places.sockets()
    assert other != folder
    (other / "left.sock").touch()
    places.remove_sockets()
    assert not other.exists()
    assert folder.exists(), "what others may write is not ours to remove"
    folder.rmdir()


def test_a_torn_file_is_told_and_not_taken_for_an_empty_one(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert read_json(tmp_path / "none.json") == {}
    (tmp_path / "a.json").write_text('{"a":')
    with pytest.raises(StoreError, match="cannot be read"):
        read_json(tmp_path / "a.json")
