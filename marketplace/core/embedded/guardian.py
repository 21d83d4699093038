"""Runs one PostgreSQL server for as long as any process uses it; then stops it, and ends.

Stand-alone: only the standard library, so that it starts fast and stays small.
usage: guardian.py HOME DATA SOCKETS NAME USER:GROUP COMMAND...    (USER:GROUP is "-" unless root)
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 0.3
FAST_S = 5.0  # for a clean shutdown
IMMEDIATE_S = 3.0  # for one that needs recovery at the next start
PR_SET_PDEATHSIG = 1


def main(home: Path, data: Path, sockets: Path, name: str, owner: str, command: list[str]) -> None:
    """Serve until the last user is gone."""
    guard = os.open(home / "guardian.lock", os.O_RDWR | os.O_CREAT, 0o600)
    if not wait_for(lambda: take(guard), 10):
        sys.exit("another guardian is at work")
    os.ftruncate(guard, 0)
    leave_the_caller()
    user, _, group = owner.partition(":")
    end(lambda: found(data, name))
    for file in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
        forget_stale(file)
    server = start(command, {"user": int(user), "group": int(group), "extra_groups": []} if group else {})
    try:
        serve(server, home, data, guard)
    finally:
        os.ftruncate(guard, 0)
        end(lambda: [server.pid] if server.poll() is None else [])
        end(lambda: found(data, name))


def serve(server: subprocess.Popen[bytes], home: Path, data: Path, guard: int) -> None:
    """Say when the server is ready; return when it died, nobody uses it, or its folder is gone."""
    users = os.open(home / "users.lock", os.O_RDWR)
    ready = False
    while not take(users) and is_at(users, home / "users.lock"):
        if not ready and is_ready(server.pid, data):
            os.pwrite(guard, b"ready", 0)
            ready = True
        try:
            server.wait(LOOK_EVERY_S if ready else 0.02)
        except subprocess.TimeoutExpired:
            continue
        return


def take(lock: int) -> bool:
    """Whether we now hold this lock alone."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(file: int, path: Path) -> bool:
    """Whether the open file is still the one under this path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def leave_the_caller() -> None:
    """Let the process that started us go on; the lock stays with us. Stopping is asked for by SIGTERM only."""
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def start(command: list[str], owner: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the server so that it cannot outlive us."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=dies_with_parent(), **owner)


def dies_with_parent() -> Callable[[], None]:
    """What a child does so that the kernel stops it when we are killed (Linux; elsewhere the next start does)."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        for signum in (signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, signal.SIG_DFL)
        prctl(PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def is_ready(pid: int, data: Path) -> bool:
    """Whether the server with this process id takes connections: the last line of its pid file says so."""
    lines = read(data / "postmaster.pid").split(b"\n")
    return len(lines) > 7 and lines[0].strip() == str(pid).encode() and lines[7].strip() == b"ready"


def forget_stale(file: Path) -> None:
    """Remove a pid file that names a zombie or a stranger with the same id: PostgreSQL would not start."""
    first = read(file).split(b"\n")[0].strip()
    if first.isdigit() and send(int(first), 0) and not is_server(cmdline(int(first))):
        file.unlink()


def end(running: Callable[[], list[int]]) -> None:
    """Shut down what runs: cleanly, then at once, then by force."""
    for signum, patience_s in ((signal.SIGINT, FAST_S), (signal.SIGQUIT, IMMEDIATE_S), (signal.SIGKILL, IMMEDIATE_S)):
        for pid in running():
            send(pid, signum)
        if wait_for(lambda: not running(), patience_s):
            return


def send(pid: int, signum: int) -> bool:
    """Send a signal; whether the process was still there."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait_for(condition: Callable[[], bool], patience_s: float) -> bool:
    """Whether the condition came true in this time."""
    until = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def found(data: Path, name: str) -> list[int]:
    """The processes of this clone's server that an earlier guardian left, by their titles."""
    if not data.exists():
        return []
    title, owner = name.encode(), data.stat().st_uid
    return [pid for pid in processes() if is_server(line := cmdline(pid)) and title in line and uid(pid) == owner]


def is_server(line: bytes) -> bool:
    """Whether a command line is PostgreSQL's: the postmaster's own, or a title it gave to a child."""
    return line.startswith(b"postgres: ") or line.split(b"\0")[0].split(b" -D")[0].endswith(b"/bin/postgres")


def processes() -> Iterable[int]:
    """Every process id that can be seen."""
    if os.path.isdir("/proc/self"):
        return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [int(pid) for pid in ps("-A", "-o", "pid=").split()]


def cmdline(pid: int) -> bytes:
    """The command line of a process; empty if there is none."""
    if os.path.isdir("/proc/self"):
        return read(Path(f"/proc/{pid}/cmdline"))
    return ps("-ww", "-o", "command=", "-p", str(pid))


def uid(pid: int) -> int:
    """The user id of a process; -1 if there is none."""
    if os.path.isdir("/proc/self"):
        try:
            return os.stat(f"/proc/{pid}").st_uid
        except FileNotFoundError:
            return -1
    return int(ps("-o", "uid=", "-p", str(pid)) or -1)


def ps(*options: str) -> bytes:
    """What `ps` says, where there is no /proc."""
    return subprocess.run(["/bin/ps", *options], capture_output=True, check=False).stdout.strip()


def read(path: Path) -> bytes:
    """What a file holds; empty if it is not there."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


if __name__ == "__main__":
    home, data, sockets, name, owner, *command = sys.argv[1:]
    main(Path(home), Path(data), Path(sockets), name, owner, command)
