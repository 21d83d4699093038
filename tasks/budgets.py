"""The budget of a batch that is running: lowered, raised, run dry, and gone on with.

The seat is the unit. Claims, submits and acceptance touch no money; what may be spent is bounded by the seats there
are, and whoever adds a seat sees first that the reserve pays for it. What may be owed and what is there is read in one
statement, so in one snapshot; whoever acts on it holds the batch (`seats.hold`), for they alone add seats without money
of their own.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, money
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.models import Role, User
from payments import reserves
from tasks import batches, seats
from tasks.errors import BelowCommitted
from tasks.models import Batch, Task

STEP = 10_000  # tasks at a time

COUNTED = "bought, withdrawn, leased, submitted, accepted, gold, gold_out"
# Figures are exact at any moment; gold that was leased and lost is counted as still to come, for it may come late
STAND = f"""
WITH told AS (
    SELECT coalesce(sum(bought), 0)::bigint AS bought, coalesce(sum(gold), 0)::bigint AS gold,
        coalesce(sum(gold_out), 0)::bigint AS gold_out, coalesce(sum(withdrawn), 0)::bigint AS withdrawn,
        coalesce(sum(leased + submitted + accepted), 0)::bigint AS given
    FROM (SELECT {COUNTED} FROM tasks_tally WHERE batch_id = %(batch)s UNION ALL
          SELECT {COUNTED} FROM tasks_mark WHERE batch_id = %(batch)s) AS parts),
golden AS (
    SELECT count(*) AS leased FROM tasks_assignment a JOIN tasks_answer x ON x.assignment_id = a.id
    WHERE a.batch_id = %(batch)s AND a.state = 'open' AND a.purpose = 'work' AND x.state = 'leased' AND x.to_grade)
SELECT acc.credits_micros - acc.debits_micros, ({batches.OWED})::bigint,
    told.bought - (told.given - told.gold - golden.leased), told.withdrawn,
    greatest(0, b.gold_bought - told.gold - told.gold_out - golden.leased),
    CASE WHEN b.exam_size > 0 THEN b.exam_paid_most - b.exams_taken ELSE 0 END,
    coalesce((SELECT sum(amount_micros) FROM payments_reserveline
              WHERE reserve_id = r.id AND name = 'answers'), 0)::bigint,
    coalesce((SELECT sum(amount_micros) FROM payments_reserveline
              WHERE reserve_id = r.id AND name NOT IN ('answers', 'gold', 'training', 'bonus')), 0)::bigint
        - b.topped_micros
FROM tasks_batch b JOIN payments_reserve r ON r.subject = %(subject)s JOIN payments_account acc ON acc.id = r.account_id
CROSS JOIN told CROSS JOIN golden WHERE b.id = %(batch)s
"""


class Stand(NamedTuple):
    """What there is and what may come to be owed, at one moment."""

    left_micros: int  # in the reserve
    owed_micros: int  # for what was given out
    open_seats: int
    withdrawn_seats: int
    gold_to_come: int
    exams_to_come: int
    line_micros: int  # of the answers, what was spent of it included
    other_micros: int  # left in lines that are not for answers at all


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


def of(batch: Batch) -> Budget:
    """The budget of a batch as it is now."""
    batch.refresh_from_db()
    stand, each = _stand(batch), batch.seat_most_micros
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
    line = _stand(batch).line_micros
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
    stand = _stand(batch)
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
    stand = _stand(batch)
    more = to_micros - stand.line_micros
    if more <= 0:
        raise Invalid(f"its answers may cost {money.show(stand.line_micros, batch.currency)} as it is")
    batch.fit_to_micros = to_micros if batch.lowered_at else None
    batch.save(update_fields=["fit_to_micros"])
    _go_on(batch, _free(batch, stand) + more)
    reserves.add(batch.subject, "answers", more)
    audit.record(by, "raise", batch, from_micros=stand.line_micros, to_micros=to_micros)
    return of(batch)


def buy(batch: Batch, tasks: list[int]) -> None:
    """Buy another answer for each of these tasks, or for the first in the queue as far as the budget pays.

    The others wait. Once there is nothing more to hand out, the batch is dry, and its people are told.
    For whoever holds the batch.
    """
    batch = Batch.objects.get(pk=batch.pk)  # as it is now, under the hold
    if batch.state != Batch.State.OPEN:
        return
    if batch.lowered_at is None:  # its reserve covers the most it may come to buy
        seats.buy(batch, tasks)
        return
    stand = _stand(batch)
    chosen = seats.first(tasks, _affordable(batch, _free(batch, stand)))
    seats.buy(batch, chosen)
    waits = len(chosen) < len(tasks) or _withdrawn(batch)
    if waits and not chosen and not stand.open_seats:
        _run_dry(batch)


@transaction.atomic
def fit(pk: int) -> bool:
    """Bring the seats of a batch one step nearer to its budget; True while there is more to do."""
    seats.hold(pk)
    batch = Batch.objects.select_for_update(no_key=True).get(pk=pk)
    if batch.fit_to_micros is None:
        return False
    stand = _stand(batch)
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
        if batch.state == Batch.State.OPEN and batch.dry_at and _affordable(batch, free := _free(batch, _stand(batch))):
            _go_on(batch, free)
    return False


def unfitted(limit: int = 100) -> list[int]:
    """Batches whose seats are not brought to their budget yet."""
    return list(Batch.objects.exclude(fit_to_micros=None).order_by("pk").values_list("pk", flat=True)[:limit])


def dry(limit: int = 100) -> list[int]:
    """Open batches that wait for money, those not looked at for longest first."""
    waiting = Batch.objects.filter(state=Batch.State.OPEN, dry_at__isnull=False)
    return list(waiting.order_by(F("dry_seen_at").asc(nulls_first=True)).values_list("pk", flat=True)[:limit])


def _locked(batch: Batch, by: User) -> Batch:
    accounts.require(by, batch.project.organisation, Role.MANAGER)
    seats.hold(batch.pk)
    rows = Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("project__organisation")
    batch = rows.get(pk=batch.pk)
    if batch.state != Batch.State.OPEN:
        raise IllegalMove(f"the batch is {batch.state}", state=str(batch.state))
    return batch


def _stand(batch: Batch) -> Stand:
    named: dict[str, Any] = {"batch": batch.pk, "subject": batch.subject}
    with connection.cursor() as sql:
        sql.execute(STAND, {**named, "contestable_after": clock.now() - batches.COMMITTED_WITHIN})
        return Stand(*sql.fetchone())


def _free(batch: Batch, stand: Stand) -> int:
    """What is in the reserve beyond what may come to be owed; below zero where gold that was lost is still kept for."""
    at_most = (stand.open_seats + stand.gold_to_come) * batch.seat_most_micros
    kept = stand.owed_micros + at_most + stand.exams_to_come * batch.exam_most_micros + stand.other_micros
    return stand.left_micros - kept


def _least(batch: Batch, stand: Stand) -> int:
    return max(0, stand.line_micros - max(0, _free(batch, stand) + stand.open_seats * batch.seat_most_micros))


def _affordable(batch: Batch, free: int) -> int:
    return max(0, free) // max(1, batch.seat_most_micros)


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
