"""Who looks at what: the next label for a reviewer, held for a while so that nobody else looks at it."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import ExpressionWrapper, F, IntegerField, OuterRef, Q, Subquery

from marketplace import accounts
from marketplace.core import clock, states
from marketplace.core.errors import Forbidden
from marketplace.models import Membership, Project, Role, User
from tasks.errors import NoReviewWaiting
from tasks.models import Answer, Batch, Review, Task
from tasks.models.reviews import ReviewQuerySet
from tasks.reviews import rows
from workers.models import Worker

EXPIRE_STEP = 1_000
IN_FORCE = [Review.State.GIVEN, Review.State.FINAL]
LAST_WORD = [Role.OWNER, Role.MANAGER]


def next_for(project: Project, by: User) -> Review:
    """The label that this person is to look at next, held for them; again: the same one, held anew.

    raises  NoReviewWaiting, Forbidden
    """
    accounts.require(by, project.organisation, Role.MANAGER, Role.REVIEWER)
    found = _next(project, by)  # what it gave up stays given up, whatever it found
    if found is None:
        raise NoReviewWaiting("no label waits for you to look at it")
    return found


@transaction.atomic
def _next(project: Project, by: User) -> Review | None:
    with connection.cursor() as sql:  # one person, one review at a time in a project
        sql.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"reviews of {by.pk} in {project.pk}"])
    if held := _held(project, by):
        return held
    waiting = open_to(project, by).order_by("passed", "pk")
    found = (
        waiting.select_for_update(no_key=True, skip_locked=True, of=("self",)).first()
        or waiting.select_for_update(no_key=True, of=("self",)).first()  # all locked is not all gone
    )
    if found is None:
        return None
    until = clock.now() + timedelta(seconds=settings.REVIEW_HELD_S)
    label = rows.label(found.task_id, found.batch.schema)
    states.move(found, Review.State.HELD, held_by=by, held_until=until, label=label)
    return found


def _held(project: Project, by: User) -> Review | None:
    """What this person holds, for a while more; if its task was opened again, they hold it no more."""
    mine = Review.objects.filter(project=project, held_by=by, state=Review.State.HELD)
    held = mine.select_for_update(no_key=True, of=("self",)).select_related("task", "batch").first()
    if held is None:
        return None
    if held.task.state == Task.State.OPEN and held.batch.state == Batch.State.OPEN:
        states.move(held, Review.State.WAITING)
        return None
    held.held_until = clock.now() + timedelta(seconds=settings.REVIEW_HELD_S)
    held.save(update_fields=["held_until"])
    return held


@transaction.atomic
def pass_on(review: Review, by: User) -> None:
    """Leave it to somebody else; it comes behind what waits.

    raises  Forbidden (somebody else holds it), IllegalMove
    """
    accounts.require(by, review.project.organisation, Role.MANAGER, Role.REVIEWER)
    held = Review.objects.select_for_update(no_key=True).get(pk=review.pk)
    if held.held_by_id != by.pk:
        raise Forbidden("somebody else looks at it")
    states.move(held, Review.State.WAITING, passed=F("passed") + 1)


def expire(limit: int = EXPIRE_STEP) -> bool:
    """Let others look at what somebody has held too long; True while there may be more.

    Whoever held it last may still decide about it, until another takes it.
    """
    late = Review.objects.filter(state=Review.State.HELD, held_until__lt=clock.now()).order_by("held_until")
    with transaction.atomic():
        due = list(late.select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True)[:limit])
        Review.objects.filter(pk__in=due).update(state=Review.State.WAITING)
    return len(due) == limit


def open_to(project: Project, by: User) -> ReviewQuerySet:
    """What waits in a project that this person may look at, and of which all answers are in."""
    waiting = Review.objects.filter(project=project, state=Review.State.WAITING).select_related("batch")
    if not has_last_word(project, by):
        waiting = waiting.filter(tier=1)
    waiting = waiting.filter(Q(task__state=Task.State.CLOSED) | Q(batch__state=Batch.State.CLOSED))
    tier = ExpressionWrapper(OuterRef("tier"), output_field=IntegerField())
    judged = Review.objects.filter(task=OuterRef("task"), decided_by=by).alias(for_tier=tier)
    judged = judged.filter(Q(state__in=IN_FORCE) | Q(state=Review.State.VOID, for_tier=2))
    waiting = waiting.alias(judged=Subquery(judged.values("pk")[:1])).filter(judged=None)
    workers = around(by)
    if not workers:
        return waiting
    mine = Answer.objects.filter(task=OuterRef("task"), worker__in=workers)
    return waiting.alias(mine=Subquery(mine.values("pk")[:1])).filter(mine=None)


def has_last_word(project: Project, by: User) -> bool:
    """Whether this person may look in the second tier."""
    return Membership.objects.filter(organisation=project.organisation_id, user=by, role__in=LAST_WORD).exists()


def around(by: User) -> list[int]:
    """This person as a worker, and who shares their account for payouts or otherwise belongs to them."""
    kin = Worker.objects.filter(user=by).values_list("kin", flat=True).first() or []
    return list(Worker.objects.filter(user__in=[by.pk, *kin]).values_list("pk", flat=True))


def has_judged(review: Review, by: User) -> bool:
    """Whether this one is to be another person's: they gave a verdict that is in force, or is looked at again."""
    mine = Review.objects.filter(task=review.task_id, decided_by=by)
    return mine.filter(state__in=[*IN_FORCE, Review.State.VOID] if review.tier == 2 else IN_FORCE).exists()
