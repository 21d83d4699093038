"""Gold: tasks whose answer is known. When to serve it, how to grade it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from marketplace import labels
from marketplace.core.errors import Invalid
from marketplace.labels import schema as label_schema
from tasks import evidence
from tasks.models import Answer, Assignment, Batch, Cursor, Evidence, Gold
from tasks.terms import Terms
from workers import reliability, scoring
from workers.models import Reliability

FIRST_SEATS = 20  # a worker nobody knows yet gets gold twice as densely
STEP = 0.05  # of the project's share: a rate that moves less is not written
ALLOTMENT = 5  # gold answers a cursor draws from the batch at a time, so that the batch row stays cool


def due(agreed: Terms, worker: int, claimed: int, seats: int, rate: float | None = None) -> int:
    """How many of the next seats are to be gold: unforeseeable to the worker, the same when asked again.

    rate  the share that what is known of the worker asks for; None: nothing is known
    """
    share = agreed.gold_share if rate is None else rate
    if claimed < FIRST_SEATS:
        share = agreed.gold_share * scoring.CEILING
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
    """Which fields with a known truth were answered rightly, within their tolerance."""
    return {name: share == 1.0 for name, share in shares(value, truth, schema).items()}


def shares(value: dict[str, Any], truth: dict[str, Any], schema: dict[str, Any]) -> dict[str, float]:
    """How far each field with a known truth was answered rightly; nobody is held to a perspective."""
    return {
        name: labels.share(value[name], truth[name], spec) if name in value else 0.0
        for name, spec in ((spec["name"], spec) for spec in schema["fields"])
        if name in truth and spec["truth"] != "perspective"
    }


def check_truth(truth: Any, schema: dict[str, Any]) -> None:
    """Invalid unless this answers at least one field of the schema, and nothing wrongly."""
    errors = [error.under("truth") for error in label_schema.validate(schema, truth) if error.code != "missing"]
    if errors:
        raise Invalid("the truth does not fit the label schema", errors=[asdict(error) for error in errors])
    if not truth:
        raise Invalid("say what is right for at least one field")


def grade(limit: int = 500) -> bool:
    """Turn submitted hidden gold into evidence, and serve by what it says; True while there is more."""
    graded, is_more = _grade(limit)
    follow(graded)
    return is_more


@transaction.atomic
def _grade(limit: int) -> tuple[set[tuple[int, int]], bool]:
    """The (worker, project) that were graded, and whether there may be more.

    Gold is locked before reliability, by all who lock both. What is in doubt is counted and says nothing of anybody.
    """
    waiting = Answer.objects.filter(to_grade=True, submitted_at__isnull=False).order_by("id")
    answers = list(
        waiting.select_for_update(no_key=True, skip_locked=True, of=("self",)).select_related("batch__project")[:limit]
    )
    known = Gold.objects.filter(task__in={answer.task_id for answer in answers}).order_by("pk")
    golds = {row.task_id: row for row in known.select_for_update(no_key=True)}
    judged: list[tuple[Answer, float]] = []
    truths: dict[int, evidence.Truths] = {}
    served: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for answer in answers:
        row, schema = golds[answer.task_id], answer.batch.schema
        found = shares(answer.value or {}, row.truth, schema)
        share = sum(found.values()) / len(found) if found else 1.0
        served[row.pk][0] += 1
        served[row.pk][1] += share < 1
        if found and row.state in Gold.BELIEVED:
            judged.append((answer, share))
            truths[answer.pk] = truths_of(row.truth, schema)
    for pk, (times, misses) in sorted(served.items()):
        Gold.objects.filter(pk=pk).update(served=F("served") + times, missed=F("missed") + misses, to_look=True)
    Answer.objects.filter(pk__in=[answer.pk for answer in answers]).update(to_grade=False)
    evidence.add(Evidence.Kind.GOLD, judged, truths)
    return {(answer.worker_id, answer.batch.project_id) for answer, _ in judged}, len(answers) == limit


def truths_of(truth: dict[str, Any], schema: dict[str, Any]) -> evidence.Truths:
    """The truth of each categorical field that has one, as evidence keeps it; a perspective has none."""
    codes, kinds = label_schema.codes(schema, truth), {spec["name"]: spec["truth"] for spec in schema["fields"]}
    named = zip(label_schema.categorical(schema), codes, strict=True)
    return {name: {str(code): 1.0} for (name, _), code in named if code >= 0 and kinds[name] != "perspective"}


@transaction.atomic
def follow(known: Collection[tuple[int, int]]) -> None:
    """Let the cursors of these (worker, project) draw as much gold as what is known of the worker asks for."""
    cursors = Cursor.objects.filter(
        worker__in={worker for worker, _ in known},
        batch__project__in={project for _, project in known},
        batch__state=Batch.State.OPEN,
        batch__gold_share__gt=0,
    ).select_related("batch")
    scores = {
        (score.worker_id, score.project_id): score
        for score in Reliability.objects.filter(
            worker__in={worker for worker, _ in known}, project__in={project for _, project in known}
        )
    }
    changed = []
    for cursor in cursors.order_by("pk").select_for_update(no_key=True, of=("self",)):
        score, share = scores.get((cursor.worker_id, cursor.batch.project_id)), cursor.batch.gold_share
        if score is None:
            continue
        rate = scoring.gold_rate(score.accuracy_p05, score.accuracy_p95, share, settings.GOLD_FLOOR)
        if cursor.gold_rate is None or abs(cursor.gold_rate - rate) > STEP * share:
            cursor.gold_rate = rate
            changed.append(cursor)
    Cursor.objects.bulk_update(changed, ["gold_rate"], batch_size=500)


def rescore(limit: int = 500) -> bool:
    """Let what is known of workers age, and count anew what has another half-life; True while there may be more."""
    stale = reliability.stale()
    evidence.recount_workers(stale)
    aged, is_more = reliability.rescore(limit)
    follow(aged)
    return is_more or bool(stale)


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
