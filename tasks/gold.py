"""Gold: tasks whose answer is known. When to serve it, how to grade it."""

import hashlib
from collections import defaultdict
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from marketplace import labels
from tasks import evidence
from tasks.models import Answer, Assignment, Batch, Cursor, Evidence, Gold

FIRST_SEATS = 20  # a worker nobody knows yet gets gold twice as densely
ALLOTMENT = 5  # gold answers a cursor draws from the batch at a time, so that the batch row stays cool


def due(cursor: Cursor, batch: Batch, seats: int) -> int:
    """How many of the next seats are to be gold: unforeseeable to the worker, the same when asked again."""
    share = batch.gold_share * (2 if cursor.claimed < FIRST_SEATS else 1)
    wanted = sum(_draw(cursor, cursor.claimed + seat) < share for seat in range(seats))
    return _allotted(cursor, batch, min(wanted, max(1, seats - 1)))


def pick(cursor: Cursor, count: int) -> list[int]:
    """Hidden gold of the batch this worker has not seen, from a random start: task ids, at most `count`."""
    if not count:
        return []
    unseen = (
        Gold.objects.filter(batch=cursor.batch_id, purpose=Gold.Purpose.HIDDEN, state=Gold.State.ACTIVE)
        .exclude(task__answers__worker=cursor.worker_id)
        .order_by("draw")
    )
    start = _draw(cursor, cursor.claimed)
    chosen = list(unseen.filter(draw__gte=start).values_list("task", flat=True)[:count])
    return chosen + list(unseen.filter(draw__lt=start).values_list("task", flat=True)[: count - len(chosen)])


def right(value: dict[str, Any], truth: dict[str, Any], schema: dict[str, Any]) -> dict[str, bool]:
    """Which fields with a known truth were answered rightly."""
    specs = {field["name"]: field for field in schema["fields"]}
    return {
        name: name in value and labels.TYPES[specs[name]["type"]].matches(value[name], wanted, specs[name])
        for name, wanted in truth.items()
        if name in specs
    }


@transaction.atomic
def grade(limit: int = 500) -> bool:
    """Turn submitted hidden gold into evidence; True while there is more."""
    waiting = Answer.objects.filter(to_grade=True, submitted_at__isnull=False).order_by("id")
    answers = list(
        waiting.select_for_update(skip_locked=True, of=("self",)).select_related("batch__project", "task__gold")[:limit]
    )
    judged: list[tuple[Answer, float]] = []
    missed: dict[int, int] = defaultdict(int)
    for answer in answers:
        marks = right(answer.value or {}, answer.task.gold.truth, answer.batch.schema)
        share = sum(marks.values()) / len(marks) if marks else 1.0
        judged.append((answer, share))
        missed[answer.task.gold.pk] += share < 1
    evidence.add(Evidence.Kind.GOLD, judged)
    for pk, misses in sorted(missed.items()):
        served = sum(answer.task.gold.pk == pk for answer in answers)
        Gold.objects.filter(pk=pk).update(served=F("served") + served, missed=F("missed") + misses)
    Answer.objects.filter(pk__in=[answer.pk for answer in answers]).update(to_grade=False)
    return len(answers) == limit


def practice_pool(batch: Batch, assignment_attempt: int, worker: int, count: int) -> list[int]:
    """Practice gold for this attempt: task ids, those the worker has seen least often first."""
    seen = (
        Answer.objects.filter(worker=worker, batch=batch, assignment__purpose=Assignment.Purpose.PRACTICE)
        .exclude(state=Answer.State.EXPIRED)
        .values_list("task", flat=True)
    )
    times: dict[int, int] = defaultdict(int)
    for task in seen:
        times[task] += 1
    pool = Gold.objects.filter(batch=batch, purpose=Gold.Purpose.PRACTICE, state=Gold.State.ACTIVE)
    tasks = list(pool.values_list("task", flat=True))
    return sorted(tasks, key=lambda task: (times[task], _mix(f"{worker}:{assignment_attempt}:{task}")))[:count]


def _allotted(cursor: Cursor, batch: Batch, wanted: int) -> int:
    """As much of this as the cursor may hand out, topped up from what the batch has bought."""
    if cursor.gold_left < wanted and batch.gold_taken < batch.gold_bought:
        stock = Batch.objects.select_for_update(no_key=True).only("gold_bought", "gold_taken").get(pk=batch.pk)
        more = min(max(ALLOTMENT, wanted), stock.gold_bought - stock.gold_taken)
        Batch.objects.filter(pk=batch.pk).update(gold_taken=F("gold_taken") + more)
        cursor.gold_left += more
    return min(wanted, cursor.gold_left)


def _draw(cursor: Cursor, number: int) -> float:
    return _mix(f"{cursor.batch_id}:{cursor.worker_id}:{number}") / 2**64


def _mix(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), key=settings.SECRET_KEY.encode()[:64], digest_size=8)
    return int.from_bytes(digest.digest(), "big")
