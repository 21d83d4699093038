"""What workers read before the work: the guideline, and lessons before the practice."""

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from marketplace.core import clock
from marketplace.core.errors import IllegalMove
from marketplace.models import Lesson, Project
from tasks import fair_pay
from tasks.models import LessonRead
from workers import guidelines
from workers.models import Worker


def progress(worker: Worker, project: Project) -> QuerySet[Any]:
    """The lessons of a project in their order, each with `is_read`."""
    seen = LessonRead.objects.filter(worker=worker, lesson=OuterRef("pk"))
    return project.lessons.current().annotate(is_read=Exists(seen))


def unread(worker: Worker, project: Project) -> QuerySet[Any]:
    """Those that this worker has still to read."""
    return progress(worker, project).filter(is_read=False)


def acknowledge(worker: Worker, project: Project, version: int, active_s: int = 0) -> None:
    """Note that the worker has read this version of the guideline, and in what time; again: nothing changes.

    raises  Invalid  it is not the latest, which is the one to read
    """
    with transaction.atomic():
        if guidelines.acknowledge(worker, project, version):
            fair_pay.note_reading(worker, project, project.guidelines.get(version=version).text, active_s)


def read(worker: Worker, lesson: Lesson, active_s: int = 0) -> None:
    """Note that the worker has read it, and in what time; again: nothing changes.

    raises  IllegalMove  another text has taken its place
    """
    if lesson.retired_at:
        raise IllegalMove("this lesson was replaced; read the new one")
    with transaction.atomic():
        _, is_new = LessonRead.objects.get_or_create(worker=worker, lesson=lesson, defaults={"at": clock.now()})
        if is_new:
            fair_pay.note_reading(worker, lesson.project, lesson.text, active_s)
