"""Sweeps: small background steps that are due every few seconds, each safe twice and in several clusters at once."""

import contextlib
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils.module_loading import import_string

from marketplace.core import clock, jobs
from marketplace.core.models import Sweep

RETRY_S = 60  # after which one that failed is due again, however seldom it is
LOST_AFTER = timedelta(seconds=15)  # a queued sweep that never started (its cluster was killed) is queued again


def tick() -> list[str]:
    """Queue every sweep that is due; of several tickers one does it, the others return nothing."""
    with transaction.atomic():
        if not _try_lock("ticker"):
            return []
        at = clock.now()
        rows = {sweep.name: sweep for sweep in Sweep.objects.all()}
        due = [name for name, every_s in settings.SWEEPS.items() if _is_due(rows.get(name), at, every_s)]
        for name in due:
            Sweep.objects.update_or_create(name=name, defaults={"queued_at": at})
            jobs.enqueue("marketplace.core.sweeps.run", name)
        return due


def run(name: str) -> None:
    """Run one bounded step of a sweep unless it is running elsewhere; queue it again while it has more to do."""
    step: Callable[[], bool] = import_string(name)
    began_at = clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_number(name)])
        if not cursor.fetchone()[0]:
            return
    more = is_done = False
    try:
        Sweep.objects.update_or_create(name=name, defaults={"started_at": began_at})
        more = step()
        is_done = True
    finally:
        with contextlib.suppress(InterfaceError, OperationalError):  # what was lost with the connection is told above
            _end(name, began_at, more, is_done)


def _end(name: str, began_at: datetime, more: bool, is_done: bool) -> None:
    """Note that a step ended, and how; queue the next where there is more, and let others run it."""
    at = clock.now()
    took_s = (at - began_at).total_seconds()
    fares = {"steps": F("steps") + 1, "faults": F("faults") + int(not is_done), "busy_s": F("busy_s") + took_s}
    done = {"done_at": at} if is_done else {}
    with transaction.atomic():
        Sweep.objects.filter(name=name).update(
            ended_at=at, queued_at=at if more else None, last_s=took_s, **fares, **done
        )
        if more:
            jobs.enqueue("marketplace.core.sweeps.run", name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [_number(name)])


def _is_due(sweep: Sweep | None, at: object, every_s: float) -> bool:
    if sweep is None:
        return True
    if sweep.queued_at and sweep.queued_at > at - LOST_AFTER:  # type: ignore[operator]
        return False
    wait_s = every_s if sweep.done_at == sweep.ended_at else min(every_s, RETRY_S)
    return sweep.ended_at is None or sweep.ended_at <= at - timedelta(seconds=wait_s)  # type: ignore[operator]


def _number(name: str) -> int:
    return zlib.crc32(name.encode())


def _try_lock(name: str) -> bool:
    """Hold the advisory lock until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_number(name)])
        return cursor.fetchone()[0]
