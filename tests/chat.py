"""A chat system's incoming webhook, on loopback."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Chat:
    """A chat system's incoming webhook, on loopback; `statuses` are its next answers."""

    url: str = ""
    posts: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


@contextmanager
def serving(chat: Chat) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = chat.statuses.pop(0) if chat.statuses else 200
            if status == 200:
                chat.posts.append(json.loads(body)["text"])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        chat.url = f"http://127.0.0.1:{server.server_port}/hook"
        yield
        server.shutdown()
