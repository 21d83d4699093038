"""Takes steps of an import in forks, each of which is killed after another number of round trips to the database.

    python -m tests.marketplace.killed DATABASE MEDIA STEP_ROWS IMPORT_PK SEED TRIPS [apart]

With `apart`, what a step takes and how far it came commit one after the other, as they must not.
"""

import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
django.setup()

import psycopg  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from marketplace import datasets  # noqa: E402
from marketplace.models import Import  # noqa: E402


def die_after(trips: int) -> None:
    """Have this process killed as soon as the database answered so many times."""
    wait: Callable[..., Any] = psycopg.Connection.wait
    answers = iter(range(1, trips))

    def counted(*arguments: Any, **options: Any) -> Any:
        result = wait(*arguments, **options)
        if next(answers, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    psycopg.Connection.wait = counted  # type: ignore[method-assign]


def killed_after(trips: int, step: Callable[[int], bool], import_pk: int) -> bool:
    """Take steps in a fork; whether it was killed."""
    fork = os.fork()
    if not fork:
        try:
            connection.ensure_connection()
            die_after(trips)
            while step(import_pk):
                pass
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.WIFSIGNALED(os.waitpid(fork, 0)[1])


def always(import_pk: int) -> Import | None:
    return Import.objects.select_related("dataset", "project").get(pk=import_pk)


def commit_apart() -> Callable[[int], bool]:
    """The step of an import, with its rows in one transaction and the place in the file in the next."""
    datasets._take = transaction.atomic(datasets._take)
    datasets._its_turn = always
    return datasets.import_step.__wrapped__


def main(database: str, media: str, step_rows: str, import_pk: str, seed: str, trips: str, *how: str) -> None:
    """Print how many were killed: one after each number of round trips, in an order drawn by the seed."""
    connection.settings_dict["NAME"] = database
    settings.MEDIA_ROOT, settings.IMPORT_STEP_ROWS = media, int(step_rows)
    step = commit_apart() if how else datasets.import_step
    points = random.Random(seed).sample(range(1, int(trips) + 1), int(trips))
    print(sum(killed_after(point, step, int(import_pk)) for point in points))


if __name__ == "__main__":
    main(*sys.argv[1:])
