"""What the provider tells us: verified, recorded once by its id, and acted on by a job from how things stand now.

A message only says where to look. It may come twice, late, before its predecessor, or never; what it says of amounts
and states is not believed, but asked again. Every function of TYPES may therefore run any number of times.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import DurationField, ExpressionWrapper, F, Value
from django.db.models.functions import Power

from marketplace.core import clock, jobs, states
from payments import asking, disputes, gateway, payout_accounts, payouts, prepayments, refunds
from payments.gateway import Gateway, Payment
from payments.models import Payout, Prepayment, Refund, StripeEvent

TRIES_MOST = 16  # the last 45 hours after it came; who has it sent again begins anew
FIRST_RETRY = timedelta(seconds=5)
log = logging.getLogger(__name__)


class NotYet(Exception):
    """It is about a row of ours that is not as far; it will be."""


def receive(body: bytes, signature: str, *, through: Gateway | None = None) -> StripeEvent:
    """Record a message and have it acted on; the same one again changes nothing, unless it is tried no more.

    raises  Forged  the provider did not sign it, or too long ago
    """
    event = (through or gateway.current()).verify(body, signature)
    ours = event.mode == settings.MODE
    with transaction.atomic():
        row, is_new = StripeEvent.objects.get_or_create(
            event_id=event.event_id,
            defaults={
                "type": event.type,
                "mode": event.mode,
                "payload": event.payload,
                "state": StripeEvent.State.WAITING if ours and event.type in TYPES else StripeEvent.State.IGNORED,
                "failure": "" if ours else f"it is about {event.mode} money",
                "received_at": clock.now(),
            },
        )
        if (is_new and row.state == StripeEvent.State.WAITING) or _begun_anew(row):
            jobs.enqueue("payments.jobs.handle_event", row.pk)
    return row


def handle(pk: int, *, through: Gateway | None = None) -> StripeEvent:
    """Act on one message; what fails is noted and tried again by the sweep."""
    assert not connection.in_atomic_block, "no transaction is open while the gateway is asked"
    event = StripeEvent.objects.get(pk=pk)
    if event.state != StripeEvent.State.WAITING:
        return event
    try:
        is_ours = event.mode == settings.MODE and TYPES[event.type](event, through or gateway.current())
    except Exception as error:
        if not isinstance(error, NotYet):
            log.exception("event %s (%s) could not be acted on, it will be tried again", event.event_id, event.type)
        waiting = StripeEvent.objects.filter(pk=pk, state=StripeEvent.State.WAITING)
        waiting.update(tries=F("tries") + 1, failure=_named(error))
    else:
        _end(pk, StripeEvent.State.DONE if is_ours else StripeEvent.State.IGNORED)
    event.refresh_from_db()
    return event


def retry(limit: int = 100, *, through: Gateway | None = None, at: datetime | None = None) -> bool:
    """Sweep: act again on messages that wait, each a while longer after every try; True while there may be more."""
    wait = ExpressionWrapper(Value(FIRST_RETRY) * Power(2.0, F("tries")), output_field=DurationField())
    due = (
        StripeEvent.objects.filter(state=StripeEvent.State.WAITING, mode=settings.MODE, tries__lt=TRIES_MOST)
        .annotate(due_at=F("received_at") + wait)
        .filter(due_at__lte=at or clock.now())
    )
    keys = due.order_by("pk").values_list("pk", flat=True)
    return asking.each("event", keys, partial(handle, through=through), limit)


def _begun_anew(row: StripeEvent) -> bool:
    """Have a message that was tried for the last time tried as if it had just come; of several senders one does."""
    spent = StripeEvent.objects.filter(pk=row.pk, state=StripeEvent.State.WAITING, tries__gte=TRIES_MOST)
    return bool(spent.update(tries=0, received_at=clock.now()))


@transaction.atomic
def _end(pk: int, state: str) -> None:
    event = StripeEvent.objects.select_for_update(no_key=True).get(pk=pk)
    if event.state == StripeEvent.State.WAITING:
        states.move(event, state, handled_at=clock.now(), failure="")


def _named(error: Exception) -> str:
    """An error by its names; its message may be about a person."""
    return f"{type(error).__name__} {getattr(error, 'code', None) or ''}".strip()[:200]


# What a message is about: each returns whether it is about a row of ours, and raises NotYet where it soon will be


def _payment(event: StripeEvent, through: Gateway) -> bool:
    """A payer paid, or will not; only the last thing a payer was shown can fail a prepayment."""
    about = event.payload["id"]
    payment = through.payment(about)
    prepayment = _prepayment(payment.subject, event.mode)
    if prepayment is None:
        return False
    if payment.state == "paid":
        _settle(prepayment, payment)
    elif payment.state == "failed" and about == prepayment.provider_id:
        prepayments.fail(prepayment.pk, payment.failure)
    return True


def _settle(prepayment: Prepayment, payment: Payment) -> None:
    """Credit a prepayment, if what was paid is what was asked for."""
    if (payment.amount_micros, payment.currency) != (prepayment.amount_micros, prepayment.currency):
        raise ValueError(f"{prepayment}: {payment.amount_micros} {payment.currency} were paid, not what was asked for")
    prepayments.settle_paid(prepayment.pk, payment.charge_id)


def _prepayment(public_id: str, mode: str) -> Prepayment | None:
    return Prepayment.objects.filter(public_id=public_id, mode=mode).first() if public_id else None


def _refund(event: StripeEvent, through: Gateway) -> bool:
    """A refund went out, or the bank sent it back."""
    about = event.payload["id"]
    seen = through.sent(about)
    refund = Refund.objects.filter(public_id=seen.subject, prepayment__mode=event.mode).first()
    if refund is None:
        return False
    if refund.provider_id not in ("", about):
        raise ValueError(f"{refund} is {refund.provider_id}, and {about} says that it is it")
    if seen.state != "waiting":
        refunds.settle(about, seen.state, seen.failure, refund_pk=refund.pk)
    return True


def _dispute(event: StripeEvent, through: Gateway) -> bool:
    """A payer's bank took a charge back, or gave it back; its payment may not have been credited before."""
    about = event.payload["id"]
    seen = through.disputed(about)
    if seen.state == "asked":
        return True
    if not Prepayment.objects.filter(charge_id=seen.charge_id, mode=event.mode).exists():
        payment = through.payment(seen.payment_id) if seen.payment_id else None
        prepayment = _prepayment(payment.subject, event.mode) if payment else None
        if payment is None or prepayment is None:
            return False
        _settle(prepayment, payment)
    disputes.opened(seen.charge_id, about, seen.amount_micros, seen.reason)
    if seen.state in ("won", "lost"):
        disputes.closed(about, seen.state == "won")
    return True


