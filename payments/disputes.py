"""Disputes: what a payer's bank takes back, booked once in whatever order and however often the provider tells of it.

The organisation is frozen, and its prepaid money pays as far as it reaches. The rest is our loss, made good from what
comes back to its prepayment later. Thawing it is an admin's decision, however the dispute ends.
"""

import logging
from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from marketplace import accounts, audit
from marketplace.core import clock, states
from marketplace.models import Organisation
from payments import ledger
from payments.models import Account, Dispute, Prepayment

HURTS = [Dispute.State.OPEN, Dispute.State.LOST]  # the money is with the bank
log = logging.getLogger(__name__)


@transaction.atomic
def opened(charge_id: str, dispute_id: str, amount_micros: int, reason: str = "") -> Dispute:
    """Note that a bank took a charge back; one that nobody knows yet is booked when its prepayment is paid."""
    dispute = _heard_of(dispute_id)
    if not dispute.charge_id:
        dispute.charge_id, dispute.amount_micros, dispute.reason = charge_id, amount_micros, reason[:80]
        dispute.save(update_fields=["charge_id", "amount_micros", "reason"])
    _book(dispute)
    return dispute


@transaction.atomic
def closed(dispute_id: str, won: bool) -> Dispute:
    """Note how a dispute ended: won, what was taken is given back to where it was taken from; said again, nothing."""
    dispute = _heard_of(dispute_id)
    if dispute.state == Dispute.State.OPEN:
        states.move(dispute, Dispute.State.WON if won else Dispute.State.LOST, ended_at=clock.now())
        if won and dispute.prepayment_id:
            _give_back(dispute)
        audit.record(None, "end", dispute, state=str(dispute.state))
    return dispute


def catch_up(limit: int = 100) -> bool:
    """Book disputes whose charge is known by now, and cover losses from what is prepaid; True: there may be more."""
    return _each(_book, _bookable(limit), limit) | _each(_recover, _recoverable(limit), limit)


def _bookable(limit: int) -> list[int]:
    """Disputes that are not booked although their charge is a prepayment's."""
    known = Prepayment.objects.filter(charge_id=OuterRef("charge_id"), state=Prepayment.State.PAID)
    waiting = Dispute.objects.filter(Exists(known), prepayment=None).exclude(charge_id="")
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:limit])


def _recoverable(limit: int) -> list[int]:
    """Disputes with a loss whose organisation has something prepaid; each is covered or leaves nothing there."""
    prepaid = Account.objects.filter(
        kind=Account.Kind.PREPAID,
        organisation=OuterRef("prepayment__organisation"),
        currency=OuterRef("prepayment__currency"),
        mode=OuterRef("prepayment__mode"),
        credits_micros__gt=F("debits_micros"),
    )
    lost = Q(state__in=HURTS, prepayment__isnull=False, covered_micros__lt=F("amount_micros"))
    return list(Dispute.objects.filter(lost, Exists(prepaid)).order_by("pk").values_list("pk", flat=True)[:limit])


def _each(verb: Callable[[Dispute], None], pks: list[int], limit: int) -> bool:
    """Do it for each of them, locked; one that fails is told and does not hold up the others."""
    done = 0
    for pk in pks:
        try:
            with transaction.atomic():
                verb(Dispute.objects.select_for_update(no_key=True).get(pk=pk))
            done += 1
        except Exception:
            log.exception("dispute %s could not be booked", pk)
    return done == limit


def _heard_of(dispute_id: str) -> Dispute:
    """The one row of this dispute, locked; made by what is heard of it first."""
    Dispute.objects.get_or_create(provider_id=dispute_id, defaults={"opened_at": clock.now()})
    return Dispute.objects.select_for_update(no_key=True).get(provider_id=dispute_id)


def _book(dispute: Dispute) -> None:
    """Tie a dispute to the prepayment whose charge it is about, freeze the organisation, and let the money go."""
    if dispute.prepayment_id or not dispute.charge_id:
        return
    paid = Prepayment.objects.filter(charge_id=dispute.charge_id, state=Prepayment.State.PAID)
    prepayment = paid.select_for_update(no_key=True).order_by("pk").first()
    if prepayment is None:
        return
    dispute.prepayment = prepayment
    dispute.save(update_fields=["prepayment"])
    organisation = Organisation.objects.select_for_update(no_key=True).get(pk=prepayment.organisation_id)
    if organisation.frozen_at is None:
        accounts.freeze(organisation, None)
    if dispute.state in HURTS:
        _take(dispute)
    audit.record(None, "open", dispute, amount_micros=dispute.amount_micros, covered_micros=dispute.covered_micros)


def _take(dispute: Dispute) -> None:
    """Let the amount leave: what is prepaid first, the rest at our loss."""
    prepaid, outside, losses = _locked_accounts(dispute)
    covered = min(prepaid.balance_micros, dispute.amount_micros)
    moves = [(prepaid, outside, covered), (losses, outside, dispute.amount_micros - covered)]
    ledger.post("dispute", f"dispute:{dispute.pk}", *(move for move in moves if move[2]))
    dispute.covered_micros = covered
    dispute.save(update_fields=["covered_micros"])
    _disputed(dispute, dispute.amount_micros)


def _give_back(dispute: Dispute) -> None:
    """Put what was taken back to where it was taken from."""
    _disputed(dispute, -dispute.amount_micros)  # first: the prepayment is locked before accounts, as by a refund
    prepaid, outside, losses = _locked_accounts(dispute)
    moves = [
        (outside, prepaid, dispute.covered_micros),
        (outside, losses, dispute.amount_micros - dispute.covered_micros),
    ]
    ledger.post("dispute_won", f"dispute:{dispute.pk}:won", *(move for move in moves if move[2]))


def _recover(dispute: Dispute) -> None:
    """Make up for our loss from what is prepaid now, as far as it reaches."""
    if dispute.state not in HURTS or not dispute.prepayment_id:
        return
    prepaid, _, losses = _locked_accounts(dispute)
    if part := min(prepaid.balance_micros, dispute.amount_micros - dispute.covered_micros):
        dispute.covered_micros += part
        dispute.recoveries += 1
        dispute.save(update_fields=["covered_micros", "recoveries"])
        key = f"dispute:{dispute.pk}:recovered:{dispute.recoveries}"
        ledger.post("dispute_recovered", key, (prepaid, losses, part))
        audit.record(None, "recover", dispute, amount_micros=part)


def _disputed(dispute: Dispute, amount_micros: int) -> None:
    """Keep beside the prepayment how much of it is with the bank."""
    more = F("disputed_micros") + amount_micros
    Prepayment.objects.filter(disputes=dispute).update(disputed_micros=more)


def _locked_accounts(dispute: Dispute) -> tuple[Account, Account, Account]:
    """Prepaid, outside and losses, locked in the order of their keys, so that what they hold stays so."""
    prepayment = dispute.prepayment
    assert prepayment, "only what is booked moves money"
    account = partial(ledger.account, currency=prepayment.currency, mode=prepayment.mode)
    found = [
        account(Account.Kind.PREPAID, organisation=prepayment.organisation),
        account(Account.Kind.OUTSIDE),
        account(Account.Kind.LOSSES),
    ]
    rows = Account.objects.filter(pk__in=[one.pk for one in found]).order_by("pk").select_for_update(no_key=True)
    locked = {row.pk: row for row in rows}
    prepaid, outside, losses = (locked[one.pk] for one in found)
    return prepaid, outside, losses
