"""Slow, huge, broken and idle clients at a real server: whoever behaves is answered meanwhile.

The bounds are generous: what would hold the site up would do so until the end of the test.
"""

import json
import re
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace.core import children
from tests import apart

PORT = children.free_port("127.0.0.1", 8742)
HERE = f"http://127.0.0.1:{PORT}"
HOST = f"Host: 127.0.0.1:{PORT}\r\n"
SOON_S = 10.0
PATIENCE_S, HEADERS_WITHIN_S = 3, 3
CROWD = 60  # far more than there are threads
SETTINGS = {
    "TRANSFER_PATIENCE_S": PATIENCE_S,
    "HEADERS_WITHIN_S": HEADERS_WITHIN_S,
    "TRANSFER_LEAST_BYTES_A_SECOND": 20_000,
    "TRANSFERS_AT_ONCE": 2,
    "BODY_MOST_BYTES": 200_000,
    "SIGN_IN_A_MINUTE": 0,
}


MADE = """
from marketplace import accounts
from payments import prepayments
from tests import make
from tests.tasks import work
home = make.organisation()
prepayments.request(home, make.user(), 100_000_000, "USD")
rows = [{"text": f"{n} " + "x" * 400_000} for n in range(50)]
batch = work.publish(make.project(home, gold_share=0.0), make.dataset(rows, home))
print(batch.public_id, accounts.issue_key(make.user(), "test", ["offer"])[1])
"""


@dataclass(frozen=True)
class Site:
    """Where a site writes, and how one of its batches, 20 MB of labels, is fetched."""

    folder: Path
    export: str
    key: str

    def fetch(self) -> str:
        return f"GET {self.export} HTTP/1.1\r\n{HOST}Authorization: Bearer {self.key}\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[Site]:
    """A web server of two processes on a database of its own."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), apart.database() as url:
        for name, value in SETTINGS.items():
            patch.setenv(name, str(value))
        made = apart.run(url, folder, "shell", "--no-imports", "-c", MADE)
        assert made.returncode == 0, made.stderr
        batch, key = made.stdout.split()
        with apart.started(url, folder, "web", f"--port={PORT}"):
            apart.until(is_up)
            yield Site(folder, f"/api/v1/batches/{batch}/labels.jsonl", key)


def is_up() -> bool:
    try:
        return httpx.get(f"{HERE}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def page() -> httpx.Response:
    """A page that needs a thread and the database, for somebody who behaves."""
    return httpx.get(f"{HERE}/accounts/login/", trust_env=False, timeout=SOON_S)


def post(path: str, length: int | str, more: str = "", kind: str = "application/json") -> str:
    return f"POST {path} HTTP/1.1\r\n{HOST}Content-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"


def connected() -> socket.socket:
    return socket.create_connection(("127.0.0.1", PORT), timeout=SOON_S + PATIENCE_S)


@contextmanager
def crowd(sends: str, size: int = CROWD) -> Iterator[list[socket.socket]]:
    """So many clients, each of which sends this and no more."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connected()) for _ in range(size)]
        for client in clients:
            client.sendall(sends.encode())
        time.sleep(0.3)
        yield clients


def rest(client: socket.socket) -> bytes:
    """What still comes until the server closes."""
    came = b""
    while piece := _piece(client):
        came += piece
    return came


def _piece(client: socket.socket) -> bytes:
    try:
        return client.recv(65_536)
    except ConnectionResetError:  # it did not read what we sent
        return b""


def said(*lines: str) -> bytes:
    """What is answered to these lines."""
    with connected() as client:
        client.sendall("".join(lines).encode("latin-1"))
        return rest(client)


def problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    told = json.loads(body)
    assert f" {told['status']} " in head.decode().splitlines()[0]
    return told["status"], told["type"]


# Slow


@pytest.mark.parametrize("path", ["/_allauth/app/v1/auth/login", "/accounts/login/", "/api/v1/organisations"])
def test_bodies_that_do_not_come_hold_nobody_up(site: Site, path: str):
    with crowd(post(path, 1000) + "{") as clients:
        for _ in range(6):
            assert page().status_code == 200
        answers = {problem(rest(client)) for client in clients}
    assert answers == {(408, "/problems/request-timeout")}


def test_long_bodies_that_do_not_come_hold_nobody_up(site: Site):
    """They are read by threads of their own, of which there are few; who waits in vain for one is told."""
    with crowd(post("/_allauth/app/v1/auth/login", 150_000) + "{" * 70_000) as clients:
        for _ in range(6):
            assert page().status_code == 200
        answers = {problem(rest(client)) for client in clients}
    assert answers == {(408, "/problems/request-timeout"), (503, "/problems/busy")}
    assert b"\r\n\r\n" in said(post("/_allauth/app/v1/auth/login", 150_000), "{" * 150_000)


def test_headers_that_do_not_come_hold_nobody_up(site: Site):
    with crowd("GET / HTTP/1.1\r\nHos") as clients:
        assert page().status_code == 200
        assert [rest(client) for client in clients] == [b""] * CROWD


def test_headers_that_come_byte_by_byte_end_in_time(site: Site):
    with connected() as client:
        client.settimeout(0.2)
        began = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - began < HEADERS_WITHIN_S + SOON_S:
                client.sendall(b"x")
                with suppress(TimeoutError):
                    if client.recv(1) == b"":
                        break
        assert time.monotonic() - began < HEADERS_WITHIN_S + SOON_S


