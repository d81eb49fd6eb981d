"""What is taken from an inbox, when, and what is left of it."""

import gzip
import json
import os
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehouse.catalog.spec import Feed
from lakehouse.errors import SpecError
from lakehouse.ingest.landing import Landed, deliver, land
from lakehouse.ingest.manifest import Manifest, read_manifest
from lakehouse.ingest.receivers import inbox
from lakehouse.ingest.receivers.inbox import waiting
from lakehouse.storage.lake import Lake
from tests.workbench import day, drop, ingest, lake_at, lines, manifest, patient, rows

NAME = "Zanzibar-Canary"


class Killed(BaseException):
    pass


def kill(*_: object) -> None:
    raise Killed


@pytest.fixture
def feed(lake: Lake) -> Feed:
    return lake.catalog.feeds["north_ehr"]


def settling(feed: Feed, seconds: int = 3600) -> Feed:
    return replace(feed, settle_seconds=seconds)


def sent(lake: Lake) -> list[str]:
    """The names in the ledger, in the order of arrival."""
    told = sorted(rows(lake, "landing.ledger"), key=lambda row: row["sequence"])
    return [row["file_name"] for row in told]


def left_over(lake: Lake, feed: Feed) -> list[str]:
    root = lake.settings.inbox / feed.name
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".lock")


def test_a_file_is_kept_byte_for_byte_and_the_inbox_is_empty(lake: Lake, feed: Feed) -> None:
    content = b"\x00\xff\r\n not a resource"
    drop(lake, feed.name, f"deep/{NAME}/a.ndjson", content)
    landed = land(lake, feed)
    (row,) = rows(lake, "landing.ledger")
    with lake.objects.open(f"landing/objects/{row['object_id'][:2]}/{row['object_id']}") as stream:
        assert stream.read() == content
    assert (landed.bytes, len(landed.sequences)) == (len(content), 1)
    assert left_over(lake, feed) == [".taken"]


def test_a_file_still_being_copied_is_left_alone(lake: Lake, feed: Feed) -> None:
    path = drop(lake, feed.name, "a.ndjson", [patient()])
    assert not waiting(lake.settings, settling(feed))
    assert land(lake, settling(feed)).sequences == ()
    assert path.exists()
    assert waiting(lake.settings, feed)
    assert land(lake, feed).sequences == (1,)


def test_an_old_modification_time_does_not_make_a_new_file_settled(lake: Lake, feed: Feed) -> None:
    path = drop(lake, feed.name, "a.ndjson", [patient()])
    os.utime(path, (0, 0))
    assert not waiting(lake.settings, settling(feed))


def test_a_hidden_file_is_nobodys(lake: Lake, feed: Feed) -> None:
    drop(lake, feed.name, ".part/a.ndjson", [patient()])
    drop(lake, feed.name, ".a.ndjson.part", [patient()])
    assert not waiting(lake.settings, feed)
    assert land(lake, feed).sequences == ()


def test_a_manifest_vouches_for_the_files_that_it_lists(lake: Lake, feed: Feed) -> None:
    drop(lake, feed.name, "x/p.ndjson", [patient()])
    drop(lake, feed.name, "x/other.ndjson", [patient("p2")])
    drop(lake, feed.name, "x/manifest.json", manifest(day(3), "p.ndjson"))
    assert waiting(lake.settings, settling(feed))
    assert len(land(lake, settling(feed)).sequences) == 2
    assert sorted(sent(lake)) == ["x/manifest.json", "x/p.ndjson"]
    times = {row["export_at"] for row in rows(lake, "landing.ledger")}
    assert times == {datetime(2026, 1, 3, tzinfo=UTC)}


def test_a_manifest_that_lists_more_than_there_is_vouches_for_nothing(
    lake: Lake, feed: Feed
) -> None:
    drop(lake, feed.name, "p.ndjson", [patient()])
    drop(lake, feed.name, "manifest.json", manifest(day(3), "p.ndjson", "later.ndjson"))
    assert not waiting(lake.settings, settling(feed))


def test_a_manifest_does_not_vouch_for_a_file_that_is_written_after_it(
    lake: Lake, feed: Feed
) -> None:
    drop(lake, feed.name, "manifest.json", manifest(day(3), "p.ndjson"))
    vouched = lake.settings.inbox / feed.name / "manifest.json"
    part = drop(lake, feed.name, "p.ndjson", [patient()])
    while part.stat().st_ctime_ns <= vouched.stat().st_ctime_ns:
        part.write_bytes(part.read_bytes() + b"\n")
    assert not waiting(lake.settings, settling(feed))


