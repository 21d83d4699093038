"""The ledger by months: each transfer is counted once, in the month in which it was booked."""

from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, connection, transaction

from payments import ledger, months, statement_checks
from payments.models import Counting, Month, MonthTotal, Movement, Transfer
from tests import make
from tests.payments import made
from tests.payments.made import USD, at, booked, counted

pytestmark = [pytest.mark.django_db, pytest.mark.by_hand]


@pytest.fixture
def worker(wes):
    return ledger.account("earnings", user=wes, **USD)


@pytest.fixture
def reserve():
    """Nothing is in it yet: what is booked today would belong to no month of a test."""
    return ledger.account("reserve", organisation=make.organisation(), subject="batch:1", **USD)


def earned(when, key, reserve, worker, micros):
    outside = ledger.account("outside", **USD)
    booked(when, "prepayment", f"p:{key}", (outside, reserve, micros))
    booked(when, "settlement", f"s:{key}", (reserve, worker, micros))


def counted_months():
    rows = Movement.objects.filter(kind="settlement").order_by("month__begins_at")
    return [(str(row.month), row.amount_micros, row.transfers) for row in rows.select_related("month")]


def test_transfers_are_counted_in_the_month_they_were_booked_in(reserve, worker):
    for n, when in enumerate(["2026-09-30 23:59:59.999999", "2026-10-01 00:00", "2026-10-31 23:59", "2026-11-01"]):
        earned(at(when), n, reserve, worker, 10**n)
    counted(at("2026-11-02"))
    assert counted_months() == [("2026-09", 1, 1), ("2026-10", 110, 2), ("2026-11", 1000, 1)]
    assert made.audit() == []


def test_months_are_those_of_the_operators_zone_summer_time_and_leap_days_too(reserve, worker, settings):
    settings.REPORTING_TIME_ZONE = ZoneInfo("America/New_York")
    # Midnight there: at 4 o'clock UTC in summer, at 5 in winter; February 2028 has 29 days
    moments = ["2027-11-01 03:59", "2027-11-01 04:00", "2027-12-01 04:59", "2027-12-01 05:00", "2028-03-01 04:59"]
    for n, when in enumerate([*moments, "2028-03-01 05:00"]):
        earned(at(when), n, reserve, worker, 10**n)
    counted(at("2028-03-02"))
    found = [("2027-10", 1, 1), ("2027-11", 110, 2), ("2027-12", 1000, 1), ("2028-02", 10_000, 1)]
    assert counted_months() == [*found, ("2028-03", 100_000, 1)]
    february = Month.objects.get(first_day=date(2028, 2, 1))
    assert february.ends_at - february.begins_at == timedelta(days=29)


def test_months_have_no_gap_and_no_overlap_when_the_zone_changes(reserve, worker, settings):
    earned(at("2026-10-15"), 1, reserve, worker, 1)
    counted(at("2026-10-16"))
    settings.REPORTING_TIME_ZONE = ZoneInfo("Pacific/Auckland")
    earned(at("2026-12-15"), 2, reserve, worker, 1)
    counted(at("2026-12-16"))
    settings.REPORTING_TIME_ZONE = ZoneInfo("Pacific/Honolulu")
    earned(at("2027-02-10"), 3, reserve, worker, 1)
    counted(at("2027-02-11"))
    rows = list(Month.objects.order_by("begins_at"))
    assert all(one.ends_at == other.begins_at for one, other in pairwise(rows))
    assert [str(row) for row in rows] == ["2026-10", "2026-11", "2026-12", "2027-01", "2027-02"]


def test_counting_in_small_steps_and_twice_comes_to_the_same(reserve, worker):
    for n in range(7):
        earned(at(f"2026-10-0{n + 1}"), n, reserve, worker, 10)
    while months.count(at("2026-10-09"), limit=3):
        pass
    counted(at("2026-10-09"))
    assert counted_months() == [("2026-10", 70, 7)]
    total = MonthTotal.objects.get(user=worker.user, kind="earnings", month__first_day=date(2026, 10, 1))
    assert (total.credits_micros, total.debits_micros) == (70, 0)
    assert made.audit() == []


def test_a_month_is_closed_some_hours_after_its_end_and_nothing_is_booked_into_it_then(reserve, worker, settings):
    earned(at("2026-10-31 12:00"), 1, reserve, worker, 1)
    counted(at("2026-11-01 05:59"))
    october = Month.objects.get(first_day=date(2026, 10, 1))
    assert october.closed_at is None
    counted(at("2026-11-01 06:00"))
    october.refresh_from_db()
    assert october.closed_at
    with pytest.raises(DatabaseError, match="is closed"), transaction.atomic():
        earned(at("2026-10-31 23:59"), 2, reserve, worker, 1)
    earned(at("2026-11-01 00:00"), 3, reserve, worker, 1)


def test_a_transfer_of_no_month_is_an_error_and_not_lost(reserve, worker, monkeypatch):
    monkeypatch.setattr(months, "_cover", lambda first, last: None)
    earned(at("2026-10-31"), 1, reserve, worker, 1)
    with pytest.raises(DatabaseError), transaction.atomic():
        counted(at("2026-11-01"))
    assert not Movement.objects.exists()
    assert not Counting.objects.filter(counted_id__gt=0).exists()


def test_a_seal_that_a_dump_brought_from_another_server_is_placed_anew(reserve, worker):
    earned(at("2026-10-15"), 1, reserve, worker, 5)
    Counting.objects.update(seal_id=1, seal_xid=2**60, sealed_at=at("2026-10-15"))
    counted(at("2026-10-16"))
    assert counted_months() == [("2026-10", 5, 1)]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE payments_movement SET amount_micros = amount_micros + 1 WHERE kind = 'settlement'", "is counted"),
        ("DELETE FROM payments_movement WHERE kind = 'settlement'", "is counted"),
        ("UPDATE payments_movement SET transfers = 9 WHERE kind = 'settlement'", "is counted"),
        ("UPDATE payments_monthtotal SET credits_micros = 7 WHERE kind = 'earnings'", "totals of"),
        ("DELETE FROM payments_monthtotal WHERE kind = 'reserve'", "totals of"),
    ],
)
def test_the_audit_finds_what_was_counted_wrongly(reserve, worker, damage, found):
    earned(at("2026-10-15"), 1, reserve, worker, 5)
    counted(at("2026-10-16"))
    assert made.audit() == []
    with transaction.atomic():
        with connection.cursor() as sql:
            sql.execute(damage)
        assert any(found in sentence for sentence in made.audit()), made.audit()
        transaction.set_rollback(True)


def test_what_is_not_counted_yet_is_nothing_wrong(reserve, worker):
    earned(at("2026-10-15"), 1, reserve, worker, 5)
    assert Transfer.objects.exists()
    assert made.audit() == []
    assert set(statement_checks.CHECKS) <= set(ledger.checks.CHECKS)
