"""A FHIR server with a bulk export, on loopback, that misbehaves as it is told.

`faults` holds for each step (`configuration`, `token`, `kickoff`, `status`, `file`, `error`, `cancel`) how the
next requests are answered; when none are left, as a good server would. All that the server makes up itself
names a patient: addresses, words, ids of jobs.
"""

import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

from tests.workbench import Resource, day, lines

CANARY = "Zzyzx"
NDJSON = "application/fhir+ndjson"
Fault = Callable[["Handler", bytes], None]


@dataclass
class Ehr:
    """What the server holds and how it behaves; tests change it while it runs."""

    resources: list[Resource] = field(default_factory=list)
    deleted: list[Resource] = field(default_factory=list)
    deleted_at: str = day(22)
    outcomes: list[Resource] = field(default_factory=list)
    at: str = day(20)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    polls: int = 1
    retry_after: str | None = "120"
    counts: Callable[[int], int | None] = lambda count: count
    etag: str | None = '"1"'
    packed: bool = False
    chunked: bool = False
    manifest: dict[str, Any] = field(default_factory=dict)
    elsewhere: str | None = None
    client_key: Any = None
    uses_of_a_token: int = 10**6
    lost_answers: int = 0

    port: int = 0
    scheme: str = "http"
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    exports: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    assertions: set[str] = field(default_factory=set)

    @property
    def base(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def count(self, step: str) -> int:
        """How often a step was asked for."""
        return sum(name == step for name, _ in self.seen)

    def begin(self, level: str, query: dict[str, list[str]]) -> str:
        """Make the files of an export: what changed since, of the types asked for."""
        self.asked.append((level, query))
        types = query.get("_type", [""])[0].split(",") if "_type" in query else None
        since = query.get("_since", [""])[0]
        found: dict[str, list[Resource]] = {}
        for resource in self.resources:
            if resource["meta"]["lastUpdated"] > since and (
                types is None or resource["resourceType"] in types
            ):
                found.setdefault(resource["resourceType"], []).append(resource)
        files = {f"{name}.ndjson": lines(rows) for name, rows in found.items()}
        if self.deleted and since and since < self.deleted_at:
            files["deleted.ndjson"] = lines(self.deleted)
        if self.outcomes:
            files["error.ndjson"] = lines(self.outcomes)
        number = str(len(self.exports) + 1)
        self.exports[number] = files
        return number

    def promise(self, number: str) -> bytes:
        """The manifest of an export."""
        told: dict[str, Any] = {"output": [], "error": [], "deleted": []}
        for name, content in self.exports[number].items():
            kind = name.partition(".")[0]
            part = kind if kind in ("error", "deleted") else "output"
            count = self.counts(content.count(b"\n"))
            item = {"type": "OperationOutcome" if part == "error" else kind}
            item["url"] = f"{self.elsewhere or self.base}/files/{number}/{CANARY}/{name}"
            told[part].append(item | ({} if count is None else {"count": count}))
        if not told["deleted"]:
            del told["deleted"]
        head = {
            "transactionTime": self.at,
            "request": f"{self.base}/fhir/$export?patient={CANARY}",
            "requiresAccessToken": self.client_key is not None,
        }
        merged = head | told | self.manifest
        return json.dumps({k: v for k, v in merged.items() if v != "absent"}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._take("GET", b"")

    def do_DELETE(self) -> None:
        self._take("DELETE", b"")

    def do_POST(self) -> None:
        self._take("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def _take(self, method: str, body: bytes) -> None:
        ehr, place = self.server.ehr, urlsplit(self.path)
        step = _step(method, place.path)
        ehr.seen.append((step, dict(self.headers)))
        faults = ehr.faults.get(step, [])
        if faults:
            faults.pop(0)(self, self._content(ehr, place.path))
        else:
            self._answer(ehr, step, place.path, body)

    def _answer(self, ehr: Ehr, step: str, path: str, body: bytes) -> None:
        if step == "configuration":
            self.send(200, json.dumps({"token_endpoint": f"{ehr.base}/token"}).encode())
        elif step == "token":
            self._log_in(ehr, body)
        elif ehr.client_key is not None and not self._is_let_in(ehr):
            self.send(401, CANARY.encode())
        elif step in ("file", "error"):
            self._give(ehr, self._content(ehr, path))
        else:
            self._export(ehr, step, path)

    def _export(self, ehr: Ehr, step: str, path: str) -> None:
        if step == "kickoff":
            level = path.removeprefix("/fhir").removesuffix("/$export")
            number = ehr.begin(level, parse_qs(urlsplit(self.path).query))
            self.send(202, b"", {"Content-Location": f"{ehr.base}/status/{number}?who={CANARY}"})
        elif step == "cancel":
            self.send(202, b"")
        elif ehr.count("status") <= ehr.polls:
            wish = {"Retry-After": ehr.retry_after} if ehr.retry_after else {}
            self.send(202, b"", {"X-Progress": CANARY, **wish})
        else:
            self.send(200, ehr.promise(path.split("/")[2]))

    def _content(self, ehr: Ehr, path: str) -> bytes:
        if path.startswith("/status/"):
            return ehr.promise(path.split("/")[2])
        if not path.startswith("/files/"):
            return bytes(100)
        content = ehr.exports[path.split("/")[2]][path.split("/")[-1]]
        return gzip.compress(content, mtime=0) if ehr.packed else content

    def _give(self, ehr: Ehr, content: bytes) -> None:
        headers = {"Content-Type": NDJSON} | ({"ETag": ehr.etag} if ehr.etag else {})
        if ehr.packed:
            headers["Content-Encoding"] = "gzip"
        asked = self.headers.get("Range")
        if asked and ehr.etag and self.headers.get("If-Range") == ehr.etag:
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            told = f"bytes {first}-{len(content) - 1}/{len(content)}"
            self.send(206, content[first:], headers | {"Content-Range": told})
        elif ehr.chunked:
            self.send_response(200)
            for name, value in (headers | {"Transfer-Encoding": "chunked"}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
        else:
            self.send(200, content, headers)

    def _log_in(self, ehr: Ehr, body: bytes) -> None:
        """Give a token for an assertion as the standard wants it; anything else ends the connection."""
        form = {name: value[0] for name, value in parse_qs(body.decode()).items()}
        assertion = form["client_assertion"]
        assert jwt.get_unverified_header(assertion)["kid"] == "our-key"
        claims = jwt.decode(
            assertion, ehr.client_key, ["RS384", "ES384"], audience=f"{ehr.base}/token"
        )
        assert claims["iss"] == claims["sub"] == "the-lake"
        assert claims["jti"] not in ehr.assertions, "it is shown once"
        ehr.assertions.add(claims["jti"])
        assert claims["exp"] - claims["iat"] <= 300
        assert form["grant_type"] == "client_credentials"
        if ehr.lost_answers:
            ehr.lost_answers -= 1
            self.close_connection = True
            return
        token = f"secret-{len(ehr.tokens)}"
        ehr.tokens[token] = ehr.uses_of_a_token
        told = {"access_token": token, "token_type": "bearer", "expires_in": 300}
        self.send(200, json.dumps(told).encode())

    def _is_let_in(self, ehr: Ehr) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        ehr.tokens[token] = ehr.tokens.get(token, 0) - 1
        return ehr.tokens[token] >= 0

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status, CANARY)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _step(method: str, path: str) -> str:
    if method == "DELETE":
        return "cancel"
    if path.startswith("/files/"):
        return "error" if path.endswith("error.ndjson") else "file"
    ends = {"/$export": "kickoff", "/token": "token", "smart-configuration": "configuration"}
    return next((step for end, step in ends.items() if path.endswith(end)), "status")


def says(status: int, **headers: str) -> Fault:
    """Answer with a status and words of a patient."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    told = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": CANARY}]}
    told |= {"error": "invalid_client", "error_description": CANARY}
    return lambda handler, _: handler.send(status, json.dumps(told).encode(), named)


def gives(content: bytes, **headers: str) -> Fault:
    """Answer with this, as if it were right."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, _: handler.send(200, content, {"Content-Type": NDJSON} | named)


def cuts(after: int, *, reset: bool = False, told: bool = True) -> Fault:
    """Send so many bytes of a file and then no more: the connection ends, or is reset. Perhaps the length is not told."""

    def cut(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", NDJSON)
        if handler.server.ehr.etag:
            handler.send_header("ETag", handler.server.ehr.etag)
        if told:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:after])
        handler.close_connection = True
        if reset:
            lingers = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingers)
            handler.connection.close()

    return cut


def breaks(handler: Handler, content: bytes) -> None:
    """Send a file in chunks, and end without the last."""
    handler.send_response(200)
    handler.send_header("Content-Type", NDJSON)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
    handler.close_connection = True


def stalls(handler: Handler, content: bytes) -> None:
    """Send a little, and then nothing until the client has had enough."""
    handler.send_response(200)
    handler.send_header("Content-Type", NDJSON)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[:5])
    handler.connection.recv(1)
    handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, ehr: Ehr) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ehr = ehr

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def serving(ehr: Ehr, certificates: Path | None = None) -> Iterator[Ehr]:
    """The server runs; with a certificate and its key from a folder it speaks TLS."""
    server = _Server(ehr)
    if certificates:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        ehr.scheme = "https"
    ehr.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield ehr
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