def test_a_manifest_comes_behind_what_lies_beside_it_however_old_it_is(
    lake: Lake, feed: Feed
) -> None:
    drop(lake, feed.name, "x/manifest.json", manifest(day(3), "p.ndjson", "q.ndjson"))
    drop(lake, feed.name, "x/p.ndjson", [patient("p1")])
    drop(lake, feed.name, "y/p.ndjson", [patient("p2")])
    drop(lake, feed.name, "x/q.ndjson", [patient("p3")])
    drop(lake, feed.name, "y/manifest.json", manifest(day(4), "p.ndjson"))
    land(lake, feed)
    names = ["x/p.ndjson", "y/p.ndjson", "x/q.ndjson", "x/manifest.json", "y/manifest.json"]
    assert sent(lake) == names


@pytest.mark.long
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b"null",
        b'{"transactionTime": "0001-01-01T00:00:00+14:00"}',
        b'{"transactionTime": "9999-12-31T23:59:59-14:00"}',
        b'{"transactionTime": 7, "output": 7}',
        b'{"output": [{"url": "http://[oops"}, {"url": 7}, 7]}',
        b'{"transactionTime": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_manifest_that_makes_no_sense_proves_nothing_and_stops_nothing(
    lake: Lake, feed: Feed, content: bytes
) -> None:
    drop(lake, feed.name, "manifest.json", content)
    drop(lake, feed.name, "p.ndjson", [patient()])
    assert not waiting(lake.settings, settling(feed))
    assert ingest(lake).good == 1
    assert {row["export_at"] for row in rows(lake, "landing.ledger")} == {None}


