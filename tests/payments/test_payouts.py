from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction

from marketplace.core import clock
from marketplace.core.errors import Forbidden, IllegalMove, InsufficientFunds, Invalid
from marketplace.models import AuditEvent
from payments import holds, jobs, ledger, payouts
from payments.gateway.sandbox import Sandbox
from payments.holds import PayoutHeld
from payments.models import Account, Entry, Payout
from payments.payouts import PayoutAccountNeeded
from tests import make
from tests.payments import made
from tests.payments.crash import Crash, crash_at
from tests.payments.made import USD, balance
from tests.payments.payer import Bank

UNIT = 1_000_000
on_its_own = pytest.mark.django_db(transaction=True)  # no transaction of the test's is open around the call


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
    assert payouts.resend(through=bank) is False, "it is not due yet"
    assert Payout.objects.get().trouble == "ConnectionError"
    made.due()
    payouts.resend(through=bank)
    assert Payout.objects.get().state == "paid"
    assert Payout.objects.get().trouble == ""
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
    made.due()
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


# A hold


def hour(hours=1):
    return clock.now() + timedelta(hours=hours)


def test_nothing_is_requested_while_a_hold_is_in_force():
    user = wes()
    hold = holds.put(user, hour())
    with pytest.raises(PayoutHeld) as refusal:
        payouts.request(user)
    assert refusal.value.facts["until"] == hold.until.isoformat()
    assert not Payout.objects.exists()
    holds.lift(hold)
    assert payouts.request(user).amount_micros == 5 * UNIT


@on_its_own
def test_what_was_requested_before_a_hold_waits_for_its_end():
    user, bank = wes(), Bank()
    payout = payouts.request(user)
    hold = holds.put(user, hour())
    assert payouts.send(payout.pk, through=bank).state == "requested"
    payout.refresh_from_db()
    assert (bank.calls, payout.sent_at, payout.tries, payout.due_at) == (0, None, 0, hold.until)
    assert payouts.resend(through=bank) is False
    assert bank.calls == 0
    holds.lift(hold)
    payouts.resend(through=bank)
    assert Payout.objects.get().state == "paid"


@on_its_own
def test_a_hold_that_has_ended_holds_nothing():
    user, bank = wes(), Bank()
    payout = payouts.request(user)
    hold = holds.put(user, hour())
    payouts.send(payout.pk, through=bank)
    type(hold).objects.update(since=hour(-3), until=hour(-2))
    made.due()
    payouts.resend(through=bank)
    assert Payout.objects.get().state == "paid"


@on_its_own
def test_a_payout_whose_sending_has_begun_goes_through():
    user, bank = wes(), Bank("after")
    payout = payouts.request(user)
    with pytest.raises(ConnectionError):
        payouts.send(payout.pk, through=bank)
    holds.put(user, hour())
    made.due()
    payouts.resend(through=bank)
    assert Payout.objects.get().state == "paid"
    assert bank.moved == {f"payout:{payout.pk}": 5 * UNIT}


# Unknown outcomes


@on_its_own
def test_when_the_provider_was_first_asked_is_known_before_it_is_asked():
    user = wes()
    payout = payouts.request(user)

    class Dies(Sandbox):
        def pay_out(self, payout):
            row = Payout.objects.get()
            assert (row.sent_at is not None, row.tries) == (True, 1)
            raise Crash

    with pytest.raises(Crash):
        payouts.send(payout.pk, through=Dies())
    first = Payout.objects.get().sent_at
    payouts.send(payout.pk, through=Bank())
    payout = Payout.objects.get()
    assert (payout.sent_at, payout.tries, payout.state) == (first, 2, "paid")


@on_its_own
def test_what_keeps_failing_is_tried_less_and_less_often_and_lets_others_pass():
    user, bank = wes(9 * UNIT), Bank(*["before"] * 30)
    payout = payouts.request(user, 2 * UNIT)
    waits = []
    for _ in range(13):
        with pytest.raises(ConnectionError):
            payouts.send(payout.pk, through=bank)
        waits.append(round((Payout.objects.get().due_at - clock.now()).total_seconds(), -1))
    assert waits[:4] == [10, 20, 40, 80]
    assert waits[-1] == 3600
    bank.faults.clear()
    other = payouts.request(user, 3 * UNIT)
    assert payouts.resend(limit=1, through=bank) is True
    other.refresh_from_db()
    assert other.state == "paid"
    assert payouts.resend(through=bank) is False


