from datetime import date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketplace.core import clock
from marketplace.core.errors import KeyReused
from payments import balances, checks, disputes, jobs, ledger, maturities, reserves
from payments.models import Account, Maturity, Prepayment
from tests import make

USD = {"currency": "USD", "mode": "test"}
pytestmark = pytest.mark.django_db


def young(project, days=7, micros=1_000_000):
    """A prepayment that can be taken back for so many days, of a project's organisation; booked."""
    home = project.organisation
    paid = Prepayment.objects.create(
        organisation=home,
        requested_by=make.owner(home),
        amount_micros=micros,
        state="paid",
        paid_at=clock.now(),
        payable_from=clock.now() + timedelta(days=days),
        **USD,
    )
    prepaid, outside = ledger.account("prepaid", organisation=home, **USD), ledger.account("outside", **USD)
    ledger.post("prepayment", f"prepayment:{paid.pk}", (outside, prepaid, micros))
    return paid


def reserve(project, micros=100_000, subject="batch:1"):
    return reserves.open(project, subject, {"answers": micros}, 1000, "USD", "test").account


def settled(account, key="settle:1", fee=0, **rewards):
    return ledger.post_settlement(key, account, {make.user(name).pk: micros for name, micros in rewards.items()}, fee)


def of(name):
    """Earned, payable now, and pending."""
    found = balances.of_user(make.user(name))
    return [(one.earned_micros, one.balance_micros, one.pending_micros) for one in found]


def later(**span):
    return clock.now() + timedelta(**span)


def open_dispute(paid):
    Prepayment.objects.filter(pk=paid.pk).update(charge_id=f"ch_{paid.pk}")
    return disputes.opened(f"ch_{paid.pk}", f"dp_{paid.pk}", 10_000)


def test_what_is_earned_from_a_young_payment_is_payable_from_a_later_day():
    young(project := make.project())
    entry = settled(reserve(project), wes=60_000, sue=20_000, fee=8_000)
    assert of("wes") == [(60_000, 0, 60_000)]
    day = Maturity.objects.get().day
    assert balances.of_user(make.user("wes"))[0].pending == [balances.Pending(day, 60_000)]
    assert sorted(entry.transfers.values_list("credit__kind", flat=True)) == ["fees", "pending", "pending"]
    assert day >= later(days=7).date()


def test_a_top_up_from_a_young_payment_is_payable_from_that_day_as_well():
    young(project := make.project())
    workers = {make.user("wes").pk: 7_000}
    ledger.post_settlement("top_up:1", reserve(project), workers, 0, kind="top_up")
    assert of("wes") == [(7_000, 0, 7_000)]
    assert checks.broken() == []


def test_what_is_earned_from_an_old_payment_is_payable_at_once():
    young(project := make.project(), days=-1)
    settled(reserve(project), wes=60_000)
    assert of("wes") == [(60_000, 60_000, 0)]
    assert not Maturity.objects.exists()


def test_it_becomes_payable_on_its_day_and_not_before():
    young(project := make.project())
    settled(reserve(project), wes=60_000, sue=20_000)
    day = Maturity.objects.get().day
    maturities.mature(at=datetime.combine(day - timedelta(days=1), datetime.max.time()))
    assert of("wes") == [(60_000, 0, 60_000)]
    assert not maturities.mature(at=datetime.combine(day, datetime.min.time()))
    assert of("wes") == [(60_000, 60_000, 0)]
    assert of("sue") == [(20_000, 20_000, 0)]
    assert Maturity.objects.get().state == "done"


def test_the_sweep_runs_by_itself():
    young(project := make.project())
    settled(reserve(project), wes=60_000)
    moved_to(date(2026, 1, 1))
    assert jobs.mature() is False
    assert of("wes") == [(60_000, 60_000, 0)]


def moved_to(day):
    """As if the day on which what is pending becomes payable had been this one."""
    Account.objects.filter(kind="pending").update(subject=day.isoformat())
    Maturity.objects.update(day=day)


