from itertools import permutations

import pytest
from django.db import transaction

from marketplace import accounts
from marketplace.models import AuditEvent, Organisation
from payments import disputes, jobs, ledger, prepayments, refunds, reserves
from payments.models import Dispute, Entry, Prepayment
from tests import make
from tests.payments.bank import Bank
from tests.payments.crash import Crash, crash_at
from tests.payments.made import balance

UNIT = 1_000_000
TEST = {"currency": "USD", "mode": "test"}
on_its_own = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme(settings):
    settings.MODE = "test"
    return make.organisation()


def begun(acme, units=25):
    return prepayments.request(acme, make.owner(acme), units * UNIT, "USD", through=Bank())


def paid(acme, units=25, charge="ch_1"):
    return prepayments.settle_paid(begun(acme, units).pk, charge)


def reserved(acme, units):
    return reserves.open(make.project(acme), "batch:1", {"answers": units * UNIT}, 1000, "USD", "test")


def taken(units=25, dispute="dp_1", charge="ch_1"):
    return disputes.opened(charge, dispute, units * UNIT, "fraudulent")


def where(acme):
    """prepaid, losses, outside"""
    prepaid = ledger.account("prepaid", organisation=acme, **TEST)
    rows = [prepaid, ledger.account("losses", **TEST), ledger.account("outside", **TEST)]
    return tuple(balance(account) // UNIT for account in rows)


def is_frozen(acme):
    return Organisation.objects.get(pk=acme.pk).frozen_at is not None


def test_what_a_bank_takes_back_leaves_the_prepayment_and_freezes_the_organisation(acme):
    prepayment = paid(acme)
    dispute = taken(10)
    assert (dispute.state, dispute.prepayment, dispute.covered_micros) == ("open", prepayment, 10 * UNIT)
    assert where(acme) == (15, 0, -15)
    assert is_frozen(acme)
    prepayment.refresh_from_db()
    assert prepayment.disputed_micros == 10 * UNIT
    assert AuditEvent.objects.filter(target_type="dispute", target_id=dispute.pk, verb="open").exists()


def test_what_is_reserved_or_gone_is_our_loss(acme):
    paid(acme)
    reserved(acme, 20)
    dispute = taken(25)
    assert dispute.covered_micros == 5 * UNIT
    assert where(acme) == (0, -20, 0)


def test_what_is_released_later_makes_up_for_the_loss(acme):
    paid(acme)
    reserved(acme, 20)
    dispute = taken(25)
    for micros, loss in ((8, -12), (3, -9), (9, 0)):
        reserves.release("batch:1", micros * UNIT, "answers")
        assert jobs.disputes() is False
        assert where(acme) == (0, loss, 0)
        assert ledger.audit() == []
    assert jobs.disputes() is False
    dispute.refresh_from_db()
    assert (dispute.covered_micros, dispute.recoveries) == (25 * UNIT, 3)


def test_a_new_prepayment_makes_up_for_the_loss_and_no_more(acme):
    paid(acme)
    reserved(acme, 25)
    taken(25)
    paid(acme, 40, "ch_2")
    jobs.disputes()
    assert where(acme) == (15, 0, -40)


def test_losses_of_others_do_not_keep_the_sweep_from_what_can_be_made_up_for(acme):
    for n in range(3):
        thief = make.organisation()
        paid(thief, 5, f"ch_thief{n}")
        account = ledger.account("prepaid", organisation=thief, **TEST)
        ledger.post("reserve", f"gone:{n}", (account, ledger.account("fees", **TEST), 5 * UNIT))
        taken(5, f"dp_thief{n}", f"ch_thief{n}")
    paid(acme)
    reserved(acme, 25)
    taken(25)
    reserves.release("batch:1", 25 * UNIT, "answers")
    assert disputes.catch_up(1) is True
    assert disputes.catch_up(1) is False
    assert where(acme)[1] == -15


def test_a_dispute_that_is_won_gives_back_what_it_took(acme, ada):
    prepayment = paid(acme)
    reserved(acme, 20)
    taken(25)
    reserves.release("batch:1", 8 * UNIT, "answers")
    jobs.disputes()
    assert where(acme) == (0, -12, 0)
    dispute = disputes.closed("dp_1", won=True)
    assert where(acme) == (13, 0, -25)
    prepayment.refresh_from_db()
    assert (dispute.state, prepayment.disputed_micros) == ("won", 0)
    assert is_frozen(acme), "thawing is an admin's decision"
    accounts.thaw(acme, ada, "The bank was told.")
    assert not is_frozen(acme)


def test_a_dispute_that_is_lost_stays_so(acme):
    prepayment = paid(acme)
    taken(25)
    assert disputes.closed("dp_1", won=False).state == "lost"
    assert where(acme) == (0, 0, 0)
    assert disputes.closed("dp_1", won=True).state == "lost"
    prepayment.refresh_from_db()
    assert prepayment.disputed_micros == 25 * UNIT


def test_an_organisation_that_an_admin_has_thawed_is_not_frozen_by_an_old_message(acme, ada):
    paid(acme)
    taken(25)
    accounts.thaw(acme, ada, "The bank was told.")
    taken(25)
    assert not is_frozen(acme)


def test_the_day_an_admin_froze_it_stays(acme, ada):
    paid(acme)
    accounts.freeze(acme, ada, "Looks stolen.")
    since = Organisation.objects.get(pk=acme.pk).frozen_at
    taken(25)
    assert Organisation.objects.get(pk=acme.pk).frozen_at == since


def test_several_disputes_of_a_prepayment_are_each_booked(acme):
    prepayment = paid(acme)
    taken(10)
    taken(10, "dp_2")
    assert where(acme) == (5, 0, -5)
    disputes.closed("dp_1", won=True)
    prepayment.refresh_from_db()
    assert prepayment.disputed_micros == 10 * UNIT


def test_what_is_disputed_is_not_refunded(acme, ada):
    paid(acme, 25)
    paid(acme, 10, "ch_2")
    taken(20)
    accounts.thaw(acme, ada, "The bank was told.")
    made = refunds.request(acme, make.owner(acme), None, "USD")
    assert [refund.amount_micros // UNIT for refund in made] == [10, 5]


def test_a_charge_of_others_moves_and_freezes_nothing(acme):
    paid(acme)
    taken(10, charge="ch_of_a_shop")
    disputes.closed("dp_1", won=False)
    jobs.disputes()
    assert where(acme) == (25, 0, -25)
    assert not is_frozen(acme)
    assert Dispute.objects.get().prepayment is None


# Messages in any order, and twice


MESSAGES = {
    "paid": lambda prepayment: prepayments.settle_paid(prepayment.pk, "ch_1"),
    "opened": lambda prepayment: taken(25),
    "won": lambda prepayment: disputes.closed("dp_1", won=True),
    "lost": lambda prepayment: disputes.closed("dp_1", won=False),
}


@pytest.mark.parametrize("end", ["won", "lost", None])
def test_every_order_of_messages_each_of_them_twice_ends_alike(acme, end):
    ends = {"won": (25, 0, -25), "lost": (0, 0, 0), None: (0, 0, 0)}
    sent = ["paid", "opened", *([end] if end else [])] * 2
    orders = sorted(set(permutations(sent)))
    assert len(orders) == (90 if end else 6)
    for order in orders:
        with transaction.atomic():
            prepayment = begun(acme)
            for message in order:
                MESSAGES[message](prepayment)
            jobs.disputes()
            jobs.disputes()
            dispute = Dispute.objects.get()
            prepayment.refresh_from_db()
            assert (dispute.state, dispute.prepayment) == (end or "open", prepayment), order
            assert where(acme) == ends[end], order
            assert prepayment.disputed_micros == (0 if end == "won" else 25 * UNIT), order
            assert is_frozen(acme), order
            assert ledger.audit() == [], order
            transaction.set_rollback(True)


def test_the_sweep_between_any_two_messages_changes_nothing_of_the_end(acme):
    for order in set(permutations(["paid", "opened", "lost"])):
        with transaction.atomic():
            prepayment = begun(acme)
            for message in order:
                MESSAGES[message](prepayment)
                jobs.disputes()
            assert where(acme) == (0, 0, 0), order
            assert Dispute.objects.get().prepayment == prepayment
            transaction.set_rollback(True)


# The death of a process


@on_its_own
@pytest.mark.parametrize("end", [None, True, False])
def test_a_message_that_crashes_at_any_statement_is_booked_when_it_comes_again(acme, end):
    paid(acme)
    reserved(acme, 20)
    before = (5, 0, -25)

    def message():
        return taken(25) if end is None else disputes.closed("dp_1", won=end)

    if end is not None:
        taken(25)
        before = (0, -20, 0)
    entries = Entry.objects.count()
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                message()
            break
        except Crash:
            assert (where(acme), Entry.objects.count()) == (before, entries)
            assert ledger.audit() == []
    assert statement > 3
    assert where(acme) == {None: (0, -20, 0), True: (5, 0, -25), False: (0, -20, 0)}[end]


@on_its_own
def test_a_sweep_that_crashes_at_any_statement_is_done_by_the_next(acme):
    paid(acme)
    reserved(acme, 20)
    taken(25)
    reserves.release("batch:1", 20 * UNIT, "answers")
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                disputes.catch_up()
            break
        except Crash:
            assert where(acme) == (20, -20, 0)
            assert ledger.audit() == []
    assert statement > 5
    assert where(acme) == (0, 0, 0)


def test_one_that_cannot_be_booked_does_not_hold_up_the_others(acme, monkeypatch, caplog):
    for n in "12":
        taken(5, f"dp_{n}", f"ch_{n}")
        paid(acme, 5, f"ch_{n}")
    first = Dispute.objects.get(provider_id="dp_1").pk
    whole = disputes._take
    monkeypatch.setattr(disputes, "_take", lambda row: whole(row) if row.pk != first else 1 / 0)
    assert disputes.catch_up() is False
    assert "could not be booked" in caplog.text
    assert list(Dispute.objects.filter(prepayment=None).values_list("provider_id", flat=True)) == ["dp_1"]
    monkeypatch.setattr(disputes, "_take", whole)
    disputes.catch_up()
    assert where(acme) == (0, 0, 0)
    assert Prepayment.objects.filter(disputed_micros=5 * UNIT).count() == 2