# Where it is paid to


def real(settings, user=None, micros=5 * UNIT, mode="test"):
    """Wes, with money that is no play money."""
    settings.MODE = mode
    user = user or make.user("wes")
    made.owed(user, micros, mode)
    return user


def test_money_of_a_provider_needs_an_account_there(settings):
    user = real(settings)
    with pytest.raises(PayoutAccountNeeded, match="say first where"):
        payouts.request(user)
    account = made.paid_to(user, "incomplete", missing=["external_account"])
    with pytest.raises(PayoutAccountNeeded, match="needs your bank details") as refusal:
        payouts.request(user)
    assert refusal.value.facts == {"state": "incomplete", "missing": ["external_account"]}
    type(account).objects.update(missing=[])
    with pytest.raises(PayoutAccountNeeded, match="the provider is checking"):
        payouts.request(user)
    type(account).objects.update(state="restricted", missing=["individual.id_number"])
    with pytest.raises(PayoutAccountNeeded, match="pays nothing to it for now: individual id number"):
        payouts.request(user)
    type(account).objects.update(state="ready")
    assert payouts.request(user).account == account


def test_an_account_takes_the_currencies_of_its_country(settings):
    user = real(settings)
    made.paid_to(user, country="DE")
    with pytest.raises(PayoutAccountNeeded, match="USD cannot be paid to an account in DE"):
        payouts.request(user)
    made.owed(user, 3 * UNIT, currency="EUR")
    assert payouts.request(user, currency="EUR").amount_micros == 3 * UNIT


@on_its_own
def test_an_account_that_was_closed_at_the_provider_fails_the_payout_in_words(settings):
    user = real(settings)
    made.paid_to(user)
    payout = payouts.request(user)
    payout = payouts.send(payout.pk, through=Bank("refused"))
    assert (payout.state, payout.failure) == ("failed", "the account is closed")
    assert payouts.available_micros(user, "USD", "test") == 5 * UNIT


# Modes


@on_its_own
def test_play_money_is_never_paid_out_once_there_is_a_key(settings):
    user, bank = wes(), Bank()
    payout = payouts.request(user, 2 * UNIT)
    settings.MODE = "live"
    made.paid_to(user, mode="live")
    with pytest.raises(InsufficientFunds):
        payouts.request(user, UNIT)
    with pytest.raises(InsufficientFunds):
        payouts.request(user)
    assert payouts.send(payout.pk, through=bank).state == "requested"
    made.due()
    assert payouts.resend(through=bank) is False
    assert bank.calls == 0
    settings.MODE = "sandbox"
    assert payouts.resend(through=bank) is False
    assert Payout.objects.get().state == "paid"


# Review


def in_review(user=None, micros=2 * UNIT):
    payout = payouts.request(user or wes(), micros)
    Payout.objects.filter(pk=payout.pk).update(state="review", review_because="the first")
    payout.refresh_from_db()
    return payout


@on_its_own
def test_a_first_payout_over_the_limit_is_sent_after_an_admin_looked_at_it(settings, ada, queued):
    settings.FIRST_PAYOUT_MOST_MICROS = UNIT
    user, bank = real(settings), Bank()
    made.paid_to(user)
    payout = payouts.request(user)
    assert payout.state == "review"
    assert "first payouts" in payout.review_because
    assert payouts.available_micros(user, "USD", "test") == 0
    assert queued == []
    assert payouts.send(payout.pk, through=bank).state == "review"
    payouts.resend(through=bank)
    assert bank.calls == 0
    payouts.let_go(payout, ada)
    assert queued == [("payments.jobs.send", payout.pk)]
    payout = payouts.send(payout.pk, through=bank)
    assert (payout.state, payout.reviewed_by) == ("paid", ada)


