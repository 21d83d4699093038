from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from marketplace import accounts
from marketplace.core import clock
from marketplace.core.errors import Conflict, Forbidden, IllegalMove, InsufficientFunds, Invalid
from marketplace.models import AuditEvent, Role
from payments import jobs, ledger, prepayments, refunds, reserves
from payments.models import Entry, Prepayment, Refund
from tests import make
from tests.payments.bank import Bank
from tests.payments.crash import Crash, crash_at
from tests.payments.made import balance

UNIT = 1_000_000
TEST = {"currency": "USD", "mode": "test"}
HOUR = timedelta(hours=1)
on_its_own = pytest.mark.django_db(transaction=True)  # no transaction of the test's is open around the call


@pytest.fixture
def acme(settings):
    settings.MODE = "test"
    return make.organisation()


def paid(acme, *units, age=timedelta(0), currency="USD"):
    """Prepayments of so many units, the newest last."""
    made = []
    for micros in units:
        begun = prepayments.request(acme, make.owner(acme), micros * UNIT, currency, through=Bank())
        made.append(prepayments.settle_paid(begun.pk, f"ch_{begun.pk}"))
        Prepayment.objects.filter(pk=begun.pk).update(paid_at=clock.now() - age)
    return made


def asked(acme, units=None):
    return refunds.request(acme, make.owner(acme), units and units * UNIT, "USD")


