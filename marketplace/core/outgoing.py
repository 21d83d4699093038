"""HTTP to addresses that others name: public ones only, with an end to its time and to its size.

A name is resolved once, and the connection made to the very address that was checked: a name that changes its mind
leads nowhere else. Redirects are not followed; no proxy and no password of the environment is used. What went wrong is
told in words that may be shown to whoever named the address: they say nothing of what lies behind it.
"""

import hashlib
import hmac
import http.client
import io
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings

T = TypeVar("T")
Resolve = Callable[[str, int], list[str]]  # a name and a port -> addresses as text

URL_MOST = 500
ADDRESSES_TRIED = 4
PORTS_FROM = 1024  # below it, 443 alone: the others belong to other protocols
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]{2,45}\]")
SHOWN = re.compile(r"[!-~]*")  # ASCII that is seen

UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
SPECIAL: list[Any] = [  # of what Python's versions disagree about
    *map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4")),
    *map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")),
]


class NotAnswered(Exception):
    """There is no answer, for the reason said in words."""


@dataclass(frozen=True)
class Address:
    """Where a request goes; `host` as the header of this name has it."""

    scheme: str
    name: str
    port: int
    host: str
    path: str


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    took_s: float


def address(url: str) -> Address:
    """The address that this URL means, as far as that can be said without asking anybody.

    raises  ValueError  what is wrong with it, in words
    """
    if len(url) > URL_MOST or not SHOWN.fullmatch(url):
        raise ValueError(f"must be an address of at most {URL_MOST} plain characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError("is not an address") from error
    schemes = ("https", "http") if settings.OUTGOING_LOOPBACK else ("https",)
    if parts.scheme not in schemes or url[len(parts.scheme) :][:3] != "://":
        raise ValueError("must begin with https://")
    if "@" in parts.netloc or "#" in url:
        raise ValueError("must have no name or password, and no part behind #")
    host = parts.netloc.removesuffix(f":{port}").removesuffix(":")
    if not HOST.fullmatch(host):
        raise ValueError("must name a server, as https://example.org/labels")
    if port is not None and port != 443 and not PORTS_FROM <= port <= 65535:
        raise ValueError(f"must use port 443, or one from {PORTS_FROM} on")
    _refuse_private_literal(host.strip("[]"))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, host.strip("[]"), port or {"https": 443, "http": 80}[parts.scheme], parts.netloc, path)


def is_public(text: str) -> bool:
    """Whether anybody on the internet means the same by this IP address, and one receiver."""
    ip = ipaddress.ip_address(text)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None)
        if inner is None:
            return ip in UNICAST and ip.is_global and not any(ip in net for net in SPECIAL)
        ip = inner
    return ip.is_global and not ip.is_multicast and not any(ip in net for net in SPECIAL)


def signature(secret: str, body: bytes, at: datetime) -> str:
    """The header that shows whose request this is, and when it was made: `t=<seconds>,v1=<HMAC-SHA256 of "t.body">`."""
    stamp = int(at.timestamp())
    mac = hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={mac}"