def _transfer(event: StripeEvent, through: Gateway) -> bool:
    """A payout was taken back; of one that came back in part, reconciling tells."""
    about = event.payload["id"]
    seen = through.sent(about)
    if not Payout.objects.filter(public_id=seen.subject, mode=event.mode).exists():
        return False
    if seen.state == "reversed" and payouts.came_back(about, "it was taken back at Stripe") is None:
        raise NotYet(f"no payout names {about}")
    return True


def _account(event: StripeEvent, through: Gateway) -> bool:
    """Something changed where a person is paid."""
    about = event.payload.get("account") or event.payload["id"]
    return payout_accounts.refresh(about, through=through) is not None


TYPES: dict[str, Callable[[StripeEvent, Gateway], bool]] = {
    **dict.fromkeys(
        (
            *(f"checkout.session.{what}" for what in ("completed", "expired")),
            *(f"checkout.session.async_payment_{what}" for what in ("succeeded", "failed")),
            *("payment_intent.succeeded", "payment_intent.canceled"),
        ),
        _payment,
    ),
    **dict.fromkeys(("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"), _refund),
    **dict.fromkeys(
        (
            *("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
            *("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"),
        ),
        _dispute,
    ),
    "transfer.reversed": _transfer,
    **dict.fromkeys(
        (
            *("account.updated", "account.application.deauthorized", "capability.updated"),
            *(f"account.external_account.{what}" for what in ("created", "updated", "deleted")),
            *("v2.core.account.closed", "v2.core.account[identity].updated", "v2.core.account[requirements].updated"),
            "v2.core.account[configuration.recipient].updated",
            "v2.core.account[configuration.recipient].capability_status_updated",
        ),
        _account,
    ),
}