def test_an_admin_puts_it_back_with_a_reason(ada):
    payout = in_review()
    with pytest.raises(Invalid):
        payouts.refuse(payout, ada, "  ")
    payout = payouts.refuse(payout, ada, "It is somebody else's work.")
    assert (payout.state, payout.failure) == ("failed", "It is somebody else's work.")
    assert where(payout.user) == (5 * UNIT, 0, 5 * UNIT)
    with pytest.raises(IllegalMove):
        payouts.let_go(payout, ada)
    told = AuditEvent.objects.filter(target_type="payout").order_by("pk").values_list("verb", "actor_id")
    assert list(told) == [("request", payout.user_id), ("refuse", ada.pk)]


def test_only_an_admin_reviews_and_not_their_own(ada, sam):
    payout = in_review()
    for verb in (lambda by: payouts.let_go(payout, by), lambda by: payouts.refuse(payout, by, "No.")):
        with pytest.raises(Forbidden):
            verb(sam)
        with pytest.raises(Forbidden):
            verb(payout.user)
    made.earned(ada, 5 * UNIT)
    own = in_review(ada)
    with pytest.raises(Forbidden, match="another admin"):
        payouts.let_go(own, ada)
    with pytest.raises(Forbidden, match="another admin"):
        payouts.refuse(own, ada, "No.")
    with pytest.raises(IntegrityError, match="payout_not_by_its_payee"), transaction.atomic():
        Payout.objects.filter(pk=own.pk).update(reviewed_by=ada)


def test_one_verdict_is_given(ada):
    payout = in_review()
    payouts.let_go(payout, ada)
    with pytest.raises(IllegalMove):
        payouts.refuse(payout, ada, "No.")
    assert where(payout.user) == (3 * UNIT, 2 * UNIT, 5 * UNIT)


# What came back


@on_its_own
def test_a_payout_that_came_back_is_in_the_earnings_again_once():
    user, bank = wes(), Bank()
    payout = payouts.request(user, 2 * UNIT)
    transfer = bank.pay_out(payout)
    assert payouts.came_back(transfer, "the bank closed it") is None, "we do not know yet that it was sent"
    payouts.send(payout.pk, through=bank)
    assert where(user) == (3 * UNIT, 0, 3 * UNIT)
    for _ in range(3):
        payout = payouts.came_back(transfer, "the bank closed it")
        assert (payout.state, payout.failure) == ("reversed", "the bank closed it")
        assert where(user) == (5 * UNIT, 0, 5 * UNIT)
    assert payouts.came_back("", "nothing") is None
    assert payouts.came_back("tr_of_somebody_else", "nothing") is None
    assert payouts.send(payout.pk, through=bank).state == "reversed"


@on_its_own
def test_coming_back_crashes_at_any_statement_and_is_done_by_the_next():
    user, bank = wes(), Bank()
    payout = payouts.send(payouts.request(user, 2 * UNIT).pk, through=bank)
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                payouts.came_back(payout.provider_id, "closed")
            break
        except Crash:
            assert where(user) == (3 * UNIT, 0, 3 * UNIT)
            assert ledger.audit() == []
    assert statement > 5
    assert where(user) == (5 * UNIT, 0, 5 * UNIT)


@on_its_own
@pytest.mark.parametrize("verdict", ["let_go", "refuse"])
def test_a_review_that_crashes_at_any_statement_is_none(verdict, ada, queued):
    payout = in_review()
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                getattr(payouts, verdict)(payout, ada, *["No."] * (verdict == "refuse"))
            break
        except Crash:
            assert Payout.objects.get().state == "review"
            assert where(payout.user) == (3 * UNIT, 2 * UNIT, 5 * UNIT)
            queued.clear()
    assert statement > 3
    assert Payout.objects.get().state == {"let_go": "requested", "refuse": "failed"}[verdict]


@pytest.mark.parametrize("state", ["review", "requested", "paid", "failed", "reversed"])
def test_the_audit_sees_a_state_without_its_entries(state):
    payout = payouts.request(wes(), 2 * UNIT)
    Payout.objects.update(state=state)
    found = ledger.audit()
    assert bool(found) == (state not in ("review", "requested")), found
    Payout.objects.filter(pk=payout.pk).update(state="requested")
