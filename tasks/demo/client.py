"""A small client of the REST API, as one person."""

import itertools
from collections.abc import Iterator
from typing import Any

import httpx

TIMEOUT_S = 60.0
STALE = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)  # a kept connection may be closed under us


class ServerDied(Exception):
    """Nobody answered any more."""


class Refused(Exception):
    """The API said no: `code` is the last part of the problem's type, `facts` the whole problem."""

    def __init__(self, status: int, facts: dict[str, Any], request: str) -> None:
        self.status, self.facts = status, facts
        self.code = str(facts.get("type", "")).rpartition("/")[2]
        super().__init__(f"{request}: {status} {facts.get('title', '')}: {facts.get('detail', facts)}")


def connect(base_url: str) -> httpx.Client:
    """The connections that all clients share; no proxy, and nothing but this address."""
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
    return httpx.Client(base_url=base_url, timeout=TIMEOUT_S, limits=limits, trust_env=False)


class Client:
    """One person's access. Every call may be sent again after a broken connection: none takes effect twice."""

    def __init__(self, connections: httpx.Client, key: str) -> None:
        self.connections = connections
        self.headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str, **query: Any) -> Any:
        return self._send("GET", path, params=query).json()

    def post(self, path: str, body: Any = None, *, once: str = "", **form: Any) -> Any:
        """Post JSON, or a form with `files` and `data`; `once` is the key under which it takes effect once."""
        headers = {"Idempotency-Key": once} if once else {}
        sent = form or {"json": {} if body is None else body}
        reply = self._send("POST", path, headers=headers, **sent)
        return reply.json() if reply.content else None

    def every(self, path: str, **query: Any) -> Iterator[Any]:
        """All entries of a list, page by page."""
        after: dict[str, str] = {}
        while True:
            page = self.get(path, **query, **after)
            yield from page["items"]
            if not page["next"]:
                return
            after = {"after": page["next"]}

    def lines(self, path: str) -> Iterator[str]:
        """The lines of a streamed file."""
        try:
            with self.connections.stream("GET", f"/api/v1/{path}", headers=self.headers) as reply:
                if reply.status_code != 200:
                    reply.read()
                    raise _refusal(reply, f"GET {path}")
                yield from reply.iter_lines()
        except httpx.TransportError as error:
            raise ServerDied(f"GET {path}: {error or type(error).__name__}") from error

    def _send(self, method: str, path: str, headers: dict[str, str] | None = None, **sent: Any) -> httpx.Response:
        request = f"{method} {path}"
        for attempt in itertools.count(1):
            try:
                reply = self.connections.request(
                    method, f"/api/v1/{path}", headers={**self.headers, **(headers or {})}, **sent
                )
                break
            except httpx.TransportError as error:
                if attempt > 1 or not isinstance(error, STALE):
                    raise ServerDied(f"{request}: {error or type(error).__name__}") from error
        if reply.is_success:
            return reply
        raise _refusal(reply, request)


def _refusal(reply: httpx.Response, request: str) -> Refused:
    try:
        facts = reply.json()
    except ValueError:
        facts = {"title": reply.reason_phrase, "detail": reply.text[:500]}
    return Refused(reply.status_code, facts if isinstance(facts, dict) else {"detail": facts}, request)