def where(acme):
    """prepaid, on its way back, outside"""
    own = {"organisation": acme, **TEST}
    accounts = [ledger.account("prepaid", **own), ledger.account("refunding", **own), ledger.account("outside", **TEST)]
    return tuple(balance(account) // UNIT for account in accounts)


def reloaded(row):
    row.refresh_from_db()
    return row


# Asked for


def test_a_request_takes_the_money_out_of_the_prepayment(acme, queued):
    (prepayment,) = paid(acme, 25)
    queued.clear()
    (refund,) = asked(acme, 10)
    assert (refund.state, refund.way, refund.prepayment) == ("requested", "original", prepayment)
    assert where(acme) == (15, 10, -25)
    assert queued == [("payments.jobs.refund", refund.pk)]
    assert reloaded(prepayment).refunded_micros == 10 * UNIT


def test_the_newest_prepayments_go_back_first(acme):
    old, middle, new = paid(acme, 10, 20, 30)
    made = asked(acme, 45)
    assert [(refund.prepayment, refund.amount_micros // UNIT) for refund in made] == [(new, 30), (middle, 15)]
    assert [(refund.prepayment, refund.amount_micros // UNIT) for refund in asked(acme)] == [(middle, 5), (old, 10)]
    assert where(acme) == (0, 60, -60)


def test_all_that_is_free_leaves_what_is_reserved(acme):
    paid(acme, 25)
    reserves.open(make.project(acme), "batch:1", {"answers": 10 * UNIT + 5_000}, 1000, "USD", "test")
    assert sum(refund.amount_micros for refund in asked(acme)) == 14_990_000  # whole minor units


def test_what_is_reserved_is_not_refunded(acme):
    paid(acme, 25)
    reserves.open(make.project(acme), "batch:1", {"answers": 20 * UNIT}, 1000, "USD", "test")
    with pytest.raises(InsufficientFunds) as refusal:
        asked(acme, 6)
    assert refusal.value.facts["missing_micros"] == UNIT
    assert not Refund.objects.exists()
    assert reloaded(Prepayment.objects.get()).refunded_micros == 0


def test_no_prepayment_returns_more_than_it_brought(acme):
    paid(acme, 25)
    losses, prepaid = ledger.account("losses", **TEST), ledger.account("prepaid", organisation=acme, **TEST)
    ledger.post("goodwill", "goodwill:1", (losses, prepaid, 5 * UNIT))
    with pytest.raises(InsufficientFunds) as refusal:
        asked(acme, 30)
    assert refusal.value.facts["missing_micros"] == 5 * UNIT
    asked(acme)
    with pytest.raises(InsufficientFunds):
        asked(acme)
    assert where(acme) == (5, 25, -25)


@pytest.mark.parametrize(
    ("micros", "currency"), [(0, "USD"), (-UNIT, "USD"), (UNIT + 1, "USD"), (10**18, "USD"), (UNIT, "X")]
)
def test_only_sums_that_can_be_paid_back_are_taken(acme, micros, currency):
    paid(acme, 25)
    with pytest.raises(Invalid):
        refunds.request(acme, make.owner(acme), micros, currency)


def test_only_a_confirmed_owner_asks(acme):
    paid(acme, 25)
    max_ = make.user("max")
    acme.memberships.create(user=max_, role=Role.MANAGER)
    for person in (make.user("sam"), max_):
        with pytest.raises(Forbidden):
            refunds.request(acme, person, UNIT, "USD")
    make.owner(acme).emailaddress_set.update(verified=False)
    with pytest.raises(Forbidden, match="confirm"):
        asked(acme, 1)


def test_a_frozen_organisation_gets_nothing_back(acme, ada):
    paid(acme, 25)
    accounts.freeze(acme, ada, "Looks stolen.")
    with pytest.raises(Forbidden, match="frozen"):
        asked(acme, 1)


def test_other_modes_and_currencies_are_left_alone(acme, settings):
    paid(acme, 25, currency="EUR")
    settings.MODE = "sandbox"
    prepayments.request(acme, make.owner(acme), 9 * UNIT, "USD")
    settings.MODE = "test"
    with pytest.raises(InsufficientFunds):
        asked(acme)


# Sent


@on_its_own
def test_a_sent_refund_is_paid_and_booked(acme):
    paid(acme, 25)
    (refund,) = asked(acme, 10)
    bank = Bank()
    for _ in range(2):
        refund = refunds.send(refund.pk, through=bank)
    assert (refund.state, refund.provider_id) == ("paid", f"re_{refund.pk}")
    assert reloaded(refund).sent_at <= refund.ended_at
    assert bank.calls == 1
    assert where(acme) == (15, 0, -15)


@on_its_own
def test_a_refusal_makes_it_prepaid_again_and_the_next_goes_by_hand(acme):
    (prepayment,) = paid(acme, 25)
    (refund,) = asked(acme, 10)
    refund = refunds.send(refund.pk, through=Bank("refused"))
    assert (refund.state, refund.failure) == ("failed", "the provider said no")
    assert where(acme) == (25, 0, -25)
    assert reloaded(prepayment).refunded_micros == 0
    (again,) = asked(acme, 10)
    assert (again.way, again.state) == ("by_hand", "proposed")


@on_its_own
@pytest.mark.parametrize("fault", ["before", "after"])
def test_an_unknown_outcome_is_sent_again_under_the_same_key(acme, fault):
    paid(acme, 25)
    (refund,) = asked(acme, 10)
    bank = Bank(fault)
    with pytest.raises(ConnectionError):
        refunds.send(refund.pk, through=bank)
    first = reloaded(refund).sent_at
    assert (refund.state, where(acme)) == ("requested", (15, 10, -25))
    assert refunds.resend(through=bank) is False
    assert bank.calls == 1, "it is not due yet"
    assert refunds.resend(through=bank, at=clock.now() + HOUR) is False
    assert (reloaded(refund).state, refund.sent_at, refund.tries) == ("paid", first, 2)
    assert bank.done == {f"refund:{refund.pk}": 10 * UNIT}
    assert where(acme) == (15, 0, -15)


@on_its_own
def test_the_sweep_is_bounded_and_goes_on_past_one_whose_outcome_stays_unknown(acme, monkeypatch):
    paid(acme, 1, 1, 1)
    asked(acme)
    assert refunds.resend(through=Bank("before")) is False
    assert sorted(Refund.objects.values_list("state", flat=True)) == ["paid", "paid", "requested"]
    assert refunds.resend(1, through=Bank()) is False, "it is not due yet"
    assert refunds.resend(1, through=Bank(), at=clock.now() + HOUR) is True
    monkeypatch.setattr("payments.gateway.current", Bank)
    (last,) = paid(acme, 1) and asked(acme)
    jobs.refund(last.pk)
    assert jobs.refunds() is False
    assert where(acme) == (0, 0, 0)


@on_its_own
def test_what_keeps_failing_is_sent_less_and_less_often(acme):
    paid(acme, 25)
    (refund,), waits = asked(acme, 10), []
    for _ in range(13):
        with pytest.raises(ConnectionError):
            refunds.send(refund.pk, through=Bank("before"))
        waits.append(round((reloaded(refund).due_at - clock.now()).total_seconds(), -1))
    assert (waits[:4], waits[-1]) == ([10, 20, 40, 80], 3600)


def test_the_provider_is_not_asked_inside_a_transaction(acme):
    paid(acme, 25)
    (refund,) = asked(acme, 10)
    with pytest.raises(AssertionError, match="transaction"):
        refunds.send(refund.pk, through=Bank())


@on_its_own
def test_play_money_goes_back_too(settings):
    acme = make.organisation()
    prepayments.request(acme, make.owner(acme), 9 * UNIT, "USD")
    (refund,) = asked(acme)
    jobs.refund(refund.pk)
    assert reloaded(refund).state == "paid"
    assert refund.provider_id.startswith("sandbox_")


# What the provider says of it later


@on_its_own
@pytest.mark.parametrize(
    ("said", "state", "at"),
    [
        (["paid", "paid"], "paid", (15, 0, -15)),
        (["waiting"], "paid", (15, 0, -15)),  # it has left our balance
        (["failed", "failed"], "failed", (25, 0, -25)),
        (["paid", "failed"], "failed", (25, 0, -25)),
        (["failed", "paid"], "failed", (25, 0, -25)),
        (["failed", "waiting", "failed", "paid"], "failed", (25, 0, -25)),
    ],
)
def test_what_the_provider_says_may_come_twice_and_in_any_order(acme, said, state, at):
    (prepayment,) = paid(acme, 25)
    (refund,) = asked(acme, 10)
    refunds.send(refund.pk, through=Bank())
    for one in said:
        refunds.settle(f"re_{refund.pk}", one, "the card was cancelled" if one == "failed" else "")
    assert (reloaded(refund).state, where(acme)) == (state, at)
    assert reloaded(prepayment).refunded_micros == (10 * UNIT if state == "paid" else 0)


@on_its_own
@pytest.mark.parametrize(("said", "at"), [("paid", (15, 0, -15)), ("failed", (25, 0, -25))])
def test_a_message_that_overtakes_our_own_answer_is_believed(acme, said, at):
    paid(acme, 25)
    (refund,) = asked(acme, 10)
    bank = Bank("after")
    with pytest.raises(ConnectionError):
        refunds.send(refund.pk, through=bank)
    assert refunds.settle(f"re_{refund.pk}", said) is None  # nobody knows this id yet
    refunds.settle(f"re_{refund.pk}", said, refund_pk=refund.pk)
    refunds.resend(through=bank, at=clock.now() + HOUR)
    assert where(acme) == at
    assert bank.calls == 1


def test_of_a_refund_that_is_not_ours_nothing_is_known(acme):
    assert refunds.settle("re_unknown", "failed") is None
    assert refunds.settle("", "failed") is None


# By hand


def old(acme, days=181):
    paid(acme, 25, age=timedelta(days=days))
    (refund,) = asked(acme, 10)
    return refund


def test_what_is_too_old_goes_by_hand(acme, settings, queued):
    refund = old(acme)
    assert (refund.state, refund.way) == ("proposed", "by_hand")
    assert where(acme) == (15, 10, -25)
    assert ("payments.jobs.refund", refund.pk) not in queued
    assert [one.way for one in asked(acme, 15)] == ["by_hand"]
    paid(acme, 25, age=timedelta(days=settings.REFUND_WITHIN_DAYS, minutes=-1))
    assert [one.way for one in asked(acme, 15)] == ["original"]


def test_two_admins_see_to_it(acme, ada):
    refund, bob = old(acme), make.user("bob", staff=True)
    with pytest.raises(IllegalMove, match="proposes"):
        refunds.sign(refund, bob)
    refunds.propose(refund, ada, "order 17")
    with pytest.raises(Forbidden, match="another"):
        refunds.sign(refund, ada)
    done = refunds.sign(refund, bob)
    assert (done.state, done.proposed_by, done.signed_by, done.reference) == ("paid", ada, bob, "order 17")
    assert where(acme) == (15, 0, -15)
    verbs = AuditEvent.objects.filter(target_type="refund", target_id=refund.pk).order_by("pk")
    assert [(event.verb, event.actor_id) for event in verbs] == [
        ("refund", make.owner(acme).pk),
        ("propose", ada.pk),
        ("end", bob.pk),
    ]
    for verb in (refunds.propose, refunds.sign, refunds.decline, refunds.try_original):
        with pytest.raises(IllegalMove):
            verb(refund, ada)


@pytest.mark.parametrize("fields", [{"signed_by": "ada"}, {"signed_by": None}])
def test_the_database_wants_two_different_admins(acme, ada, fields):
    refund = refunds.propose(old(acme), ada)
    signed_by = ada if fields["signed_by"] else None
    with pytest.raises(IntegrityError), transaction.atomic():
        Refund.objects.filter(pk=refund.pk).update(state="paid", signed_by=signed_by)


def test_one_that_is_declined_is_prepaid_again(acme, ada):
    refund = refunds.decline(old(acme), ada, "The bank is gone.")
    assert (refund.state, refund.failure) == ("declined", "The bank is gone.")
    assert where(acme) == (25, 0, -25)
    assert reloaded(refund.prepayment).refunded_micros == 0


@on_its_own
def test_an_admin_may_have_it_sent_after_all(acme, queued):
    refund = old(acme)
    refunds.try_original(refund, make.user("ada", staff=True))
    assert queued[-1] == ("payments.jobs.refund", refund.pk)
    assert refunds.send(refund.pk, through=Bank()).state == "paid"
    assert where(acme) == (15, 0, -15)


def test_only_admins_decide(acme):
    refund = old(acme)
    for verb in (refunds.propose, refunds.sign, refunds.decline, refunds.try_original):
        with pytest.raises(Forbidden):
            verb(refund, make.owner(acme))


@pytest.mark.parametrize("verb", [refunds.propose, refunds.sign, refunds.decline, refunds.try_original])
def test_nobody_decides_about_money_that_is_not_moved_here_any_more(acme, ada, settings, verb, queued):
    refund = refunds.propose(old(acme), make.user("bob", staff=True))
    queued.clear()
    settings.MODE = "live"
    with pytest.raises(Conflict, match="it is test money, which is not paid here any more"):
        verb(refund, ada)
    assert (reloaded(refund).state, where(acme), queued) == ("proposed", (15, 10, -25), [])


@on_its_own
def test_one_that_goes_by_hand_is_never_sent(acme):
    refund, bank = old(acme), Bank()
    assert refunds.resend(through=bank, at=clock.now() + HOUR) is False
    assert refunds.send(refund.pk, through=bank).state == "proposed"
    assert bank.calls == 0


# The death of a process


@on_its_own
def test_a_request_that_crashes_at_any_statement_leaves_nothing(acme):
    paid(acme, 10, 15)
    before = Entry.objects.count()
    for statement in range(1, 200):
        try:
            with crash_at(statement):
                asked(acme, 20)
            break
        except Crash:
            assert (Refund.objects.count(), Entry.objects.count()) == (0, before)
            assert ledger.audit() == []
    assert statement > 10
    assert where(acme) == (5, 20, -25)


@on_its_own
def test_a_send_that_crashes_at_any_statement_is_done_by_the_sweep(acme):
    paid(acme, 25)
    (refund,) = asked(acme, 10)
    bank = Bank()
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                refunds.resend(through=bank, at=clock.now() + HOUR)
            break
        except Crash:
            assert where(acme) == (15, 10, -25)
            assert ledger.audit() == []
    assert bank.calls > 5
    assert bank.done == {f"refund:{refund.pk}": 10 * UNIT}
    assert where(acme) == (15, 0, -15)


@on_its_own
def test_a_failure_that_crashes_at_any_statement_is_booked_when_it_is_told_again(acme):
    paid(acme, 25)
    (refund,) = asked(acme, 10)
    refunds.send(refund.pk, through=Bank())
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                refunds.settle(f"re_{refund.pk}", "failed")
            break
        except Crash:
            assert where(acme) == (15, 0, -15)
            assert ledger.audit() == []
    assert statement > 5
    assert where(acme) == (25, 0, -25)
