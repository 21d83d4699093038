"""Background work: a job is enqueued inside the transaction that needs it, so both commit or neither does."""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django_q.models import OrmQ, Task
from django_q.tasks import async_task

COUNT_MOST = 50_000  # what there is more of is not counted further
FAILED_KEPT = 1_000  # to look into; of those that went well none is kept


def enqueue(name: str, *ids: Any) -> None:
    """Have the cluster call the function `name` with these ids, at least once, after this transaction commits."""
    async_task(name, *ids, save=False)


@dataclass(frozen=True)
class Queue:
    """Jobs that nobody has begun, those that somebody has, how long the first has waited, and those that failed."""

    waiting: int
    begun: int
    oldest_s: float
    failed: int


def queue() -> Queue:
    """How the queue stands; no figure is counted further than COUNT_MOST.

    A job is deleted when it is done; only one that failed leaves a row behind.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*) FILTER (WHERE lock <= at), count(*) FILTER (WHERE lock > at),
                       coalesce(extract(epoch FROM max(at) - min(lock) FILTER (WHERE lock <= at)), 0),
                       (SELECT count(*) FROM (SELECT FROM {Task._meta.db_table} WHERE NOT success LIMIT %s) found)
                FROM (SELECT lock, clock_timestamp() AS at FROM {OrmQ._meta.db_table} LIMIT %s) queued""",
            [COUNT_MOST, COUNT_MOST],
        )
        waiting, begun, oldest_s, failed = cursor.fetchone()
        return Queue(waiting, begun, max(0.0, float(oldest_s)), failed)


def forget_failed(limit: int = 5_000) -> bool:
    """Delete what is kept of failed jobs, but for the latest; True while there are more."""
    older = Task.objects.filter(success=False).order_by("-stopped", "-pk").values("pk")
    gone, _ = Task.objects.filter(
        pk__in=list(older[FAILED_KEPT : FAILED_KEPT + limit].values_list("pk", flat=True))
    ).delete()
    return gone >= limit
