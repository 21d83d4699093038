"""Where faults happen: a PostgreSQL server of its own, and for each fault a database, a web server and clusters."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import mock

import httpx
import psycopg
from psycopg.sql import SQL, Identifier

from tests import apart

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
FIRST_PORT = 20_000 + os.getpid() % 10_000  # two runs at once do not meet
PROCESSES = 2  # of the web server
HOLD_S, HOLD_TRIES = 6.0, 8
STOP, STOPPED_WITHIN_S = 4711, 30.0  # an advisory lock of no meaning elsewhere
RESPAWN_S = 6.0  # granian gives up on a process that ends again within 5.5 s of its replacement


class Ground:
    """The server, from the first line of a block to its last; it can be shot down and comes back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        (self.folder / "clone").mkdir()
        self.keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.keeper", str(self.folder / "clone")],
            cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.at: dict[str, Any] = json.loads(self._heard())
        return self

    def __exit__(self, *_: object) -> None:
        self.keeper.communicate(timeout=60)  # ends its input, and with it the server

    def url(self, name: str = "") -> str:
        return f"postgresql://{self.at['USER']}@/{name or self.at['NAME']}?host={self.at['HOST']}"

    def copy(self, name: str) -> str:
        """A database like the migrated one, by its DATABASE_URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as server:
            server.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(self.at["NAME"])))
        return self.url(name)

    def drop(self, name: str) -> None:
        """Not by FORCE, which may not end a vacuum that has just come by; a plain drop asks it to leave, and waits."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as server:
            ours = "FROM pg_stat_activity WHERE datname = %s AND usename = current_user"
            server.execute(f"SELECT pg_terminate_backend(pid) {ours}", [name])
            server.execute(SQL("DROP DATABASE {}").format(Identifier(name)))

    def restart_at_once(self) -> float:
        """What `pg_ctl restart -m immediate` does: no checkpoint, no goodbye; the moment in which it was gone."""
        with self.stopped(signal.SIGQUIT):
            return time.monotonic()

    @contextmanager
    def stopped(self, how: signal.Signals = signal.SIGINT) -> Iterator[None]:
        """No server for the time of the block; it comes back at its end."""
        pid = self._tell(how)
        apart.until(lambda: not apart.is_running(pid))
        yield
        self.again()

    def again(self) -> None:
        """Have it run again where it has ended."""
        assert self.keeper.stdin
        print("again", file=self.keeper.stdin, flush=True)
        self._heard()

    def commit_with(self, replica: str) -> None:
        """Have every commit wait for this replica, once it is written here; where it has no name, for none."""
        with open(self.at["SETTINGS"], "a") as settings:
            print(f"synchronous_standby_names = '{replica}'", file=settings)
        self._tell(signal.SIGHUP)

    def _tell(self, message: signal.Signals) -> int:
        pid = int((Path(self.at["DATA"]) / "postmaster.pid").read_text().split()[0])
        os.kill(pid, message)
        return pid

    def _heard(self) -> str:
        assert self.keeper.stdout
        line = self.keeper.stdout.readline()
        if not line:
            raise RuntimeError(f"the database server ended with exit code {self.keeper.wait()}")
        return line


class Web:
    """`manage.py web`, its process ids and its port."""

    def __init__(self, main: int, port: int) -> None:
        self.main, self.port = main, port

    def processes(self) -> list[int]:
        """Those that answer requests."""
        return [pid for pid in apart.children(self.main) if b"resource_tracker" not in command_line(pid)]


