"""Cohorts: a trainer and workers answer the same items at the same time, and talk about each.

The items are practice gold. Answers teach; they measure nobody and are not paid.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from marketplace import accounts, audit
from marketplace.core import clock, states
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.core.strictjson import text_error
from marketplace.labels import schema as label_schema
from marketplace.labels import words
from marketplace.models import Project, Role, User
from tasks import earning, gold
from tasks.errors import AnswersInvalid, NotInvited, Stopped, WorkerSuspended
from tasks.models import Cohort, CohortAnswer, CohortItem, CohortPlace, Gold
from workers import notices, profiles, standings
from workers.models import Worker

ITEMS_MOST = 50
REMARK_MOST = 5_000
SHOWN = 12  # different answers in a picture; the rest are one bar


@dataclass(frozen=True)
class Item:
    """The item that a cohort looks at, with its truth where that was shown or a trainer asks."""

    position: int
    payload: dict[str, Any]
    revealed_at: datetime | None
    truth: dict[str, Any] | None
    explanation: str
    remark: str


@dataclass(frozen=True)
class Spread:
    """How the answers to one question are spread: what was said, how often, most often first."""

    title: str
    said: list[tuple[str, int]]


@transaction.atomic
def plan(
    project: Project,
    by: User,
    title: str,
    begins_at: datetime,
    ends_at: datetime,
    items: int = 5,
    is_open: bool = True,
) -> Cohort:
    """Announce a session on so many items of the practice gold; who plans it is its trainer.

    raises  Invalid (its times or words, or there is not so much practice gold), Forbidden
    """
    accounts.require(by, project.organisation, Role.MANAGER)
    if not title.strip() or len(title) > 200 or text_error(title):
        raise _invalid("title", "must have 1 to 200 characters")
    if ends_at <= begins_at:
        raise _invalid("ends_at", "must be later than the beginning")
    if not 1 <= items <= ITEMS_MOST:
        raise _invalid("items", f"must lie between 1 and {ITEMS_MOST}")
    batch = project.batches.workable().filter(gold__purpose=Gold.Purpose.PRACTICE).order_by("-pk").first()
    tasks = list(_teaching(batch.pk).values_list("task", flat=True)[:items]) if batch else []
    if batch is None or len(tasks) < items:
        raise _invalid("items", f"an open batch of this project has {len(tasks)} items to practise on")
    cohort = Cohort.objects.create(
        project=project,
        batch=batch,
        trainer=by,
        title=title.strip(),
        is_open=is_open,
        begins_at=begins_at,
        ends_at=ends_at,
    )
    CohortItem.objects.bulk_create(
        CohortItem(cohort=cohort, position=position, task_id=task) for position, task in enumerate(tasks)
    )
    audit.record(by, "plan_cohort", cohort, items=items)
    return cohort


@transaction.atomic
def invite(cohort: Cohort, by: User, pseudonyms: Iterable[str]) -> int:
    """Invite workers whom the organisation knows by these names; again: nothing changes. Returns how many are new.

    raises  NotFound (one of the names is nobody's: then nobody is invited), IllegalMove (it has ended), Forbidden
    """
    _train(cohort, by)
    known = [profiles.known_as(cohort.project.organisation, name) for name in sorted(set(pseudonyms))]
    at, invited = clock.now(), 0
    for worker in sorted(known, key=lambda worker: worker.pk):
        _, is_new = CohortPlace.objects.get_or_create(cohort=cohort, worker=worker, defaults={"invited_at": at})
        invited += is_new
        if is_new:
            text = f"{cohort.begins_at:%d %B %Y, %H:%M} UTC: the answers are talked about as they are given."
            notices.tell(worker.user_id, "cohort", f"You are invited: {cohort.title}", text, address(cohort))
    audit.record(by, "invite_to_cohort", cohort, invited=invited)
    return invited


@transaction.atomic
def begin(cohort: Cohort, by: User) -> Cohort:
    """Open the doors and show the first item."""
    _train(cohort, by)
    states.move(cohort, Cohort.State.RUNNING, began_at=clock.now())
    audit.record(by, "begin_cohort", cohort)
    return cohort


@transaction.atomic
def reveal(cohort: Cohort, by: User, remark: str = "") -> Cohort:
    """Show what is right of this item, why, and what the trainer says of it; no answer to it is taken after."""
    _train(cohort, by)
    _must_run(cohort)
    if len(remark) > REMARK_MOST or text_error(remark):
        raise _invalid("remark", f"must have at most {REMARK_MOST:,} characters")
    shown = cohort.items.filter(position=cohort.position, revealed_at=None)
    if not shown.update(revealed_at=clock.now(), remark=remark.strip()):
        raise IllegalMove("it is shown already")
    return cohort


@transaction.atomic
def turn(cohort: Cohort, by: User) -> Cohort:
    """Go on to the next item."""
    _train(cohort, by)
    _must_run(cohort)
    if cohort.position + 1 >= cohort.items.count():
        raise IllegalMove("this was the last item; end the session")
    if not cohort.items.filter(position=cohort.position, revealed_at__isnull=False).exists():
        raise IllegalMove("show what is right first")
    cohort.position += 1
    cohort.save(update_fields=["position"])
    return cohort


@transaction.atomic
def end(cohort: Cohort, by: User) -> Cohort:
    """End the session, or call it off before it began; who was there is kept."""
    _train(cohort, by)
    states.move(cohort, Cohort.State.ENDED, ended_at=clock.now())
    audit.record(by, "end_cohort", cohort)
    return cohort


@transaction.atomic
def join(cohort: Cohort, worker: Worker) -> CohortPlace:
    """Be there; again: nothing changes.

    raises  NotInvited, IllegalMove (it does not run), OwnWork, Stopped, WorkerSuspended
    """
    _lock(cohort)
    place = cohort.places.filter(worker=worker).first()
    if place and place.joined_at:
        return place
    _must_run(cohort)
    _may_join(cohort, worker)
    if place is None and not cohort.is_open:
        raise NotInvited()
    place = place or CohortPlace(cohort=cohort, worker=worker)
    place.joined_at = clock.now()
    place.save()
    profiles.introduce(worker, cohort.project.organisation)
    return place


@transaction.atomic
def answer(cohort: Cohort, worker: Worker, position: int, value: Any) -> CohortAnswer:
    """Answer the item that is shown now; the first answer stands.

    raises  AnswersInvalid, NotInvited (not joined), IllegalMove (another item is shown, or its truth)
    """
    _lock(cohort)
    place = cohort.places.filter(worker=worker, joined_at__isnull=False).first()
    if place is None:
        raise NotInvited("join the session first")
    if given := place.answers.filter(item__position=position).first():
        return given
    _must_run(cohort)
    item = cohort.items.filter(position=position).first()
    if item is None or position != cohort.position or item.revealed_at:
        raise IllegalMove("the session has gone on; look at the item that is shown now")
    if errors := [error.under("value") for error in label_schema.validate(cohort.batch.schema, value)]:
        listed = [{"path": error.path, "code": error.code, "message": error.message} for error in errors]
        raise AnswersInvalid(errors[0].message, errors=listed[: settings.ERRORS_SHOWN])
    return CohortAnswer.objects.create(place=place, item=item, value=value, at=clock.now())


def item(cohort: Cohort, *, for_trainer: bool = False) -> Item:
    """What is shown now; its truth only once it was revealed, or to the trainer."""
    row = cohort.items.select_related("task__gold", "task__item").get(position=cohort.position)
    tells = for_trainer or row.revealed_at is not None
    return Item(
        position=row.position,
        payload=row.task.item.payload,
        revealed_at=row.revealed_at,
        truth=row.task.gold.truth if tells else None,
        explanation=row.task.gold.explanation if tells else "",
        remark=row.remark,
    )


def spread(cohort: Cohort) -> list[Spread]:
    """How the answers to the item that is shown are spread, question by question."""
    values = list(CohortAnswer.objects.filter(item=_current(cohort)).values_list("value", flat=True))
    found = []
    for spec in cohort.batch.schema["fields"]:
        said = Counter(words.said(value.get(spec["name"]), spec) for value in values).most_common()
        rest = sum(times for _, times in said[SHOWN:])
        found.append(Spread(spec["title"], said[:SHOWN] + ([("others", rest)] if rest else [])))
    return found


def right(cohort: Cohort, given: CohortAnswer | None) -> bool | None:
    """Whether this worker's answer is right; None: there is none, or it is not shown yet."""
    truth = item(cohort).truth
    return None if given is None or truth is None else all(gold.right(given.value, truth, cohort.batch.schema).values())


def given(cohort: Cohort, worker: Worker) -> CohortAnswer | None:
    """What this worker answered to the item that is shown."""
    return CohortAnswer.objects.filter(place__worker=worker, item=_current(cohort)).first()


def address(cohort: Cohort) -> str:
    """Where workers find it."""
    return f"/work/cohorts/{cohort.public_id}/"


def _current(cohort: Cohort) -> CohortItem:
    return cohort.items.get(position=cohort.position)


def _teaching(batch: int) -> Any:
    """Practice gold in the order of its draw, those that were in no session first."""
    pool = Gold.objects.filter(batch=batch, purpose=Gold.Purpose.PRACTICE, state=Gold.State.ACTIVE)
    used = CohortItem.objects.filter(task__batch=batch).values("task")
    fresh = pool.exclude(task__in=used).order_by("draw")
    return fresh if fresh.count() else pool.order_by("draw")


def _train(cohort: Cohort, by: User) -> None:
    """The session as it is now, kept, for one who may lead it."""
    accounts.require(by, cohort.project.organisation, Role.MANAGER)
    _lock(cohort)
    if cohort.state == Cohort.State.ENDED:
        raise IllegalMove("the session has ended")


def _lock(cohort: Cohort) -> None:
    cohort.refresh_from_db(from_queryset=Cohort.objects.select_for_update(no_key=True))


def _must_run(cohort: Cohort) -> None:
    if cohort.state != Cohort.State.RUNNING:
        raise IllegalMove("the session has not begun" if cohort.state == Cohort.State.PLANNED else "it has ended")


def _may_join(cohort: Cohort, worker: Worker) -> None:
    if worker.state != Worker.State.ACTIVE:
        raise WorkerSuspended()
    earning.check_not_own(worker, cohort.project)
    if standing := standings.stopped(worker, cohort.project):
        raise Stopped(until=standing.until.isoformat() if standing.until else None)


def _invalid(path: str, message: str) -> Invalid:
    return Invalid(f"{path}: {message}", errors=[{"path": path, "code": "invalid", "message": message}])
