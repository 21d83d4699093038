import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from marketplace.core.errors import Forbidden, InsufficientFunds, Invalid
from payments import jobs, ledger, payouts
from payments.gateway import Refused
from payments.gateway.sandbox import Sandbox
from payments.models import Account, Entry, Payout
from tests import make
from tests.payments import made
from tests.payments.crash import Crash, crash_at
from tests.payments.made import USD, balance

UNIT = 1_000_000
on_its_own = pytest.mark.django_db(transaction=True)  # no transaction of the test's is open around the call


class Bank(Sandbox):
    """A provider with a memory: what it moved, by key; it may lose its line before or after moving."""

    def __init__(self, *faults):
        self.moved, self.calls, self.faults = {}, 0, list(faults)

    def pay_out(self, payout):
        assert not connection.in_atomic_block
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "before":
            raise ConnectionError
        if fault == "refused":
            raise Refused("the account is closed")
        self.moved[f"payout:{payout.pk}"] = payout.amount_micros
        if fault == "after":
            raise ConnectionError
        return super().pay_out(payout)


def wes(micros=5 * UNIT):
    user = make.user("wes")
    made.earned(user, micros)
    return user


def where(user):
    """earnings, in transit, outside (which gave everything that is inside)"""
    total = Account.objects.exclude(kind="outside")
    inside = sum(account.balance_micros for account in total)
    earnings, transit = ledger.account("earnings", user=user, **USD), ledger.account("in_transit", **USD)
    return balance(earnings), balance(transit), inside


def test_a_request_takes_the_money_out_of_the_earnings(queued):
    user = wes()
    payout = payouts.request(user, 2 * UNIT)
    assert (payout.state, payout.amount_micros, payout.mode) == ("requested", 2 * UNIT, "sandbox")
    assert where(user) == (3 * UNIT, 2 * UNIT, 5 * UNIT)
    assert queued == [("payments.jobs.send", payout.pk)]


def test_all_there_is_means_whole_minor_units_and_the_rest_stays():
    user = wes(5 * UNIT + 9_999)
    assert payouts.available_micros(user, "USD", "sandbox") == 5 * UNIT
    assert payouts.request(user).amount_micros == 5 * UNIT
    assert where(user)[0] == 9_999
    assert payouts.available_micros(user, "USD", "sandbox") == 0


def test_a_payout_of_exactly_the_least_is_made(settings):
    user = wes(settings.PAYOUT_LEAST_MICROS)
    assert payouts.request(user).amount_micros == settings.PAYOUT_LEAST_MICROS


def test_a_payout_of_less_than_the_least_is_not(settings):
    user = wes(settings.PAYOUT_LEAST_MICROS - 1)
    with pytest.raises(InsufficientFunds) as refusal:
        payouts.request(user)
    assert refusal.value.facts["missing_micros"] == 10_000  # 0.99 can move, 1.00 is the least
    with pytest.raises(Invalid):
        payouts.request(user, settings.PAYOUT_LEAST_MICROS - 10_000)


def test_no_more_is_paid_than_was_earned():
    user = wes()
    with pytest.raises(InsufficientFunds) as refusal:
        payouts.request(user, 6 * UNIT)
    assert refusal.value.facts["missing_micros"] == UNIT
    assert not Payout.objects.exists()


@pytest.mark.parametrize(("amount", "currency"), [(UNIT + 1, "USD"), (-UNIT, "USD"), (10**18, "USD"), (UNIT, "XXX")])
def test_only_sums_that_can_be_paid_are_taken(amount, currency):
    with pytest.raises(Invalid):
        payouts.request(wes(), amount, currency)


def test_the_unconfirmed_are_not_paid():
    user = wes()
    user.emailaddress_set.update(verified=False)
    with pytest.raises(Forbidden, match="confirm"):
        payouts.request(user)


def test_nothing_was_earned_in_another_currency():
    with pytest.raises(InsufficientFunds):
        payouts.request(wes(), UNIT, "EUR")