@pytest.mark.parametrize("packed", [b"\x1f\x8b", gzip.compress(b"{}", mtime=0)[:-9], b"{}"])
def test_a_packed_manifest_that_is_broken_proves_nothing(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "manifest.json.gz"
    path.write_bytes(packed)
    assert read_manifest(path) is None


def test_the_log_of_an_export_tells_when_it_was_true(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    told = [{"eventId": "kickoff"}, {"eventDetail": {"transactionTime": day(9)}}]
    path.write_text("\n".join(map(json.dumps, told)))
    assert read_manifest(path) == Manifest(datetime(2026, 1, 9, tzinfo=UTC), frozenset())


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_folder_link(path: Path) -> None:
    path.symlink_to("/etc")


def make_broken_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


ODD = [make_link, make_folder_link, make_broken_link, make_pipe, make_socket]


@pytest.mark.parametrize("make", ODD)
def test_what_is_no_regular_file_is_set_aside_unopened_and_nameless(
    lake: Lake, feed: Feed, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = drop(lake, feed.name, "x/a.ndjson", [patient()])
    monkeypatch.chdir(beside.parent)
    make(beside.with_name(NAME))
    landed = land(lake, feed)
    assert (len(landed.sequences), landed.refused) == (1, 1)
    assert not any(NAME in name for name in left_over(lake, feed))
    (kept,) = (lake.settings.inbox / feed.name / ".refused").iterdir()
    assert not stat.S_ISREG(kept.lstat().st_mode)
    assert land(lake, feed) == Landed((), 0, 0, 0)


@pytest.mark.parametrize("make", ODD)
def test_a_delivered_folder_with_more_than_files_in_it_is_landed_without_that(
    lake: Lake,
    feed: Feed,
    tmp_path: Path,
    make: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "sent"
    folder.mkdir()
    (folder / "a.ndjson").write_bytes(lines([patient()]))
    (folder / ".hidden").write_text("nobody's")
    monkeypatch.chdir(folder)
    make(folder / "odd")
    landed = deliver(lake, feed, [folder])
    assert (len(landed.sequences), landed.refused) == (1, 1)
    assert left_over(lake, feed) == [".taken"]


# an operator, other than a sender, may name a link to a file or a folder
@pytest.mark.parametrize("make", [make_broken_link, make_pipe, make_socket, lambda path: None])
def test_an_argument_that_is_neither_file_nor_folder_is_refused_before_anything_is_copied(
    lake: Lake,
    feed: Feed,
    tmp_path: Path,
    make: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = tmp_path / "a.ndjson"
    good.write_bytes(lines([patient()]))
    monkeypatch.chdir(tmp_path)
    make(tmp_path / NAME)
    with pytest.raises(SpecError, match="argument 2") as caught:
        deliver(lake, feed, [good, tmp_path / NAME])
    assert NAME not in str(caught.value)
    assert land(lake, feed).sequences == ()


def test_arguments_land_in_their_order_and_a_folder_by_the_age_of_its_files(
    lake: Lake, feed: Feed, tmp_path: Path
) -> None:
    names = ["z", "old/b", "old/a", "y"]
    for place, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        os.utime(path, (1000 + place, 1000 + place))
    deliver(lake, feed, [tmp_path / "y", tmp_path / "old", tmp_path / "z"])
    assert sent(lake) == ["0000/y", "0001/old/b", "0001/old/a", "0002/z"]


def test_a_clock_set_back_loses_no_delivery(
    lake: Lake, feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ndjson"
    for number in range(3):
        path.write_bytes(lines([patient(f"p{number}")]))
        assert len(deliver(lake, feed, [path]).sequences) == 1
        monkeypatch.setattr(time, "time_ns", lambda number=number: 1000 - number)


def test_two_inboxes_of_one_feed_do_not_swallow_each_others_claims(tmp_path: Path) -> None:
    lakes = [lake_at(tmp_path, LAKEHOUSE_INBOX=str(tmp_path / f"inbox{n}")) for n in (1, 2)]
    feed = lakes[0].catalog.feeds["north_ehr"]
    for number, lake in enumerate(lakes):
        drop(lake, feed.name, "a.ndjson", [patient(f"p{number}")])
    with inbox.claiming(lakes[0].settings, feed) as first:
        assert len(first.claims(0)) == 1  # taken, and killed here
    assert len(land(lakes[1], feed).sequences) == 1
    assert len(land(lakes[0], feed).sequences) == 1


def test_a_kill_while_files_are_taken_does_not_part_what_came_together(
    lake: Lake, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(lake, feed.name, "x/manifest.json", manifest(day(3), "p.ndjson"))
    drop(lake, feed.name, "x/p.ndjson", [patient()])
    rename = Path.rename

    def rename_once(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", kill)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_once)
    with pytest.raises(Killed):
        land(lake, feed)
    monkeypatch.undo()
    assert waiting(lake.settings, settling(feed)), "what is half taken is work to do"
    drop(lake, feed.name, "x/p.ndjson", b"another of that name")
    land(lake, feed)
    assert sent(lake) == ["x/p.ndjson", "x/manifest.json", "x/p.ndjson"]
    told = {row["sequence"]: row["export_at"] for row in rows(lake, "landing.ledger")}
    assert [told[1], told[2], told[3]] == [datetime(2026, 1, 3, tzinfo=UTC)] * 2 + [None]


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_a_kill_while_files_are_taken_does_not_part_them_from_their_manifest(
    lake: Lake, feed: Feed, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    drop(lake, feed.name, "x/manifest.json", manifest(day(3), "p.ndjson", "q.ndjson"))
    for name in ("p", "q"):
        drop(lake, feed.name, f"x/{name}.ndjson", [patient(name)])
    vouching = lake.settings.inbox / feed.name / "x" / "manifest.json"
    os.utime(vouching, (0, 0))  # the oldest by its word, the youngest by its change
    rename, left = Path.rename, iter(range(taken))

    def rename_some(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            kill()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_some)
    with pytest.raises(Killed):
        land(lake, settling(feed))
    monkeypatch.undo()
    assert waiting(lake.settings, settling(feed))
    assert len(land(lake, settling(feed)).sequences) == 3
    assert sent(lake) == ["x/p.ndjson", "x/q.ndjson", "x/manifest.json"]
    times = {row["export_at"] for row in rows(lake, "landing.ledger")}
    assert times == {datetime(2026, 1, 3, tzinfo=UTC)}


def test_a_senders_new_folder_is_not_taken_from_under_its_feet(lake: Lake, feed: Feed) -> None:
    fresh = lake.settings.inbox / feed.name / "export-7"
    fresh.mkdir(parents=True)
    land(lake, settling(feed))
    assert fresh.is_dir()
    land(lake, feed)
    assert not fresh.exists()


@pytest.mark.long
def test_two_files_of_one_name_in_turn_are_both_landed(lake: Lake, feed: Feed) -> None:
    for number in range(2):
        drop(lake, feed.name, "a.ndjson", [patient(f"p{number}")])
        assert ingest(lake).good == 1
