"""What organisations pay in and get back, under threads; each race is also run on a naive version, which loses it."""

from functools import partial
from threading import Barrier

import pytest
from django.db import transaction
from django.db.models import F

from marketplace.core.errors import Forbidden, InsufficientFunds
from payments import disputes, ledger, prepayments, refunds, reserves
from payments.models import Account, Dispute, Entry, Prepayment, Refund
from tests import make
from tests.payments.bank import Bank
from tests.payments.made import balance
from tests.race import PATIENCE_S, race

pytestmark = pytest.mark.django_db(transaction=True)
UNIT = 1_000_000
TEST = {"currency": "USD", "mode": "test"}


@pytest.fixture
def acme(settings):
    settings.MODE = "test"
    return make.organisation()


def paid(acme, units=20, charge="ch_1"):
    begun = prepayments.request(acme, make.owner(acme), units * UNIT, "USD", through=Bank())
    return prepayments.settle_paid(begun.pk, charge)


def prepaid(acme):
    return ledger.account("prepaid", organisation=acme, **TEST)


def refund(acme, units):
    return refunds.request(acme, make.owner(acme), units * UNIT, "USD")


# A payment that is told of many times at once


def test_a_payment_told_of_by_eight_threads_is_credited_once(acme):
    begun = prepayments.request(acme, make.owner(acme), 20 * UNIT, "USD", through=Bank())
    ended = race(*[lambda: prepayments.settle_paid(begun.pk, "ch_1")] * 8, lambda: prepayments.fail(begun.pk, "late"))
    assert {one.pk for one in ended} == {begun.pk}
    assert balance(prepaid(acme)) == 20 * UNIT
    assert Entry.objects.count() == 1
    assert ledger.audit() == []


def test_crediting_what_was_read_without_a_lock_credits_it_twice(acme):
    begun = prepayments.request(acme, make.owner(acme), 20 * UNIT, "USD", through=Bank())
    account, outside, both_have_read = prepaid(acme), ledger.account("outside", **TEST), Barrier(2, timeout=PATIENCE_S)

    def naive(n):
        row = Prepayment.objects.get(pk=begun.pk)
        assert row.state == "requested"
        both_have_read.wait()
        Prepayment.objects.filter(pk=row.pk).update(state="paid")
        ledger.post("prepayment", f"message:{n}", (outside, account, row.amount_micros))

    race(lambda: naive(1), lambda: naive(2))
    assert balance(account) == 40 * UNIT
    assert ledger.audit() != []


# Refunds at once, and against what is reserved


def test_twenty_units_are_refunded_to_five_of_twelve_who_want_four(acme):
    prepayment = paid(acme)
    ended = race(*[lambda: refund(acme, 4)] * 12)
    assert sum(isinstance(one, list) for one in ended) == 5, ended
    assert sum(isinstance(one, InsufficientFunds) for one in ended) == 7, ended
    prepayment.refresh_from_db()
    assert (balance(prepaid(acme)), prepayment.refunded_micros) == (0, 20 * UNIT)
    assert ledger.audit() == []


def test_reading_what_a_prepayment_has_left_without_a_lock_refunds_more_than_it_brought(acme):
    prepayment, other = paid(acme), paid(acme, 20, "ch_2")
    both_have_read = Barrier(2, timeout=PATIENCE_S)

    @transaction.atomic
    def naive():
        row = Prepayment.objects.get(pk=prepayment.pk)
        left = row.amount_micros - row.refunded_micros
        both_have_read.wait()
        made = Refund.objects.create(prepayment=row, amount_micros=left, requested_by=make.owner(acme))
        Prepayment.objects.filter(pk=row.pk).update(refunded_micros=row.refunded_micros + left)
        back = ledger.account("refunding", organisation=acme, **TEST)
        ledger.post("refund", f"refund:{made.pk}", (prepaid(acme), back, left))

    ledger.account("refunding", organisation=acme, **TEST)
    race(naive, naive)
    assert sum(prepayment.refunds.values_list("amount_micros", flat=True)) == 40 * UNIT
    assert other.refunds.count() == 0
    assert ledger.audit() != []


