"""Payouts under threads; each race is also run on a naive version, which must lose it."""

from datetime import timedelta
from threading import Barrier, Event

import pytest
from django.db import connection, transaction
from django.db.models import F

from marketplace.core import clock
from payments import holds, ledger, payout_accounts, payouts, reviews, schedules
from payments.gateway import AccountState
from payments.gateway.sandbox import Sandbox
from payments.holds import PayoutHeld
from payments.models import Account, Hold, Payout, PayoutAccount, PayoutSchedule
from tests import make
from tests.payments import made
from tests.payments.made import USD, balance
from tests.race import race

pytestmark = pytest.mark.django_db(transaction=True)
UNIT = 1_000_000
PATIENCE_S = 30


def wes(micros=5 * UNIT):
    user = make.user("wes")
    made.earned(user, micros)
    return user


class Slow(Sandbox):
    """It moves money once for a key, and lets us see how often it was asked at once."""

    def __init__(self, together=1):
        self.moved, self.asked, self.barrier = [], 0, Barrier(together)

    def pay_out(self, payout):
        assert not connection.in_atomic_block
        self.asked += 1
        self.barrier.wait(PATIENCE_S)
        key = f"payout:{payout.pk}"
        if key not in self.moved:
            self.moved.append(key)
        return super().pay_out(payout)


# All earnings, requested twice at once


def test_all_earnings_requested_by_eight_at_once_are_one_payout():
    user = wes()
    ended = race(*[lambda: payouts.request(user)] * 8)
    assert sum(isinstance(one, Payout) for one in ended) == 1, ended
    assert user.payouts.get().amount_micros == 5 * UNIT
    assert ledger.audit() == []


def test_control_looking_at_the_earnings_before_taking_them_takes_them_twice():
    user = wes()
    earnings, transit = ledger.account("earnings", user=user, **USD), ledger.account("in_transit", **USD)
    all_have_looked = Barrier(2)

    @transaction.atomic
    def naive():
        found = Account.objects.get(pk=earnings.pk)
        all_have_looked.wait(PATIENCE_S)
        payout = Payout.objects.create(user=user, amount_micros=found.balance_micros, **USD)
        Account.objects.filter(pk=earnings.pk).update(debits_micros=found.debits_micros + found.balance_micros)
        Account.objects.filter(pk=transit.pk).update(credits_micros=F("credits_micros") + found.balance_micros)
        return payout

    assert sum(isinstance(one, Payout) for one in race(naive, naive)) == 2
    assert (balance(earnings), balance(transit)) == (0, 10 * UNIT)
    assert ledger.audit() != []


# A request against a hold


def test_a_request_comes_before_a_hold_or_is_refused():
    for n in range(10):
        user = make.user(f"worker{n}")
        made.earned(user, 5 * UNIT)
        until = clock.now() + timedelta(hours=1)
        asked, hold = race(lambda u=user: payouts.request(u), lambda u=user, t=until: holds.put(u, t))
        assert isinstance(hold, Hold), hold
        if isinstance(asked, Payout):
            payouts.send(asked.pk)  # and then the hold stops it before it is sent
            asked.refresh_from_db()
            assert (asked.state, asked.tries) == ("requested", 0)
        else:
            assert isinstance(asked, PayoutHeld), asked
            assert not user.payouts.exists()
    assert ledger.audit() == []


@pytest.fixture
def put_once_looked(monkeypatch):
    """Runs a call while a hold is put as soon as the call has looked for one; whether the call knew of none then."""

    def run(user, call, patience_s=0.5):
        looked, put, stood, look = Event(), Event(), [], holds.in_force

        def in_force(*some):
            found = look(*some)
            looked.set()
            put.wait(patience_s)
            stood.append(Hold.objects.filter(user=user).exists())
            return found

        def hold():
            assert looked.wait(PATIENCE_S)
            held = holds.put(user, clock.now() + timedelta(hours=1))
            put.set()
            return held

        monkeypatch.setattr(holds, "in_force", in_force)
        ended, held = race(call, hold)
        assert isinstance(held, Hold), held
        return ended, stood == [True]

    return run


def test_a_hold_that_is_put_waits_for_a_send_that_has_looked_for_one(put_once_looked):
    user = wes()
    payout = payouts.request(user)
    (_, goes), stood = put_once_looked(user, lambda: payouts._begin(payout.pk))
    assert goes
    assert not stood, "a hold was there, and it goes out all the same"


