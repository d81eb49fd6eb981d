"""A second reader over HTTP: it gets every event once and each run in its order, however it behaves,
and nothing it does harms the work or the outbox."""

import json
import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run as run_program
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from openlineage.client.event_v2 import RunState
from openlineage.client.uuid import generate_new_uuid

from lakehouse.errors import SpecError, StoreError
from lakehouse.govern.overview import list_tables
from lakehouse.lineage import outbox, relay
from lakehouse.lineage.collect import Collected
from lakehouse.lineage.emit import emit, running
from lakehouse.lineage.events import run_event
from lakehouse.lineage.relay import Relay
from lakehouse.settings import Settings, read_settings
from lakehouse.storage.lake import open_lake
from tests.lineage.conftest import Hospital
from tests.peers.java import command
from tests.processes import kill_now, race
from tests.processes import run as run_process

RUN = ["land.north_ehr", "land.north_ehr", "load.north_ehr", "build.silver.patient"]
"""The jobs of one delivery: landed, looked for in the inbox, loaded, built."""
WHOLE = [(job, state) for job in RUN for state in ("START", "COMPLETE")]


class Reader(ThreadingHTTPServer):
    """A receiver of OpenLineage events on loopback, well or ill; `taken` is what it acknowledged."""

    daemon_threads = True

    def __init__(self, conduct: str = "takes") -> None:
        super().__init__(("127.0.0.1", 0), Receiving)
        self.conduct = conduct
        self.script: list[str] = []
        self.poison = ""
        self.calls: list[tuple[str, str | None, str]] = []
        self.keys: list[str | None] = []
        self.taken: list[str] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_conduct(self, text: str) -> str:
        if self.poison and self.poison in text:
            return "500"
        return self.script.pop(0) if self.script else self.conduct

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that does not wait any longer is what some of these tests want."""


class Receiving(BaseHTTPRequestHandler):
    server: Reader
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        if self.server.conduct == "answers unread":
            self.close_connection = True
            self._answer(200)
            return
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.calls.append((self.path, self.headers["Content-Type"], text))
        self.server.keys.append(self.headers["Idempotency-Key"])
        conduct = self.server.next_conduct(text)
        if conduct == "takes":
            self.server.taken.append(text)
            self._answer(201)
        elif conduct == "resets":
            self._reset()
        elif conduct == "never answers":
            self.server.over.wait(60)
            self.close_connection = True
        elif conduct.startswith("says "):
            self.server.taken += [text] if conduct in HARMLESS else []
            self._answer(200, conduct.removeprefix("says ").encode())
        else:
            status, _, after = conduct.partition(" after ")
            self._answer(int(status), headers={"Retry-After": after} if after else {})

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        # without lingering, closing is a reset
        now = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""


LIES = (
    'says {"error": "no such namespace"}',
    'says {"status": "partial_success", "failed_events": [{"index": 0}]}',
    'says {"status": "ERROR"}',
)
HARMLESS = ('says {"status": "success"}', "says <html>", "says []", "says null", "says error")
ILL = ("500", "503", "429", "401", "404", "307", "resets", "never answers")
"""What a reader does that takes nothing now."""


@contextmanager
def reading(conduct: str = "takes") -> Iterator[Reader]:
    with Reader(conduct) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            made.over.set()
            made.shutdown()
            thread.join()


@pytest.fixture
def reader() -> Iterator[Reader]:
    """A reader that takes everything until the test says otherwise."""
    with reading() as made:
        yield made


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_TIMEOUT", urllib3.Timeout(0.1))


def read_by(settings: Settings, url: str) -> Settings:
    return read_settings({**settings.environment, "LAKEHOUSE_LINEAGE_URL": url})


def kept(settings: Settings) -> list[str]:
    return [path.read_text() for path in outbox.waiting(settings.outbox)]


def queue(settings: Settings) -> Relay:
    found = outbox.relay_of(settings)
    assert found
    return found


def jobs(texts: list[str]) -> list[tuple[str, str]]:
    events = map(json.loads, texts)
    return [(event["job"]["name"].removeprefix("run."), event["eventType"]) for event in events]


def work(settings: Settings, job: str = "run.land.north_ehr") -> None:
    """A run of which two events are told."""
    with running(job, settings):
        pass


def work_often(environment: dict[str, str]) -> None:
    for _ in range(5):
        work(read_settings(environment))


def pause(settings: Settings) -> Path:
    return settings.outbox / "second" / ".pause"


def let_time_pass(settings: Settings) -> None:
    """As long as the reader is left alone."""
    if pause(settings).exists():
        told = json.loads(pause(settings).read_text())
        pause(settings).write_text(json.dumps(told | {"until": 0}))


def let_an_hour_pass(settings: Settings) -> None:
    told = json.loads(pause(settings).read_text())
    overtaken = {name: since - 3601 for name, since in told["overtaken"].items()}
    pause(settings).write_text(json.dumps(told | {"overtaken": overtaken}))


def paused_seconds(settings: Settings) -> float:
    return float(json.loads(pause(settings).read_text())["until"]) - time.time()


def deliver_all(settings: Settings, most: int = 50) -> None:
    """Ask again and again, as `watch` does."""
    for _ in range(most):
        let_time_pass(settings)
        if not queue(settings).deliver(60).waiting:
            return
    pytest.fail("events still wait")


def each_run_in_order(texts: list[str]) -> bool:
    """Whether of each run START came before its end."""
    seen: dict[str, list[str]] = {}
    for event in map(json.loads, texts):
        seen.setdefault(event["run"]["runId"], []).append(event["eventType"])
    return all(told in (["START", "COMPLETE"], ["START"]) for told in seen.values())


@pytest.mark.long
def test_every_event_of_a_run_reaches_the_reader_whole_and_valid(
    settings: Settings, hospital: Hospital, reader: Reader
) -> None:
    also = read_by(settings, reader.url)
    hospital.send(also, hospital.patient(1), to="silver.patient")
    texts = [text for _, _, text in reader.calls]
    assert texts == kept(also)
    assert jobs(texts) == WHOLE
    assert {call[:2] for call in reader.calls} == {("/api/v1/lineage", "application/json")}
    for event in map(json.loads, texts):
        assert UUID(event["run"]["runId"])
        assert urlsplit(event["producer"]).scheme
        assert event["schemaURL"].endswith("/RunEvent")
        assert event["eventTime"]
    assert hospital.canary not in "".join(texts)
    assert queue(also).waiting() == []


@pytest.mark.peer
def test_another_implementations_parser_reads_every_event_and_writes_the_same(
    river: Settings,
) -> None:
    texts = kept(river)
    assert jobs(texts) == WHOLE
    told = "".join(f"{text}\n" for text in texts)
    program = command("openlineage", "ReadEvents")
    done = run_program(program, input=told, capture_output=True, text=True, check=True)
    assert [_comparable(line) for line in done.stdout.splitlines()] == [*map(_comparable, texts)]


def _comparable(text: str) -> Any:
    def plain(value: Any) -> Any:
        match value:
            case dict():
                # that one writes what is not there as null, and nothing as an empty object
                kept = {name: plain(it) for name, it in value.items()}
                return {name: it for name, it in kept.items() if it not in (None, {}, [])}
            case list():
                return [plain(it) for it in value]
        return value

    event = plain(json.loads(text))
    event["eventTime"] = _instant(event["eventTime"])
    return event


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.long
@pytest.mark.parametrize("conduct", ILL)
def test_the_work_goes_on_and_what_waits_is_taken_once_when_the_reader_is_well_again_that(
    settings: Settings,
    hospital: Hospital,
    reader: Reader,
    conduct: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    reader.conduct = conduct
    also = read_by(settings, reader.url)
    hospital.send(also, hospital.patient(1), to="silver.patient")
    assert jobs(kept(also)) == WHOLE
    rows = {state.name: state.rows for state in list_tables(open_lake(also, "read"))}
    assert rows["silver.patient"] == 1
    assert len(queue(also).waiting()) == len(WHOLE)
    assert 0 < len(reader.calls) <= len(WHOLE)
    told = capfd.readouterr().err
    assert "the second reader takes no event" in told
    assert hospital.canary not in told
    reader.conduct = "takes"
    deliver_all(also)
    assert reader.taken == kept(also)


@pytest.mark.long
def test_a_reader_that_is_down_for_an_hour_of_work_misses_nothing_and_gets_nothing_twice(
    settings: Settings, reader: Reader
) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = "resets"
    assert race([(work_often, (dict(also.environment),))] * 4) == [0, 0, 0, 0]
    assert len(queue(also).waiting()) == 40
    reader.conduct = "takes"
    let_time_pass(also)
    work(also)  # the next work finds the reader well, and sends what waited as well
    deliver_all(also)
    assert Counter(reader.taken) == Counter(kept(also))
    assert set(Counter(reader.taken).values()) == {1}
    assert each_run_in_order(reader.taken)


def test_while_it_is_left_alone_it_is_asked_nothing_and_the_pause_grows_to_a_bound(
    settings: Settings, reader: Reader
) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = "401"
    work(also)
    assert len(reader.calls) == 1
    pauses = []
    for _ in range(12):
        queue(also).deliver(60)
        let_time_pass(also)
        queue(also).deliver(60)
        pauses.append(round(paused_seconds(also)))
    assert len(reader.calls) == 13
    assert pauses == [4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300, 300]


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        ("30", 30),
        ("0", 2),
        ("-5", 2),
        ("999999999999", 600),
        ("soon", 2),
        ("", 2),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 2),
    ],
)
@pytest.mark.parametrize("status", ["429", "503"])
def test_a_reader_may_ask_for_a_pause_up_to_a_bound_of_ours(
    settings: Settings, reader: Reader, status: str, after: str, seconds: int
) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = f"{status} after {after}"
    work(also)
    assert abs(paused_seconds(also) - seconds) < 2
    assert len(reader.calls) == 1


@pytest.mark.parametrize("conduct", [*LIES, "400", "413", "422"])
def test_an_event_that_is_refused_for_good_is_set_aside_and_the_next_are_taken(
    settings: Settings, reader: Reader, conduct: str
) -> None:
    also = read_by(settings, reader.url)
    reader.script = [conduct]
    work(also)
    work(also)
    first, *others = kept(also)
    assert reader.taken == others
    assert [path.read_text() for path in queue(also).refused()] == [first]
    assert queue(also).waiting() == []


@pytest.mark.parametrize("conduct", HARMLESS)
def test_what_else_an_answer_says_is_its_own_affair(
    settings: Settings, reader: Reader, conduct: str
) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = conduct
    work(also)
    assert reader.taken == kept(also)
    assert queue(also).waiting() == queue(also).refused() == []


def test_a_reader_that_answers_before_it_reads_is_taken_at_its_word(
    settings: Settings, reader: Reader
) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = "answers unread"
    work(also)
    deliver_all(also)
    assert len(kept(also)) == 2


def test_an_event_that_always_fails_holds_back_its_own_run_only_and_not_for_ever(
    settings: Settings, reader: Reader
) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = "401"
    for job in ("run.land.bad", "run.land.good"):
        work(also, job)
    bad_start, bad_end, good_start, good_end = kept(also)
    reader.conduct, reader.poison = "takes", f'"runId": "{json.loads(bad_start)["run"]["runId"]}"'
    let_time_pass(also)
    for _ in range(5):
        queue(also).deliver(60)
    assert reader.taken == [good_start, good_end]
    assert queue(also).refused() == []
    let_an_hour_pass(also)
    let_time_pass(also)
    work(also, "run.land.good")
    assert [path.read_text() for path in queue(also).refused()] == [bad_start]
    reader.poison = ""
    deliver_all(also)
    assert bad_end in reader.taken
    assert set(Counter(reader.taken).values()) == {1}


def test_what_is_no_event_is_set_aside(settings: Settings, reader: Reader) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = "401"
    work(also)
    (settings.outbox / "second" / "0-torn.json").write_text("{")
    reader.conduct = "takes"
    deliver_all(also)
    assert reader.taken == kept(also)
    assert [path.name for path in queue(also).refused()] == ["0-torn.refused"]


def deliver(environment: dict[str, str]) -> None:
    queue(read_settings(environment)).deliver(60)


def deliver_and_die(environment: dict[str, str]) -> None:
    """Be killed when the reader has taken an event, and before that is noted."""
    Path.unlink = lambda *_, **__: kill_now()  # type: ignore[method-assign,assignment]
    deliver(environment)


@pytest.mark.long
def test_killed_behind_an_answer_it_sends_the_event_again_under_the_same_key(
    settings: Settings, reader: Reader
) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = "401"
    for _ in range(3):
        work(also)
    reader.conduct = "takes"
    reader.calls.clear()
    reader.keys.clear()
    let_time_pass(also)
    for _ in range(2):
        assert run_process(deliver_and_die, dict(also.environment)) == -9
    deliver_all(also)
    assert list(dict.fromkeys(reader.taken)) == kept(also)
    # a slow machine may also have waited in vain for an answer
    assert Counter(reader.keys).most_common(1)[0][1] >= 3
    assert len(set(reader.keys)) == len(kept(also))


@pytest.mark.long
def test_of_four_processes_that_send_at_once_one_does(settings: Settings, reader: Reader) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = "401"
    for _ in range(30):
        work(also)
    reader.conduct = "takes"
    let_time_pass(also)
    assert race([(deliver, (dict(also.environment),))] * 4) == [0, 0, 0, 0]
    assert reader.taken == kept(also)


@pytest.mark.long
def test_whatever_a_reader_does_in_whatever_order_it_has_all_in_the_end(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    conducts = st.sampled_from([*ILL[:-1], "takes", "takes", "429 after 9"])

    @given(st.lists(conducts, max_size=40), st.integers(1, 6))
    def holds(script: list[str], runs: int) -> None:
        folder = tmp_path_factory.mktemp("drawn")
        with reading() as reader:
            environment = {"LAKEHOUSE_HOME": str(folder), "LAKEHOUSE_URL": str(folder / "lake")}
            also = read_by(read_settings(environment), reader.url)
            reader.script = script
            for number in range(runs):
                work(also)
                if number % 2:
                    let_time_pass(also)
            deliver_all(also, 200)
            refused = [path.read_text() for path in queue(also).refused()]
            assert Counter(reader.taken + refused) == Counter(kept(also))
            assert refused or each_run_in_order(reader.taken)

    holds()


def test_the_copy_that_waits_costs_no_room_and_stays_when_the_outbox_is_emptied(
    settings: Settings, reader: Reader
) -> None:
    also = read_by(settings, reader.url)
    reader.conduct = "401"
    work(also)
    (first, _), (copy, _) = outbox.waiting(also.outbox), queue(also).waiting()
    assert first.samefile(copy)
    text = first.read_text()
    first.unlink()
    assert copy.read_text() == text
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700


def test_where_a_file_can_have_one_name_only_the_event_is_copied(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    also = read_by(settings, reader.url)
    work(also)
    assert reader.taken == kept(also)


def test_without_a_second_reader_nothing_waits_for_one(settings: Settings) -> None:
    work(settings)
    assert not (settings.outbox / "second").exists()
    assert (
        outbox.relay_of(read_settings({**settings.environment, "LAKEHOUSE_LINEAGE_URL": ""}))
        is None
    )


def test_a_reader_that_is_well_does_not_hide_an_outbox_that_is_not(
    settings: Settings, reader: Reader
) -> None:
    also = read_by(settings, reader.url)
    also.home.mkdir(parents=True)
    also.outbox.write_text("a file where the folder should be")
    with (
        pytest.raises(StoreError, match="a lineage event could not be written"),
        running("run.land.north_ehr", also),
    ):
        pytest.fail("the work began")
    assert reader.calls == []


@pytest.mark.parametrize(
    "url", ["marquez", "ftp://marquez", "http://", "marquez:5000", "http://me:secret@marquez"]
)
def test_an_address_that_is_none_is_told(settings: Settings, url: str) -> None:
    event = run_event(
        RunState.START, "s3://lake", Collected(str(generate_new_uuid()), "run.land.north_ehr")
    )
    with pytest.raises(SpecError, match="LAKEHOUSE_LINEAGE_URL") as caught:
        emit(read_by(settings, url), event)
    assert "secret" not in str(caught.value)