def test_what_is_reserved_and_refunded_at_once_is_there_once(acme):
    paid(acme)
    projects = [make.project(acme) for _ in range(6)]

    def reserve(n):
        return reserves.open(projects[n], f"batch:{n}", {"answers": 4 * UNIT}, 1000, "USD", "test")

    ended = race(*(lambda n=n: reserve(n) for n in range(6)), *[lambda: refund(acme, 4)] * 6)
    refused = [one for one in ended if isinstance(one, InsufficientFunds)]
    assert len(refused) == 7, ended
    assert len([one for one in ended if not isinstance(one, Exception)]) == 5
    assert balance(prepaid(acme)) == 0
    assert ledger.audit() == []


def test_looking_at_what_is_prepaid_before_it_is_reserved_or_refunded_spends_it_twice(acme):
    paid(acme)
    account, both_have_looked = prepaid(acme), Barrier(2, timeout=PATIENCE_S)
    to = {kind: ledger.account(kind, organisation=acme, subject="x", **TEST) for kind in ("reserve", "refunding")}

    @transaction.atomic
    def naive(kind):
        left = balance(Account.objects.get(pk=account.pk))
        both_have_looked.wait()
        Account.objects.filter(pk=account.pk).update(debits_micros=F("credits_micros") - left + 20 * UNIT)
        Account.objects.filter(pk=to[kind].pk).update(credits_micros=20 * UNIT)

    race(lambda: naive("reserve"), lambda: naive("refunding"))
    assert sum(balance(one) for one in to.values()) == 40 * UNIT
    assert ledger.audit() != []


# Sending, and what the provider says meanwhile


def test_a_refund_sent_by_eight_threads_while_the_bank_sends_it_back_is_prepaid_again(acme):
    prepayment = paid(acme)
    (made,) = refund(acme, 4)
    bank = Bank()
    told = [lambda: refunds.settle(f"re_{made.pk}", "failed", refund_pk=made.pk)] * 2
    ended = race(*[lambda: refunds.send(made.pk, through=bank)] * 6, *told)
    assert not [one for one in ended if isinstance(one, Exception)], ended
    assert set(bank.done) <= {f"refund:{made.pk}"}
    made.refresh_from_db()
    prepayment.refresh_from_db()
    assert (made.state, prepayment.refunded_micros, balance(prepaid(acme))) == ("failed", 0, 20 * UNIT)
    assert ledger.audit() == []


def test_a_refund_is_signed_once(acme, ada):
    paid(acme)
    Prepayment.objects.update(paid_at="2001-01-01T00:00Z")
    (made,) = refund(acme, 4)
    refunds.propose(made, ada)
    bob, eve = make.user("bob", staff=True), make.user("eve", staff=True)
    ended = race(
        lambda: refunds.sign(made, bob),
        lambda: refunds.sign(made, eve),
        lambda: refunds.decline(made, bob),
        lambda: refunds.try_original(made, eve),
    )
    assert sum(isinstance(one, Refund) for one in ended) == 1, ended
    assert ledger.audit() == []


# Disputes


def test_a_dispute_told_of_by_many_threads_in_any_order_is_booked_once(acme):
    begun = prepayments.request(acme, make.owner(acme), 20 * UNIT, "USD", through=Bank())
    opened, closed = lambda: disputes.opened("ch_1", "dp_1", 20 * UNIT), lambda: disputes.closed("dp_1", won=False)
    ended = race(*[opened] * 4, *[closed] * 3, *[lambda: prepayments.settle_paid(begun.pk, "ch_1")] * 3)
    assert not [one for one in ended if isinstance(one, Exception)], ended
    disputes.catch_up()
    dispute = Dispute.objects.get()
    assert (dispute.state, dispute.covered_micros, balance(prepaid(acme))) == ("lost", 20 * UNIT, 0)
    assert ledger.audit() == []


