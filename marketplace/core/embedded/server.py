"""The embedded PostgreSQL as the rest of the project sees it: what to connect to, and that it runs."""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from marketplace.core.embedded import install
from marketplace.core.embedded import place as places
from marketplace.core.embedded.place import SOCKET, EmbeddedServerError, Place

PATIENCE_S = 120.0  # a first start on a slow machine, or the recovery after a crash
LOG_BYTES = 5_000_000

_held: dict[Path, int] = {}  # home -> our shared lock on its users file; children that are forked hold it too
_starting = threading.Lock()


class State(Enum):
    """What the guardian's lock file says."""

    FREE = "no guardian"
    BUSY = "starting or stopping"
    READY = "ready"


def settings(root: Path) -> dict[str, Any]:
    """Django's DATABASES entry for the server of this clone; starts nothing."""
    return {
        "ENGINE": "marketplace.core.embedded",
        "NAME": install.DATABASE,
        "USER": install.ROLE,
        "HOST": str(places.of(root).sockets),
        "PORT": "5432",
        "ROOT": str(root),
    }


def ensure(root: Path) -> None:
    """Return when the server runs and will keep running for as long as this process lives."""
    place = places.of(root)
    if place.home in _held and state(place) is State.READY:
        return
    with _starting:
        hold(place)


def answers(root: Path) -> bool:
    """Whether something listens on the server's socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(places.of(root).sockets / SOCKET)) == 0


def hold(place: Place) -> None:
    """Take our share of the users lock, which waits while a server is stopping, and get the server up."""
    places.make_home(place)
    share = lock(place.users, fcntl.LOCK_SH)
    try:
        with alone(place.starting):
            get_ready(place)
    except BaseException:
        os.close(share)
        raise
    earlier = _held.get(place.home)
    _held[place.home] = share
    if earlier is not None:
        os.close(earlier)


def get_ready(place: Place) -> None:
    """Wait until a guardian says ready, starting one if there is none; only one process at a time is in here."""
    launched = False
    until = time.monotonic() + PATIENCE_S
    while (now := state(place)) is not State.READY:
        if now is State.FREE and launched:
            raise EmbeddedServerError(f"PostgreSQL did not start. The end of {place.log}:\n{last_words(place)}")
        if now is State.FREE:
            install.prepare(place)
            launch(place)
            launched = True
        elif time.monotonic() > until:
            raise EmbeddedServerError(f"PostgreSQL did not get ready in {PATIENCE_S:.0f} s; see {place.log}.")
        else:
            time.sleep(0.02)


def state(place: Place) -> State:
    """Whether a guardian lives, and whether its server is ready."""
    try:
        guard = os.open(place.guardian, os.O_RDWR)
    except FileNotFoundError:
        return State.FREE
    try:
        fcntl.flock(guard, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return State.READY if os.pread(guard, 5, 0) == b"ready" else State.BUSY
    finally:
        os.close(guard)
    return State.FREE


def launch(place: Place) -> None:
    """Start the guardian, which lives apart from us: its own session, no file of ours."""
    place.guardian.write_bytes(b"")
    user = places.owner(place)
    owner = f"{user.pw_uid}:{user.pw_gid}" if places.is_root() else "-"
    guardian = Path(__file__).with_name("guardian.py")
    with log(place) as said:
        subprocess.run(
            [
                *(sys.executable, "-IS", guardian),
                *(place.home, place.data, place.sockets, place.name, owner),
                *install.command(place),
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=install.ENVIRONMENT,
            cwd="/",
            check=False,
        )


@contextmanager
def log(place: Place) -> Iterator[int]:
    """The log opened for appending; a long one is set aside first."""
    if place.log.exists() and place.log.stat().st_size > LOG_BYTES:
        place.log.replace(place.log.with_suffix(".log.1"))
    file = os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def last_words(place: Place) -> str:
    """The end of the log."""
    return place.log.read_text(errors="replace")[-2000:] if place.log.exists() else "(empty)"


def lock(path: Path, kind: int) -> int:
    """An open file with this lock on it; waits for it. Closed on exec, inherited by fork."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(file)
                raise EmbeddedServerError(f"Another process has kept {path} locked for {PATIENCE_S:.0f} s.") from None
            time.sleep(0.02)
        except OSError as error:
            os.close(file)
            raise EmbeddedServerError(f"Files in {path.parent} cannot be locked: {error.strerror}.") from error
        else:
            return file


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only process between these lines."""
    file = lock(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(file)
