"""A second reader over HTTP: it gets every event, and nothing it does harms the work or the outbox."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from openlineage.client.event_v2 import RunState
from openlineage.client.uuid import generate_new_uuid

from lakehouse.errors import SpecError, StoreError
from lakehouse.govern.overview import list_tables
from lakehouse.lineage import outbox
from lakehouse.lineage.collect import Collected
from lakehouse.lineage.emit import emit, running
from lakehouse.lineage.events import run_event
from lakehouse.settings import Settings, read_settings
from lakehouse.storage.lake import open_lake
from tests.lineage.conftest import Hospital

RUN = ["land.north_ehr", "land.north_ehr", "load.north_ehr", "build.silver.patient"]
"""The jobs of one delivery: landed, looked for in the inbox, loaded, built."""


class Reader(ThreadingHTTPServer):
    """A receiver of OpenLineage events on loopback, well or ill."""

    daemon_threads = True

    def __init__(self, conduct: str) -> None:
        super().__init__(("127.0.0.1", 0), Receiving)
        self.conduct = conduct
        self.calls: list[tuple[str, str | None, str]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that does not wait any longer is what some of these tests want."""


class Receiving(BaseHTTPRequestHandler):
    server: Reader

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.calls.append((self.path, self.headers["Content-Type"], text))
        match self.server.conduct:
            case "resets":
                # without lingering, closing is a reset
                now = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                self.connection.close()
            case "never answers":
                self.server.over.wait(60)
            case "fails":
                self.send_error(500)
            case "takes":
                self.send_response(201)
                self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    """A reader of the conduct that the test asks for; it takes everything where none is named."""
    with Reader(getattr(request, "param", "takes")) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.over.set()
        made.shutdown()
        thread.join()


def read_by(settings: Settings, url: str) -> Settings:
    return read_settings({**settings.environment, "LAKEHOUSE_LINEAGE_URL": url})


def kept(settings: Settings) -> list[str]:
    return [path.read_text() for path in outbox.waiting(settings.outbox)]


def jobs(texts: list[str]) -> list[tuple[str, str]]:
    events = map(json.loads, texts)
    return [(event["job"]["name"].removeprefix("run."), event["eventType"]) for event in events]


WHOLE = [(job, state) for job in RUN for state in ("START", "COMPLETE")]


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


@pytest.mark.long
@pytest.mark.parametrize("reader", ["never answers", "fails", "resets"], indirect=True)
def test_the_work_goes_on_and_the_outbox_keeps_all_when_the_reader(
    settings: Settings,
    hospital: Hospital,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(outbox, "_HTTP_SECONDS", 0.05)
    also = read_by(settings, reader.url)
    hospital.send(also, hospital.patient(1), to="silver.patient")
    assert jobs(kept(also)) == WHOLE
    rows = {state.name: state.rows for state in list_tables(open_lake(also, "read"))}
    assert rows["silver.patient"] == 1
    assert len(reader.calls) >= len(WHOLE), "each event was offered"
    told = capfd.readouterr().err
    assert told.count("a second reader took no event") == len(WHOLE)
    assert hospital.canary not in told


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


@pytest.mark.parametrize("url", ["marquez", "ftp://marquez", "http://", "marquez:5000"])
def test_an_address_that_is_none_is_told(settings: Settings, url: str) -> None:
    event = run_event(
        RunState.START, "s3://lake", Collected(str(generate_new_uuid()), "run.land.north_ehr")
    )
    with pytest.raises(SpecError, match="LAKEHOUSE_LINEAGE_URL"):
        emit(read_by(settings, url), event)