def test_disputes_reserves_refunds_and_recoveries_at_once_leave_no_micro_behind(acme):
    for n in range(4):
        paid(acme, 10, f"ch_{n}")
    project = make.project(acme)
    reserves.open(project, "batch:1", {"answers": 20 * UNIT}, 1000, "USD", "test")
    ended = race(
        *(lambda n=n: disputes.opened(f"ch_{n}", f"dp_{n}", 10 * UNIT) for n in range(4)),
        *[lambda: reserves.release("batch:1", 2 * UNIT, "answers")] * 4,
        *[disputes.catch_up] * 3,
        *[lambda: refund(acme, 3)] * 3,
    )
    told, refunded = ended[:-3], ended[-3:]
    assert not [one for one in told if isinstance(one, Exception)], ended
    assert not [one for one in refunded if not isinstance(one, (list, Forbidden, InsufficientFunds))], ended
    assert Dispute.objects.count() == 4
    assert ledger.audit() == []
    assert not disputes.catch_up()
    lost = -balance(ledger.account("losses", **TEST))
    uncovered = sum(one.amount_micros - one.covered_micros for one in Dispute.objects.all())
    assert lost == uncovered > 0
    assert balance(prepaid(acme)) == 0
    assert ledger.audit() == []


def test_looking_at_what_is_prepaid_before_a_dispute_takes_it_fails_for_the_second(acme):
    paid(acme)
    account, outside, both_have_looked = (
        prepaid(acme),
        ledger.account("outside", **TEST),
        Barrier(2, timeout=PATIENCE_S),
    )

    @transaction.atomic
    def naive(n):
        covered = min(balance(Account.objects.get(pk=account.pk)), 15 * UNIT)
        both_have_looked.wait()
        ledger.post("dispute", f"dispute:{n}", (account, outside, covered))

    ended = race(lambda: naive(1), lambda: naive(2))
    assert sum(isinstance(one, InsufficientFunds) for one in ended) == 1


def won_against_a_refund(acme, monkeypatch):
    """How a dispute that is won and a refund of the same prepayment that fails end, when they meet half-way."""
    paid(acme)
    (made,) = refund(acme, 5)
    disputes.opened("ch_1", "dp_1", 10 * UNIT, "fraudulent")
    half_way = Barrier(2, timeout=30)
    disputed, accounts = disputes._disputed, refunds._accounts

    def slow_disputed(*what):
        half_way.wait()
        return disputed(*what)

    def slow_accounts(*what):
        found = accounts(*what)
        half_way.wait()  # the prepayment is locked, no account is
        return found

    monkeypatch.setattr(disputes, "_disputed", slow_disputed)
    monkeypatch.setattr(refunds, "_accounts", slow_accounts)
    failed = partial(refunds.settle, "re_1", "failed", "The account is closed.", refund_pk=made.pk)
    ended = race(partial(disputes.closed, "dp_1", True), failed)
    return [one for one in ended if isinstance(one, Exception)]


def test_a_dispute_is_won_while_a_refund_of_the_same_prepayment_fails(acme, monkeypatch):
    assert won_against_a_refund(acme, monkeypatch) == []
    prepayment = Prepayment.objects.get()
    assert (prepayment.disputed_micros, prepayment.refunded_micros, balance(prepaid(acme))) == (0, 0, 20 * UNIT)
    assert ledger.audit() == []


def test_giving_back_before_the_prepayment_is_locked_deadlocks_with_a_refund(acme, monkeypatch):
    real = disputes._give_back

    def naive(dispute):
        disputes._locked_accounts(dispute)
        real(dispute)

    monkeypatch.setattr(disputes, "_give_back", naive)
    (deadlock,) = won_against_a_refund(acme, monkeypatch)
    assert "deadlock" in str(deadlock)