def resolved(name: str, port: int) -> list[str]:
    """What the system says of this name."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    most_bytes: int,
    resolve: Resolve = resolved,
    trust: ssl.SSLContext | None = None,
) -> Reply:
    """Send this JSON there, and bring what comes back, whatever its status: 3xx is an answer like another.

    timeout_s   for all of it: the name, the connection, the sending and the last byte
    most_bytes  of the answer's body
    raises      NotAnswered
    """
    began = time.monotonic()
    clock = _Clock(began + timeout_s)
    try:
        to = address(url)
    except ValueError as error:
        raise NotAnswered(f"the address {error}") from error
    try:
        with _connected(to, clock, resolve, trust) as connection:
            status, answered = _exchange(connection, clock, _request(to, body, headers), most_bytes)
    except TimeoutError as error:
        raise NotAnswered(f"it did not answer completely within {timeout_s:g} seconds") from error
    except ssl.SSLCertVerificationError as error:
        raise NotAnswered(f"its certificate is not trusted: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise NotAnswered("no encrypted connection came about") from error
    except OSError as error:
        raise NotAnswered("it could not be reached, or broke the connection off") from error
    except http.client.HTTPException as error:
        raise NotAnswered("it did not answer in proper HTTP, or stopped in the middle") from error
    return Reply(status, answered, time.monotonic() - began)


class _Clock:
    """How much of the time is left."""

    def __init__(self, until: float) -> None:
        self.until = until

    def left(self) -> float:
        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class _Watched(io.RawIOBase):
    """A socket read with what is left of the time, however slowly it drips."""

    def __init__(self, connection: socket.socket, clock: _Clock) -> None:
        self.connection, self.clock = connection, clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.connection.settimeout(self.clock.left())
        return self.connection.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """As `http.client` asks a socket for its file."""
        return io.BufferedReader(self)


def _connected(to: Address, clock: _Clock, resolve: Resolve, trust: ssl.SSLContext | None) -> socket.socket:
    """A connection to one of the addresses of that name, all of which may be gone to; encrypted where it is https."""
    try:
        found = list(dict.fromkeys(_within(clock, lambda: resolve(to.name, to.port))))
    except (socket.gaierror, UnicodeError) as error:
        raise NotAnswered("the name of its server is not known") from error
    if not found or not all(_may_go_to(ip, to.scheme) for ip in found):
        raise NotAnswered("the name of its server leads to an address that is not public, to which nothing is sent")
    connection = _reached(found[:ADDRESSES_TRIED], to.port, clock)
    if to.scheme == "http":
        return connection
    try:
        connection.settimeout(clock.left())
        return (trust or _usual_trust()).wrap_socket(connection, server_hostname=to.name.rstrip("."))
    except BaseException:
        connection.close()
        raise


def _reached(addresses: list[str], port: int, clock: _Clock) -> socket.socket:
    """The first that takes the connection; by number, so that nobody is asked for a name again."""
    for others, ip in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
        try:
            return socket.create_connection((ip, port), timeout=clock.left() / (others + 1))
        except OSError:
            if not others:
                raise
    raise OSError("there is no address")


def _may_go_to(ip: str, scheme: str) -> bool:
    if settings.OUTGOING_LOOPBACK and ipaddress.ip_address(ip).is_loopback:
        return True
    return scheme == "https" and is_public(ip)


def _refuse_private_literal(name: str) -> None:
    """Say early what would be refused anyway."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return
    if not (_may_go_to(name, "https") or _may_go_to(name, "http")):
        raise ValueError("must be public: nothing is sent to addresses of private networks")


def _request(to: Address, body: bytes, headers: Mapping[str, str]) -> bytes:
    fields = {
        "Host": to.host,
        "User-Agent": "Manyhands",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    if not all(re.fullmatch(r"[ -~]*", f"{name}{value}") for name, value in fields.items()):
        raise ValueError("a header is not plain text")
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {to.path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _exchange(connection: socket.socket, clock: _Clock, request: bytes, most_bytes: int) -> tuple[int, bytes]:
    connection.settimeout(clock.left())
    with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough, and may have said why
        connection.sendall(request)
    reply = http.client.HTTPResponse(_Watched(connection, clock), method="POST")  # type: ignore[arg-type]
    try:
        reply.begin()
        announced = reply.length
        body = b"" if (announced or 0) > most_bytes else reply.read(most_bytes + 1)
        if (announced or 0) > most_bytes or len(body) > most_bytes:
            raise NotAnswered(f"its answer is longer than {most_bytes:,} bytes")
        if announced is not None and len(body) < announced:
            raise http.client.IncompleteRead(body)
        return reply.status, body
    finally:
        reply.close()


def _within(clock: _Clock, call: Callable[[], T]) -> T:
    """What this call returns, or TimeoutError: the system's resolver takes no limit, so it is left to a thread."""
    said: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            said.put((call(), None))
        except BaseException as error:
            said.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        value, error = said.get(timeout=clock.left())
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


@lru_cache(maxsize=1)
def _usual_trust() -> ssl.SSLContext:
    """The authorities that this system trusts."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