def test_a_hold_that_is_put_waits_for_a_request_that_has_looked_for_one(put_once_looked):
    user = wes()
    payout, stood = put_once_looked(user, lambda: payouts.request(user))
    assert isinstance(payout, Payout)
    assert not stood, "a hold was there, and it is requested all the same"


@pytest.mark.parametrize("verb", ["begin", "request"])
def test_control_looking_for_a_hold_without_the_lock_goes_on_under_one(put_once_looked, monkeypatch, verb):
    user = wes()
    if verb == "begin":
        payout = payouts.request(user)
    monkeypatch.setattr(holds, "lock", lambda user, *others: None)
    call = (lambda: payouts._begin(payout.pk)[1]) if verb == "begin" else (lambda: payouts.request(user))
    went_on, stood = put_once_looked(user, call, PATIENCE_S)
    assert went_on
    assert not isinstance(went_on, Exception)
    assert stood


def test_lifting_and_sending_at_once_wait_for_each_other_in_no_circle():
    for n in range(10):
        user = make.user(f"worker{n}")
        made.earned(user, 5 * UNIT)
        payout = payouts.request(user)
        hold = holds.put(user, clock.now() + timedelta(hours=1))
        ended = race(*[lambda p=payout.pk: payouts.send(p)] * 3, *[lambda h=hold: holds.lift(h)] * 3)
        assert not [one for one in ended if isinstance(one, Exception)], ended
        payouts.resend()
        payout.refresh_from_db()
        assert payout.state == "paid"
    assert ledger.audit() == []


# Two senders


def test_two_senders_at_once_have_one_effect():
    user, bank = wes(), Slow(together=2)
    payout = payouts.request(user, 2 * UNIT)
    ended = race(*[lambda: payouts.send(payout.pk, through=bank)] * 2)
    assert [one.state for one in ended] == ["paid", "paid"]
    assert (bank.asked, bank.moved) == (2, [f"payout:{payout.pk}"])
    payout.refresh_from_db()
    assert payout.tries == 2
    assert balance(ledger.account("in_transit", **USD)) == 0
    assert balance(ledger.account("earnings", user=user, **USD)) == 3 * UNIT
    assert ledger.audit() == []


def test_a_sender_and_one_who_was_told_no_end_it_once():
    user = wes()
    payout = payouts.request(user)
    both = Barrier(2)

    def end(state):
        both.wait(PATIENCE_S)
        return payouts._end(payout.pk, state)

    ended = race(lambda: end("paid"), lambda: end("failed"))
    assert len({one.state for one in ended}) == 1
    assert ledger.audit() == []


def test_four_who_hear_that_it_came_back_put_it_back_once():
    user = wes()
    payout = payouts.send(payouts.request(user).pk)
    ended = race(*[lambda: payouts.came_back(payout.provider_id, "closed")] * 4)
    assert [one.state for one in ended] == ["reversed"] * 4
    assert balance(ledger.account("earnings", user=user, **USD)) == 5 * UNIT
    assert ledger.audit() == []


def test_two_admins_come_to_one_verdict():
    payout = payouts.request(wes())
    Payout.objects.update(state="review", review_because="The first.")
    ada, bea = make.user("ada", staff=True), make.user("bea", staff=True)
    ended = race(lambda: payouts.let_go(payout, ada), lambda: payouts.refuse(payout, bea, "No."))
    assert sum(isinstance(one, Payout) for one in ended) == 1, ended
    assert ledger.audit() == []


# A schedule and several sweepers


def _scheduled(people):
    for n in range(people):
        user = make.user(f"worker{n}")
        made.earned(user, 3 * UNIT)
        schedules.choose(user, "weekly")
    return PayoutSchedule.objects.first().due_at


def test_four_sweepers_request_one_payout_for_each_person():
    due = _scheduled(6)
    ended = race(*[lambda: schedules.pay_due(at=due)] * 4)
    assert not [one for one in ended if isinstance(one, Exception)], ended
    assert Payout.objects.values("user").distinct().count() == Payout.objects.count() == 6
    assert ledger.audit() == []


def test_control_sweepers_that_lock_nothing_and_name_no_period_pay_it_twice():
    due = _scheduled(1)
    user = PayoutSchedule.objects.get().user
    both_have_looked = Barrier(2)

    def naive():
        found = PayoutSchedule.objects.filter(due_at__lte=due).first()
        both_have_looked.wait(PATIENCE_S)
        payouts.request(user, UNIT)  # named, the period would be paid once: the database keeps that
        PayoutSchedule.objects.filter(pk=found.pk).update(due_at=schedules.next_begin("weekly", due))

    race(naive, naive)
    assert Payout.objects.count() == 2


