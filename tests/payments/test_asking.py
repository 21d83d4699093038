"""Sweeps that ask the provider: each step ends in time, whatever it asks about and however slowly it is answered."""

import logging
from contextlib import suppress
from functools import partial

import pytest
import stripe as library
from django.conf import settings as site

from marketplace.core import clock
from payments import asking, gateway, payout_accounts, payouts, prepayments, refunds, webhooks
from payments.gateway import NotNow
from payments.gateway.stripe import TIMEOUT_S
from payments.models import Payout, PayoutAccount, Prepayment, Refund, StripeEvent
from tests import make
from tests.payments import asked
from tests.payments.test_webhooks import LATER

pytestmark = pytest.mark.django_db(transaction=True)
CALLS_MOST = 3  # that a row waits for, one after the other


def prepayment(stripe, number):
    asked.prepayment()


def refund(stripe, number):
    asked.refund(asked.paid(stripe, home=make.organisation(make.user(f"rita{number}"))))


def payout(stripe, number):
    stripe.fund(100_00)
    asked.payout(asked.account(stripe, make.user(f"wes{number}")))


def account(stripe, number):
    PayoutAccount.objects.create(user=make.user(f"wes{number}"), mode="test", country="DE")


def event(stripe, number):
    stripe.pay(asked.shown(stripe, home=make.organisation(make.user(f"rita{number}"))).provider_id)
    stripe.deliver("payment_intent.succeeded")


def still_due() -> dict[str, int]:
    """Rows that no step has asked about yet."""
    return {
        "prepayment": Prepayment.objects.filter(state="requested", provider_id="", tries=0).count(),
        "refund": Refund.objects.filter(state="requested").count(),
        "payout": Payout.objects.filter(state="requested").count(),
        "account": PayoutAccount.objects.filter(provider_id="").count(),
        "event": StripeEvent.objects.filter(state="waiting").count(),
    }


SWEEPS = {
    "prepayment": (prepayment, prepayments.ask_again),
    "refund": (refund, refunds.resend),
    "payout": (payout, payouts.resend),
    "account": (account, payout_accounts.look_again),
    "event": (event, webhooks.retry),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_step_ends_when_its_time_is_over_and_the_next_goes_on(stripe, monkeypatch, name):
    begin, sweep = SWEEPS[name]
    for number in range(3):
        begin(stripe, number)
    assert still_due()[name] == 3
    monkeypatch.setattr(asking, "STEP_S", 0)
    later = clock.now() + LATER
    for left in (2, 1, 0):
        assert sweep(at=later) is True
        assert still_due()[name] == left


def test_a_step_and_the_slowest_row_end_before_the_job_is_killed():
    assert asking.STEP_S + CALLS_MOST * sum(TIMEOUT_S) < site.Q_CLUSTER["timeout"]


@pytest.mark.parametrize("hours", [0, 30])
def test_no_row_asks_more_often_than_that_in_a_row(stripe, hours):
    stripe.fund(100_00)
    wes = asked.account(stripe)
    row, back = asked.payout(wes), asked.refund(asked.paid(stripe))
    taken = asked.paid(stripe, home=make.organisation(make.user("max")))
    stripe.dispute(taken.charge_id)
    stripe.deliver()
    new = PayoutAccount.objects.create(user=make.user("sam"), mode="test", country="DE")
    about = {
        "/v1/transfers": lambda: gateway.current().pay_out(row),
        "/v1/refunds": lambda: gateway.current().refund(back),
        "/v2/core/accounts": lambda: payout_accounts.make(new.pk),
        **{
            f"event {event.type}": partial(webhooks.handle, event.pk)
            for event in StripeEvent.objects.filter(state="waiting")
        },
    }
    assert len(about) > 6
    for older in (row, back):
        asked.older(older, hours)
    for path, ask in about.items():
        stripe.fail_next("500", path)  # kept under the key, so that what may be behind it is looked for
        for _ in range(3):
            before = len(stripe.calls())
            with suppress(library.APIError):
                ask()
            assert len(stripe.calls()) - before <= CALLS_MOST, (path, stripe.calls()[before:])
        stripe.planned.clear()


def test_what_waits_is_told_as_waiting_and_what_failed_with_its_cause(caplog):
    for _ in range(2):
        asked.prepayment()
    first, second = Prepayment.objects.order_by("pk").values_list("pk", flat=True)

    def verb(pk: int) -> None:
        raise NotNow("the balance is short") if pk == first else ConnectionError("nobody is there")

    with caplog.at_level(logging.WARNING):
        assert asking.each("row", Prepayment.objects.order_by("pk").values_list("pk", flat=True), verb, 3) is False
    waits, failed = caplog.records
    assert (waits.levelname, waits.exc_info, waits.getMessage()) == (
        "WARNING", None, f"row {first} waits: the balance is short",
    )  # fmt: skip
    assert (failed.levelname, failed.exc_info is not None) == ("ERROR", True)
    assert failed.getMessage().startswith(f"row {second}: nobody knows")


def test_of_more_than_the_limit_there_is_more():
    for _ in range(3):
        asked.prepayment()
    keys, seen = Prepayment.objects.order_by("pk").values_list("pk", flat=True), []
    assert asking.each("row", keys, seen.append, 2) is True
    assert seen == list(keys[:2])
    assert asking.each("row", keys, seen.append, 4) is False
