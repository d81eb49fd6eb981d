"""The state store: changes are whole, writers wait, and what another release wrote is forgotten."""

import sqlite3
import stat
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from lakehouse.errors import SpecError, StoreError
from lakehouse.settings import read_settings
from lakehouse.state.schema import TABLES
from lakehouse.state.store import State, open_state, state_place
from tests.processes import race

LOAD = {"feed": "f", "last_sequence": 1, "records": 4}
PLACES = [
    ("s3://lake", "s3_lake.db"),
    ("s3://lake/inner", "s3_lake_inner.db"),
    ("/data/lake", "096d884667c5e732.db"),
]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state" / "lake.db")


def put(state: State, *rows: dict[str, object]) -> None:
    with state.change() as change:
        change.put("load", rows)


def loads(state: State) -> list[tuple[object, ...]]:
    found = state.ask("select feed, last_sequence, records, good from load order by 1, 2")
    return [tuple(row.values()) for row in found]


@pytest.mark.parametrize(("lake", "name"), PLACES)
def test_each_lake_has_a_state_of_its_own_in_the_home(tmp_path: Path, lake: str, name: str) -> None:
    settings = read_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_URL": lake})
    place = state_place(settings)
    assert place == tmp_path / "state" / name


def test_a_home_without_a_lake_has_no_state(tmp_path: Path) -> None:
    settings = read_settings({"LAKEHOUSE_HOME": str(tmp_path)})
    assert state_place(settings) is None
    with pytest.raises(SpecError, match="no lake is known"):
        open_state(settings)


def test_what_was_never_written_answers_with_nothing_and_is_not_made(state: State) -> None:
    assert state.ask("select * from load") == []
    assert state.followed("silver.patient") is None
    assert not Path(state._place).exists()


def test_a_row_takes_the_place_of_the_one_with_its_key_and_keeps_what_is_not_named(
    state: State,
) -> None:
    put(state, LOAD)
    put(
        state,
        {"feed": "f", "last_sequence": 1, "good": 3},
    )
    put(
        state,
        {"feed": "f", "last_sequence": 2, "good": 1},
    )
    assert loads(state) == [("f", 1, 4, 3), ("f", 2, None, 1)]


def change_and_fail(state: State) -> None:
    with state.change() as change:
        change.drop("load")
        change.follow("silver.patient", 4)
        raise KeyError


def test_a_change_that_fails_changed_nothing(state: State) -> None:
    put(state, LOAD)
    with pytest.raises(KeyError):
        change_and_fail(state)
    assert loads(state) == [("f", 1, 4, None)]
    assert state.followed("silver.patient") is None


def test_its_file_is_its_owners_only(state: State) -> None:
    put(state, LOAD)
    assert stat.S_IMODE(Path(state._place).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(state._place).parent.stat().st_mode) == 0o700


def forget_the_release(place: Path) -> None:
    with sqlite3.connect(place) as link:
        link.execute("update about set value = 'older'")


def drop_the_release(place: Path) -> None:
    with sqlite3.connect(place) as link:
        link.execute("drop table about")


@pytest.mark.parametrize("spoil", [forget_the_release, drop_the_release])
def test_the_state_of_another_release_says_nothing_and_is_begun_anew(
    state: State, spoil: Callable[[Path], None]
) -> None:
    put(state, LOAD)
    spoil(Path(state._place))
    assert loads(state) == []
    put(state, {**LOAD, "last_sequence": 2})
    assert loads(state) == [("f", 2, 4, None)]


def remove(place: Path) -> None:
    place.unlink()


def replace(place: Path) -> None:
    put(State(place.with_name("other.db")), {**LOAD, "feed": "g"})
    place.with_name("other.db").rename(place)


@pytest.mark.parametrize(("come", "first"), [(remove, []), (replace, [("g", 1, 4, None)])])
def test_what_lies_there_now_is_changed_not_what_lay_there_before(
    state: State, come: Callable[[Path], None], first: list[tuple[object, ...]]
) -> None:
    put(state, LOAD)
    come(Path(state._place))
    put(state, {**LOAD, "feed": "h"})
    assert loads(state) == [*first, ("h", 1, 4, None)]


def test_a_change_is_whole_in_the_file_alone(state: State, tmp_path: Path) -> None:
    put(state, LOAD)
    copy = tmp_path / "copy.db"
    copy.write_bytes(Path(state._place).read_bytes())
    assert loads(State(copy)) == [("f", 1, 4, None)]


def test_a_process_that_is_forked_after_a_change_has_a_connection_of_its_own(state: State) -> None:
    put(state, LOAD)
    child = get_context("fork").Process(target=write_many, args=(Path(state._place), "g"))
    child.start()
    child.join()
    assert child.exitcode == 0
    put(state, {**LOAD, "last_sequence": 2})
    assert len(loads(state)) == 52


def test_a_file_that_is_no_state_is_a_clear_error(state: State) -> None:
    put(state, LOAD)
    Path(state._place).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="state rebuild"):
        state.ask("select 1")


def test_clearing_leaves_empty_tables(state: State) -> None:
    put(state, LOAD)
    state.clear()
    assert [
        state.ask(f"select count(*) as n from {name}") for name in TABLES if name != "about"
    ] == ([[{"n": 0}]] * (len(TABLES) - 1))


def write_many(place: Path, feed: str) -> None:
    for number in range(50):
        put(State(place), {**LOAD, "feed": feed, "last_sequence": number})


@pytest.mark.long
def test_writers_at_once_wait_for_each_other(state: State, tmp_path: Path) -> None:
    place = Path(state._place)
    works = [(write_many, (place, feed)) for feed in "abc"]
    assert race(works) == [0, 0, 0]
    assert len(loads(state)) == 150


def begin_many(place: Path, feed: str) -> None:
    for number in range(100):
        put(State(place.with_name(f"{number}.db")), {**LOAD, "feed": feed})


@pytest.mark.long
def test_of_some_that_begin_a_state_at_once_each_has_put_its_own(
    state: State, tmp_path: Path
) -> None:
    place = Path(state._place)
    assert race([(begin_many, (place, feed)) for feed in "abc"]) == [0, 0, 0]
    found = [loads(State(place.with_name(f"{number}.db"))) for number in range(100)]
    assert found == [[(feed, 1, 4, None) for feed in "abc"]] * 100
    assert {path.suffix for path in place.parent.iterdir()} <= {".db", ".db-wal", ".db-shm"}