# People who are paid at one place


@pytest.fixture
def same_place(settings):
    """Four people who earned 4 units each and are paid at one place, which is sent 10 a day before somebody looks."""
    settings.MODE = "test"
    settings.PAYOUTS_A_DAY_MOST_MICROS = 10 * UNIT
    ledger.account("in_transit", currency="USD", mode="test")  # or whoever makes it first holds up the others
    people = [make.user(f"worker{n}") for n in range(4)]
    for user in people:
        made.owed(user, 4 * UNIT)
        made.paid_to(user, identity="bank-1")
    return people


def _asked_at_once(people):
    ended = race(*[lambda u=user: payouts.request(u) for user in people])
    assert not [one for one in ended if not isinstance(one, Payout)], ended
    return sorted(str(one.state) for one in ended)


def test_people_paid_at_one_place_who_ask_at_once_are_counted_together(same_place):
    assert _asked_at_once(same_place) == ["requested", "requested", "review", "review"]
    assert made.audit() == []


def test_control_counting_a_place_without_its_turn_lets_all_of_them_pass(same_place, monkeypatch):
    all_have_counted, count = Barrier(len(same_place)), reviews._in_a_day
    monkeypatch.setattr(reviews, "_lock_same_place", lambda user, mode: [one.pk for one in same_place])
    monkeypatch.setattr(holds, "lock", lambda user, *others: None)  # all payouts wait for each other there, for now

    def together(*some):
        because = count(*some)
        all_have_counted.wait(PATIENCE_S)
        return because

    monkeypatch.setattr(reviews, "_in_a_day", together)
    assert _asked_at_once(same_place) == ["requested"] * 4


# Where people are paid


def test_an_account_opened_by_four_at_once_is_one():
    user = make.user("wes")
    ended = race(*[lambda: payout_accounts.open(user, "US")] * 4)
    assert {one.pk for one in ended} == {PayoutAccount.objects.get().pk}


def test_control_looking_whether_there_is_an_account_before_making_one_is_stopped_by_the_database_alone():
    user = make.user("wes")
    all_have_looked = Barrier(2)

    def naive():
        assert not user.payout_accounts.exists()
        all_have_looked.wait(PATIENCE_S)
        return PayoutAccount.objects.create(user=user, mode="sandbox", country="US")

    assert sum(isinstance(one, PayoutAccount) for one in race(naive, naive)) == 1


class Changing(Sandbox):
    """What it says changes from one look to the next; the first answer is on its way until the second is written."""

    def __init__(self):
        self.looks, self.first_has_looked, self.second_is_written = 0, Event(), Event()

    def look_at(self, account):
        self.looks += 1
        if self.looks == 1:
            self.first_has_looked.set()
            self.second_is_written.wait(PATIENCE_S)
            return AccountState("incomplete", ["external_account"])
        return AccountState("ready")


def _two_looks(look):
    account = made.paid_to(make.user("wes"), "incomplete", mode="sandbox")
    provider = Changing()

    def second():
        assert provider.first_has_looked.wait(PATIENCE_S)
        look(account, provider)
        provider.second_is_written.set()

    race(lambda: look(account, provider), second)
    account.refresh_from_db()
    return account.state


def test_an_answer_that_was_overtaken_is_dropped():
    assert _two_looks(lambda account, provider: payout_accounts.look(account, through=provider)) == "ready"


def test_control_writing_answers_as_they_come_keeps_the_oldest():
    def naive(account, provider):
        told = provider.look_at(account)
        PayoutAccount.objects.filter(pk=account.pk).update(state=told.state)

    assert _two_looks(naive) == "incomplete"


def test_closing_and_requesting_at_once_pay_everything_once():
    for n in range(6):
        user = make.user(f"worker{n}")
        made.earned(user, 5 * UNIT + 7)
        ended = race(lambda u=user: payouts.request(u), *[lambda u=user: payout_accounts.close(u)] * 2)
        assert sum(user.payouts.values_list("amount_micros", flat=True)) == 5 * UNIT, ended
        assert balance(ledger.account("earnings", user=user, **USD)) == 7
    assert ledger.audit() == []
