"""A server on this machine that answers as a test wants, and remembers what it was sent."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is sent back; `raw` in the place of all of it, in pieces as they are drawn."""

    body: bytes = b"[]"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Reply = Callable[[Asked, Any], Answer | None]  # what was asked, and the file that is written to; None: it wrote itself


class Listener:
    """Served while it is entered. What is in `plan` is answered first, one each; then as `usually` says."""

    def __init__(self, usually: Reply) -> None:
        self.usually = usually
        self.plan: list[Reply] = []
        self.asked: list[Asked] = []
        self.server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"listener": self}))
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/labels"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that went away are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    listener: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = Asked(self.path, dict(self.headers.items()), body)
        self.listener.asked.append(asked)
        reply = self.listener.plan.pop(0) if self.listener.plan else self.listener.usually
        answer = reply(asked, self.wfile)
        if answer is None:
            return
        self.send_response(answer.status)
        for name, value in answer.headers or (("Content-Length", str(len(answer.body))),):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *args: Any) -> None:
        """Nothing."""