def test_a_slow_but_steady_body_is_taken(site: Site):
    body = json.dumps({"email": "x@example.org", "password": "y" * 120_000}).encode()
    with connected() as client:
        client.sendall(post("/_allauth/app/v1/auth/login", len(body), "Connection: close\r\n").encode())
        for at in range(0, len(body), 12_000):  # longer than the first patience
            time.sleep(0.45)
            client.sendall(body[at : at + 12_000])
        assert b" 400 " in rest(client).splitlines()[0]  # it was read: no such person


def test_exports_that_are_not_read_hold_nobody_up_and_are_cut_off(site: Site):
    with crowd(site.fetch()) as clients:
        for _ in range(6):
            assert page().status_code == 200
        time.sleep(2 * PATIENCE_S)
        answers = [rest(client) for client in clients]
    begun = [answer for answer in answers if answer.split()[1] == b"200"]
    cut = [answer for answer in begun if not answer.endswith(b"0\r\n\r\n")]  # so nobody takes it for the whole
    assert cut
    assert max(map(len, cut)) < 20_000_000 <= min((len(answer) for answer in begun if answer not in cut), default=10**8)
    assert {problem(answer) for answer in answers if answer not in begun} == {(503, "/problems/busy")}


def test_an_export_that_is_read_comes_whole(site: Site):
    answer = httpx.get(f"{HERE}{site.export}", headers={"Authorization": f"Bearer {site.key}"}, trust_env=False)
    keys = [json.loads(line)["key"] for line in answer.text.splitlines()]
    assert len(keys) == len(set(keys)) == 50
    assert said(site.fetch().replace("GET", "HEAD", 1)).split()[1] == b"200"


# Huge


def test_a_body_that_is_too_long_is_refused_unread(site: Site):
    assert problem(said(post("/api/v1/organisations", 200_001))) == (413, "/problems/too-large")
    assert problem(said(post("/api/v1/organisations", 10**9))) == (413, "/problems/too-large")
    assert problem(said(post("/nothing", 10**13, kind="multipart/form-data; boundary=x"))) == (
        413,
        "/problems/too-large",
    )
    ended = said(post("/_allauth/app/v1/auth/login", 200_000, "Connection: close\r\n"), "{", " " * 199_999)
    assert b" 400 " in ended.splitlines()[0]


def test_a_body_of_no_said_length_is_refused(site: Site):
    chunked = f"POST /api/v1/organisations HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"
    assert problem(said(chunked, "5\r\n{}   \r\n")) == (411, "/problems/length-required")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["GET / HTTP/1.1\r\n", HOST, "X: ", "a" * 1_000_000, "\r\n\r\n"], 431),
        (["GET / HTTP/1.1\r\n", HOST, *(f"X{n}: a\r\n" for n in range(10_000)), "\r\n"], 431),
        (["GET /", "a" * 100_000, " HTTP/1.1\r\n", HOST, "\r\n"], 414),
    ],
    ids=["a long header", "many headers", "a long address"],
)
def test_a_huge_head_is_refused(site: Site, lines: list[str], status: int):
    assert int(said(*lines).split()[1]) == status
    assert page().status_code == 200


# Many


def test_idle_connections_hold_nobody_up_and_end(site: Site):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        pytest.skip("no 2,000 connections can be opened on this machine")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    with crowd("", size=2000) as clients:
        assert page().status_code == 200
        assert rest(clients[0]) == rest(clients[-1]) == b""


# Broken


@pytest.mark.parametrize(
    "sent",
    [
        "\0\1\2\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: -5\r\n\r\n",
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(site: Site, sent: str):
    answer = said(sent)
    assert answer == b"" or answer.split()[1] == b"400"
    assert page().status_code == 200


def test_a_client_that_leaves_in_the_middle_of_its_body_changes_nothing(site: Site):
    for length in (1000, 150_000):
        with crowd(post("/_allauth/app/v1/auth/signup", length) + "{"):
            pass
    assert page().status_code == 200
    assert "Traceback" not in (site.folder / "err.txt").read_text()


def test_requests_that_come_at_once_are_answered_in_their_order(site: Site):
    lines = [f"GET {path} HTTP/1.1\r\n{HOST}\r\n" for path in ["/healthz", "/api/nothing"] * 10]
    answers = said(*lines[:-1], lines[-1].replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404"] * 10


def test_addresses_and_headers_arrive_as_they_were_sent(site: Site):
    answer = said(f"GET /accounts/login/?next=%2F%C3%A4 HTTP/1.1\r\n{HOST}Cookie: a=b\r\nCookie: c=d\r\n"
                  "Connection: close\r\n\r\n")  # fmt: skip
    assert answer.split()[1] == b"200"
    assert "/ä".encode() in answer or b"%C3%A4" in answer
    assert problem(said(f"GET /api/%ff%C3%A4 HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"))[0] == 404


def test_failures_to_sign_in_are_counted_by_all_processes_together(site: Site):
    def fail(_: int) -> int:
        wrong = {"email": "guessed@example.org", "password": "wrong"}
        return httpx.post(f"{HERE}/_allauth/app/v1/auth/login", json=wrong, trust_env=False, timeout=30).status_code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(fail, range(32)))
    assert (answers.count(400), answers.count(429)) == (5, 27)
