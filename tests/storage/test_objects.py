"""Bytes by key: whole or not at all, and what a store does wrong is said as such."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from lakehouse.errors import StoreError
from lakehouse.objects import open_objects
from lakehouse.objects.folder import FolderObjects
from lakehouse.objects.s3 import S3Objects
from lakehouse.settings import Credentials

KEY = "landing/objects/ab/abcd"


class Torn(io.BytesIO):
    """A stream that fails on the way."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError(28, "No space left on device")
        return super().read(5)


def test_what_was_put_is_there_and_can_be_put_again(tmp_path: Path) -> None:
    objects = open_objects(str(tmp_path), None)
    assert objects.size(KEY) is None
    for content in (b"one", b"one"):
        objects.put(KEY, io.BytesIO(content), len(content))
    with objects.open(KEY) as stream:
        assert stream.read() == b"one"
    assert objects.size(KEY) == 3
    objects.delete(KEY)
    objects.delete(KEY)
    assert objects.size(KEY) is None
    with pytest.raises(StoreError, match="No such file"):
        objects.open(KEY)


def test_what_could_not_be_put_whole_leaves_nothing(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path)
    with pytest.raises(StoreError, match="No space left on device"):
        objects.put(KEY, Torn(b"never whole"), 11)
    assert objects.size(KEY) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_place_that_takes_nothing_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "landing").write_text("a file where a folder should be")
    objects = FolderObjects(tmp_path)
    for attempt in (
        lambda: objects.put(KEY, io.BytesIO(b""), 0),
        lambda: objects.size(KEY),
        lambda: objects.delete(KEY),
        lambda: objects.open(KEY),
    ):
        with pytest.raises(StoreError, match="the folder store failed"):
            attempt()


class _Unreliable(BaseHTTPRequestHandler):
    """Promises more than it sends, refuses, or has nothing; it remembers what it was asked for."""

    asked: ClassVar[list[str]] = []
    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.send_header("Content-Length", "1000" if self.status == 200 else "0")
        self.end_headers()
        if self.status == 200:
            self.wfile.write(b"too little")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def endpoint() -> Iterator[str]:
    _Unreliable.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Unreliable) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_answer_that_breaks_off_is_an_error_of_the_store(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Unreliable, "status", 200)
    objects = open_objects("s3://lake/some/folder", Credentials(endpoint, "key", "secret"))
    with objects.open(KEY) as stream, pytest.raises(StoreError, match="the object store failed"):
        stream.read()
    assert _Unreliable.asked == [f"/lake/some/folder/{KEY}"]


@pytest.mark.parametrize(("status", "told"), [(403, "AccessDenied"), (400, "object store")])
def test_a_store_that_refuses_is_an_error_of_the_store(
    endpoint: str, status: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Unreliable, "status", status)
    objects = S3Objects("lake", "", Credentials(endpoint, "key", "secret"))
    with pytest.raises(StoreError, match=told):
        objects.size(KEY)
    monkeypatch.setattr(_Unreliable, "status", 404)
    assert objects.size(KEY) is None