def test_it_is_moved_once_however_often_the_sweep_runs_and_in_small_steps(monkeypatch):
    monkeypatch.setattr(maturities, "STEP", 2)
    young(project := make.project())
    names = {f"worker{n}": 1_000 + n for n in range(5)}
    settled(reserve(project), **names)
    moved_to(date(2026, 1, 1))
    assert [maturities.mature() for _ in range(4)] == [True, True, False, False]
    assert [of(name)[0][1:] for name in names] == [(micros, 0) for micros in names.values()]


def test_settling_into_a_day_that_is_done_has_it_wait_again():
    young(project := make.project())
    account = reserve(project)
    settled(account, "settle:1", wes=10_000)
    day = Maturity.objects.get().day
    at = datetime.combine(day, datetime.min.time())
    maturities.mature(at=at)
    settled(account, "settle:2", wes=5_000)
    assert Maturity.objects.get().state == "waiting"
    assert of("wes") == [(15_000, 10_000, 5_000)]
    maturities.mature(at=at)
    assert of("wes") == [(15_000, 15_000, 0)]


def test_it_waits_while_a_payment_of_the_organisation_is_disputed():
    paid = young(project := make.project())
    settled(reserve(project), wes=60_000)
    dispute = open_dispute(paid)
    moved_to(date(2026, 1, 1))
    assert not maturities.mature()
    assert of("wes") == [(60_000, 0, 60_000)]
    disputes.closed(dispute.provider_id, won=False)
    maturities.mature()
    assert of("wes") == [(60_000, 60_000, 0)]  # who worked is owed it all the same


def test_a_dispute_that_is_booked_while_the_sweep_runs_stops_what_is_left(monkeypatch):
    monkeypatch.setattr(maturities, "STEP", 1)
    paid = young(project := make.project())
    account = reserve(project)
    settled(account, wes=60_000)
    moved_to(date(2026, 1, 1))
    settled(account, "settle:2", sue=20_000)
    moved = ledger.post_maturing

    def disputed_after(*what, **more):
        entry = moved(*what, **more)
        open_dispute(paid)
        return entry

    monkeypatch.setattr(ledger, "post_maturing", disputed_after)
    maturities.mature(at=later(days=30))
    assert (of("wes"), of("sue")) == ([(60_000, 60_000, 0)], [(20_000, 0, 20_000)])


def test_a_repeated_settlement_is_the_same_though_its_day_would_be_another():
    paid = young(project := make.project())
    account = reserve(project)
    first = settled(account, wes=60_000, fee=6_000)
    Prepayment.objects.filter(pk=paid.pk).update(payable_from=later(days=30))
    assert settled(account, wes=60_000, fee=6_000) == first
    for rewards, fee in (({"wes": 60_001}, 6_000), ({"sue": 60_000}, 6_000), ({"wes": 60_000}, 0)):
        with pytest.raises(KeyReused):
            settled(account, fee=fee, **rewards)


def test_months_count_what_was_earned_once():
    young(project := make.project())
    settled(reserve(project), wes=60_000)
    before = balances.months(make.user("wes"))
    assert [row.earned_micros for row in before] == [60_000]
    moved_to(date(2026, 1, 1))
    maturities.mature()
    assert balances.months(make.user("wes")) == before


def test_the_audit_names_pending_money_that_no_day_makes_payable():
    young(project := make.project())
    settled(reserve(project), wes=60_000)
    assert checks.broken() == []
    day = Maturity.objects.get().day
    Maturity.objects.update(state="done")
    account = Account.objects.get(kind="pending")
    assert f"account {account.pk}: 60000 micros are pending until {day}, and no day waits that makes them payable" in (
        checks.broken()
    )
    Maturity.objects.update(state="waiting")


def test_a_settlement_asks_as_many_questions_for_many_workers_as_for_few():
    young(project := make.project())
    account = reserve(project)
    people = [make.user(f"w{n}").pk for n in range(12)]
    with CaptureQueriesContext(connection) as few:
        ledger.post_settlement("settle:1", account, dict.fromkeys(people[:2], 10), 0)
    with CaptureQueriesContext(connection) as many:
        ledger.post_settlement("settle:2", account, dict.fromkeys(people[2:], 10), 0)
    assert len(many) <= len(few)
