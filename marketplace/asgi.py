"""The site as its server calls it: a request gets a thread once all of it has come, and no slow client keeps one.

Threads are few, for each holds a connection to the database; sockets cost next to nothing. So the event loop waits for
what clients send. What is long, either way, has a few threads of its own: slow clients hold up one another only.
"""

import asyncio
import io
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_to_bytes

from django.conf import settings

from marketplace.core import problems

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

PIECE_BYTES = 65_536  # a body longer than this is read, and a stream is written, piece by piece in a thread for that
FORM_MOST_BYTES = 1_000_000  # what a form may hold beside its file


class Refused(Exception):
    """Status, code and detail of what is answered in the application's place."""


class TooSlow(OSError):
    """Too little was sent, or taken, for too long."""


class Gone(OSError):
    """The client left before all of its body was there."""


class Answer(NamedTuple):
    """What the application said; a stream goes on in the context it began in."""

    status: int
    headers: list[tuple[str, str]]
    content: Any
    context: Context | None = None


class Pace:
    """How long something may take on its way: a while for each piece, and for all of it longer the more has come."""

    def __init__(self) -> None:
        self.until = self.most = time.monotonic() + settings.TRANSFER_PATIENCE_S
        self.is_late = False

    async def keep(self, step: Awaitable[T]) -> T:
        """Wait for the step no longer than that, or raise TooSlow."""
        try:
            return await asyncio.wait_for(step, self.until - time.monotonic())
        except TimeoutError:
            self.is_late = True
            raise TooSlow from None

    def moved(self, length: int) -> None:
        self.most += length / settings.TRANSFER_LEAST_BYTES_A_SECOND
        self.until = min(self.most, time.monotonic() + settings.TRANSFER_PATIENCE_S)


class Body(io.RawIOBase):
    """A request's body: awaited here, or read in a thread; never shorter than it was said to be."""

    def __init__(self, receive: Receive, length: int) -> None:
        self.receive, self.left, self.piece, self.pace = receive, length, b"", Pace()
        self.loop = asyncio.get_running_loop()

    async def next(self) -> bytes:
        """The next piece; at the end, none."""
        while self.left:
            message = await self.pace.keep(self.receive())
            if message["type"] == "http.disconnect":
                raise Gone
            if piece := message["body"]:
                self.left -= len(piece)
                self.pace.moved(len(piece))
                return piece
        return b""

    async def whole(self) -> bytes:
        pieces = []
        while piece := await self.next():
            pieces.append(piece)
        return b"".join(pieces)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.piece:
            self.piece = asyncio.run_coroutine_threadsafe(self.next(), self.loop).result()
        piece, self.piece = self.piece[: len(buffer)], self.piece[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


class Site:
    """A WSGI application with threads for requests, and others for long bodies and for streams."""

    def __init__(self, application: Callable[..., Any], threads: int) -> None:
        self.application = application
        self.threads = ThreadPoolExecutor(threads, "request")
        self.transfers = ThreadPoolExecutor(settings.TRANSFERS_AT_ONCE, "transfer")
        self.free = asyncio.Semaphore(settings.TRANSFERS_AT_ONCE)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        environ = environment(scope)
        try:
            await self.serve(environ, Body(receive, body_length(environ)), send)
        except TooSlow:
            await say(problem(408, "request-timeout", "the body came too slowly"), send)
        except Refused as refused:
            await say(problem(*refused.args), send)
        except Gone:
            pass

    async def serve(self, environ: Message, body: Body, send: Send) -> None:
        if body.left > PIECE_BYTES:
            async with self.transfer():
                answer = await self.ask(self.transfers, environ, io.BufferedReader(body, PIECE_BYTES))
                if body.pace.is_late:  # whatever became of that in the application
                    raise TooSlow
                return await self.say(answer, send)
        answer = await self.ask(self.threads, environ, io.BytesIO(await body.whole()))
        if not answer.context:
            return await say(answer, send)
        try:
            async with self.transfer():
                await self.say(answer, send)
        finally:
            answer.content.close()

    @asynccontextmanager
    async def transfer(self) -> AsyncIterator[None]:
        """One of the threads for what is long; Refused where none is free for a while."""
        try:
            await asyncio.wait_for(self.free.acquire(), settings.TRANSFER_PATIENCE_S)
        except TimeoutError:
            raise Refused(503, "busy", "too much is being sent and fetched at the moment; try again soon") from None
        try:
            yield
        finally:
            self.free.release()

    async def ask(self, threads: ThreadPoolExecutor, environ: Message, body: Any) -> Answer:
        """What the application says; all of it, unless it streams."""

        def call() -> Answer:
            said: list[Any] = []
            content = self.application(environ, lambda *start: said.extend(start))
            status, headers, is_head = int(said[0][:3]), said[1], environ["REQUEST_METHOD"] == "HEAD"
            if is_stream(content) and not is_head:
                return Answer(status, headers, content, copy_context())
            try:
                return Answer(status, headers, b"" if is_head else b"".join(content))
            finally:
                content.close()

        environ["wsgi.input"] = body
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    async def say(self, answer: Answer, send: Send) -> None:
        """Send an answer; a stream as fast as it is taken, and cut off, for all to notice, where that is too slow."""
        if not answer.context:
            return await say(answer, send)
        loop, pace = asyncio.get_running_loop(), Pace()

        def pour() -> None:
            for piece in pieces(answer.content):
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                asyncio.run_coroutine_threadsafe(pace.keep(send(message)), loop).result()
                pace.moved(len(piece))

        await send(head(answer))
        try:
            await loop.run_in_executor(self.transfers, answer.context.run, pour)
        except TooSlow:
            return
        await send({"type": "http.response.body", "body": b""})


async def say(answer: Answer, send: Send) -> None:
    await send(head(answer))
    await send({"type": "http.response.body", "body": answer.content})


def head(answer: Answer) -> Message:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


def problem(status: int, code: str, detail: str) -> Answer:
    found = problems.outside(status, code, detail)
    return Answer(status, [*found.items(), ("Content-Length", str(len(found.content)))], found.content)


def is_stream(content: Any) -> bool:
    """Whether its end is not in sight; a static file's is."""
    return getattr(content, "streaming", False) and not content.has_header("Content-Length")


def pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same, in pieces that are worth sending."""
    waiting: list[bytes] = []
    for part in content:
        waiting.append(part)
        if sum(map(len, waiting)) >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting = []
    if waiting:
        yield b"".join(waiting)


def body_length(environ: Message) -> int:
    """How long the body is said to be; Refused where that is not said, or too long for any address of the site."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        raise Refused(411, "length-required", "say in Content-Length how long the body is")
    is_form = environ.get("CONTENT_TYPE", "").startswith("multipart/form-data")
    most = settings.IMPORT_MOST_BYTES + FORM_MOST_BYTES if is_form else settings.BODY_MOST_BYTES
    length = int(environ.get("CONTENT_LENGTH") or 0)  # the server has refused what is no number
    if length > most:
        raise Refused(413, "too-large", f"a body holds at most {most} bytes here")
    return length


def environment(scope: Message) -> Message:
    """What WSGI calls the same; of headers that a proxy would take for others, as X_Forwarded_For, nothing is left."""
    (server, port), (client, _) = scope["server"], scope["client"]
    found: Message = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:
            continue
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        name = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        between = "; " if name == "HTTP_COOKIE" else ","
        found[name] = f"{found[name]}{between}{value}" if name in found else value
    return found
