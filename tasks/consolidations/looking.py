"""Which tasks an aggregator is to be asked about: those that are done and whose answers it has not seen."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.postgres.aggregates import StringAgg
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery, TextField
from django.db.models.functions import MD5, Cast

from marketplace.core import clock
from tasks.models import Answer, Batch, Consolidation, Gold, Look, Task

STEP = 2_000
APART = timedelta(seconds=10)  # what was begun so long ago is written; and looks rest so long
REST = 10  # times as long as the last look took

# Batches whose labels were made, or which were closed, since they were looked at. Of those that are over, none
BEGIN = """
INSERT INTO tasks_look (aggregator_id, batch_id, began_at, after, to_weigh)
SELECT a.id, b.id, now.at, 0, false
FROM (SELECT clock_timestamp() AS at) AS now CROSS JOIN tasks_aggregator a JOIN tasks_batch b USING (project_id)
LEFT JOIN tasks_look l ON l.aggregator_id = a.id AND l.batch_id = b.id
WHERE a.retired_at IS NULL AND b.state <> 'filling' AND b.returned_at IS NULL AND b.consensus_at IS NOT NULL
  AND (l.id IS NULL OR l.ended_at IS NOT NULL
       AND greatest(b.consensus_at + b.consensus_s * interval '1 second', b.closed_at) + %(apart)s > l.began_at
       AND l.ended_at + greatest(%(apart)s, %(rest)s * (l.ended_at - l.began_at)) <= now.at)
ORDER BY l.ended_at NULLS FIRST, b.id LIMIT %(limit)s
ON CONFLICT (aggregator_id, batch_id) DO UPDATE SET began_at = excluded.began_at, after = 0, ended_at = NULL
WHERE tasks_look.ended_at IS NOT NULL
"""


def digest(task: str) -> Subquery:
    """What stands for the counted answers of the task in this column of the query around; null: there are none."""
    counted = Answer.objects.counted().filter(task=OuterRef(task), attempt=0).order_by().values("task")
    listed = StringAgg(Cast("pk", TextField()), ",", order_by="pk")
    return Subquery(counted.annotate(digest=MD5(listed)).values("digest"), output_field=TextField())


def digest_of(answers: Sequence[int]) -> str:
    """The same, of the keys of these answers in their order; "": there are none."""
    listed = ",".join(map(str, answers))
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() if answers else ""


def outdated(limit: int = 20) -> Iterable[Look]:
    """Batches with an aggregator in which something may have changed since they were looked at, or that are on."""
    values: dict[str, Any] = {"apart": APART, "rest": REST, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(BEGIN, values)
    return Look.objects.filter(ended_at=None, aggregator__retired_at=None).order_by("began_at", "pk")[:limit]


@transaction.atomic
def look(row: Look) -> bool:
    """Go through the next tasks of a batch and put down whose answers have changed; True while there are more."""
    found = Look.objects.select_for_update(no_key=True).get(pk=row.pk)
    if found.ended_at:
        return False
    batch = Batch.objects.get(pk=found.batch_id)
    tasks = Task.objects.filter(batch=batch, is_copy=False, item__gt=found.after).order_by("item_id")
    read = list(tasks.values_list("pk", "item_id", "state")[:STEP])
    _note(found, [pk for pk, _, state in read if state == Task.State.CLOSED or batch.state == Batch.State.CLOSED])
    found.after = read[-1][1] if read else found.after
    found.ended_at = None if len(read) == STEP else clock.now()
    found.save(update_fields=["after", "ended_at"])
    return found.ended_at is None


def _note(row: Look, tasks: list[int]) -> None:
    """Ask about those of these tasks whose answers are others than it was last asked about; gold is none of them."""
    gold = Gold.objects.filter(task__in=tasks).values("task")
    digests = dict(Task.objects.filter(pk__in=tasks).exclude(pk__in=gold).values_list("pk", digest("pk")))
    seen = Consolidation.objects.filter(aggregator=row.aggregator_id, task__in=list(digests))
    known = dict(seen.values_list("task", "digest"))
    at = clock.now()
    Consolidation.objects.bulk_create(
        [
            Consolidation(
                aggregator_id=row.aggregator_id, batch_id=row.batch_id, task_id=pk, digest=now, due_at=at, at=at
            )
            for pk, now in sorted(digests.items())
            if now and now != known.get(pk)
        ],
        update_conflicts=True,
        unique_fields=["aggregator", "task"],
        update_fields=["state", "digest", "labels", "why", "tries", "due_at", "at"],
    )
