"""Where the server of one clone keeps its things, and which operating-system user it runs as."""

import functools
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

MAJOR = 18
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 103  # bytes; macOS allows the least
SYSTEM = Path("/var/lib/manyhands")  # as root only
USER = "manyhands"


class EmbeddedServerError(Exception):
    """The embedded PostgreSQL cannot serve; the message says what to do."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}\nTo use a PostgreSQL of your own (15 or newer), set DATABASE_URL.")


@dataclass(frozen=True)
class Place:
    """The folders and files of one clone's server."""

    root: Path
    home: Path
    sockets: Path
    name: str  # in the title of every process of this server

    @property
    def data(self) -> Path:
        """The data folder, one for each major version."""
        return self.home / f"data-{MAJOR}"

    @property
    def users(self) -> Path:
        """The file on which every user process holds a shared lock."""
        return self.home / "users.lock"

    @property
    def starting(self) -> Path:
        """The file locked by the one process that is starting the server."""
        return self.home / "starting.lock"

    @property
    def guardian(self) -> Path:
        """The file locked by the guardian while it lives; holds "ready" while its server takes connections."""
        return self.home / "guardian.lock"

    @property
    def log(self) -> Path:
        """What the server and its guardian say."""
        return self.home / "server.log"


@functools.cache
def of(root: Path) -> Place:
    """The place that belongs to this clone; touches nothing."""
    root = root.resolve()
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    home = SYSTEM / key if is_root() else root / ".data" / "postgres"
    sockets = home / "run"
    if not fits(sockets):
        sockets = Path("/tmp") / f"manyhands-{os.geteuid()}-{key}"
    return Place(root, home, sockets, f"manyhands-{key}")


def fits(sockets: Path) -> bool:
    """Whether libpq can name a socket in this folder: short, and without its separators."""
    return len(os.fsencode(sockets / SOCKET)) <= LONGEST_SOCKET and re.fullmatch(r"[\w./ -]+", str(sockets)) is not None


def is_root() -> bool:
    """Whether this process may change users, and so must, because PostgreSQL refuses to run as root."""
    return os.geteuid() == 0


def owner(place: Place) -> pwd.struct_passwd:
    """The user the server runs as: ourselves; as root, the one who has the data, or our system user."""
    if not is_root():
        return own_name()
    if place.data.exists():
        return pwd.getpwuid(place.data.stat().st_uid)
    return named(USER) or made(USER) or named("postgres") or named("nobody") or no_user()


def own_name() -> pwd.struct_passwd:
    """This process's user, who needs a name because peer authentication compares names."""
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedServerError(f"PostgreSQL needs a named user; user id {os.geteuid()} has no name.") from None


def named(name: str) -> pwd.struct_passwd | None:
    """The user of this name, if there is one."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def made(name: str) -> pwd.struct_passwd | None:
    """A new system user without a home, a shell or a password, if this system lets us make one."""
    useradd = shutil.which("useradd", path=os.defpath + ":/usr/sbin:/sbin")
    if useradd is None:
        return None
    options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false")
    subprocess.run([useradd, *options, name], check=False, capture_output=True)
    return named(name)


def no_user() -> pwd.struct_passwd:
    """Say that no user is left to run the server as."""
    raise EmbeddedServerError("PostgreSQL refuses to run as root, and no system user could be made for it.")


def make_home(place: Place) -> None:
    """Make the folder that holds everything of this server, private to us (as root: and to the server's user)."""
    try:
        if is_root():
            folder(SYSTEM, 0o755)
            folder(place.home, 0o750, group=owner(place).pw_gid)
        else:
            place.home.parent.mkdir(parents=True, exist_ok=True)
            folder(place.home, 0o700)
    except OSError as error:
        raise EmbeddedServerError(f"Cannot make the folder for the data, {place.home}: {error.strerror}.") from error


def folder(path: Path, mode: int, user: int = -1, group: int = -1) -> None:
    """Make a folder with exactly this mode and owner; one that is there keeps its own, and must be ours."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        is_ours(path, user)
        return
    os.chown(path, user, group)
    path.chmod(mode)


def is_ours(path: Path, user: int = -1) -> None:
    """Refuse a folder that another user made, or may write to."""
    found = path.lstat()
    allowed = {os.geteuid(), os.geteuid() if user == -1 else user}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in allowed or found.st_mode & 0o022:
        raise EmbeddedServerError(f"{path} belongs to another user or lets others write; move it away.")