class Stage:
    """One fault's database and processes; all of them end with the block.

    guard_off  name of a naive version in `naive`, which the processes then run in place of the real one
    """

    def __init__(self, ground: Ground, name: str, guard_off: str = "") -> None:
        self.ground, self.name, self.guard_off = ground, name, guard_off
        self.folder = ground.folder / name
        self.webs: list[Web] = []

    def __enter__(self) -> Self:
        from django.db import connection

        self.folder.mkdir()
        self.url = self.ground.copy(self.name)
        self.running = ExitStack()
        connection.close()
        connection.settings_dict["NAME"] = self.name  # all threads' connections are made from this one
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        from django.db import connection

        self.running.close()
        connection.close()
        self.ground.drop(self.name)

    def web(self, shift_s: int = 0) -> Web:
        """A running web server, its clock ahead by so much."""
        from marketplace.core.children import free_port

        port = free_port(HOST, self.webs[-1].port + 1 if self.webs else FIRST_PORT)
        main = self._start(shift_s, "web", f"--port={port}", f"--processes={PROCESSES}")
        self.webs.append(Web(main.pid, port))
        apart.until(lambda: answers(port))
        return self.webs[-1]

    def cluster(self, shift_s: int = 0) -> subprocess.Popen[str]:
        """A running cluster, its clock ahead by so much."""
        return self._start(shift_s, "cluster")

    def ports(self) -> list[int]:
        return [web.port for web in self.webs]

    def ask(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Rows, over a connection of our own."""
        with psycopg.connect(self.url, autocommit=True) as database:
            found = database.execute(query, values)
            return found.fetchall() if found.description else []

    def cut(self, which: str, most: int = 1000) -> None:
        """Have the database end some of these connections, drawn at random."""
        self.ask(
            f"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND backend_type = 'client backend'
                    AND pid <> pg_backend_pid() AND {which}
                ORDER BY random() LIMIT {most}"""
        )

    @contextmanager
    def held_up(self, table: str, mode: str, statement: str, count: int = 1) -> Iterator[None]:
        """Have statements that need this table wait for it; enter when so many like `statement` do.

        Others may take all places first, so they are let through after a while, and it is tried again.
        """
        waiting = """SELECT query FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s"""
        for _ in range(HOLD_TRIES):
            with psycopg.connect(self.url) as database:
                database.execute(f"LOCK TABLE {table} IN {mode} MODE")
                with suppress(AssertionError):
                    apart.until(lambda: len(self.ask(waiting, [statement])) >= count, within_s=HOLD_S)
                if len(self.ask(waiting, [statement])) >= count:
                    yield
                    return
        raise RuntimeError(f"nothing like {statement} waits, but {self.ask(waiting, ['%'])}")

    @contextmanager
    def stopped(self, table: str) -> Iterator[None]:
        """Have statements stop in their middle, where they insert into this table; enter when one has."""
        self.ask(
            f"""CREATE OR REPLACE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN PERFORM pg_advisory_xact_lock_shared({STOP}); RETURN NEW; END$$;
                CREATE OR REPLACE TRIGGER stop BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION stop()"""
        )
        stopped = """SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
                     AND query LIKE %s"""
        with psycopg.connect(self.url, autocommit=True) as database:
            database.execute(f"SELECT pg_advisory_lock({STOP})")
            apart.until(lambda: self.ask(stopped, [f"%{table}%"]), STOPPED_WITHIN_S)
            yield

    @contextmanager
    def untold(self, count: int) -> Iterator[None]:
        """Have commits wait when they are written, as for a replica that is away; enter when so many do."""
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'"
        try:
            self.ground.commit_with("away")
            apart.until(lambda: len(self.ask(waiting)) >= count, STOPPED_WITHIN_S)
            yield
        finally:
            self.ground.commit_with("")

    def python(self, module: str, *arguments: str, url: str = "") -> subprocess.CompletedProcess[str]:
        """A module of the tests, run to its end in this database, or in another one."""
        command = [sys.executable, "-m", module, *arguments]
        environment = {**os.environ, "DATABASE_URL": url or self.url, **self._environment(0)}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def _start(self, shift_s: int, *arguments: str) -> subprocess.Popen[str]:
        with mock.patch.dict(os.environ, self._environment(shift_s)):
            return self.running.enter_context(apart.started(self.url, self.folder, *arguments))

    def _environment(self, shift_s: int) -> dict[str, str]:
        environment = {}
        if self.guard_off:
            environment |= {"DJANGO_SETTINGS_MODULE": "tests.faults.settings", "GUARD_OFF": self.guard_off}
        if shift_s:
            shifted = str(Path(__file__).with_name("shifted"))  # python runs the sitecustomize it finds there
            environment |= {"PYTHONPATH": shifted, "CLOCK_AHEAD_S": str(shift_s)}
        return environment


def answers(port: int) -> bool:
    """Whether a web server gives pages here."""
    try:
        return httpx.get(f"http://{HOST}:{port}/accounts/login/", trust_env=False, timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
