"""Payouts: earnings on their way to a worker, in three steps so that a crash anywhere pays once.

`request` reserves and enqueues in one transaction; `send` notes that it begins in another, calls the gateway in none,
then moves and posts in a third. Every verb works on money of this installation's mode only.
A hold stops a payout until its sending has begun; from then on it goes through, for the money may have moved.
"""

from datetime import date, datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from marketplace import audit
from marketplace.core import clock, jobs, money, states
from marketplace.core.errors import Conflict, Forbidden, InsufficientFunds, Invalid
from marketplace.models import Mode, User
from payments import amounts, asking, gateway, holds, ledger, reviews
from payments.gateway import Gateway
from payments.models import Account, Payout, PayoutAccount

MOST_MICROS = 10**15  # keeps a mistyped amount out of the columns
WAITING = [Payout.State.REVIEW, Payout.State.REQUESTED]


class PayoutAccountNeeded(Conflict):
    title = "Say first where you are paid"


def available_micros(user: User, currency: str, mode: str) -> int:
    """What could be paid out now: whole minor units; the remainder stays in the earnings."""
    earnings = Account.objects.filter(kind=Account.Kind.EARNINGS, user=user, currency=currency, mode=mode).first()
    return money.whole_minor_units(earnings.balance_micros, currency) if earnings else 0


def lock(user: User) -> None:
    """Lock all that a payout of this person may move, in one order; before several are requested together."""
    transit = partial(ledger.account, Account.Kind.IN_TRANSIT, mode=settings.MODE)
    own = Account.objects.filter(kind=Account.Kind.EARNINGS, user=user, mode=settings.MODE)
    holds.lock(user, *(transit(currency=currency) for currency in own.values_list("currency", flat=True)))


@transaction.atomic
def request(
    user: User,
    amount_micros: int | None = None,
    currency: str = "USD",
    *,
    least_micros: int | None = None,
    period: date | None = None,
) -> Payout:
    """Take an amount, or all that is available, out of the earnings and have it sent, or first looked at by an admin.

    least_micros  in place of the installation's least payout
    period        of the schedule that asks
    raises  Forbidden            the person's address is not confirmed
            PayoutHeld           until when, its facts say
            PayoutAccountNeeded  there is no place yet where this currency can be paid to
            Invalid              not a sum that can be paid out
            InsufficientFunds    `missing_micros` more must be earned
    """
    if not user.is_confirmed:
        raise Forbidden("confirm your e-mail address before you are paid")
    amounts.check_currency(currency)
    account = partial(ledger.account, currency=currency, mode=settings.MODE)
    earnings, transit = account(Account.Kind.EARNINGS, user=user), account(Account.Kind.IN_TRANSIT)
    holds.lock(user, transit)
    earnings.refresh_from_db()
    holds.check(user)
    to = _where(user, currency)
    least = settings.PAYOUT_LEAST_MICROS if least_micros is None else least_micros
    amount = _all_of(earnings, least) if amount_micros is None else amount_micros  # what is there, the post decides
    amounts.check(amount, currency, least=least, most=MOST_MICROS)
    because = reviews.why(user, amount, currency, settings.MODE)
    payout = Payout.objects.create(
        user=user,
        account=to,
        amount_micros=amount,
        currency=currency,
        mode=settings.MODE,
        state=Payout.State.REVIEW if because else Payout.State.REQUESTED,
        review_because=because,
        period=period,
        due_at=clock.now(),
    )
    ledger.post("payout", f"payout:{payout.pk}", (earnings, transit, amount))
    audit.record(None if period else user, "request", payout, amount_micros=amount, currency=currency)
    if not because:
        jobs.enqueue("payments.jobs.send", payout.pk)
    return payout


def send(payout_pk: int, *, through: Gateway | None = None) -> Payout:
    """Have the gateway pay a requested payout, and book what it said; one that has ended, or is held, is left alone.

    A refusal puts the money back. Any other error is raised and the payout stays requested, for the money may have
    moved: it is sent again under the same key until the gateway knows.
    """
    assert not connection.in_atomic_block, "no transaction is open while the gateway is asked"
    payout, may_go = _begin(payout_pk)
    if not may_go:
        return payout
    try:
        provider_id = (through or gateway.current()).pay_out(payout)
    except gateway.Refused as refusal:
        return _end(payout_pk, Payout.State.FAILED, failure=str(refusal))
    except Exception as error:
        waiting = Payout.objects.filter(pk=payout_pk, state=Payout.State.REQUESTED)
        waiting.update(trouble=f"{type(error).__name__} {getattr(error, 'code', None) or ''}".strip()[:200])
        raise
    return _end(payout_pk, Payout.State.PAID, provider_id=provider_id)


def resend(limit: int = 100, *, through: Gateway | None = None, at: datetime | None = None) -> bool:
    """Send payouts that still wait and are due; True when there may be more."""
    waiting = Payout.objects.filter(state=Payout.State.REQUESTED, mode=settings.MODE, due_at__lte=at or clock.now())
    due = waiting.order_by("due_at").values_list("pk", flat=True)
    return asking.each("payout", due, partial(send, through=through), limit)


@transaction.atomic
def let_go(payout: Payout, by: User) -> Payout:
    """Have a payout sent that an admin has looked at.

    raises  Forbidden    not an admin, or the one who is paid
            IllegalMove  nobody has to look at it any more
    """
    payout = _lock_for_review(payout, by)
    states.move(payout, Payout.State.REQUESTED, reviewed_by=by, due_at=clock.now())
    audit.record(by, "let_go", payout)
    jobs.enqueue("payments.jobs.send", payout.pk)
    return payout


