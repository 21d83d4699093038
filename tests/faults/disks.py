"""F17: the disk is full, under the database's log and under uploaded files."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
from django.db import connection

from marketplace import accounts
from tests import apart, make
from tests.faults.crashes import PLENTY, people
from tests.faults.ground import HOST, Ground, Stage
from tests.faults.load import Seen, at_work, problems, published
from tests.faults.outcome import Outcome

LOG_MB, MEDIA_MB, UPLOAD_MB = 320, 2, 5
SEGMENTS_MOST = 200  # of the log, that are burnt until no other fits
BACK_WITHIN_S = 60.0


def cannot() -> str:
    """Why disks cannot be made full here; empty: they can."""
    if os.geteuid() or not shutil.which("mount"):
        return "only root may mount a small disk"
    with TemporaryDirectory() as folder:
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
        )
        if tried.returncode:  # root in a container, say
            return "mounting a small disk is not permitted here"
        subprocess.run(["umount", "--lazy", folder], check=True)
    return ""


def disk_full(stage: Stage, rng: Random, times: int) -> Outcome:
    """The log's disk fills up while people work, until the database gives up; then there is room again."""
    batch, seen, found = published(3000, 60, **PLENTY, gold_share=0.1, accept_after_s=0), Seen(), []
    media = stage.folder / "media"
    with small_disk(media, MEDIA_MB), log_on_small_disk(stage.ground, stage.folder / "log") as log:
        stage.web()
        stage.cluster()
        with at_work(people(stage, seen), batch.project):
            for _ in range(times):
                time.sleep(rng.uniform(1, 2))
                fill(log)
                exhaust(stage)
                time.sleep(1)
                (log / "filler").unlink()
                free_at = time.monotonic()
                stage.ground.again()
                apart.until(lambda: seen.done_at > free_at, BACK_WITHIN_S)  # noqa: B023
        found += upload_when_full(stage, media)
    shown = {status: n for status, n in seen.statuses.items() if status >= 500}
    if shown.keys() - {503}:
        found.append(f"answers of the server while its disk was full: {shown}")
    return Outcome(f"{len(seen.submits)} pages, {shown.get(503, 0)} x 503", times, [*found, *problems(seen)])


def upload_when_full(stage: Stage, media: Path) -> list[str]:
    """A file that does not fit is refused and leaves nothing; when there is room, the same one is taken."""
    connection.close()  # it was to the server before
    home = make.organisation()
    key = accounts.issue_key(make.owner(home), "faults", ("offer",))[1]
    data = make.dataset([{"text": "one"}], home)
    to = f"http://{HOST}:{stage.ports()[0]}/api/v1/datasets/{data.public_id}/imports"
    rows = b'{"text": "a row"}\n' * (UPLOAD_MB * 60_000)

    def upload() -> httpx.Response:
        files: Any = {"file": ("rows.jsonl", rows)}
        head = {"Authorization": f"Bearer {key}"}
        return httpx.post(to, data={"format": "jsonl"}, files=files, headers=head, timeout=60, trust_env=False)

    full, before = upload(), data.imports.count()
    subprocess.run(["mount", "-o", f"remount,size={10 * UPLOAD_MB}m", str(media)], check=True)
    room = upload()
    if (full.status_code, room.status_code, data.imports.count() - before) != (503, 201, 1):
        return [f"an upload to a full disk: {full.status_code}, with room {room.status_code}"]
    return []


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def log_on_small_disk(ground: Ground, place: Path) -> Iterator[Path]:
    """The database's log on a disk of its own for the time of the block."""
    log = Path(ground.at["DATA"]) / "pg_wal"
    owner = log.stat()
    with small_disk(place, LOG_MB):
        for folder in (place, *place.parents):  # the server's own user comes by here
            with suppress(PermissionError):
                folder.chmod(folder.stat().st_mode | 0o011)
            if folder.parent == Path("/tmp"):
                break
        os.chown(place, owner.st_uid, owner.st_gid)
        with ground.stopped():
            subprocess.run(["cp", "-a", str(log), str(place / "pg_wal")], check=True)
            shutil.rmtree(log)
            log.symlink_to(place / "pg_wal")
        try:
            connection.close()  # it was to the server before
            yield place
        finally:
            with ground.stopped():
                log.unlink()
                subprocess.run(["cp", "-a", str(place / "pg_wal"), str(log)], check=True)


def fill(place: Path) -> None:
    """Leave less room than a segment of the log needs."""
    room = shutil.disk_usage(place).free
    with (place / "filler").open("wb") as filler:
        filler.write(b"\0" * max(0, room - 4_000_000))


def exhaust(stage: Stage) -> None:
    """Use up the segments there are; enter the next when there is no room for it."""
    with suppress(psycopg.OperationalError):
        for _ in range(SEGMENTS_MOST):
            stage.ask("SELECT pg_logical_emit_message(true, 'full', repeat('x', 16000000))")
