"""Commands run as processes of their own, on a database of their own beside that of the tests."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from django.conf import settings
from django.db import connection
from psycopg.sql import SQL, Identifier

PATIENCE_S = 60.0


@contextmanager
def migrated() -> Iterator[None]:
    """Keep a copy of the database of the tests as it is now; it must be as the migrations left it."""
    name = connection.settings_dict["NAME"]
    connection.close()  # who is connected to it keeps it from being copied
    with _made(_migrated(), template=name):
        yield


@contextmanager
def database(template: str | None = None) -> Iterator[str]:
    """A new database on the server of the tests, by its DATABASE_URL; dropped at the end.

    template  what it is like; None: the database of the tests before the first of them
    """
    connection.ensure_connection()  # an embedded server runs as long as somebody is connected, or may be
    at, name = connection.settings_dict, f"manyhands_apart_{secrets.token_hex(4)}"
    with _made(name, template or _migrated()):
        who = quote(at["USER"]) + (f":{quote(at['PASSWORD'])}" if at["PASSWORD"] else "")
        port = f":{at['PORT']}" if at["PORT"] else ""
        yield f"postgresql://{who}@{port}/{name}?host={quote(at['HOST'], safe='')}"


def _migrated() -> str:
    return f"{connection.settings_dict['NAME']}_migrated"


@contextmanager
def _made(name: str, template: str) -> Iterator[None]:
    at = connection.settings_dict
    with psycopg.connect(
        dbname="postgres", host=at["HOST"], port=at["PORT"] or None, user=at["USER"], password=at["PASSWORD"],
        autocommit=True,
    ) as server:  # fmt: skip
        drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name))
        server.execute(drop)
        server.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
        try:
            yield
        finally:
            server.execute(drop)


@contextmanager
def started(url: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`manage.py` with these arguments, what it prints in `folder`; killed at the end, and with it its children."""
    with (folder / "out.txt").open("a") as out, (folder / "err.txt").open("a") as err:
        line = [sys.executable, "manage.py", *arguments]
        if arguments[0] != "qcluster":
            line.append(f"--with-parent={os.getpid()}")
        process = subprocess.Popen(
            line, cwd=settings.ROOT, env=_environment(url, folder), text=True, stdout=out, stderr=err
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(url: str, folder: Path, *arguments: str, within_s: float = 240) -> subprocess.CompletedProcess[str]:
    """The same, until it ends by itself."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=settings.ROOT, env=_environment(url, folder), text=True,
        capture_output=True, timeout=within_s, check=False,
    )  # fmt: skip


def children(pid: int) -> list[int]:
    """The processes this one has started, oldest first."""
    return sorted(child for child, (parent, _) in _processes().items() if parent == pid)


def below(pid: int) -> list[int]:
    """The processes this one has started, and those they have."""
    return [process for child in children(pid) for process in [child, *below(child)]]


def kill(*processes: int) -> None:
    """kill -9 those that still run."""
    for process in filter(is_running, processes):
        os.kill(process, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Whether the process does anything still; one that is only waiting to be noticed does not."""
    _, state = _processes().get(pid, (0, "Z"))
    return not state.startswith("Z")


def until(is_so: Callable[[], Any], within_s: float = PATIENCE_S) -> float:
    """Wait until it is so, and return how long that took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within_s, f"not within {within_s} s"
        time.sleep(0.05)
    return time.monotonic() - began


def _environment(url: str, folder: Path) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": url, "MEDIA_ROOT": str(folder / "media"), "PYTHONUNBUFFERED": "1"}


def _processes() -> dict[int, tuple[int, str]]:
    """Parent and state of every process; /proc first, for a bare machine may have no `ps`."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, parent, *_ = path.read_text().rpartition(")")[2].split()
            found[int(path.parent.name)] = (int(parent), state)
    if not found:
        lines = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
        ).stdout
        found = {int(pid): (int(parent), state) for pid, parent, state in map(str.split, lines.splitlines())}
    return found
