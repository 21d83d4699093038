"""Who is asked next: an unsure task goes first to those who tell its likely classes apart better than most."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import median

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from marketplace.core import clock
from marketplace.labels import schema as label_schema
from tasks import seats
from tasks.aggregation.learned import Learned
from tasks.aggregation.votes import Ints
from tasks.models import Answer, Assignment, Batch, Cursor, Task

AT_ONCE = 300  # tasks of a batch that wish for somebody: a claim by others passes them all by
LIFT_STEP = 500
LOOKED_AT = 1_000  # pages handed in last, by which it is seen who is there
PAGES, LEAST_S = 8, 10  # a wish lasts as long as it takes to do so many pages, but not less than this

NOTE = """
UPDATE tasks_task t SET wants = ARRAY[new.one, new.other]::smallint[]
FROM unnest(%s::bigint[], %s::smallint[], %s::smallint[]) AS new (id, one, other)
WHERE t.id = new.id AND t.state = 'open' AND t.wants IS DISTINCT FROM ARRAY[new.one, new.other]::smallint[]
    AND t.wants_until IS NULL
"""


def field_of(batch: Batch) -> str | None:
    """The field by whose classes tasks wish: the first that has classes of which one is right."""
    kinds = {spec["name"]: spec["truth"] for spec in batch.schema["fields"]}
    return next((name for name, _ in label_schema.categorical(batch.schema) if kinds[name] != "perspective"), None)


@transaction.atomic
def know(batch: Batch, workers: Ints, learned: Mapping[str, Learned]) -> None:
    """Note which classes each of these workers is right about more often than somebody new would be.

    In a transaction of its own: a claim waits for the cursors it writes.
    """
    name = field_of(batch)
    if not batch.ask_experts or name is None or name not in learned:
        return
    says = learned[name]
    better = np.diagonal(says.confusions, axis1=1, axis2=2) > np.diagonal(says.newcomer)
    good = {int(pk): np.flatnonzero(row).tolist() for pk, row in zip(workers, better[:-1], strict=True)}
    changed = []
    cursors = Cursor.objects.filter(batch=batch, worker__in=list(good)).order_by("pk")
    for cursor in cursors.only("worker", "good_at"):
        if cursor.good_at != (wanted := good[cursor.worker_id]):
            cursor.good_at = wanted
            changed.append(cursor)
    Cursor.objects.filter(pk__in=[one.pk for one in changed]).order_by("pk").select_for_update(no_key=True).exists()
    Cursor.objects.bulk_update(changed, ["good_at"], batch_size=500)


def note(batch: Batch, tasks: Sequence[int], between: Ints) -> None:
    """Note which two classes each of these open tasks may be; nobody is asked for yet."""
    if batch.ask_experts and len(tasks):
        with connection.cursor() as sql:
            sql.execute(NOTE, [list(tasks), between[:, 0].tolist(), between[:, 1].tolist()])


def ask(batch: Batch, tasks: Sequence[int]) -> None:
    """Keep those of these tasks, just bought an answer, for who is good at their classes, if such people are there.

    Whoever has answered a task is not asked again, and only so many tasks of a batch wish at once.
    """
    room = AT_ONCE - Task.objects.filter(batch=batch, wants_until__isnull=False)[:AT_ONCE].count()
    if not batch.ask_experts or room <= 0:
        return
    there, lasts = _there(batch)
    seen: dict[int, set[int]] = defaultdict(set)
    for task, worker in Answer.objects.filter(task__in=tasks).values_list("task", "worker"):
        seen[task].add(worker)
    wishing = Task.objects.filter(pk__in=tasks, open=True, wants__isnull=False).order_by("priority", "pos")
    kept = [
        pk
        for pk, wants in wishing.values_list("pk", "wants")
        if any(good.issuperset(wants or ()) and worker not in seen[pk] for worker, good in there.items())
    ]
    Task.objects.filter(pk__in=kept[:room]).update(wants_until=clock.now() + lasts)


@transaction.atomic
def lift(limit: int = LIFT_STEP) -> bool:
    """Let anybody have the tasks whose wish has lasted long enough; True while there are more."""
    over = Task.objects.filter(wants_until__lte=clock.now())
    rows = list(over.order_by("batch", "wants_until").values_list("pk", "batch")[:limit])
    if not rows:
        return False
    seats.bump({batch for _, batch in rows})
    locked = over.filter(pk__in=[pk for pk, _ in rows]).order_by("pk").select_for_update(no_key=True)
    Task.objects.filter(pk__in=list(locked.values_list("pk", flat=True))).update(wants_until=None)
    return len(rows) == limit


def _there(batch: Batch) -> tuple[dict[int, set[int]], timedelta]:
    """The workers who handed something in as lately as a wish lasts, with what they are good at; and how long that is.

    It goes by what a page takes here, so that the last tasks do not wait long for people who have left.
    """
    since = clock.now() - timedelta(seconds=settings.WANTS_S)
    pages = Assignment.objects.filter(batch=batch, submitted_at__gt=since).order_by("-submitted_at")
    handed_in = list(pages.values_list("worker", "submitted_at", F("submitted_at") - F("claimed_at"))[:LOOKED_AT])
    took_s = median([took.total_seconds() for _, _, took in handed_in] or [0])
    lasts = timedelta(seconds=min(max(PAGES * took_s, LEAST_S), settings.WANTS_S))
    people = {worker for worker, at, _ in handed_in if at and at > clock.now() - lasts}
    known = Cursor.objects.filter(batch=batch, worker__in=people).exclude(good_at=None)
    return {worker: set(good) for worker, good in known.values_list("worker", "good_at") if good}, lasts
