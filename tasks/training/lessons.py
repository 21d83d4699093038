"""Lessons: that workers have read what comes before the practice."""

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from marketplace.core import clock
from marketplace.core.errors import IllegalMove
from marketplace.models import Lesson, Project
from tasks.models import LessonRead
from workers.models import Worker


def progress(worker: Worker, project: Project) -> QuerySet[Any]:
    """The lessons of a project in their order, each with `is_read`."""
    seen = LessonRead.objects.filter(worker=worker, lesson=OuterRef("pk"))
    return project.lessons.current().annotate(is_read=Exists(seen))


def unread(worker: Worker, project: Project) -> QuerySet[Any]:
    """Those that this worker has still to read."""
    return progress(worker, project).filter(is_read=False)


def read(worker: Worker, lesson: Lesson) -> None:
    """Note that the worker has read it; again: nothing changes.

    raises  IllegalMove  another text has taken its place
    """
    if lesson.retired_at:
        raise IllegalMove("this lesson was replaced; read the new one")
    LessonRead.objects.bulk_create([LessonRead(worker=worker, lesson=lesson, at=clock.now())], ignore_conflicts=True)
