"""Practice: work on gold whose answers are known, with feedback, before any paid work."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from marketplace.core import clock
from marketplace.core.errors import IllegalMove
from marketplace.models import Project
from tasks import gold
from tasks.batches import latest_guideline
from tasks.errors import NoAttemptLeft, NoTaskAvailable, PracticePassed, WorkerSuspended
from tasks.models import Answer, Assignment
from workers import qualifications
from workers.models import Worker


@dataclass(frozen=True)
class Feedback:
    """What a finished practice showed, task by task."""

    score: float
    passed: bool
    pass_mark: float
    attempts_left: int
    answers: list[dict[str, Any]]  # position, payload, value, truth, right {field: bool}, explanation


def status(worker: Worker, project: Project) -> str:
    """none (no practice here), needed, passed, or failed (no attempt left)."""
    if not project.practice_size:
        return "none"
    if qualifications.meets(worker, project):
        return "passed"
    return "needed" if _attempts_left(worker, project) else "failed"


def start(worker: Worker, project: Project) -> Assignment:
    """Begin the practice of a project, or come back to the one begun.

    raises  NoTaskAvailable (no practice here now), PracticePassed, NoAttemptLeft, WorkerSuspended
    """
    if begun := Assignment.objects.open_for(worker.pk, project.pk, Assignment.Purpose.PRACTICE):
        return begun
    try:
        return _begin(worker, project)
    except IntegrityError as error:
        begun = Assignment.objects.open_for(worker.pk, project.pk, Assignment.Purpose.PRACTICE)
        if begun is None or error.__cause__.diag.constraint_name != "assignment_open_once":  # type: ignore[union-attr]
            raise
        return begun  # the other tab was faster


@transaction.atomic
def _begin(worker: Worker, project: Project) -> Assignment:
    if worker.state != Worker.State.ACTIVE:
        raise WorkerSuspended()
    batch = project.batches.workable().filter(practice_size__gt=0).order_by("-pk").first()
    if batch is None:
        raise NoTaskAvailable("this project has no practice at the moment")
    if qualifications.meets(worker, project):
        raise PracticePassed()
    if not _attempts_left(worker, project):
        raise NoAttemptLeft()
    attempt = _attempts(worker, project) + 1
    at = clock.now()
    guideline = latest_guideline(project)
    practice = Assignment.objects.create(
        worker=worker,
        project=project,
        batch=batch,
        purpose=Assignment.Purpose.PRACTICE,
        attempt=attempt,
        guideline_version=guideline.version if guideline else 0,
        claimed_at=at,
        leased_until=at + timedelta(seconds=batch.lease_s),
    )
    Answer.objects.bulk_create(
        Answer(
            assignment=practice,
            position=position,
            task_id=task,
            worker=worker,
            batch=batch,
            attempt=attempt,
            price_micros=0,
            fee_micros=0,
        )
        for position, task in enumerate(gold.practice_pool(batch, attempt, worker.pk, batch.practice_size))
    )
    practice.is_new = True
    return practice


def finish(practice: Assignment) -> None:
    """Grade a practice that was just submitted, and grant what it earned."""
    marks = [all(answer["right"].values()) for answer in _graded(practice)]
    practice.score = sum(marks) / len(marks) if marks else 0.0
    practice.save(update_fields=["score"])
    if practice.score >= practice.batch.pass_mark:
        qualifications.grant(practice.worker, practice.project, practice.score)


def feedback(practice: Assignment) -> Feedback:
    """What was right, what would have been, and why."""
    if practice.score is None:
        raise IllegalMove("feedback comes when a practice has been submitted")
    return Feedback(
        score=practice.score,
        passed=practice.score >= practice.batch.pass_mark,
        pass_mark=practice.batch.pass_mark,
        attempts_left=_attempts_left(practice.worker, practice.project),
        answers=_graded(practice),
    )


def _graded(practice: Assignment) -> list[dict[str, Any]]:
    rows = practice.answers.select_related("task__gold", "task__item").order_by("position")
    return [
        {
            "position": row.position,
            "payload": row.task.item.payload,
            "value": row.value,
            "truth": row.task.gold.truth,
            "right": gold.right(row.value or {}, row.task.gold.truth, practice.batch.schema),
            "explanation": row.task.gold.explanation,
        }
        for row in rows
    ]


def _attempts(worker: Worker, project: Project) -> int:
    return Assignment.objects.practices(worker.pk, project.pk).count()


def _attempts_left(worker: Worker, project: Project) -> int:
    """Every practice begun counts, also one given back or left to expire."""
    return max(0, settings.PRACTICE_ATTEMPTS - _attempts(worker, project))
