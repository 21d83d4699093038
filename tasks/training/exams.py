"""Exams: gold of their own, answered against the clock, with no feedback until they are handed in.

An exam that is not handed in (its time ran out, or it was given back) is graded from its draft, so that a dropped
connection loses nothing, and counts as a try. It is not paid; one handed in in time is, where that was promised.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from marketplace.core import clock, money
from marketplace.core.errors import IllegalMove
from marketplace.models import Project
from tasks import earning, gold
from tasks.errors import (
    ExamPassed,
    ExamTooSoon,
    GuidelineUnread,
    LessonsUnread,
    NoAttemptLeft,
    NoTaskAvailable,
    PracticeNeeded,
    Stopped,
    WorkerSuspended,
)
from tasks.models import Answer, Assignment, Batch, Gold
from tasks.training import course, lessons, practice
from workers import guidelines, notices, qualifications, standings
from workers.models import Worker

OF_OTHER_TAB = ("assignment_open_once", "assignment_attempt_once")


@dataclass(frozen=True)
class Stand:
    """How a worker stands to the exam of a project."""

    state: str  # none (no exam here), needed, wait (for the next try), passed, failed (no try is left)
    attempts_left: int
    retry_at: datetime | None  # when a try is possible again, if that is not yet


@dataclass(frozen=True)
class Position:
    position: int
    right: bool
    counted: bool  # False: its truth is doubted, so that it counts for nobody


@dataclass(frozen=True)
class Result:
    """What an exam came to; which answers would have been right is not told, for others are asked the same."""

    score: float
    passed: bool
    pass_mark: float
    answers: list[Position]
    attempts_left: int
    retry_at: datetime | None
    paid_micros: int


def stand(worker: Worker, project: Project) -> Stand:
    """Whether there is an exam to sit, and when."""
    if not project.exam_size:
        return Stand("none", 0, None)
    terms = course.latest_with(project, "exam_size") or project
    left, retry_at = _tries(worker.pk, project.pk, terms)
    if qualifications.meets(worker, project):
        return Stand("passed", left, None)
    if not left:
        return Stand("failed", 0, None)
    return Stand("wait" if retry_at else "needed", left, retry_at)


def sit(worker: Worker, project: Project) -> Assignment:
    """Begin the exam of a project, or come back to the one begun: of two tabs, both get the same.

    raises  ExamTooSoon (`retry_at`), NoAttemptLeft, ExamPassed, PracticeNeeded, LessonsUnread, GuidelineUnread,
            NoTaskAvailable (no exam now, or every paid one was bought), Stopped, WorkerSuspended, OwnWork,
            MayNotEarn (of a paid one)
    """
    while True:
        if begun := Assignment.objects.open_for(worker.pk, project.pk, Assignment.Purpose.EXAM):
            return begun
        try:
            return _begin(worker, project)
        except IntegrityError as error:
            if error.__cause__.diag.constraint_name not in OF_OTHER_TAB:  # type: ignore[union-attr]
                raise


@transaction.atomic
def _begin(worker: Worker, project: Project) -> Assignment:
    """One tab of a person at a time: tries are counted, and what another tab has begun is seen."""
    worker = Worker.objects.select_for_update(no_key=True).get(pk=worker.pk)
    if begun := Assignment.objects.open_for(worker.pk, project.pk, Assignment.Purpose.EXAM):
        return begun
    batch = course.latest_with(project, "exam_size")
    if batch is None:
        raise NoTaskAvailable("this project has no exam at the moment")
    _may_sit(worker, project, batch)
    attempt = Assignment.objects.exams(worker.pk, project.pk).count() + 1
    tasks = gold.exam_pool(batch, attempt, worker.pk, batch.exam_size)
    if len(tasks) < batch.exam_size:
        raise NoTaskAvailable("too few known items are left for an exam at the moment")
    fee_micros = money.fee_micros(batch.exam_price_micros, batch.fee_bp)
    prices, fees = money.shares(batch.exam_price_micros, len(tasks)), money.shares(fee_micros, len(tasks))
    pay = list(zip(prices, fees, strict=True))
    exam = course.give_out(worker, batch, Assignment.Purpose.EXAM, attempt, tasks, pay)
    if batch.exam_price_micros:
        _buy(batch)
    return exam


def _may_sit(worker: Worker, project: Project, batch: Batch) -> None:
    if worker.state != Worker.State.ACTIVE:
        raise WorkerSuspended()
    earning.check_not_own(worker, project)
    if standing := standings.stopped(worker, project):
        raise Stopped(until=standing.until.isoformat() if standing.until else None)
    if batch.exam_price_micros:
        earning.check(worker, project)
    if version := guidelines.unread(worker, project):
        raise GuidelineUnread(f"read version {version} of the guideline first", version=version)
    if qualifications.meets(worker, project):
        raise ExamPassed()
    if lessons.unread(worker, project).exists():
        raise LessonsUnread()
    if batch.practice_size and not practice.is_done(worker, project):
        raise PracticeNeeded("go through the practice once first")
    left, retry_at = _tries(worker.pk, project.pk, batch)
    if not left:
        raise NoAttemptLeft("no attempt at the exam is left")
    if retry_at:
        raise ExamTooSoon(f"the next try is possible at {retry_at:%H:%M} UTC", retry_at=retry_at.isoformat())


def _buy(batch: Batch) -> None:
    """Take one of the paid exams, of a batch that is still open: its reserve holds the price of those alone."""
    bought = Batch.objects.filter(pk=batch.pk, state=Batch.State.OPEN, exams_taken__lt=F("exam_paid_most"))
    if not bought.update(exams_taken=F("exams_taken") + 1):
        raise NoTaskAvailable("every paid exam of this project has been given out; there may be more later")


def finish_exam(exam: Assignment) -> None:
    """Grade an exam that was just handed in, in time and with every position answered, and accept it for pay."""
    _grade(exam)
    exam.answers.filter(state=Answer.State.SUBMITTED, price_micros__gt=0).update(state=Answer.State.ACCEPTED)


def end_exam(exam: Assignment) -> None:
    """Grade an exam that was not handed in, from its draft; another may have its pay."""
    _grade(exam)
    if exam.batch.exam_price_micros:
        Batch.objects.filter(pk=exam.batch_id).update(exams_taken=F("exams_taken") - 1)


@transaction.atomic
def rescore(assignments: Iterable[int]) -> None:
    """Score these exams again from gold whose truth is not doubted; who passes now is granted it, nobody loses it."""
    named = Assignment.objects.filter(pk__in=list(assignments), purpose=Assignment.Purpose.EXAM, score__isnull=False)
    locked = named.order_by("pk").select_for_update(no_key=True, of=("self",))
    for exam in locked.select_related("batch", "project", "worker"):
        had_passed = exam.passed
        _grade(exam)
        if exam.passed and not had_passed:
            text = "A question of your exam was found to be wrong and counts no more. Without it you have passed."
            link = f"/work/projects/{exam.project.public_id}/"
            notices.tell(exam.worker.user_id, "exam_rescored", f"You passed: {exam.project}", text, link)


def rescore_with(task: int) -> None:
    """Score every exam again in which this gold was asked."""
    asked = Answer.objects.filter(task=task, assignment__purpose=Assignment.Purpose.EXAM)
    rescore(asked.values_list("assignment", flat=True).distinct())


def result(exam: Assignment) -> Result:
    """The score, what was right, and when to try again."""
    if exam.purpose != Assignment.Purpose.EXAM or exam.score is None:
        raise IllegalMove("a result comes when an exam has ended")
    left, retry_at = _tries(exam.worker_id, exam.project_id, exam.batch)
    paid = exam.answers.filter(state=Answer.State.ACCEPTED).values_list("price_micros", flat=True)
    return Result(
        score=exam.score,
        passed=bool(exam.passed),
        pass_mark=exam.batch.exam_pass_mark,
        answers=_positions(exam),
        attempts_left=left,
        retry_at=retry_at,
        paid_micros=sum(paid),
    )


def _grade(exam: Assignment) -> None:
    """Score it from what counts, and grant what it earned; where nothing counts any more the score stays."""
    counted = [position.right for position in _positions(exam) if position.counted]
    if counted or exam.score is None:
        exam.score = sum(counted) / len(counted) if counted else 0.0
    exam.passed = bool(exam.passed) or exam.score >= exam.batch.exam_pass_mark
    exam.save(update_fields=["score", "passed"])
    if exam.passed:
        qualifications.grant(exam.worker, exam.project, exam.score)


def _positions(exam: Assignment) -> list[Position]:
    draft: dict[str, Any] = exam.draft if isinstance(exam.draft, dict) else {}
    rows = exam.answers.select_related("task__gold").order_by("position")
    return [
        Position(
            position=row.position,
            right=course.is_right(
                draft.get(str(row.position)) if row.submitted_at is None else row.value,
                row.task.gold.truth,
                exam.batch.schema,
            ),
            counted=row.task.gold.state in Gold.BELIEVED,
        )
        for row in rows
    ]


def _tries(worker: int, project: int, terms: Batch | Project) -> tuple[int, datetime | None]:
    """How many tries are left, and when the next is possible if not now; every exam begun counts."""
    mine = Assignment.objects.exams(worker, project)
    if ended_at := qualifications.ended_at(worker, project):
        mine = mine.filter(claimed_at__gt=ended_at)  # who is asked to train again has all tries again
    ends = [submitted_at or until for submitted_at, until in mine.values_list("submitted_at", "leased_until")]
    left = max(0, terms.exam_attempts - len(ends))
    retry_at = max(ends) + timedelta(seconds=terms.exam_cooldown_s) if ends else None
    return left, retry_at if left and retry_at and retry_at > clock.now() else None
