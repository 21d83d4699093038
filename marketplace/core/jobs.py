"""Background work: a job is enqueued inside the transaction that needs it, so both commit or neither does."""

from typing import Any

from django_q.tasks import async_task


def enqueue(name: str, *ids: Any) -> None:
    """Have the cluster call the function `name` with these ids, at least once, after this transaction commits."""
    async_task(name, *ids, save=False)
