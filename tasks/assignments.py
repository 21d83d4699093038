"""The lease: claim a page of tasks, keep it, hand it in, give it back, or let it expire."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from marketplace.core import clock, money, states
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.labels import schema as label_schema
from marketplace.models import Membership, Project
from tasks import gold, seats, training
from tasks.batches import latest_guideline
from tasks.errors import AnswersInvalid, LeaseEnded, NoTaskAvailable, OwnWork, PracticeNeeded, WorkerSuspended
from tasks.models import BEGINNING, Answer, Assignment, Batch, Cursor
from workers import qualifications
from workers.models import Worker

LEASES_MOST = 4  # a lease may be renewed until it has lasted this many times its length
EXPIRE_STEP = 500
WINDOWS = 8  # of open tasks that one claim looks through; the next claim goes on from there
RETRY_S = 30
SOON_S = 1  # when the round is not over
RETRY = timedelta(seconds=RETRY_S)


def claim(
    worker: Worker, project: Project, *, tasks: int | None = None, pick: Sequence[str] | None = None
) -> Assignment:
    """Lease the next page of tasks to this worker; a repeated call returns the same lease.

    tasks   fewer than a whole page, if wanted
    pick    values of the project's pick column, where it allows picking; such answers are marked self-selected
    raises  NoTaskAvailable, PracticeNeeded, WorkerSuspended, OwnWork, Invalid (picking is not allowed)
    """
    try:
        found = _claim(worker, project, tasks, pick)
    except IntegrityError as error:
        if error.__cause__.diag.constraint_name != "assignment_open_once":  # type: ignore[union-attr]
            raise
        # the other tab was faster
        found = Assignment.objects.open_for(worker, project, Assignment.Purpose.WORK) or SOON_S
    if isinstance(found, Assignment):
        return found
    # raised here, where the cursors have committed how far they looked
    raise NoTaskAvailable("there is nothing to do here right now", retry_after_s=found)


@transaction.atomic
def _claim(worker: Worker, project: Project, tasks: int | None, pick: Sequence[str] | None) -> Assignment | int:
    """The page, or the seconds after which it is worth asking again."""
    if lease := Assignment.objects.open_for(worker, project, Assignment.Purpose.WORK):
        return lease
    _may_work(worker, project)
    is_all_seen = True
    for batch in project.batches.workable().order_by("pk"):
        if pick is not None and not batch.pick_column:
            raise Invalid("this project does not let workers pick their tasks")
        cursor = _lock_cursor(worker, batch)
        if lease := Assignment.objects.open_for(worker, project, Assignment.Purpose.WORK):
            return lease
        if page := _seats(cursor, batch, min(tasks or batch.page_size, batch.page_size), pick):
            return _lease(cursor, batch, project, page, self_selected=pick is not None)
        is_all_seen &= pick is not None or cursor.epoch == batch.queue_epoch
    return RETRY_S if is_all_seen else SOON_S


def renew(assignment: Assignment, active_s: int) -> Assignment:
    """Keep the lease a while longer and note how long the worker was active, bounded by the time that passed."""
    with transaction.atomic():
        lease = _lock(assignment)
        if lease.state != Assignment.State.OPEN:
            raise LeaseEnded(f"the assignment is {lease.state}")
        at = clock.now()
        length = timedelta(seconds=lease.batch.lease_s)
        lease.leased_until = max(lease.leased_until, min(at + length, lease.claimed_at + LEASES_MOST * length))
        lease.active_s = _active(lease, active_s, at)
        lease.save(update_fields=["leased_until", "active_s"])
        return lease


def keep_draft(assignment: Assignment, draft: Any) -> Assignment:
    """Keep what the worker has so far; it survives the end of the lease."""
    with transaction.atomic():
        lease = _lock(assignment)
        if lease.state not in (Assignment.State.OPEN, Assignment.State.EXPIRED):
            raise IllegalMove(f"the assignment is {lease.state}")
        lease.draft = draft
        lease.save(update_fields=["draft"])
        return lease


def submit(assignment: Assignment, answers: dict[int, Any], active_s: int | None = None) -> Assignment:
    """Hand in the page, once; a repeated call changes nothing and returns what was handed in first.

    answers  position -> value, for every position that was not skipped
    raises   AnswersInvalid (nothing is taken), LeaseEnded (late, and every seat is taken; kept as a draft), IllegalMove
    """
    try:
        return _submit(assignment, answers, active_s)
    except LeaseEnded:
        keep_draft(assignment, {str(position): value for position, value in answers.items()})
        raise


@transaction.atomic
def _submit(assignment: Assignment, answers: dict[int, Any], active_s: int | None) -> Assignment:
    lease = _lock(assignment)
    if lease.state == Assignment.State.SUBMITTED:
        return lease
    if lease.state == Assignment.State.RETURNED:
        raise IllegalMove("the assignment was given back")
    rows = list(lease.answers.filter(state__in=[Answer.State.LEASED, Answer.State.EXPIRED]).order_by("position"))
    _check(lease, rows, answers)
    if lease.state == Assignment.State.EXPIRED:
        rows = _still_open(rows)
    at = clock.now()
    _take(lease, rows, answers, at)
    states.move(
        lease,
        Assignment.State.SUBMITTED,
        submitted_at=at,
        draft=None,
        active_s=_active(lease, active_s or 0, at),
    )
    if lease.purpose == Assignment.Purpose.PRACTICE:
        training.finish(lease)
    return lease


@transaction.atomic
def skip(assignment: Assignment, position: int) -> Assignment:
    """Leave one task of the page to others; this worker is not asked it again."""
    lease = _lock(assignment)
    if lease.state != Assignment.State.OPEN or lease.purpose != Assignment.Purpose.WORK:
        raise IllegalMove(f"nothing can be skipped: the {lease.purpose} assignment is {lease.state}")
    answer = lease.answers.filter(position=position).first()
    if answer is None:
        raise Invalid(f"there is no position {position} on this page")
    if answer.state == Answer.State.SKIPPED:
        return lease
    states.move(answer, Answer.State.SKIPPED)
    seats.free([answer.task_id])
    if not lease.answers.filter(state=Answer.State.LEASED).exists():
        states.move(lease, Assignment.State.RETURNED)
    return lease


@transaction.atomic
def give_back(assignment: Assignment) -> Assignment:
    """Return the whole page; its seats reopen."""
    lease = _lock(assignment)
    if lease.state == Assignment.State.RETURNED:
        return lease
    states.move(lease, Assignment.State.RETURNED)
    _end([lease], Answer.State.RETURNED)
    return lease


@transaction.atomic
def expire(limit: int = EXPIRE_STEP) -> bool:
    """End leases whose time is over and reopen their seats; True while there may be more."""
    over = Assignment.objects.filter(
        state=Assignment.State.OPEN, leased_until__lt=clock.now(), leased_until__gt=BEGINNING
    )
    leases = list(over.order_by("leased_until").select_for_update(skip_locked=True, of=("self",))[:limit])
    Assignment.objects.filter(pk__in=[lease.pk for lease in leases]).update(state=Assignment.State.EXPIRED)
    _end(leases, Answer.State.EXPIRED)
    return len(leases) == limit


def pages(assignment: Assignment) -> list[dict[str, Any]]:
    """The tasks of a page as the worker sees them: gold looks like any other."""
    rows = assignment.answers.select_related("task__item").order_by("position")
    return [
        {"position": row.position, "payload": row.task.item.payload, "state": row.state, "value": row.value}
        for row in rows
    ]


def _may_work(worker: Worker, project: Project) -> None:
    if worker.state != Worker.State.ACTIVE:
        raise WorkerSuspended()
    if Membership.objects.filter(user=worker.user_id, organisation=project.organisation_id).exists():
        raise OwnWork()
    if not qualifications.meets(worker, project):
        raise PracticeNeeded()


def _lock_cursor(worker: Worker, batch: Batch) -> Cursor:
    Cursor.objects.bulk_create([Cursor(worker=worker, batch=batch)], ignore_conflicts=True)
    return Cursor.objects.select_for_update().get(worker=worker, batch=batch)


def _seats(cursor: Cursor, batch: Batch, size: int, pick: Sequence[str] | None) -> list[int]:
    """Lock and take seats for one page: real tasks and the gold among them, in the order shown."""
    if pick is not None:
        hidden: list[int] = []
        found = seats.by_pick_key(cursor, pick, size, wait=False) or seats.by_pick_key(cursor, pick, 1, wait=True)
    else:
        hidden = gold.pick(cursor, gold.due(cursor, batch, size))
        found = _next(cursor, batch, size - len(hidden)) if len(hidden) < size else []
    if not found and (len(hidden) < size or not _still_workable(batch)):
        hidden = []
    seats.take(task for task, *_ in found)
    page = [task for task, *_ in found] + hidden
    random.shuffle(page)
    cursor.claimed += len(page)
    cursor.gold_left -= len(hidden)
    cursor.save()
    return page


def _still_workable(batch: Batch) -> bool:
    """A page of gold alone locks no task that closing would wait for, so it locks the batch."""
    return Batch.objects.select_for_update(no_key=True, of=("self",)).workable().filter(pk=batch.pk).exists()


def _next(cursor: Cursor, batch: Batch, count: int) -> seats.Found:
    """Candidates behind the cursor, window by window; at the end of the queue it goes on from the head.

    Nothing is said to be left only after a whole round, and after waiting for what others had locked; until a task
    reopens (or for a while), another round is not worth its price.
    """
    if cursor.epoch == batch.queue_epoch and cursor.searched_at and cursor.searched_at > clock.now() - RETRY:
        return []
    start = (cursor.priority, cursor.pos)
    found, here, is_round = _search(cursor, batch, start, count)
    if is_round and not found:
        found, here, _ = _search(cursor, batch, seats.HEAD, 1, wait=True)
    cursor.priority, cursor.pos = here
    if is_round and not found:
        cursor.epoch, cursor.searched_at = batch.queue_epoch, clock.now()
    return found


def _search(
    cursor: Cursor, batch: Batch, start: seats.Place, count: int, *, wait: bool = False
) -> tuple[seats.Found, seats.Place, bool]:
    """What was found first, how far the search came, and whether it came round to where it began."""
    here, wrapped = start, start == seats.HEAD
    for _ in range(WINDOWS):
        if found := seats.in_window(cursor, here, count, wait=wait):
            return found, max((priority, pos) for _, priority, pos in found), False
        end = seats.window_end(batch, here)
        if (end is None and wrapped) or (wrapped and end is not None and seats.HEAD < start <= end):
            return [], here, True
        here, wrapped = end or seats.HEAD, wrapped or end is None
    return [], here, False


def _lease(cursor: Cursor, batch: Batch, project: Project, page: list[int], *, self_selected: bool) -> Assignment:
    at = clock.now()
    guideline = latest_guideline(project)
    lease = Assignment.objects.create(
        worker_id=cursor.worker_id,
        project=project,
        batch=batch,
        guideline_version=guideline.version if guideline else 0,
        claimed_at=at,
        leased_until=at + timedelta(seconds=batch.lease_s),
    )
    fee = money.fee_micros(batch.price_micros, batch.fee_bp)
    golden = set(batch.gold.filter(task__in=page).values_list("task", flat=True))
    Answer.objects.bulk_create(
        Answer(
            assignment=lease,
            position=position,
            task_id=task,
            worker_id=cursor.worker_id,
            batch=batch,
            price_micros=batch.price_micros,
            fee_micros=fee,
            self_selected=self_selected,
            to_grade=task in golden,
        )
        for position, task in enumerate(page)
    )
    lease.is_new = True
    return lease


def _lock(assignment: Assignment) -> Assignment:
    return Assignment.objects.select_for_update(of=("self",)).select_related("batch", "project").get(pk=assignment.pk)


def _active(lease: Assignment, active_s: int, at: datetime) -> int:
    passed = int((at - lease.claimed_at).total_seconds())
    return max(lease.active_s, min(active_s, passed))


def _check(lease: Assignment, rows: list[Answer], answers: dict[int, Any]) -> None:
    """Refuse the whole page when a position is missing, unknown or does not fit the schema."""
    wanted = {row.position for row in rows}
    errors = [
        {"path": f"answers[{position}]", "code": "missing", "message": "answer it or skip it"}
        for position in sorted(wanted - answers.keys())
    ]
    errors += [
        {"path": f"answers[{position}]", "code": "unknown", "message": "this page has no such open position"}
        for position in sorted(answers.keys() - wanted)
    ]
    for position in sorted(wanted & answers.keys()):
        for error in label_schema.validate(lease.batch.schema, answers[position]):
            inside = error.under(f"answers[{position}]")
            errors.append({"path": inside.path, "code": inside.code, "message": inside.message})
    if errors:
        raise AnswersInvalid(f"{len(errors)} problems; nothing was taken", errors=errors[: settings.ERRORS_SHOWN])


def _still_open(rows: list[Answer]) -> list[Answer]:
    """Of a late page, what can still be taken: its seat is open and the worker did not claim it anew."""
    tasks = [row.task_id for row in rows]
    again = set(
        Answer.objects.filter(worker=rows[0].worker_id, task__in=tasks, attempt=0)
        .exclude(state__in=[Answer.State.EXPIRED, Answer.State.RETURNED])
        .values_list("task", flat=True)
    )
    taken = seats.retake(set(tasks) - again)
    if not taken:
        raise LeaseEnded("the lease ended and others have taken its seats; your answers are kept as a draft")
    return [row for row in rows if row.task_id in taken or (row.to_grade and row.task_id not in again)]


def _take(lease: Assignment, rows: list[Answer], answers: dict[int, Any], at: datetime) -> None:
    paid = lease.purpose == Assignment.Purpose.WORK
    for row in rows:
        row.state = Answer.State.SUBMITTED
        row.value = answers[row.position]
        row.codes = label_schema.codes(lease.batch.schema, row.value)
        row.submitted_at = at
        row.accept_at = at + timedelta(seconds=lease.batch.accept_after_s) if paid else None
    Answer.objects.bulk_update(rows, ["state", "value", "codes", "submitted_at", "accept_at"])


def _end(leases: list[Assignment], to: str) -> None:
    """Move what is still leased on these pages and give its seats back."""
    held = Answer.objects.filter(assignment__in=leases, state=Answer.State.LEASED)
    tasks = list(held.values_list("task", flat=True))
    held.update(state=to)
    seats.free(tasks)
