"""Gold: tasks whose answer is known. When to serve it, how to grade it."""

import hashlib
from collections import Counter, defaultdict
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from marketplace import labels
from tasks import evidence
from tasks.models import Answer, Assignment, Batch, Cursor, Evidence, Gold
from tasks.terms import Terms

FIRST_SEATS = 20  # a worker nobody knows yet gets gold twice as densely
ALLOTMENT = 5  # gold answers a cursor draws from the batch at a time, so that the batch row stays cool


def due(agreed: Terms, worker: int, claimed: int, seats: int) -> int:
    """How many of the next seats are to be gold: unforeseeable to the worker, the same when asked again."""
    share = agreed.gold_share * (2 if claimed < FIRST_SEATS else 1)
    wanted = sum(draw(agreed.batch, worker, claimed + seat) < share for seat in range(seats)) if share else 0
    return min(wanted, max(1, seats - 1))


@transaction.atomic
def allot(cursor: int, batch: int, wanted: int) -> int:
    """As much gold of this as the cursor may hand out, topped up from what the batch has bought."""
    mine = Cursor.objects.select_for_update(no_key=True).get(pk=cursor)
    stock = Batch.objects.select_for_update(no_key=True).only("gold_bought", "gold_taken").get(pk=batch)
    more = min(max(ALLOTMENT, wanted), stock.gold_bought - stock.gold_taken) if mine.gold_left < wanted else 0
    if more:
        Batch.objects.filter(pk=batch).update(gold_taken=F("gold_taken") + more)
        Cursor.objects.filter(pk=cursor).update(gold_left=F("gold_left") + more)
    return min(wanted, mine.gold_left + more)


def draw(batch: int, worker: int, number: int) -> float:
    """A number from 0 to 1 that belongs to the worker's seat of this number."""
    return _mix(f"{batch}:{worker}:{number}") / 2**64


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
        waiting.select_for_update(no_key=True, skip_locked=True, of=("self",)).select_related(
            "batch__project", "task__gold"
        )[:limit]
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
        Answer.objects.filter(assignment__in=Assignment.objects.practices(worker, batch.project_id), batch=batch)
        .exclude(state=Answer.State.EXPIRED)
        .values_list("task", flat=True)
    )
    times: dict[int, int] = defaultdict(int)
    for task in seen:
        times[task] += 1
    pool = Gold.objects.filter(batch=batch, purpose=Gold.Purpose.PRACTICE, state=Gold.State.ACTIVE)
    tasks = list(pool.values_list("task", flat=True))
    return sorted(tasks, key=lambda task: (times[task], _mix(f"{worker}:{assignment_attempt}:{task}")))[:count]


def exam_pool(batch: Batch, attempt: int, worker: int, count: int) -> list[int]:
    """Exam gold for this attempt: task ids, another draw for each person and attempt.

    Items that this person has met before, in practice or exam of any batch, come last.
    """
    taught = (Assignment.Purpose.PRACTICE, Assignment.Purpose.EXAM)
    mine = Answer.objects.filter(worker=worker, assignment__project=batch.project_id, assignment__purpose__in=taught)
    met = Counter(mine.values_list("task__item", flat=True))
    pool = Gold.objects.filter(batch=batch, purpose=Gold.Purpose.EXAM, state=Gold.State.ACTIVE)
    tasks = list(pool.values_list("task", "task__item"))
    drawn = sorted(tasks, key=lambda pair: (met[pair[1]], _mix(f"exam:{worker}:{attempt}:{pair[0]}")))
    return [task for task, _ in drawn[:count]]


def _mix(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), key=settings.SECRET_KEY.encode()[:64], digest_size=8)
    return int.from_bytes(digest.digest(), "big")
