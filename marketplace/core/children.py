"""Processes that live and die together: the web server and the cluster as children of one command."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.conf import settings

GRACE_S = 15.0  # for a child to end what it is doing; what it could not end is safe anyway
PR_SET_PDEATHSIG = 1
WATCH_S = 0.5
TAIL_LINES = 15


class ChildDied(Exception):
    """A child ended by itself: which one, how, and the last lines it wrote."""


class Children:
    """Management commands run beside this one; they are stopped when the block ends, and cannot outlive it.

    Start them from the main thread: Linux ties a child to the thread that made it.
    """

    def __init__(self, logs: Path | None = None) -> None:
        """Write what children print to files in `logs`; without it, to where this command prints."""
        self.logs = logs
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self, command: str, *options: str) -> None:
        """Run `manage.py command` in a process group of its own, so that Ctrl-C reaches only this command."""
        line = [sys.executable, str(settings.ROOT / "manage.py"), command, *options, f"--with-parent={os.getpid()}"]
        log = self._new_log(command)
        try:
            self.running[command] = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=log, stderr=log and subprocess.STDOUT, process_group=0
            )
        finally:
            if log:
                log.close()

    def check(self) -> None:
        """Raise ChildDied when one of them is no longer running."""
        for command, child in self.running.items():
            if (code := child.poll()) is not None:
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                raise ChildDied(f"`manage.py {command}` {how}{self._tail(command)}")

    def wait_until_answers(self, host: str, port: int, within_s: float = 60) -> None:
        """Return when something listens there; raise ChildDied or TimeoutError when nothing will."""
        deadline = time.monotonic() + within_s
        while not _listens(host, port):
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing answers at {host}:{port} after {within_s:.0f} s")
            time.sleep(0.1)

    def stop(self) -> None:
        """Ask all of them to end, and end those that do not in time."""
        for child in self.running.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + GRACE_S
        for child in self.running.values():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _new_log(self, command: str) -> Any:
        """The file the child writes to; that of the run before is kept beside it."""
        if self.logs is None:
            return None
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.logs / f"{command}.log"
        if path.exists():
            path.replace(path.with_suffix(".before.log"))
        return path.open("wb")

    def _tail(self, command: str) -> str:
        if self.logs is None:
            return ""
        lines = (self.logs / f"{command}.log").read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(["; its last lines:", *lines])


def free_port(host: str, wanted: int, tries: int = 100) -> int:
    """The first port from `wanted` on that nobody listens on; two servers could share one without an error."""
    for port in range(wanted, min(wanted + tries, 65536)):
        if is_free(host, port):
            return port
    raise OSError(f"no free port from {wanted} on")


def is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def add_option(parser: ArgumentParser) -> None:
    """The option by which a command is told to die with the one that started it."""
    parser.add_argument(
        "--with-parent",
        type=int,
        nargs="?",
        const=os.getppid(),
        metavar="PID",
        help="end at once when the process that started this one (its id) has ended",
    )


def die_with(parent: int) -> None:
    """End this process at once when its parent has ended, however that came about."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=[parent], daemon=True).start()
    if os.getppid() != parent:  # it ended before this was asked
        os.kill(os.getpid(), signal.SIGKILL)


def bind_forks() -> None:
    """Have every process forked from this one, and from those in turn, die with the one that forked it."""
    me = os.getpid()

    def bind() -> None:
        nonlocal me
        parent, me = me, os.getpid()
        die_with(parent)

    os.register_at_fork(after_in_child=bind)


def end_on_sigterm() -> None:
    """Have SIGTERM do what Ctrl-C does: raise KeyboardInterrupt, so that blocks are left in order."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False
