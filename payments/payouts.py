"""Payouts: earnings on their way to a worker, in three steps so that a crash anywhere pays once.

`request` reserves and enqueues in one transaction; `send` calls the gateway in none, then moves and posts in another.
"""

import logging
from functools import partial

from django.conf import settings
from django.db import connection, transaction

from marketplace import audit
from marketplace.core import jobs, money, states
from marketplace.core.errors import Forbidden, InsufficientFunds
from marketplace.models import User
from payments import amounts, gateway, ledger
from payments.gateway import Gateway
from payments.models import Account, Payout

MOST_MICROS = 10**15  # keeps a mistyped amount out of the columns
log = logging.getLogger(__name__)


def available_micros(user: User, currency: str, mode: str) -> int:
    """What could be paid out now: whole minor units; the remainder stays in the earnings."""
    earnings = Account.objects.filter(kind=Account.Kind.EARNINGS, user=user, currency=currency, mode=mode).first()
    return money.whole_minor_units(earnings.balance_micros, currency) if earnings else 0


@transaction.atomic
def request(user: User, amount_micros: int | None = None, currency: str = "USD") -> Payout:
    """Take an amount, or all that is available, out of the earnings and have it sent.

    raises  Forbidden          the person's address is not confirmed
            Invalid            not a sum that can be paid out
            InsufficientFunds  `missing_micros` more must be earned
    """
    if not user.is_confirmed:
        raise Forbidden("confirm your e-mail address before you are paid")
    amounts.check_currency(currency)
    account = partial(ledger.account, currency=currency, mode=settings.MODE)
    earnings = account(Account.Kind.EARNINGS, user=user)
    amount = _all_of(earnings) if amount_micros is None else amount_micros  # whether it is there, the post decides
    amounts.check(amount, currency, least=settings.PAYOUT_LEAST_MICROS, most=MOST_MICROS)
    payout = Payout.objects.create(user=user, amount_micros=amount, currency=currency, mode=settings.MODE)
    ledger.post("payout", f"payout:{payout.pk}", (earnings, account(Account.Kind.IN_TRANSIT), amount))
    audit.record(user, "request", payout, amount_micros=amount, currency=currency)
    jobs.enqueue("payments.jobs.send", payout.pk)
    return payout


def send(payout_pk: int, *, through: Gateway | None = None) -> Payout:
    """Have the gateway pay a requested payout, and book what it said; one that has ended is left alone.

    A refusal puts the money back. Any other error is raised and the payout stays requested, for the money may have
    moved: it is sent again under the same key until the gateway knows.
    """
    assert not connection.in_atomic_block, "no transaction is open while the gateway is asked"
    payout = Payout.objects.get(pk=payout_pk)
    if payout.state != Payout.State.REQUESTED:
        return payout
    try:
        provider_id = (through or gateway.current()).pay_out(payout)
    except gateway.Refused as refusal:
        return _end(payout_pk, Payout.State.FAILED, failure=str(refusal))
    return _end(payout_pk, Payout.State.PAID, provider_id=provider_id)


def resend(limit: int = 100, *, through: Gateway | None = None) -> bool:
    """Send payouts that still wait; True when all of them ended and more may wait."""
    waiting = Payout.objects.filter(state=Payout.State.REQUESTED)
    chosen = list(waiting.order_by("?").values_list("pk", flat=True)[:limit])  # none starves behind those that fail
    ended = 0
    for pk in chosen:
        try:
            send(pk, through=through)
            ended += 1
        except Exception:
            log.exception("payout %s: the outcome is unknown, it will be sent again", pk)
    return ended == limit


def _all_of(earnings: Account) -> int:
    """What can be paid out of these earnings; refused where that is less than the least payout."""
    currency, least = earnings.currency, settings.PAYOUT_LEAST_MICROS
    amount = money.whole_minor_units(earnings.balance_micros, currency)
    if amount < least:
        raise InsufficientFunds(
            f"{money.show(amount, currency)} can be paid out, a payout is at least {money.show(least, currency)}",
            missing_micros=least - amount,
            currency=currency,
        )
    return amount


@transaction.atomic
def _end(payout_pk: int, state: str, **fields: str) -> Payout:
    """Move a payout to its last state and book it, unless another sender has."""
    payout = Payout.objects.select_for_update(no_key=True).get(pk=payout_pk)
    if payout.state != Payout.State.REQUESTED:
        return payout
    states.move(payout, state, **fields)
    account = partial(ledger.account, currency=payout.currency, mode=payout.mode)
    if state == Payout.State.PAID:
        to = account(Account.Kind.OUTSIDE)
    else:
        to = account(Account.Kind.EARNINGS, user=payout.user)
    moved = (account(Account.Kind.IN_TRANSIT), to, payout.amount_micros)
    ledger.post(f"payout_{state}", f"payout:{payout.pk}:{state}", moved)
    audit.record(None, "end", payout, state=state)
    return payout
