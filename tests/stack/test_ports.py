"""Ports: a taken one is told with the variable that sets it, the inner ones never meet."""

import socket

import pytest

from lakehouse.errors import SpecError, StoreError
from lakehouse.stack import minio, store, up
from lakehouse.stack.places import Places, write_json
from lakehouse.stack.ports import find, inner_ports, is_free, require_same


@pytest.fixture
def taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", find()))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("variable", ["LAKEHOUSE_AIRFLOW_PORT", "LAKEHOUSE_S3_PORT"])
def test_up_on_a_taken_port_names_the_variable_and_starts_nothing(configure, taken, variable):
    settings = configure(**{variable: str(taken)})
    with pytest.raises(StoreError, match=f"port {taken} .* is taken") as caught:
        up(settings, lambda _: None)
    assert variable in caught.value.hint
    assert not list(Places(settings.home).run.glob("*.pid"))


def test_up_without_the_program_that_the_lake_needs_says_so_and_starts_nothing(
    configure, monkeypatch, tmp_path
):
    monkeypatch.setattr(minio, "find_binary", lambda: tmp_path / "minio")
    store.resolve(configure(LAKEHOUSE_STORE="minio"))
    monkeypatch.setattr(minio, "find_binary", lambda: None)
    settings = configure(LAKEHOUSE_STORE="auto")
    with pytest.raises(StoreError, match="no minio program") as caught:
        up(settings, lambda _: None)
    assert "make minio" in caught.value.hint
    assert not list(Places(settings.home).run.glob("*.pid"))


@pytest.mark.parametrize("port", [65536, 10**9])
def test_a_port_that_cannot_exist_is_refused_like_a_taken_one(configure, port):
    with pytest.raises(StoreError, match="may not be used"):
        up(configure(LAKEHOUSE_AIRFLOW_PORT=str(port)), lambda _: None)


def test_a_server_on_all_addresses_takes_the_port_too():
    with socket.socket() as other:
        other.bind(("0.0.0.0", find()))
        other.listen()
        assert not is_free(other.getsockname()[1])


def test_inner_ports_are_kept_as_long_as_they_are_free(configure):
    settings, names = configure(), {f"part-{number}": 0 for number in range(9)}
    first = inner_ports(settings, names)
    assert len(set(first.values())) == len(names)
    assert inner_ports(settings, names) == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first["part-3"]))
        other.listen()
        second = inner_ports(settings, names)
    assert {name for name in names if first[name] != second[name]} == {"part-3"}


def test_a_port_with_a_twin_is_chosen_where_both_are_free(configure, taken):
    settings = configure()
    write_json(Places(settings.home).inner_ports, {"part": taken + 7})
    port = inner_ports(settings, {"part": -7, "other": 0})["part"]
    assert port != taken + 7
    assert is_free(port)
    assert is_free(port - 7)


def test_an_inner_port_never_is_one_that_people_use(configure):
    settings = configure()
    write_json(Places(settings.home).inner_ports, {"part": settings.ports["s3"]})
    assert inner_ports(settings, {"part": 0})["part"] != settings.ports["s3"]


def test_a_port_set_by_hand_that_is_not_the_running_stacks_is_refused(configure):
    settings = configure()
    write_json(Places(settings.home).outer_ports, {"airflow": 1, "s3": settings.ports["s3"]})
    with pytest.raises(SpecError, match="port 1 for airflow") as caught:
        require_same(settings)
    assert "LAKEHOUSE_AIRFLOW_PORT" in caught.value.hint
