"""The process is killed at every step towards the database and Stripe: one effect, whatever came before."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db.models import Sum

from marketplace.core import clock
from payments import ledger, payout_accounts, payouts, prepayments, refunds, webhooks
from payments.gateway.stripe import Stripe
from payments.models import Account, Payout, PayoutAccount, Prepayment, Refund
from tests import make
from tests.machine.deaths import dies
from tests.payments import made
from tests.stripe import Fake

pytestmark = pytest.mark.django_db(transaction=True)
CENT = 10_000
PAID_IN, EARNED = 5_000, 1_200  # cents
STEPS_MOST = 40  # of one call
SEEDS = 5
Call = Callable[[], Any]


class Life:
    """Money that comes in, goes to a worker and goes back, in calls that may be made again after a death."""

    def __init__(self, stripe: Fake) -> None:
        self.stripe = stripe
        self.rita, self.wes = make.user("rita"), make.user("wes")
        self.home = make.organisation(self.rita)

    def __iter__(self) -> Iterator[Call]:
        """What we do, each time after what people do at Stripe's."""
        yield self.request_prepayment
        yield self.sweep
        self.stripe.pay(Prepayment.objects.get().provider_id)
        yield self.hear
        yield self.sweep
        made.owed(self.wes, EARNED * CENT)
        yield self.open_account
        yield self.sweep
        self.stripe.onboard(PayoutAccount.objects.get().provider_id, identity="bank-1", country="US")
        yield self.hear
        yield self.sweep
        yield self.request_payout
        yield self.sweep
        yield self.request_refund
        yield self.sweep
        yield self.hear
        yield self.sweep

    def request_prepayment(self) -> None:
        """Whoever got no answer looks first."""
        if not Prepayment.objects.exists():
            prepayments.request(self.home, self.rita, PAID_IN * CENT, "USD")

    def open_account(self) -> None:
        if not PayoutAccount.objects.exists():
            payout_accounts.open(self.wes, "US")

    def request_payout(self) -> None:
        if not Payout.objects.exists():
            payouts.request(self.wes)

    def request_refund(self) -> None:
        if not Refund.objects.exists():
            refunds.request(self.home, self.rita, None, "USD")

    def hear(self) -> None:
        """What was not answered is sent again, and more than that."""
        assert set(self.stripe.deliver_again()) <= {200, 204}

    def sweep(self) -> None:
        """What the cluster does, when all is due again."""
        later = clock.now() + timedelta(days=7)
        PayoutAccount.objects.update(due_at=clock.now())
        made.due()
        prepayments.ask_again()
        webhooks.retry(at=later)
        payout_accounts.look_again(at=later)
        payouts.resend(at=later)
        refunds.resend()

    def is_whole(self) -> None:
        """Our books and Stripe's log agree to the cent, and everything happened once."""
        usd = self.stripe.totals()["usd"]
        assert (usd["charge"], usd["transfer"], usd["refund"]) == (PAID_IN, EARNED, PAID_IN)
        assert len(self.stripe.accounts()) == 1
        states = [model.objects.get().state for model in (Prepayment, Payout, Refund)]
        assert states == ["paid", "paid", "paid"]
        left = Account.objects.exclude(kind="outside").aggregate(micros=Sum("credits_micros") - Sum("debits_micros"))
        assert left["micros"] == 0
        assert ledger.audit() == []


def test_killed_once_at_every_step_of_everything(stripe):
    life, deaths = Life(stripe), 0
    stripe.fund(10_000)
    for call in life:
        for at in range(STEPS_MOST):
            if not dies(at, call):
                break
            deaths += 1
        else:
            pytest.fail(f"{call} never came to its end")
    assert deaths > 30
    life.is_whole()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_again_and_again_at_random(stripe, seed):
    life, luck = Life(stripe), Random(seed)
    stripe.fund(10_000)
    for call in life:
        while dies(luck.randrange(12), call):
            pass
    life.is_whole()


def test_control_a_new_key_for_every_try_pays_twice(stripe, monkeypatch):
    def once(self, key, asked_at, create, find):
        return create({"idempotency_key": f"{key}:{clock.now()}"})

    monkeypatch.setattr(Stripe, "_once", once)
    with pytest.raises(AssertionError):
        test_killed_once_at_every_step_of_everything(stripe)
    assert stripe.totals()["usd"]["transfer"] > EARNED