def test_the_gateway_is_not_asked_inside_a_transaction():
    user = wes()
    payout = payouts.request(user)
    with pytest.raises(AssertionError, match="transaction"), transaction.atomic():
        payouts.send(payout.pk)


@on_its_own
def test_a_sent_payout_is_paid_and_booked():
    user = wes()
    payout = payouts.request(user, 2 * UNIT)
    jobs.send(payout.pk)
    payout.refresh_from_db()
    assert payout.state == "paid"
    assert payout.provider_id == Sandbox().pay_out(payout)
    assert where(user) == (3 * UNIT, 0, 3 * UNIT)


@on_its_own
def test_sending_twice_pays_once():
    user, bank = wes(), Bank()
    payout = payouts.request(user, 2 * UNIT)
    first = payouts.send(payout.pk, through=bank)
    assert payouts.send(payout.pk, through=bank) == first
    assert bank.calls == 1
    assert where(user) == (3 * UNIT, 0, 3 * UNIT)


@on_its_own
def test_a_refusal_puts_the_money_back_and_says_why():
    user = wes()
    payout = payouts.request(user, 2 * UNIT)
    payout = payouts.send(payout.pk, through=Bank("refused"))
    assert (payout.state, payout.failure) == ("failed", "the account is closed")
    assert where(user) == (5 * UNIT, 0, 5 * UNIT)
    assert payouts.send(payout.pk, through=Bank()).state == "failed"
    assert payouts.request(user).amount_micros == 5 * UNIT


@on_its_own
@pytest.mark.parametrize("fault", ["before", "after"])
def test_an_unknown_outcome_is_sent_again_under_the_same_key(fault):
    user, bank = wes(), Bank(fault)
    payout = payouts.request(user, 2 * UNIT)
    with pytest.raises(ConnectionError):
        payouts.send(payout.pk, through=bank)
    assert Payout.objects.get().state == "requested"
    assert where(user) == (3 * UNIT, 2 * UNIT, 5 * UNIT)
    payouts.resend(through=bank)
    assert Payout.objects.get().state == "paid"
    assert bank.moved == {f"payout:{payout.pk}": 2 * UNIT}
    assert where(user) == (3 * UNIT, 0, 3 * UNIT)


@on_its_own
def test_a_request_that_crashes_at_any_statement_leaves_nothing(queued):
    user = wes()
    before = Entry.objects.count()
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                payouts.request(user, 2 * UNIT)
            break
        except Crash:
            assert (Payout.objects.count(), Entry.objects.count()) == (0, before)
            queued.clear()
    assert statement > 5
    assert where(user) == (3 * UNIT, 2 * UNIT, 5 * UNIT)


@on_its_own
def test_a_send_that_crashes_at_any_statement_is_done_by_the_next():
    user, bank = wes(), Bank()
    payout = payouts.request(user, 2 * UNIT)
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                payouts.send(payout.pk, through=bank)
            break
        except Crash:
            assert where(user) == (3 * UNIT, 2 * UNIT, 5 * UNIT)
            assert ledger.audit() == []
    assert bank.calls > 5
    assert bank.moved == {f"payout:{payout.pk}": 2 * UNIT}
    assert where(user) == (3 * UNIT, 0, 3 * UNIT)


@on_its_own
def test_the_sweep_goes_on_past_a_payout_whose_outcome_stays_unknown():
    user = wes(9 * UNIT)
    for _ in range(3):
        payouts.request(user, 2 * UNIT)
    assert payouts.resend(through=Bank("before")) is False
    assert sorted(Payout.objects.values_list("state", flat=True)) == ["paid", "paid", "requested"]
    assert payouts.resend(limit=1) is True
    assert jobs.payouts() is False
    assert where(user) == (3 * UNIT, 0, 3 * UNIT)


@on_its_own
def test_the_sandbox_neither_pays_nor_refuses_real_money():
    user = wes()
    payout = payouts.request(user)
    payout.mode = "live"
    with pytest.raises(ImproperlyConfigured):
        Sandbox().pay_out(payout)
