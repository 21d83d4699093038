"""Practice: work on gold whose answers are known, with feedback at each answer, before any paid work.

Where no exam follows it has a pass mark and so many tries; otherwise it is done once and repeated freely.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from marketplace.core import clock, states
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.labels import schema as label_schema
from marketplace.labels import words
from marketplace.models import Project
from tasks import gold
from tasks.errors import (
    AnswersInvalid,
    LessonsUnread,
    NoAttemptLeft,
    NoTaskAvailable,
    PracticePassed,
    WorkerSuspended,
)
from tasks.models import Answer, Assignment
from tasks.training import course, lessons
from workers import qualifications
from workers.models import Worker


@dataclass(frozen=True)
class Marked:
    """One answer of a practice beside what is right."""

    position: int
    payload: dict[str, Any]
    value: Any
    truth: dict[str, Any]
    right: dict[str, bool]  # field -> whether it was right
    differs: list[str]  # a sentence for each field that was not
    explanation: str

    @property
    def is_right(self) -> bool:
        return all(self.right.values())


@dataclass(frozen=True)
class Feedback:
    """What a finished practice showed, task by task."""

    score: float
    passed: bool
    pass_mark: float | None  # None: an exam decides, the practice has no mark
    attempts_left: int | None  # None: as often as one likes
    answers: list[Marked]


def status(worker: Worker, project: Project) -> str:
    """none (no practice here), needed, done (the exam is next), passed, or failed (no attempt left)."""
    if not project.practice_size:
        return "none"
    if qualifications.meets(worker, project):
        return "passed"
    if project.exam_size:
        return "done" if is_done(worker, project) else "needed"
    return "needed" if _attempts_left(worker, project) else "failed"


def is_done(worker: Worker, project: Project) -> bool:
    """Whether this worker has been through the practice once."""
    mine = Assignment.objects.practices(worker.pk, project.pk)
    return mine.filter(state=Assignment.State.SUBMITTED).exists()


def start(worker: Worker, project: Project) -> Assignment:
    """Begin the practice of a project, or come back to the one begun.

    raises  NoTaskAvailable (no practice here now), LessonsUnread, PracticePassed, NoAttemptLeft, WorkerSuspended
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
    batch = course.latest_with(project, "practice_size")
    if batch is None:
        raise NoTaskAvailable("this project has no practice at the moment")
    if lessons.unread(worker, project).exists():
        raise LessonsUnread()
    if not project.exam_size:
        if qualifications.meets(worker, project):
            raise PracticePassed()
        if not _attempts_left(worker, project):
            raise NoAttemptLeft()
    attempt = _attempts(worker, project) + 1
    tasks = gold.practice_pool(batch, attempt, worker.pk, batch.practice_size)
    return course.give_out(worker, batch, Assignment.Purpose.PRACTICE, attempt, tasks, [(0, 0)] * len(tasks))


@transaction.atomic
def check(practice: Assignment, position: int, value: Any) -> Marked:
    """Answer one position and be told what is right; the first answer stands. With the last one the practice is done.

    raises  AnswersInvalid (nothing is taken), Invalid (no such position), IllegalMove (no practice, or over)
    """
    named = Assignment.objects.filter(pk=practice.pk).select_for_update(no_key=True, of=("self",))
    lease = named.select_related("batch", "project", "worker").get()
    if lease.purpose != Assignment.Purpose.PRACTICE:
        raise IllegalMove("only practice is checked as it is answered")
    row = _rows(lease).filter(position=position).first()
    if row is None:
        raise Invalid(f"there is no position {position} in this practice")
    if row.submitted_at:
        return _marked(row, lease)
    if lease.state != Assignment.State.OPEN:
        raise IllegalMove(f"the practice is {lease.state}")
    schema = lease.batch.schema
    if errors := [error.under("value") for error in label_schema.validate(schema, value)]:
        listed = [{"path": error.path, "code": error.code, "message": error.message} for error in errors]
        raise AnswersInvalid(errors[0].message, errors=listed[: settings.ERRORS_SHOWN])
    at, codes = clock.now(), label_schema.codes(schema, value)
    states.move(row, Answer.State.SUBMITTED, value=value, codes=codes, submitted_at=at)
    if not lease.answers.filter(state=Answer.State.LEASED).exists():
        states.move(lease, Assignment.State.SUBMITTED, submitted_at=at, draft=None)
        finish_practice(lease)
    return _marked(row, lease)


def finish_practice(practice: Assignment) -> None:
    """Grade a practice that was just handed in, and grant what it earned where no exam follows."""
    marked = [mark.is_right for mark in marks(practice)]
    practice.score = sum(marked) / len(marked) if marked else 0.0
    practice.save(update_fields=["score"])
    if not practice.batch.exam_size and practice.score >= practice.batch.pass_mark:
        qualifications.grant(practice.worker, practice.project, practice.score)


def feedback(practice: Assignment) -> Feedback:
    """What was right, what would have been, and why."""
    if practice.score is None:
        raise IllegalMove("feedback comes when a practice has been submitted")
    if practice.batch.exam_size:
        return Feedback(practice.score, True, None, None, list(marks(practice)))
    return Feedback(
        score=practice.score,
        passed=practice.score >= practice.batch.pass_mark,
        pass_mark=practice.batch.pass_mark,
        attempts_left=_attempts_left(practice.worker, practice.project),
        answers=list(marks(practice)),
    )


def marks(practice: Assignment) -> Iterable[Marked]:
    """What has been answered so far, marked, in order."""
    rows = _rows(practice).filter(submitted_at__isnull=False).order_by("position")
    return (_marked(row, practice) for row in rows)


def _rows(practice: Assignment) -> Any:
    return practice.answers.select_related("task__gold", "task__item")


def _marked(row: Answer, practice: Assignment) -> Marked:
    schema, truth = practice.batch.schema, row.task.gold.truth
    value = row.value or {}
    right = gold.right(value, truth, schema)
    specs = {field["name"]: field for field in schema["fields"]}
    wrong = [name for name, is_right in right.items() if not is_right]
    said = [words.difference(value.get(name), truth[name], specs[name]) for name in wrong]
    if len(specs) > 1:
        said = [f"{specs[name]['title']}: {sentence}" for name, sentence in zip(wrong, said, strict=True)]
    return Marked(
        position=row.position,
        payload=row.task.item.payload,
        value=row.value,
        truth=truth,
        right=right,
        differs=said,
        explanation=row.task.gold.explanation,
    )


def _attempts(worker: Worker, project: Project) -> int:
    return Assignment.objects.practices(worker.pk, project.pk).count()


def _attempts_left(worker: Worker, project: Project) -> int:
    """Every practice begun counts, also one given back or left to expire; a grant that ended gives all tries again."""
    mine = Assignment.objects.practices(worker.pk, project.pk)
    if ended_at := qualifications.ended_at(worker.pk, project.pk):
        mine = mine.filter(claimed_at__gt=ended_at)
    return max(0, settings.PRACTICE_ATTEMPTS - mine.count())
