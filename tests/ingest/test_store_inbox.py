"""An inbox in the lake's own store: what senders put there is landed once, in its order, whatever its name."""

import io
import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.ingest.landing import land
from lakehouse.ingest.load import load, pending
from lakehouse.ingest.receivers import store
from lakehouse.objects import Entry, open_objects
from lakehouse.storage.lake import Lake
from tests.guillotine import COMMITS, raise_guillotine
from tests.processes import run
from tests.workbench import FEEDS, lake_at, lines, patient, rows

SENT = FEEDS.replace("[feed.north_lab]", 'receives = "store:"\n\n[feed.north_lab]', 1)
FEED = "north_ehr"


def sent_lake(root: Path, text: str = SENT) -> Lake:
    (root / "config").mkdir(parents=True, exist_ok=True)
    (root / "config" / "feeds.toml").write_text(text)
    return lake_at(root)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return sent_lake(tmp_path)


def send(lake: Lake, name: str, content: bytes, age: float = 60) -> Path:
    """Put an object as a sender would."""
    path = Path(lake.url) / "inbox" / FEED / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def left(lake: Lake) -> list[str]:
    return [entry.key for entry in lake.objects.list("inbox")]


def take(lake: Lake) -> None:
    land(lake, lake.catalog.feeds[FEED])
    for batch in pending(lake, lake.catalog.feeds[FEED]):
        load(lake, batch)


def names(lake: Lake) -> list[str]:
    ledger = sorted(rows(lake, "landing.ledger"), key=lambda row: row["sequence"])
    return [row["file_name"].rpartition("/")[2] for row in ledger]


@pytest.mark.long
def test_what_was_put_there_is_landed_oldest_first_and_removed(lake: Lake) -> None:
    send(lake, "b.ndjson", lines([patient("p1")]), age=90)
    send(lake, "x/a.ndjson", lines([patient("p2")]), age=30)
    take(lake)
    assert names(lake) == ["b.ndjson", "a.ndjson"]
    assert len(rows(lake, "bronze.fhir_resource")) == 2
    assert left(lake) == []


def test_what_is_hidden_or_has_not_settled_stays(tmp_path: Path) -> None:
    lake = sent_lake(tmp_path, SENT.replace('settle = "0 seconds"', 'settle = "30 seconds"', 1))
    for name in (".new", ".draft/a.ndjson", "x/.part"):
        send(lake, name, b"{}")
    send(lake, "young.ndjson", b"{}", age=1)
    feed = lake.catalog.feeds[FEED]
    due = store.due_in(lake.settings, feed)
    assert due is not None
    assert 20 < due < 30
    assert land(lake, feed).sequences == ()
    assert len(left(lake)) == 4
    send(lake, "old.ndjson", b"{}", age=31)
    assert store.due_in(lake.settings, feed) == 0
    assert len(land(lake, feed).sequences) == 1


def test_nothing_there_is_nothing_due(lake: Lake) -> None:
    assert store.due_in(lake.settings, lake.catalog.feeds[FEED]) is None
    assert land(lake, lake.catalog.feeds[FEED]).sequences == ()


@pytest.mark.long
def test_more_than_goes_at_once_goes_in_turns(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_MOST_FILES", 2)
    for number in range(5):
        send(lake, f"{number}.ndjson", lines([patient(f"p{number}")]), age=60 - number)
    take(lake)
    assert names(lake) == [f"{number}.ndjson" for number in range(5)]
    assert left(lake) == []


@pytest.mark.long
def test_what_is_written_anew_meanwhile_stays_and_is_taken_next(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(lake, "a.ndjson", lines([patient("p1")]))
    whole = store.fetch

    def fetch(*arguments: object) -> list[Entry]:
        taken = whole(*arguments)  # type: ignore[arg-type]
        if len(names(lake)) == 0:
            send(lake, "a.ndjson", lines([patient("p2")]), age=20)
        return taken

    monkeypatch.setattr(store, "fetch", fetch)
    take(lake)
    assert names(lake) == ["a.ndjson", "a.ndjson"]
    assert len(rows(lake, "bronze.fhir_resource")) == 2


class Kept:
    """A store in memory: its keys may be any text."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content

    def list(self, folder: str) -> list[Entry]:
        place = f"{folder}/"
        return [
            Entry(key, len(value), "", number)
            for number, (key, value) in enumerate(self.content.items())
            if key.startswith(place)
        ]

    def open(self, key: str) -> io.BytesIO:
        return io.BytesIO(self.content[key])


WILD = st.text(max_size=12) | st.sampled_from(
    ["../../x", "/etc/x", "a", "a/b", "a/b/c", "a//b", "a/./b", "..", "a\0b", "\n", "x" * 300]
)


@pytest.mark.long
@given(st.lists(WILD, max_size=8, unique=True))
def test_no_name_leads_out_of_the_folder_and_none_hides_another(given_names: list[str]) -> None:
    from tempfile import TemporaryDirectory

    lake_feed = sent_feed()
    content = {f"inbox/{FEED}/{name}": name.encode("utf-8", "replace") for name in given_names}
    with TemporaryDirectory() as outer:
        folder = Path(outer) / "in"
        folder.mkdir()
        taken = store.fetch(Kept(content), lake_feed, folder)  # type: ignore[arg-type]
        found = [path for path in Path(outer).rglob("*") if path.is_file()]
        assert all(path.is_relative_to(folder) for path in found)
        assert sorted(path.read_bytes() for path in found) == sorted(
            content[entry.key] for entry in taken
        )


_feed = []


def sent_feed():
    """The feed, read once for all examples."""
    if not _feed:
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            _feed.append(sent_lake(Path(folder)).catalog.feeds[FEED])
    return _feed[0]


def take_killed(root: Path, falls_at: int | None) -> None:
    raise_guillotine((*COMMITS, (type(open_objects("x", None)), "delete")), falls_at)
    take(sent_lake(root))


@pytest.mark.long
def test_killed_at_each_boundary_nothing_is_lost_and_no_row_is_there_twice(tmp_path: Path) -> None:
    root, codes, chosen = tmp_path / "killed", [], random.Random(5)
    lake = sent_lake(root)
    for number in range(3):
        send(lake, f"{number}.ndjson", lines([patient(f"p{number}")]), age=60 - number)
    while not codes or codes[-1]:
        codes.append(run(take_killed, root, chosen.randint(1, 8)))
        assert len(codes) < 60
    assert set(codes) == {-9, 0}
    assert len(codes) > 3, "it was hardly ever killed"
    assert left(lake) == []
    found = rows(lake, "bronze.fhir_resource")
    assert len(found) == len({row["resource_id"] for row in found}) == 3
