"""A site at work: a database of its own with a batch of so many tasks, people who may work on it, and a web server."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from marketplace.core import children, env  # noqa: E402
from tasks.api import authentication  # noqa: E402
from tasks.models import Batch  # noqa: E402
from tests import apart  # noqa: E402
from tests.plans import load, plans  # noqa: E402
from tests.tasks import work  # noqa: E402
from workers import qualifications  # noqa: E402
from workers.models import Worker  # noqa: E402

HOST, FIRST_PORT = "127.0.0.1", 8950
GOLD, GOLD_SHARE = 200, 0.1
CURSORS = """INSERT INTO tasks_cursor (worker_id, batch_id, priority, pos, epoch, lap, claimed, gold_left)
    SELECT id, %(batch)s, -2147483648, -1, -1, 0, 20, 1000000 FROM workers_worker"""  # at work for a while
QUALIFIED = """INSERT INTO workers_grant (worker_id, qualification_id, score, granted_at)
    SELECT w.id, q.id, 1, now() FROM workers_worker w, workers_qualification q WHERE w.id <> %(veteran)s"""


@dataclass(frozen=True)
class Person:
    worker: int
    token: str


@dataclass(frozen=True)
class Stage:
    """Where it is, and who is there; the veteran has answered `load.HISTORY` tasks, or none."""

    url: str
    port: int
    web: int
    project: str
    batch: int
    veteran: int

    def people(self, count: int) -> list[Person]:
        """So many who may work here and have not, with tokens for the next minute."""
        fresh = Worker.objects.filter(public_id__regex=r"^w[0-9]+$").order_by("-pk")[:count]
        return [Person(worker.pk, authentication.issue(worker)) for worker in fresh]

    def person(self, worker: int) -> Person:
        return Person(worker, authentication.issue(Worker.objects.get(pk=worker)))

    def processes(self) -> list[int]:
        """Those that answer requests."""
        return apart.children(self.web)


@contextmanager
def site(
    tasks: int, *, people: int = 2_000, page_size: int = 10, history: int = 0, processes: int = 2
) -> Iterator[Stage]:
    """A running site; practice is passed by everybody, a tenth of what is served is hidden gold."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    home = connection.settings_dict.copy()
    with ExitStack() as running:
        url = running.enter_context(apart.database())
        folder = Path(running.enter_context(TemporaryDirectory()))
        settings.MEDIA_ROOT = folder / "media"
        apart.run(url, folder, "migrate", "-v0")
        running.callback(use, home)
        use({**home, **env.database(url)})
        batch, veteran = _offer(page_size), work.worker("veteran")
        with _unchecked():
            load.fill(batch, tasks, veteran, history=history, leases=0, people=people)
        qualifications.grant(veteran, batch.project, 1.0)
        load.run(QUALIFIED, {"veteran": veteran.pk})
        load.run(CURSORS, {"batch": batch.pk})
        port = children.free_port(HOST, FIRST_PORT)
        with mock.patch.dict(os.environ, {"HOT_A_SECOND": "0"}):  # these people are faster than any
            web = running.enter_context(apart.started(url, folder, "web", f"--port={port}", f"--processes={processes}"))
        apart.until(lambda: not children.is_free(HOST, port))
        yield Stage(url, port, web.pid, batch.project.public_id, batch.pk, veteran.pk)


def _offer(page_size: int) -> Batch:
    return work.published(
        items=1, gold=GOLD, gold_share=GOLD_SHARE, practice_size=1, page_size=page_size, lease_s=3600,
        redundancy_min=3, redundancy_max=3,
    )  # fmt: skip


@contextmanager
def _unchecked() -> Iterator[None]:
    """Check foreign keys at the end, all at once, and count nothing: what is loaded here is right."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"
        )
        keys = [key for key in cursor.fetchall() if key[0] in plans.BIG]
        for table in plans.BIG:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for table, name, _ in keys:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        yield
        for table, name, definition in keys:
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        for table in plans.BIG:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def use(database: dict[str, Any]) -> None:
    """Have this process work on another database."""
    connection.close()
    connection.settings_dict.clear()
    connection.settings_dict.update(database)
