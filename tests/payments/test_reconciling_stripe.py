"""Our books against the stand-in for Stripe, through the real client."""

from datetime import timedelta

import pytest

from marketplace.core import clock
from payments import differences, gateway, reconciliation
from payments.models import Dispute, Payout, Prepayment, ProviderMovement, Refund
from tests.payments import asked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _audited():
    """Not here: these rows are brought where they are by hand, and only compared."""


def run(full=False):
    """A whole run, some hours later."""
    later, more = clock.now() + timedelta(hours=3), True
    while more:
        more, full = reconciliation.step(full=full, at=later), False
    return {(row.kind, row.subject) for row in differences.open_ones("test")}


def settled(model, row, **fields):
    model.objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()
    return row


def test_a_prepayment_its_refund_and_its_dispute_are_found_and_fees_are_not_differences(stripe):
    stripe.release_funds()
    at = clock.now()
    paid, taken = (settled(Prepayment, asked.paid(stripe), state="paid", paid_at=at) for _ in range(2))
    back = asked.refund(paid)
    settled(Refund, back, provider_id=gateway.current().refund(back), state="paid", ended_at=at)
    dispute = Dispute.objects.create(
        prepayment=taken, provider_id=stripe.dispute(taken.charge_id), amount_micros=taken.amount_micros, opened_at=at
    )
    assert run() == set(), list(ProviderMovement.objects.values())
    found = reconciliation.summary("test")
    assert found.movements >= 4
    assert found.fees_micros["USD"] > 0
    stripe.end_dispute(dispute.provider_id, won=True)
    assert run() == {("unbooked", f"dispute:{dispute.pk}")}
    settled(Dispute, dispute, state="won")
    assert run() == set()
    assert run(full=True) == set()


def test_a_payout_is_found_and_so_is_its_reversal_nobody_told_us_of(stripe):
    settled(Prepayment, asked.paid(stripe, micros=50_000_000), state="paid", paid_at=clock.now())
    stripe.release_funds()
    payout = asked.payout(asked.account(stripe))
    settled(Payout, payout, provider_id=gateway.current().pay_out(payout), state="paid", ended_at=clock.now())
    assert run() == set(), list(ProviderMovement.objects.values())
    stripe.reverse(payout.provider_id)
    assert run() == {("unbooked", f"payout:{payout.pk}")}
    settled(Payout, payout, state="reversed")
    assert run() == set()


def test_a_lost_webhook_leaves_a_prepayment_that_is_paid_there_and_requested_here(stripe):
    row = asked.shown(stripe)
    stripe.pay(row.provider_id)
    assert run() == {("unbooked", f"prepayment:{row.pk}")}
