"""What becomes of a lease that is not handed in: kept, drafted on, skipped in part, given back, or ended by time."""

import json
from typing import Any

from django.db import transaction

from marketplace.core import clock, statements, states
from marketplace.core.errors import IllegalMove, Invalid, NotFound
from tasks import seats, terms, training
from tasks.errors import LeaseEnded
from tasks.models import BEGINNING, Answer, Assignment

LEASES_MOST = 4  # a lease may be renewed until it has lasted this many times its length
EXPIRE_STEP = 500

RENEW = f"""
UPDATE tasks_assignment a SET
    leased_until = CASE WHEN a.purpose = 'exam' THEN a.leased_until ELSE
        greatest(a.leased_until, least(clock_timestamp() + length, a.claimed_at + {LEASES_MOST} * length)) END,
    active_s = greatest(a.active_s, least(%(active_s)s, floor(extract(epoch FROM clock_timestamp() - a.claimed_at))))
FROM (SELECT id, lease_s * interval '1 second' AS length FROM tasks_batch) AS batch
WHERE a.public_id = %(lease)s AND a.worker_id = %(worker)s AND a.state = 'open' AND batch.id = a.batch_id
RETURNING a.leased_until, a.active_s
"""
SEATS = """
SELECT x.position, item.payload, x.state, x.value FROM tasks_answer x
JOIN tasks_task t ON t.id = x.task_id JOIN marketplace_item item ON item.id = t.item_id
WHERE x.assignment_id = %(lease)s ORDER BY x.position
"""


def renew(assignment: Assignment, active_s: int) -> Assignment:
    """Keep the lease a while longer (not that of an exam), and note the time of activity, bounded by what passed.

    assignment  of which only the public id and the worker need be known
    raises      NotFound, LeaseEnded
    """
    named = {"lease": assignment.public_id, "worker": assignment.worker_id}
    kept = statements.rows(RENEW, {**named, "active_s": active_s})
    if not kept:
        found = Assignment.objects.filter(public_id=assignment.public_id, worker=assignment.worker_id).first()
        raise LeaseEnded(f"the assignment is {found.state}") if found else NotFound()
    assignment.leased_until, assignment.active_s = kept[0]
    return assignment


def price_micros(assignment: Assignment) -> int:
    """What each answer of a page pays its worker: nothing in practice, and by their tier where there are tiers."""
    if assignment.purpose != Assignment.Purpose.WORK:
        return 0
    agreed = terms.of(assignment.batch_id)
    if assignment.price_micros is None and agreed.tiers:
        held = Answer.objects.filter(assignment=assignment.pk).order_by("position")
        assignment.price_micros = held.values_list("price_micros", flat=True).first()
    return agreed.price_micros if assignment.price_micros is None else assignment.price_micros


def keep_draft(assignment: Assignment, draft: Any) -> Assignment:
    """Keep what the worker has so far; it survives the end of the lease. That of an exam is graded when it ends.

    raises  IllegalMove (handed in or given back), LeaseEnded (an exam whose time is over)
    """
    with transaction.atomic():
        lease = lock(assignment)
        if lease.state not in (Assignment.State.OPEN, Assignment.State.EXPIRED):
            raise IllegalMove(f"the assignment is {lease.state}")
        if lease.purpose == Assignment.Purpose.EXAM and lease.is_over:
            raise LeaseEnded("the time of the exam is over; what was kept in time is graded")
        lease.draft = draft
        lease.save(update_fields=["draft"])
        return lease


@transaction.atomic
def skip(assignment: Assignment, position: int) -> Assignment:
    """Leave one task of the page to others; this worker is not asked it again."""
    lease = lock(assignment)
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
    lease = lock(assignment)
    if lease.state == Assignment.State.RETURNED:
        return lease
    at = clock.now()  # an exam ends there and then: it is graded, and the wait for the next begins
    ended = {"leased_until": min(at, lease.leased_until)} if lease.purpose == Assignment.Purpose.EXAM else {}
    states.move(lease, Assignment.State.RETURNED, **ended)
    _end([lease], Answer.State.RETURNED)
    return lease


@transaction.atomic
def expire(limit: int = EXPIRE_STEP) -> bool:
    """End leases whose time is over and reopen their seats; True while there may be more."""
    over = Assignment.objects.filter(
        state=Assignment.State.OPEN, leased_until__lt=clock.now(), leased_until__gt=BEGINNING
    )
    leases = list(over.order_by("leased_until").select_for_update(no_key=True, skip_locked=True, of=("self",))[:limit])
    Assignment.objects.filter(pk__in=[lease.pk for lease in leases]).update(state=Assignment.State.EXPIRED)
    _end(leases, Answer.State.EXPIRED)
    return len(leases) == limit


def seats_of(assignment: Assignment) -> list[seats.Seat]:
    """The tasks of a page as the worker sees them: gold looks like any other."""
    if assignment.seats is None:
        assignment.seats = [seats.Seat(*row) for row in statements.rows(SEATS, {"lease": assignment.pk})]
    return assignment.seats


def pages(assignment: Assignment) -> list[dict[str, Any]]:
    """The same, read."""
    return [
        {**seat._asdict(), "payload": json.loads(seat.payload), "value": seat.value and json.loads(seat.value)}
        for seat in seats_of(assignment)
    ]


def lock(assignment: Assignment) -> Assignment:
    """The lease as it is now, and stays until the transaction ends."""
    named = Assignment.objects.filter(public_id=assignment.public_id, worker=assignment.worker_id)
    return named.select_for_update(no_key=True, of=("self",)).select_related("batch", "project").get()


def _end(leases: list[Assignment], to: str) -> None:
    """Move what is still leased on these pages and give its seats back; exams are graded as far as they came."""
    held = Answer.objects.filter(assignment__in=leases, state=Answer.State.LEASED)
    tasks = list(held.values_list("task", flat=True))
    held.update(state=to)
    seats.free(tasks)
    for lease in leases:
        if lease.purpose == Assignment.Purpose.EXAM:
            training.end_exam(lease)
