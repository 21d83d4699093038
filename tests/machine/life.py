"""A life of money: it comes in, goes to a worker and goes back, with one kind of trouble all the way.

It must end as one without any trouble does. Each has a stand-in for Stripe of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from random import Random
from typing import Any

from django.test import Client, override_settings

from marketplace.core import clock
from payments import gateway, ledger, payout_accounts, payouts, prepayments, refunds, webhooks
from payments.models import Account, Prepayment, Refund, StripeEvent
from tests import make
from tests.machine.deaths import dies
from tests.payments import asked, made
from tests.race import race
from tests.stripe import Fake
from tests.stripe.server import KEY, SECRET

CENT = 10_000
PAID_IN, EARNED = 5_000, 1_200  # cents
DAY_S = 25 * 3600  # after which Stripe has forgotten a key
HOW = ("drop_before", "drop_after", "500", "500_after", "429", "409")
Call = Callable[[], Any]


class Life:
    """Calls that may be made again after any trouble, each time until one was heard to end."""

    def __init__(self, stripe: Fake, name: str = "") -> None:
        self.stripe = stripe
        self.rita, self.wes = make.user(f"rita{name}"), make.user(f"wes{name}")
        self.home = make.organisation(self.rita)

    def __iter__(self) -> Iterator[Call]:
        """What we do, each time after what people do at Stripe's."""
        yield self.request_prepayment
        yield self.sweep
        self.stripe.pay(self.prepayments().get().provider_id)
        yield self.hear
        yield self.sweep
        made.owed(self.wes, EARNED * CENT)
        yield self.open_account
        yield self.sweep
        self.stripe.onboard(self.wes.payout_accounts.get().provider_id, country="US")
        yield self.hear
        yield self.sweep
        yield self.request_payout
        yield self.sweep
        yield self.request_refund
        yield self.sweep
        yield self.hear
        yield self.sweep

    def prepayments(self) -> Any:
        return Prepayment.objects.filter(organisation=self.home)

    def refunds(self) -> Any:
        return Refund.objects.filter(prepayment__organisation=self.home)

    def request_prepayment(self) -> None:
        """Whoever got no answer looks first."""
        if not self.prepayments().exists():
            prepayments.request(self.home, self.rita, PAID_IN * CENT, "USD")

    def open_account(self) -> None:
        if not self.wes.payout_accounts.exists():
            payout_accounts.open(self.wes, "US")

    def request_payout(self) -> None:
        if not self.wes.payouts.exists():
            payouts.request(self.wes)

    def request_refund(self) -> None:
        if not self.refunds().exists():
            refunds.request(self.home, self.rita, None, "USD")

    def hear(self) -> None:
        """What was not answered is sent again, and more than that."""
        assert set(self.stripe.deliver_again()) <= {204}

    def sweep(self) -> None:
        """What the cluster does, when all is due again."""
        later = clock.now() + timedelta(days=7)
        self.wes.payout_accounts.update(due_at=clock.now())
        made.due(*self.wes.payouts.all())
        prepayments.ask_again(at=later)
        webhooks.retry(at=later)
        payout_accounts.look_again(at=later)
        payouts.resend(at=later)
        refunds.resend(at=later)

    def a_day_later(self) -> None:
        """Stripe has forgotten our keys, and our rows are as old."""
        self.stripe.age_keys(DAY_S)
        for row in [*self.refunds(), *self.wes.payouts.all()]:
            asked.older(row, DAY_S / 3600)

    def check(self) -> None:
        """Our books and Stripe's log agree to the cent, and everything happened once."""
        usd = self.stripe.totals()["usd"]
        there = (usd["charge"], usd.get("transfer"), usd.get("refund"))
        assert there == (PAID_IN, EARNED, PAID_IN), f"paid in, out and back at Stripe, in cents: {there}"
        states = [rows.get().state for rows in (self.prepayments(), self.wes.payouts, self.refunds())]
        assert states == ["paid", "paid", "paid"], states
        own = Account.objects.filter(organisation=self.home) | Account.objects.filter(user=self.wes)
        left = {str(account): account.balance_micros for account in own if account.balance_micros}
        assert not left, f"left here, in micros: {left}"
        assert ledger.audit() == [], ledger.audit()


# trouble


def none(life: Life, luck: Random) -> None:
    """Every call is made once, and every message comes."""
    for call in life:
        call()


def deaths(life: Life, luck: Random) -> None:
    """The process is killed at its n-th step towards the database or Stripe, again and again."""
    for call in life:
        for _ in range(luck.randrange(1, 5)):
            dies(luck.randrange(30), call)
        call()


def answers(life: Life, luck: Random) -> None:
    """Stripe does it and its reply is lost, is out of order, wants us to come later; and a day goes by."""
    for call in life:
        for _ in range(luck.randrange(4)):
            life.stripe.fail_next(luck.choice(HOW), times=luck.choice((1, 1, 2)), method=luck.choice(("POST", "GET")))
            with suppress(Exception):
                call()
        life.stripe.planned.clear()
        life.a_day_later()
        call()


def messages(life: Life, luck: Random) -> None:
    """Messages come twice, at once, in any order, forged, late, and again after days when all of them is forgotten."""

    def hear() -> None:
        told = luck.sample(life.stripe.webhooks.told, len(life.stripe.webhooks.told))
        assert set(life.stripe.webhooks.deliver(told, secret="whsec_of_a_thief")) <= {400}
        assert set(life.stripe.webhooks.deliver(told, late_s=3 * 24 * 3600)) <= {400}
        heard = race(*[lambda e=event: life.stripe.webhooks.deliver([e]) for event in told * 2][:12])
        assert all(answer == [204] for answer in heard), heard
        life.stripe.webhooks.deliver(told)
        race(*[life.sweep] * 2)

    life.hear = hear  # type: ignore[method-assign]
    for call in life:
        call()
    if luck.random() < 0.5:
        StripeEvent.objects.all().delete()
    hear()


TROUBLES = {trouble.__name__: trouble for trouble in (none, deaths, answers, messages)}


@contextmanager
def stripe_of_its_own() -> Iterator[Fake]:
    """A stand-in that this installation moves test money through."""
    client = Client(SERVER_NAME="localhost")

    def post(body: str, signature: str) -> int:
        headers = {"Stripe-Signature": signature}
        return client.post("/webhooks/stripe", body, content_type="application/json", headers=headers).status_code

    with Fake() as fake:
        keys = {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET, "STRIPE_URL": fake.url}
        with override_settings(MODE="test", PLAY_MONEY=False, **keys):
            fake.listen(post)
            gateway._of.cache_clear()
            yield fake
        gateway._of.cache_clear()


def live(trouble: str, seed: int) -> None:
    """Live through a life drawn by this seed, and look at its end.

    raises  AssertionError  what is not as it would be without trouble
    """
    with stripe_of_its_own() as stripe:
        stripe.fund(2 * PAID_IN)
        life = Life(stripe, str(seed))
        TROUBLES[trouble](life, Random(seed))
        life.check()
