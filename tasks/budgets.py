"""The budget of a batch that is running: lowered, raised, run dry, and gone on with.

The seat is the unit. Claims, submits and acceptance touch no money; what may be spent is bounded by the seats there
are, and whoever adds a seat sees first that the reserve pays for it. What may be owed and what is there is read in one
statement, so in one snapshot; whoever acts on it holds the batch (`seats.hold`), for they alone add seats without money
of their own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, money
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.models import RedundancyBy, Role, User
from payments import reserves
from tasks import batches, seats, stands, waiting, wishes
from tasks.errors import BelowCommitted
from tasks.models import Assignment, Batch, Task
from tasks.stands import Stand

STEP = 10_000  # tasks at a time
UNIT_MICROS = 1_000_000  # of a currency
PORTION, PORTION_LEAST = 0.1, 20  # of the tasks, that may be open at once where the next answer goes by its gain


@dataclass(frozen=True)
class Budget:
    """What a batch may spend, and how far that may be changed now.

    answers_micros       what answers may cost in all, with the fee, what is spent included
    least_micros         as far as that can be lowered: what is spent or given out stays
    unused_micros        of it, what is needed for no answer given out and no open seat: lowering by that stops nobody
    withdrawn_seats      waiting for money
    dry                  whether it wants more answers than it can pay
    """

    answers_micros: int
    least_micros: int
    unused_micros: int
    seat_micros: int
    open_seats: int
    withdrawn_seats: int
    spent_micros: int
    owed_micros: int
    left_micros: int
    gold_answers: int
    gold_answers_least: int
    paid_exams: int
    paid_exams_least: int
    dry: bool
    lowering_to_micros: int | None
    currency: str

    @property
    def committed_micros(self) -> int:
        """What is spent, and what answers given out and open seats may still cost."""
        return self.spent_micros + self.owed_micros + self.open_seats * self.seat_micros

    @property
    def is_out(self) -> bool:
        """Whether it has nothing to give to anybody for want of money: what a lease that ended freed, it gives."""
        return self.dry and not self.open_seats


class Next(NamedTuple):
    """What 1.00 of the currency more would buy now of tasks that wait for another answer."""

    answers: int
    righted: float  # labels, as is to be expected
    cost_micros: int


def of_next(batch: Batch) -> Next:
    """What the next money would buy; it reads as many tasks as that."""
    each = batch.seat_most_micros
    answers, righted = waiting.worth(batch, max(1, UNIT_MICROS // max(1, each)))
    return Next(answers, righted, answers * each)


def of(batch: Batch) -> Budget:
    """The budget of a batch as it is now."""
    batch.refresh_from_db()
    stand, each = stands.of(batch), batch.seat_most_micros
    free = _free(batch, stand)
    return Budget(
        answers_micros=stand.line_micros,
        least_micros=_least(batch, stand),
        unused_micros=min(stand.line_micros, max(0, free)),
        seat_micros=each,
        open_seats=stand.open_seats,
        withdrawn_seats=stand.withdrawn_seats,
        spent_micros=reserves.standing(batch.subject).spent_micros,
        owed_micros=stand.owed_micros,
        left_micros=stand.left_micros,
        gold_answers=batch.gold_bought,
        gold_answers_least=batch.gold_taken,
        paid_exams=batch.exam_paid_most if batch.exam_size else 0,
        paid_exams_least=batch.exams_taken,
        dry=batch.dry_at is not None,
        lowering_to_micros=batch.fit_to_micros,
        currency=batch.currency,
    )


@transaction.atomic
def change(
    batch: Batch,
    by: User,
    answers_micros: int | None = None,
    gold_answers: int | None = None,
    paid_exams: int | None = None,
) -> Budget:
    """Bring each named line to what is wanted, up or down; all of them or none; again: nothing more.

    raises  as `lower` and `raise_to`
    """
    batch = _locked(batch, by)
    line = stands.of(batch).line_micros
    if answers_micros is not None and answers_micros != line:  # first, for it locks tasks
        lower(batch, by, answers_micros) if answers_micros < line else raise_to(batch, by, answers_micros)
        batch.refresh_from_db()
    if gold_answers is not None:
        _set_gold(batch, by, gold_answers)
    if paid_exams is not None:
        _set_exams(batch, by, paid_exams)
    return of(batch)


@transaction.atomic
def lower(batch: Batch, by: User, to_micros: int) -> Budget:
    """Let the answers of a running batch cost so much at most, what is spent included; the rest is prepaid again.

    What was given out is paid whatever it comes to. Open seats that it does not pay are withdrawn, from the end of the
    queue; where they are many, a sweep goes on with it.

    raises  BelowCommitted (`least_micros`), IllegalMove (not open), Invalid (it is no more than that), Forbidden
    """
    batch = _locked(batch, by)
    stand = stands.of(batch)
    if to_micros >= stand.line_micros:
        raise Invalid(f"its answers may cost {money.show(stand.line_micros, batch.currency)} as it is")
    if to_micros < (least := _least(batch, stand)):
        raise BelowCommitted(f"{money.show(least, batch.currency)} is spent or given out already", least_micros=least)
    batch.lowered_at, batch.fit_to_micros = batch.lowered_at or clock.now(), to_micros
    batch.save(update_fields=["lowered_at", "fit_to_micros"])
    audit.record(by, "lower", batch, from_micros=stand.line_micros, to_micros=to_micros)
    _bring_down(batch, stand)
    return of(batch)


@transaction.atomic
def raise_to(batch: Batch, by: User, to_micros: int) -> Budget:
    """Let the answers of a running batch cost so much, and go on with what waits for money.

    raises  InsufficientFunds (`missing_micros`), IllegalMove (not open), Invalid (it is no less than that), Forbidden
    """
    batch = _locked(batch, by)
    stand = stands.of(batch)
    more = to_micros - stand.line_micros
    if more <= 0:
        raise Invalid(f"its answers may cost {money.show(stand.line_micros, batch.currency)} as it is")
    batch.fit_to_micros = to_micros if batch.lowered_at else None
    batch.save(update_fields=["fit_to_micros"])
    _go_on(batch, _free(batch, stand) + more)
    reserves.add(batch.subject, "answers", more)
    audit.record(by, "raise", batch, from_micros=stand.line_micros, to_micros=to_micros)
    return of(batch)


def buy(batch: Batch, tasks: Mapping[int, float]) -> None:
    """Buy another answer for each of these tasks; as far as the budget pays where it need not cover them all.

    Then it goes to those to which it is worth most, among these and all that wait; the others wait on. Where a budget
    decides, only a part of the tasks is opened at a time, for the answers to these say where the next are worth most.
    Once there is nothing more to hand out, the batch is dry, and its people are told. For whoever holds the batch.

    tasks  with what another answer is worth to each
    """
    batch = Batch.objects.get(pk=batch.pk)  # as it is now, under the hold
    if batch.state != Batch.State.OPEN:
        return
    if batch.lowered_at is None:  # its reserve covers the most it may come to buy
        seats.buy(batch, list(tasks))
        wishes.ask(batch, list(tasks))
        return
    waiting.note(tasks)
    stand = stands.of(batch)
    room = _portion(batch) - stand.open_seats if batch.redundancy_by == RedundancyBy.BUDGET else None
    is_nothing_left = not _buy_first(batch, stand, room) and not stand.open_seats
    if is_nothing_left and (_withdrawn(batch) or waiting.first(batch, 1)):
        _run_dry(batch)


@transaction.atomic
def fit(pk: int) -> bool:
    """Bring the seats of a batch one step nearer to its budget; True while there is more to do."""
    seats.hold(pk)
    batch = Batch.objects.select_for_update(no_key=True).get(pk=pk)
    if batch.fit_to_micros is None:
        return False
    stand = stands.of(batch)
    if batch.state != Batch.State.OPEN:
        _fitted(batch)
    elif stand.line_micros > batch.fit_to_micros:
        _bring_down(batch, stand)
    else:
        _go_on(batch, _free(batch, stand))
    return batch.fit_to_micros is not None


def resume(pk: int) -> bool:
    """Let a dry batch go on where money came free by itself: a rejection that is final, work at a lower tier."""
    Batch.objects.filter(pk=pk).update(dry_seen_at=clock.now())  # first, so that one that fails holds up no other
    with transaction.atomic():
        seats.hold(pk)
        batch = Batch.objects.select_for_update(no_key=True).get(pk=pk)
        if (
            batch.state == Batch.State.OPEN
            and batch.dry_at
            and _affordable(batch, free := _free(batch, stands.of(batch)))
        ):
            _go_on(batch, free)
    return False


def widen(pk: int) -> bool:
    """Open more tasks of a batch that buys by budget: those that are open wait for people who do not come."""
    with transaction.atomic():
        seats.hold(pk)
        Batch.objects.filter(pk=pk).update(widened_at=clock.now())
        batch = Batch.objects.get(pk=pk)
        if batch.state == Batch.State.OPEN:
            _buy_first(batch, stands.of(batch), _portion(batch))
    return False


def unfitted(limit: int = 100) -> list[int]:
    """Batches whose seats are not brought to their budget yet."""
    return list(Batch.objects.exclude(fit_to_micros=None).order_by("pk").values_list("pk", flat=True)[:limit])


def dry(limit: int = 100) -> list[int]:
    """Open batches that wait for money, those not looked at for longest first."""
    waiting = Batch.objects.filter(state=Batch.State.OPEN, dry_at__isnull=False)
    return list(waiting.order_by(F("dry_seen_at").asc(nulls_first=True)).values_list("pk", flat=True)[:limit])


def idle(limit: int = 100) -> list[int]:
    """Open batches that buy by budget and were handed no answer for a while, those widened longest ago first."""
    before = clock.now() - timedelta(seconds=settings.WIDEN_AFTER_S)
    handed_in = Assignment.objects.filter(batch=OuterRef("pk"), submitted_at__gt=before).order_by("submitted_at")
    rows = Batch.objects.filter(state=Batch.State.OPEN, redundancy_by=RedundancyBy.BUDGET, dry_at=None)
    rows = rows.filter(Q(widened_at=None) | Q(widened_at__lt=before), published_at__lt=before)
    rows = rows.annotate(handed_in=Subquery(handed_in.values("pk")[:1])).filter(handed_in=None)
    return list(rows.order_by(F("widened_at").asc(nulls_first=True)).values_list("pk", flat=True)[:limit])


def _locked(batch: Batch, by: User) -> Batch:
    accounts.require(by, batch.project.organisation, Role.MANAGER)
    seats.hold(batch.pk)
    rows = Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("project__organisation")
    batch = rows.get(pk=batch.pk)
    if batch.state != Batch.State.OPEN:
        raise IllegalMove(f"the batch is {batch.state}", state=str(batch.state))
    return batch


def _free(batch: Batch, stand: Stand) -> int:
    """What is in the reserve beyond what may come to be owed; below zero where gold that was lost is still kept for."""
    at_most = (stand.open_seats + stand.gold_to_come) * batch.seat_most_micros
    kept = stand.owed_micros + at_most + stand.exams_to_come * batch.exam_most_micros + stand.other_micros
    return stand.left_micros - kept


def _least(batch: Batch, stand: Stand) -> int:
    return max(0, stand.line_micros - max(0, _free(batch, stand) + stand.open_seats * batch.seat_most_micros))


def _affordable(batch: Batch, free: int) -> int:
    return max(0, free) // max(1, batch.seat_most_micros)


def _portion(batch: Batch) -> int:
    return max(PORTION_LEAST, math.ceil(PORTION * batch.items))


def _buy_first(batch: Batch, stand: Stand, room: int | None) -> int:
    """Buy for those that wait, the worthiest first, as far as the budget pays and there is room; for how many."""
    affordable = _affordable(batch, _free(batch, stand))
    chosen = waiting.first(batch, affordable if room is None else min(affordable, max(0, room)))
    seats.buy(batch, chosen)
    wishes.ask(batch, chosen)
    waiting.forget(chosen)  # one that may have no more would come first for ever
    return len(chosen)


def _withdrawn(batch: Batch) -> bool:
    return Task.objects.filter(batch=batch, withdrawn__gt=0).order_by("priority", "pos")[:1].exists()


def _bring_down(batch: Batch, stand: Stand) -> None:
    """Withdraw the next seats, and give back exactly their price with what was free; as far as they go."""
    assert batch.fit_to_micros is not None
    each, free = batch.seat_most_micros, _free(batch, stand)
    excess = stand.line_micros - batch.fit_to_micros
    wanted = -(-max(0, excess - free) // max(1, each))
    gone = seats.withdraw(batch, wanted, STEP) if wanted else 0
    released = min(excess, max(0, free + gone * each))
    if released:
        reserves.release(batch.subject, released, "answers")
    is_out = not seats.are_open(batch.pk)
    if released == excess or (is_out and not gone):  # where others were faster than this step, there may be more
        _fitted(batch)
    if is_out and _withdrawn(batch):
        _run_dry(batch)


def _go_on(batch: Batch, free: int) -> None:
    """Bring withdrawn seats back as far as this pays for them, and have consensus buy with the rest."""
    affordable = _affordable(batch, free)
    back = seats.bring_back(batch, affordable, STEP) if affordable and batch.lowered_at else 0
    if affordable == back or not _withdrawn(batch):
        _fitted(batch)
    dry_at = None if affordable else batch.dry_at
    Batch.objects.filter(pk=batch.pk).update(dry_at=dry_at, consensus_at=None)


def _fitted(batch: Batch) -> None:
    batch.fit_to_micros = None
    batch.save(update_fields=["fit_to_micros"])


def _run_dry(batch: Batch) -> None:
    """Note it, and tell once."""
    if not Batch.objects.filter(pk=batch.pk, dry_at=None).update(dry_at=clock.now()):
        return
    subject = f"Batch {batch.number} of {batch.project} has run out of money"
    text = (
        "Its budget pays for no more answers, so nobody is given more of it. What was given out is paid. "
        "It goes on when you raise its budget."
    )
    batches.tell(batch, subject, text, link=reverse("budget", args=[batch.public_id]))


def _set_gold(batch: Batch, by: User, answers: int) -> None:
    """Buy so many answers to known items in all; not fewer than are given out."""
    if answers < batch.gold_taken:
        raise BelowCommitted(f"{batch.gold_taken:,} are given out already", least_answers=batch.gold_taken)
    more, batch.gold_bought = answers - batch.gold_bought, answers
    _bring_line(batch, by, "gold", more * batch.seat_most_micros, ["gold_bought"], answers)


def _set_exams(batch: Batch, by: User, exams: int) -> None:
    """Buy so many paid exams in all; not fewer than are given out."""
    if not batch.exam_size or not batch.exam_price_micros:
        raise Invalid("this batch has no paid exam")
    if exams < batch.exams_taken:
        raise BelowCommitted(f"{batch.exams_taken:,} are given out already", least_exams=batch.exams_taken)
    more, batch.exam_paid_most = exams - batch.exam_paid_most, exams
    _bring_line(batch, by, "training", more * batch.exam_most_micros, ["exam_paid_most"], exams)


def _bring_line(batch: Batch, by: User, line: str, more_micros: int, changed: list[str], to: int) -> None:
    if not more_micros:
        return
    batch.save(update_fields=changed)
    if more_micros > 0:
        reserves.add(batch.subject, line, more_micros)
    else:
        reserves.release(batch.subject, -more_micros, line)
    audit.record(by, "raise" if more_micros > 0 else "lower", batch, line=line, to=to)
