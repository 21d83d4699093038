"""Payouts without asking: once a week or a month, whatever stands in the way meanwhile."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from marketplace.core import clock
from marketplace.core.errors import Invalid
from payments import holds, payouts, schedules
from payments.models import Payout, PayoutSchedule
from tests.payments import made

UNIT = 1_000_000
DAY = timedelta(days=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(user):
    """When the first period of this person's schedule begins."""
    return PayoutSchedule.objects.get(user=user).due_at


@pytest.mark.parametrize(
    ("every", "when", "first", "following"),
    [
        ("weekly", "2026-11-22 23:59", "2026-11-16", "2026-11-23 00:00"),
        ("weekly", "2026-11-23 00:00", "2026-11-23", "2026-11-30 00:00"),
        ("weekly", "2026-12-31 12:00", "2026-12-28", "2027-01-04 00:00"),
        ("monthly", "2026-01-31 12:00", "2026-01-01", "2026-02-01 00:00"),
        ("monthly", "2026-12-01 00:00", "2026-12-01", "2027-01-01 00:00"),
        ("monthly", "2028-02-29 23:59", "2028-02-01", "2028-03-01 00:00"),
    ],
)
def test_weeks_begin_on_monday_and_months_on_the_first(every, when, first, following):
    assert schedules.begin(every, at(when)) == date.fromisoformat(first)
    assert schedules.next_begin(every, at(when)) == at(following)


def test_who_chose_nothing_is_paid_when_they_ask(wes):
    assert schedules.of(wes) == "none"
    schedules.choose(wes, "weekly")
    assert schedules.of(wes) == "weekly"
    assert due(wes) == schedules.next_begin("weekly", clock.now())
    schedules.choose(wes, "none")
    assert (schedules.of(wes), due(wes)) == ("none", None)
    with pytest.raises(Invalid):
        schedules.choose(wes, "hourly")


@pytest.mark.parametrize("every", ["weekly", "monthly"])
def test_a_period_has_one_payout_and_the_next_another(wes, every):
    made.earned(wes, 3 * UNIT + 5)
    schedules.choose(wes, every)
    first = due(wes)
    assert schedules.pay_due(at=first - timedelta(microseconds=1)) is False
    assert not Payout.objects.exists()
    for later in (timedelta(), timedelta(minutes=1), DAY, 2 * DAY):
        assert schedules.pay_due(at=first + later) is False
    payout = Payout.objects.get()
    assert (payout.amount_micros, payout.period, payout.is_scheduled) == (3 * UNIT, first.date(), True)
    made.earned(wes, 2 * UNIT)
    schedules.pay_due(at=first + 3 * DAY)
    assert Payout.objects.count() == 1
    schedules.pay_due(at=due(wes))
    assert sorted(Payout.objects.values_list("amount_micros", flat=True)) == [2 * UNIT, 3 * UNIT]


def test_each_currency_is_paid_from_its_least_on(wes):
    for currency, micros in (("USD", 3 * UNIT), ("EUR", 990_000), ("CHF", 2 * UNIT)):
        made.owed(wes, micros, "sandbox", currency)
    schedules.choose(wes, "weekly")
    schedules.pay_due(at=due(wes))
    assert sorted(Payout.objects.values_list("currency", "amount_micros")) == [("CHF", 2 * UNIT), ("USD", 3 * UNIT)]
    assert due(wes) > clock.now() + 7 * DAY


def test_who_is_held_is_paid_on_a_day_after_it_for_the_same_period(wes):
    made.earned(wes, 3 * UNIT)
    schedules.choose(wes, "monthly")
    first = due(wes)
    hold = holds.put(wes, first + 2 * DAY)
    schedules.pay_due(at=first)
    assert not Payout.objects.exists()
    assert due(wes) == first + DAY
    holds.lift(hold)
    schedules.pay_due(at=first + DAY)
    assert Payout.objects.get().period == first.date()
    assert due(wes) == schedules.next_begin("monthly", first)


def test_who_has_no_account_waits_and_holds_nobody_up(wes, sam, settings):
    settings.MODE = "test"
    for user in (wes, sam):
        made.owed(user, 3 * UNIT)
        schedules.choose(user, "weekly")
    made.paid_to(sam)
    first = due(wes)
    assert schedules.pay_due(at=first) is False
    assert Payout.objects.get().user == sam
    made.paid_to(wes)
    schedules.pay_due(at=first + DAY)
    assert Payout.objects.count() == 2


def test_a_fault_of_one_person_holds_nobody_up(wes, sam, monkeypatch):
    for user in (wes, sam):
        made.earned(user, 3 * UNIT)
        schedules.choose(user, "weekly")
    request = payouts.request

    def faulty(user, **options):
        if user == wes:
            raise ZeroDivisionError
        return request(user, **options)

    monkeypatch.setattr(payouts, "request", faulty)
    schedules.pay_due(at=due(wes))
    assert Payout.objects.get().user == sam


def test_money_of_another_mode_is_left_alone(wes, settings):
    made.earned(wes, 3 * UNIT)
    schedules.choose(wes, "weekly")
    first = due(wes)
    settings.MODE = "live"
    assert schedules.of(wes) == "none"
    assert schedules.pay_due(at=first) is False
    schedules.choose(wes, "weekly")
    made.paid_to(wes, mode="live")
    schedules.pay_due(at=first)
    assert not Payout.objects.exists()


def test_a_step_takes_so_many_people(wes, sam, rita):
    for user in (wes, sam, rita):
        made.earned(user, 3 * UNIT)
        schedules.choose(user, "weekly")
    first = due(wes)
    assert schedules.pay_due(2, at=first) is True
    assert Payout.objects.count() == 2
    assert schedules.pay_due(2, at=first) is False
    assert Payout.objects.count() == 3


def test_the_database_keeps_a_period_to_one_payout(wes):
    made.earned(wes, 5 * UNIT)
    payouts.request(wes, 2 * UNIT, period=date(2026, 11, 23))
    with pytest.raises(IntegrityError, match="payout_once_a_period"), transaction.atomic():
        payouts.request(wes, 2 * UNIT, period=date(2026, 11, 23))
    payouts.request(wes, 2 * UNIT, period=date(2026, 11, 30))
    with pytest.raises(IntegrityError, match="payoutschedule_due_unless_none"), transaction.atomic():
        PayoutSchedule.objects.create(user=wes, mode="sandbox", every="weekly")
