"""Lessons of a project: short pages in an order. Changing one makes a new one and retires the old."""

from django.db import transaction
from django.db.models import Max

from marketplace import accounts, audit
from marketplace.core import clock
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.core.strictjson import text_error
from marketplace.models import Lesson, Project, Role, User

TITLE_MOST, TEXT_MOST = 200, 20_000
LESSONS_MOST = 30


@transaction.atomic
def write(project: Project, by: User, title: str, text: str) -> Lesson:
    """Add a lesson behind the others.

    raises  Invalid (empty, too long, or too many lessons), IllegalMove (the project is closed), Forbidden
    """
    _lock(project, by)
    _check(title, text)
    current = project.lessons.current()
    if current.count() >= LESSONS_MOST:
        raise Invalid(f"a project has {LESSONS_MOST} lessons at most: short ones, and few")
    last = current.aggregate(last=Max("position"))["last"]
    lesson = _make(project, by, title, text, 0 if last is None else last + 1)
    audit.record(by, "write_lesson", lesson)
    return lesson


@transaction.atomic
def revise(lesson: Lesson, by: User, title: str, text: str) -> Lesson:
    """Put new words in the place of a lesson; workers who have yet to qualify read the new one.

    raises  IllegalMove (it was replaced already), Invalid, Forbidden
    """
    _lock(lesson.project, by)
    _check(title, text)
    _retire(lesson)
    new = _make(lesson.project, by, title, text, lesson.position)
    audit.record(by, "revise_lesson", new, replaces=lesson.pk)
    return new


@transaction.atomic
def retire(lesson: Lesson, by: User) -> None:
    """Take a lesson out of the course; who read it has read it."""
    _lock(lesson.project, by)
    _retire(lesson)
    audit.record(by, "retire_lesson", lesson)


@transaction.atomic
def move(lesson: Lesson, by: User, position: int) -> Lesson:
    """Put a lesson at another place in the order, counted from 0; those between move up or down."""
    _lock(lesson.project, by)
    order = list(lesson.project.lessons.current())
    places = [one.position for one in order]
    found = next((one for one in order if one.pk == lesson.pk), None)
    if found is None:
        raise IllegalMove("this lesson was replaced already")
    order.remove(found)
    order.insert(min(max(position, 0), len(order)), found)
    ahead = max(places) + 1  # through places that nobody has, since each is held by one at a time
    for shift in (ahead, 0):
        for place, one in zip(places, order, strict=True):
            Lesson.objects.filter(pk=one.pk).update(position=place + shift)
    audit.record(by, "move_lesson", lesson, position=position)
    lesson.refresh_from_db()
    return lesson


def _lock(project: Project, by: User) -> None:
    """One writer of a project's lessons at a time."""
    accounts.require(by, project.organisation, Role.MANAGER)
    state = Project.objects.select_for_update(no_key=True).values_list("state", flat=True).get(pk=project.pk)
    if state == Project.State.CLOSED:
        raise IllegalMove("a closed project stays as it is", state=state)


def _check(title: str, text: str) -> None:
    wrong = [
        {"path": name, "code": "length", "message": f"must have 1 to {most:,} characters"}
        for name, value, most in (("title", title, TITLE_MOST), ("text", text, TEXT_MOST))
        if not value.strip() or len(value) > most or text_error(value)
    ]
    if wrong:
        raise Invalid("the lesson is not valid", errors=wrong)


def _make(project: Project, by: User, title: str, text: str, position: int) -> Lesson:
    return Lesson.objects.create(project=project, created_by=by, title=title.strip(), text=text, position=position)


def _retire(lesson: Lesson) -> None:
    if not Lesson.objects.filter(pk=lesson.pk, retired_at=None).update(retired_at=clock.now()):
        raise IllegalMove("this lesson was replaced already")
    lesson.refresh_from_db()