@transaction.atomic
def refuse(payout: Payout, by: User, reason: str) -> Payout:
    """Put a payout that an admin has looked at back into the earnings; the person reads the reason.

    raises  Invalid                 without a reason
            Forbidden, IllegalMove  as `let_go`
    """
    reason = reason.strip()
    if not reason:
        missing = {"path": "reason", "code": "required", "message": "The person reads why."}
        raise Invalid("say why", errors=[missing])
    payout = _lock_for_review(payout, by)
    states.move(payout, Payout.State.FAILED, reviewed_by=by, failure=reason, ended_at=clock.now())
    _post_end(payout)
    audit.record(by, "refuse", payout)
    return payout


@transaction.atomic
def came_back(transfer_id: str, reason: str) -> Payout | None:
    """Put a paid payout that the provider has reversed as a whole back into the earnings; again: nothing changes.

    returns  None where no payout of ours is known by this transfer, or not yet: ask again later
    """
    own = Payout.objects.filter(provider_id=transfer_id, mode=settings.MODE) if transfer_id else Payout.objects.none()
    payout = own.select_for_update(no_key=True).first()
    if payout and payout.state == Payout.State.PAID:
        states.move(payout, Payout.State.REVERSED, failure=reason, ended_at=clock.now())
        _post_end(payout)
        audit.record(None, "come_back", payout)
    return payout


def _where(user: User, currency: str) -> PayoutAccount | None:
    """The account that is paid to; play money needs none."""
    account = user.payout_accounts.filter(mode=settings.MODE).exclude(state=PayoutAccount.State.CLOSED).first()
    if account is None or account.state != PayoutAccount.State.READY:
        if settings.MODE == Mode.SANDBOX:
            return None
        if account is None:
            raise PayoutAccountNeeded("say first where you are paid", state="")
        raise PayoutAccountNeeded(
            f"your payout account is not ready: {account.words}", state=account.state, missing=account.missing
        )
    if settings.MODE != Mode.SANDBOX and currency not in settings.PAYOUT_COUNTRIES.get(account.country, ()):
        raise PayoutAccountNeeded(f"{currency} cannot be paid to an account in {account.country}", state=account.state)
    return account


def _all_of(earnings: Account, least: int) -> int:
    """What can be paid out of these earnings; refused where that is less than the least payout."""
    currency = earnings.currency
    amount = money.whole_minor_units(earnings.balance_micros, currency)
    if amount < least:
        raise InsufficientFunds(
            f"{money.show(amount, currency)} can be paid out, a payout is at least {money.show(least, currency)}",
            missing_micros=least - amount,
            currency=currency,
        )
    return amount


@transaction.atomic
def _begin(payout_pk: int) -> tuple[Payout, bool]:
    """Note that a payout is about to be sent, and whether it may be; a hold that is put later comes too late."""
    payout = Payout.objects.select_for_update(no_key=True).get(pk=payout_pk)
    if payout.state != Payout.State.REQUESTED or payout.mode != settings.MODE:
        return payout, False
    holds.lock(payout.user)
    at = clock.now()
    hold = None if payout.sent_at else holds.in_force(payout.user, at)
    if hold:
        _set(payout, due_at=hold.until)
        return payout, False
    _set(payout, sent_at=payout.sent_at or at, tries=payout.tries + 1, due_at=at + asking.wait(payout.tries))
    return payout, True


def _set(payout: Payout, **fields: Any) -> None:
    Payout.objects.filter(pk=payout.pk).update(**fields)
    for name, value in fields.items():
        setattr(payout, name, value)


@transaction.atomic
def _end(payout_pk: int, state: str, **fields: str) -> Payout:
    """Move a payout to its last state and book it, unless another sender has."""
    payout = Payout.objects.select_for_update(no_key=True).get(pk=payout_pk)
    if payout.state != Payout.State.REQUESTED:
        return payout
    states.move(payout, state, ended_at=clock.now(), trouble="", **fields)
    _post_end(payout)
    audit.record(None, "end", payout, state=state)
    return payout


def _post_end(payout: Payout) -> None:
    """Book that a payout was paid, failed or came back, once."""
    account = partial(ledger.account, currency=payout.currency, mode=payout.mode)
    transit, outside = account(Account.Kind.IN_TRANSIT), account(Account.Kind.OUTSIDE)
    earnings = account(Account.Kind.EARNINGS, user=payout.user)
    from_, to = {
        Payout.State.PAID: (transit, outside),
        Payout.State.FAILED: (transit, earnings),
        Payout.State.REVERSED: (outside, earnings),
    }[Payout.State(payout.state)]
    ledger.post(f"payout_{payout.state}", f"payout:{payout.pk}:{payout.state}", (from_, to, payout.amount_micros))


def _lock_for_review(payout: Payout, by: User) -> Payout:
    if not by.is_staff:
        raise Forbidden("only admins review payouts")
    if payout.user_id == by.pk:
        raise Forbidden("another admin must look at a payout to you")
    if payout.mode != settings.MODE:
        raise Conflict(f"it is {payout.mode} money, which is not paid here any more")
    locked = Payout.objects.select_for_update(no_key=True).get(pk=payout.pk)
    if locked.state != Payout.State.REVIEW:
        raise states.IllegalMove(f"this payout is {locked.get_state_display().lower()}", state=locked.state)
    return locked
