"""The embedded PostgreSQL lives exactly as long as it is used, loses nothing, and lets nobody else in."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from marketplace.core.embedded import guardian, install, place, server

SOURCES = Path(__file__).resolve().parents[2]
PROMISED_S = 10
STARTED = "SELECT pg_postmaster_start_time()"
USER = r"""
import os, sys
from pathlib import Path
import django
from django.conf import settings
from marketplace.core.embedded import server
options = {"pool": True} if "pool" in sys.argv else {}
settings.configure(DATABASES={"default": server.settings(Path(sys.argv[1])) | {"OPTIONS": options}})
django.setup()
from django.db import DatabaseError, connection
def answer(line):
    try:
        with connection.cursor() as cursor:
            cursor.execute(line)
            return " ".join(map(str, cursor.fetchone())) if cursor.description else "done"
    except DatabaseError as error:
        connection.close()
        return "error " + str(error).replace("\n", " ")
if "fork" in sys.argv:
    answer("SELECT 1")
    connection.close()
    os.write(1, f"{os.fork()}\n".encode())  # whole, whatever the other one writes
for line in sys.stdin:
    print(answer(line), flush=True)
"""


class User:
    """A process of the project that talks SQL to its clone's server."""

    def __init__(self, root: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(root), *options],
            cwd=SOURCES,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, statement: str) -> str:
        """Send one statement and wait for its first row."""
        self.say(statement)
        said = self.hear()
        self.error = said if said.startswith("error") else None
        return said

    def say(self, statement: str) -> None:
        print(statement, file=self.process.stdin, flush=True)

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Clone:
    """A folder that stands for one clone of the project."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self.root, self.place = root, place.of(root)
        self.users: list[User] = []

    def user(self, *options: str) -> User:
        self.users.append(User(self.root, *options))
        return self.users[-1]

    def postgres(self) -> list[int]:
        return guardian.found(self.place.data, self.place.name) if self.place.data.exists() else []

    def guardians(self) -> list[int]:
        return [pid for pid in guardian.processes() if self.guarded_by(guardian.cmdline(pid).split(b"\0"))]

    def guarded_by(self, arguments: list[bytes]) -> bool:
        return os.fsencode(guardian.__file__) in arguments and os.fsencode(self.place.home) in arguments

    def kill_all(self, *kinds: str) -> None:
        if "users" in kinds:
            for user in self.users:
                user.kill()
        pids = (self.guardians() if "guardian" in kinds else []) + (self.postgres() if "postgres" in kinds else [])
        for pid in pids:
            guardian.send(pid, signal.SIGKILL)

    def is_quiet(self) -> bool:
        return guardian.wait_for(lambda: not self.postgres() and not self.guardians(), PROMISED_S)

    def remove(self) -> None:
        self.kill_all("users")
        assert self.is_quiet()
        for folder in (self.place.home, self.place.sockets):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def clone(tmp_path):
    """Makes clones; when the test is over, nothing of them is left."""
    made = []

    def make(name="clone"):
        made.append(Clone(tmp_path / name))
        return made[-1]

    yield make
    for each in made:
        each.remove()


def write_a_row(user):
    assert user.ask("CREATE TABLE kept (number int)") == "done"
    assert user.ask("INSERT INTO kept VALUES (42)") == "done"


def test_reading_the_settings_starts_nothing_and_makes_nothing(clone):
    ours = clone()
    server.settings(ours.root)
    assert list(ours.root.iterdir()) == []
    assert not ours.place.home.exists()


def test_server_speaks_unicode_and_utc(clone):
    user = clone().user()
    assert user.ask("SELECT lower('ÄÖΩ'), current_setting('server_encoding')") == "äöω UTF8"
    assert user.ask("SHOW timezone") == "UTC"
    assert user.ask("SHOW fsync") == user.ask("SHOW synchronous_commit") == "on"
    assert user.ask("SHOW listen_addresses") == ""


def test_our_role_makes_databases_but_is_no_superuser(clone):
    user = clone().user()
    assert user.ask("SELECT rolcreatedb, rolsuper FROM pg_roles WHERE rolname = current_user") == "True False"
    assert user.ask("CREATE DATABASE test_manyhands") == "done"


@pytest.mark.parametrize("killed", ["users", "users guardian", "users guardian postgres", "users postgres"])
def test_kill_9_leaves_no_server_and_loses_no_row(clone, killed):
    ours = clone()
    write_a_row(ours.user())
    ours.kill_all(*killed.split())
    assert ours.is_quiet()
    assert ours.user().ask("SELECT number FROM kept") == "42"


@pytest.mark.parametrize("options", [(), ("pool",)])
@pytest.mark.parametrize("killed", ["guardian", "postgres"])
def test_users_get_a_new_server_when_theirs_is_killed(clone, killed, options):
    ours = clone()
    user = ours.user(*options)
    write_a_row(user)
    before = user.ask(STARTED)
    ours.kill_all(killed)
    assert guardian.wait_for(lambda: user.ask(STARTED) not in (before, user.error), PROMISED_S)
    assert user.ask("SELECT number FROM kept") == "42"
    assert len(ours.guardians()) == 1


def test_server_stays_while_one_user_of_several_is_left(clone):
    ours = clone()
    first, second = ours.user(), ours.user()
    write_a_row(first)
    assert second.ask("SELECT number FROM kept") == "42"
    started = second.ask(STARTED)
    first.kill()
    time.sleep(3 * guardian.LOOK_EVERY_S)
    assert second.ask(STARTED) == started


def test_a_forked_child_is_a_user_too(clone):
    ours = clone()
    parent = ours.user("fork")
    child = max(int(parent.hear()), int(parent.hear()))
    os.kill(parent.process.pid, signal.SIGKILL)
    parent.process.wait()
    time.sleep(3 * guardian.LOOK_EVERY_S)
    assert ours.postgres()
    os.kill(child, signal.SIGKILL)
    assert ours.is_quiet()


def test_two_first_users_at_once_share_one_server(clone):
    ours = clone()
    both = [ours.user(), ours.user()]
    for user in both:
        user.say(STARTED)
    assert both[0].hear() == both[1].hear() != ""
    assert len(ours.guardians()) == 1


def test_a_user_that_comes_while_the_server_stops_gets_a_new_one(clone):
    ours = clone()
    write_a_row(ours.user())
    for _ in range(5):
        ours.kill_all("users")
        time.sleep(guardian.LOOK_EVERY_S)
        assert ours.user().ask("SELECT number FROM kept") == "42"


def test_two_clones_are_independent(clone):
    one, other = clone("one"), clone("other")
    write_a_row(one.user())
    assert other.user().ask("SELECT to_regclass('kept')") == "None"
    one.kill_all("users")
    assert one.is_quiet()
    assert other.user().ask("SELECT 1") == "1"


@pytest.mark.parametrize("name", ["with, 'odd' \"signs\" = \\ and ünïcode", "a path/" + "too long for a socket/" * 6])
def test_any_path_will_do(clone, name):
    assert clone(name).user().ask("SELECT 1") == "1"


def test_a_pid_file_that_names_a_stranger_is_no_obstacle(clone):
    ours = clone()
    write_a_row(ours.user())
    ours.kill_all("users", "guardian", "postgres")
    assert ours.is_quiet()
    pid_file = ours.place.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert ours.user().ask("SELECT number FROM kept") == "42"


def test_deleting_the_state_folder_starts_afresh(clone):
    ours = clone()
    write_a_row(ours.user())
    ours.kill_all("users")
    assert ours.is_quiet()
    shutil.rmtree(ours.root / ".data")
    assert ours.user().ask("SELECT to_regclass('kept')") == "None"


def test_no_folder_around_changes_its_owner_or_mode(clone, tmp_path):
    ours = clone("closed/inside")
    closed = [tmp_path / "closed", ours.root]
    closed[0].chmod(0o700)
    before = [(path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in closed]
    assert ours.user().ask("SELECT 1") == "1"
    assert [(path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in closed] == before


def test_other_users_of_the_machine_cannot_reach_the_data_or_the_socket(clone):
    ours = clone()
    assert ours.user().ask("SELECT 1") == "1"
    assert ours.place.data.stat().st_mode & 0o777 == 0o700
    assert ours.place.sockets.stat().st_mode & 0o777 == 0o700
    assert (ours.place.sockets / place.SOCKET).stat().st_mode & 0o777 == 0o700
    assert (ours.place.home / "pg_hba.conf").read_text() == "local all all peer map=clone\n"
    strangers = [place.owner(ours.place), pwd.getpwnam("nobody")] if place.is_root() else []
    for stranger in strangers:  # the first may open the socket, so that only peer authentication is left to refuse
        done = connect_as(stranger, ours.place)
        assert done.returncode != 0
        assert "Peer authentication failed" in done.stderr or "Permission denied" in done.stderr


def connect_as(user, ours):
    return subprocess.run(
        [install.program("psql"), "-h", ours.sockets, "-U", install.ROLE, "-d", install.DATABASE, "-c", "SELECT 1"],
        **install.as_user(user),
        cwd="/",
        env=install.ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_server_that_cannot_start_says_why_and_what_to_do(clone):
    ours = clone()
    place.make_home(ours.place)
    ours.place.sockets.write_text("in the way")
    said = ours.user().ask("SELECT 1")
    ours.place.sockets.unlink()
    assert said.startswith("error ")
    assert "set DATABASE_URL" in said


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(place.EmbeddedServerError, match="lets others write"):
        place.folder(tmp_path / "open", 0o700)


def test_nothing_listens_before_the_first_user(clone):
    ours = clone()
    assert not server.answers(ours.root)
    with pytest.raises(OSError, match=r"No such file|refused"), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(ours.place.sockets / place.SOCKET))
