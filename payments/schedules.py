"""Payouts without asking: every week or every month, once in each."""

import logging
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.db import transaction

from marketplace import audit
from marketplace.core import clock
from marketplace.core.errors import DomainError, InsufficientFunds, Invalid
from marketplace.models import User
from payments import payouts
from payments.models import Account, Payout, PayoutSchedule

Every = PayoutSchedule.Every
DAY = timedelta(days=1)
log = logging.getLogger(__name__)


def of(user: User) -> str:
    """How often this person is paid without asking."""
    found = PayoutSchedule.objects.filter(user=user, mode=settings.MODE).first()
    return found.every if found else Every.NONE


@transaction.atomic
def choose(user: User, every: str) -> PayoutSchedule:
    """Pay this person so often from now on; the first time when the next period begins."""
    if every not in Every.values:
        wrong = {"path": "every", "code": "option", "message": f"must be one of {', '.join(Every.values)}"}
        raise Invalid("there is no such schedule", errors=[wrong])
    made, _ = PayoutSchedule.objects.get_or_create(user=user, mode=settings.MODE)
    chosen = PayoutSchedule.objects.select_for_update(no_key=True).get(pk=made.pk)
    if chosen.every != every:
        chosen.every, chosen.due_at = every, None if every == Every.NONE else next_begin(every, clock.now())
        chosen.save(update_fields=["every", "due_at"])
        audit.record(user, "choose", chosen, every=every)
    return chosen


def pay_due(limit: int = 100, *, at: datetime | None = None) -> bool:
    """Sweep: request a payout for everybody whose period has begun; True when there may be more."""
    return all(_pay_next(at) for _ in range(limit))


def begin(every: str, at: datetime) -> date:
    """The first day (UTC) of the week or month that a time lies in."""
    day = at.astimezone(UTC).date()
    return day.replace(day=1) if every == Every.MONTHLY else day - timedelta(days=day.weekday())


def next_begin(every: str, at: datetime) -> datetime:
    """When the week or month after this one begins."""
    first = begin(every, at)
    following = (first + timedelta(days=31)).replace(day=1) if every == Every.MONTHLY else first + timedelta(days=7)
    return datetime.combine(following, time(), UTC)


@transaction.atomic
def _pay_next(at: datetime | None) -> bool:
    """Request the payouts of the one who has been due longest, unless another sweeper does; False: nobody is due."""
    due = PayoutSchedule.objects.filter(mode=settings.MODE, due_at__lte=at or clock.now()).order_by("due_at")
    schedule = due.select_for_update(no_key=True, skip_locked=True).first()
    if schedule is None:
        return False
    at = at or clock.now()
    try:
        with transaction.atomic():
            may = _request_all(schedule, at)
    except Exception:  # of one person; the others are paid all the same
        log.exception("schedule %s: it is tried again tomorrow", schedule.pk)
        may = False
    schedule.due_at = next_begin(schedule.every, at) if may else min(at + DAY, next_begin(schedule.every, at))
    schedule.save(update_fields=["due_at"])
    return True


def _request_all(schedule: PayoutSchedule, at: datetime) -> bool:
    """Request what can be paid out, currency by currency; False where the person cannot be paid now."""
    user, period = schedule.user, begin(schedule.every, at)
    payouts.lock(user)
    earned = Account.objects.filter(kind=Account.Kind.EARNINGS, user=user, mode=schedule.mode).order_by("currency")
    may = True
    for currency in earned.values_list("currency", flat=True):
        if Payout.objects.filter(user=user, currency=currency, mode=schedule.mode, period=period).exists():
            continue  # the constraint's word, before it has to say it
        try:
            with transaction.atomic():
                payouts.request(user, currency=currency, period=period)
        except InsufficientFunds:
            continue
        except DomainError as refusal:  # held, or no account: the earnings page says so
            log.info("schedule %s: %s", schedule.pk, refusal.detail)
            may = False
    return may
