"""Our books against the stand-in for Stripe, through the real client."""

from datetime import timedelta

import pytest

from marketplace.core import clock
from payments import differences, disputes, payouts, prepayments, reconciliation, refunds
from payments.models import Difference, ProviderMovement
from tests.payments import asked

pytestmark = pytest.mark.django_db(transaction=True)


def run(full=False):
    """A whole run, some hours later."""
    later, more = clock.now() + timedelta(hours=3), True
    while more:
        more, full = reconciliation.step(full=full, at=later), False
    return {(row.kind, row.subject) for row in differences.open_ones("test")}


def paid_in(stripe, **fields):
    row = asked.paid(stripe, **fields)
    return prepayments.settle_paid(row.pk, row.charge_id)


def test_a_prepayment_its_refund_and_its_dispute_are_found_and_fees_are_not_differences(stripe):
    stripe.release_funds()
    paid, taken = paid_in(stripe), paid_in(stripe)
    refunds.send(asked.refund(paid).pk)
    dispute = disputes.opened(taken.charge_id, stripe.dispute(taken.charge_id), taken.amount_micros)
    assert run() == set(), list(ProviderMovement.objects.values())
    found = reconciliation.summary("test")
    assert found.movements >= 4
    assert found.fees_micros["USD"] > 0
    stripe.end_dispute(dispute.provider_id, won=True)
    assert run() == {("unbooked", f"dispute:{dispute.pk}")}
    disputes.closed(dispute.provider_id, won=True)
    assert run() == set()
    assert run(full=True) == set()


def test_a_payout_is_found_and_so_is_its_reversal_nobody_told_us_of(stripe):
    paid_in(stripe, micros=50_000_000)
    stripe.release_funds()
    payout = payouts.send(asked.payout(asked.account(stripe)).pk)
    assert run() == set(), list(ProviderMovement.objects.values())
    stripe.reverse(payout.provider_id)
    assert run() == {("unbooked", f"payout:{payout.pk}")}
    payouts.came_back(payout.provider_id, "by Stripe")
    assert run() == set()


def test_a_currency_that_nobody_knows_is_named_and_all_else_is_compared(stripe):
    row = asked.shown(stripe)
    stripe.books.fund(123_45, "sek")
    stripe.pay(row.provider_id)
    (foreign,) = [one["id"] for one in stripe.books.tables["balance_transaction"].values() if one["currency"] == "sek"]
    for full in (False, True):
        assert run(full) == {("unbooked", f"prepayment:{row.pk}"), ("currency", foreign)}
    told = Difference.objects.get(kind="currency")
    assert told.text == "a movement of 12345 minor units in SEK, which this installation does not know"
    assert ProviderMovement.objects.count() == 1


def test_a_lost_webhook_leaves_a_prepayment_that_is_paid_there_and_requested_here(stripe):
    row = asked.shown(stripe)
    stripe.pay(row.provider_id)
    assert run() == {("unbooked", f"prepayment:{row.pk}")}
