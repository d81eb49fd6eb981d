"""Of a batch too much would be refused: nothing is loaded until a person has decided, once."""

from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import QualityError, SpecError
from lakehouse.ingest.decisions import Decision, decided
from lakehouse.ingest.landing import land
from lakehouse.ingest.load import load, pending
from lakehouse.storage.lake import Lake
from lakehouse.transform.river import decide_batch, run
from tests.processes import race
from tests.workbench import FEEDS, day, drop, lake_at, patient, rows

FEED = "north_ehr"
BROKEN = b"not JSON\n"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Its north feed allows a fifth to be refused."""
    (tmp_path / "config").mkdir()
    stanza = f"[feed.{FEED}]\n"
    assert stanza in FEEDS
    feeds = FEEDS.replace(stanza, f"{stanza}most_refused = 0.2\n")
    (tmp_path / "config" / "feeds.toml").write_text(feeds)
    return lake_at(tmp_path)


def send(lake: Lake, name: str, good: int, broken: int) -> None:
    told = [patient(f"{name}{number}", day(1)) for number in range(good)]
    path = drop(lake, FEED, f"{name}.ndjson", told)
    path.write_bytes(path.read_bytes() + BROKEN * broken)
    land(lake, lake.catalog.feeds[FEED])


def take(lake: Lake) -> list[Any]:
    feed = lake.catalog.feeds[FEED]
    return [load(lake, batch) for batch in pending(lake, feed)]


def batches(lake: Lake) -> list[tuple[int, int]]:
    return [(batch.first, batch.last) for batch in pending(lake, lake.catalog.feeds[FEED])]


def say(lake: Lake, first: int, last: int, *, is_accepted: bool, by: str = "ann") -> None:
    decide_batch(lake.settings, Decision(FEED, first, last, is_accepted, "a test", by))


def held(lake: Lake) -> tuple[int, int]:
    """Rows in bronze, and in quarantine."""
    return len(rows(lake, "bronze.fhir_resource")), len(rows(lake, f"quarantine.{FEED}"))


@pytest.mark.long
@pytest.mark.parametrize(("good", "broken"), [(8, 2), (5, 0), (0, 0)])
def test_what_is_refused_within_the_share_waits_in_quarantine_as_ever(
    lake: Lake, good: int, broken: int
) -> None:
    send(lake, "a", good, broken)
    take(lake)
    assert held(lake) == (good, broken)


@pytest.mark.long
def test_more_than_that_loads_nothing_and_says_how_much_and_what_to_do(lake: Lake) -> None:
    send(lake, "a", 8, 3)
    for _ in range(2):
        with pytest.raises(
            QualityError, match=r"north_ehr 1-1: 3 of 11 records .* than 20\.0%"
        ) as it:
            take(lake)
        assert "accept north_ehr 1-1" in it.value.hint
    assert held(lake) == (0, 0)
    assert batches(lake) == [(1, 1)]


@pytest.mark.long
def test_accepted_it_is_loaded_and_left_out_never_and_what_comes_after_goes_on(lake: Lake) -> None:
    send(lake, "a", 1, 1)
    say(lake, 1, 1, is_accepted=True)
    send(lake, "b", 1, 1)
    assert batches(lake) == [(1, 1), (2, 2)], "what was decided on is not joined with what is new"
    with pytest.raises(QualityError, match="north_ehr 2-2"):
        take(lake)
    assert held(lake) == (1, 1)
    say(lake, 2, 2, is_accepted=False)
    send(lake, "c", 1, 0)
    left, last = take(lake)
    assert (left.records, left.left_out, last.good) == (0, 1, 1)
    assert held(lake) == (2, 1)
    assert batches(lake) == []
    assert [(d.first, d.is_accepted, d.by) for d in decided(lake, FEED)] == [
        (1, True, "ann"), (2, False, "ann"),
    ]  # fmt: skip


@pytest.mark.long
def test_a_decision_is_made_once_and_only_of_what_waits(lake: Lake) -> None:
    send(lake, "a", 1, 1)
    for first, last in [(1, 2), (2, 2), (7, 9)]:
        with pytest.raises(SpecError, match="no batch"):
            say(lake, first, last, is_accepted=True)
    say(lake, 1, 1, is_accepted=False)
    with pytest.raises(SpecError, match="decided already"):
        say(lake, 1, 1, is_accepted=True)
    take(lake)
    with pytest.raises(SpecError, match="no batch"):
        say(lake, 1, 1, is_accepted=True)
    with pytest.raises(SpecError, match="no feed"):
        decide_batch(lake.settings, Decision("nobody", 1, 1, True, "", ""))


@pytest.mark.long
def test_a_run_goes_on_with_the_other_feeds_and_ends_with_the_code_of_the_refusal(
    lake: Lake,
) -> None:
    drop(lake, FEED, "a.ndjson", BROKEN)
    drop(lake, "south_ehr", "b.ndjson", [patient("s1")])
    told: list[str] = []
    with pytest.raises(QualityError) as it:
        run(lake.settings, told.append, tables=["silver.patient"], feeds=[FEED, "south_ehr"])
    assert it.value.exit_code == 11
    assert len(rows(lake, "silver.patient")) == 1


def decides(root: Path, person: int) -> None:
    lake = lake_at(root)
    try:
        say(lake, 1, 1, is_accepted=bool(person % 2), by=f"person {person}")
    except SpecError:
        (root / f"refused{person}").touch()


@pytest.mark.long
def test_of_several_who_decide_at_once_one_is_heard(lake: Lake, tmp_path: Path) -> None:
    send(lake, "a", 1, 1)
    assert race([(decides, (tmp_path, person)) for person in range(4)]) == [0] * 4
    assert len(decided(lake, FEED)) == 1
    assert len(list(tmp_path.glob("refused*"))) == 3
