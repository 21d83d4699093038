"""What a worker earned in a month and a year; the figures are worked by hand."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction

from marketplace.core.errors import NotFound
from payments import ledger, statements
from payments.models import Account, Maturity, Month
from tests import make
from tests.payments import made
from tests.payments.made import USD, at, booked, counted

pytestmark = [pytest.mark.django_db, pytest.mark.by_hand]
SEPTEMBER, OCTOBER, NOVEMBER = date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)


@pytest.fixture
def book(wes):
    """Book between accounts by their names: "reserve" of a project, "earnings" and "pending" of Wes."""
    project = make.project(title="=Cats")
    made.prepaid(project.organisation, 1)
    Maturity.objects.create(organisation=project.organisation, day="2026-11-20", **USD)
    accounts = {
        "reserve": made.reserve(1, "batch:9").account,
        "earnings": ledger.account("earnings", user=wes, **USD),
        "pending": ledger.account("pending", user=wes, organisation=project.organisation, subject="2026-11-20", **USD),
        **{kind: ledger.account(kind, **USD) for kind in ("in_transit", "outside", "fees", "losses")},
    }
    numbers = iter(range(1_000))

    def booked_at(when, kind, debit, credit, micros):
        if debit == "reserve":
            booked(
                at(when), "reserve_test", f"fill:{next(numbers)}", (accounts["outside"], accounts["reserve"], micros)
            )
        return booked(at(when), kind, f"{kind}:{next(numbers)}", (accounts[debit], accounts[credit], micros))

    return booked_at


def figures(part):
    return (
        part.opening_micros, part.earned_micros, part.taken_back_micros, part.payout_micros, part.returned_micros,
        part.closing_micros, part.pending_micros,
    )  # fmt: skip


def test_two_months_by_hand(book, wes):
    book("2026-09-05", "settlement", "reserve", "earnings", 7_000_000)
    book("2026-09-30 23:59", "settlement", "reserve", "pending", 500_000)
    book("2026-10-01 00:00", "settlement", "reserve", "earnings", 3_000_000)
    book("2026-10-03", "bonus", "reserve", "earnings", 250_000)
    book("2026-10-04", "top_up", "reserve", "pending", 40_000)
    book("2026-10-05", "matured", "pending", "earnings", 500_000)
    book("2026-10-06", "payout", "earnings", "in_transit", 6_000_000)
    book("2026-10-07", "payout_failed", "in_transit", "earnings", 6_000_000)
    book("2026-10-08", "payout", "earnings", "in_transit", 5_000_000)
    book("2026-10-09", "payout_paid", "in_transit", "outside", 5_000_000)
    counted(at("2026-11-02"))
    _, (september,) = statements.of_month(wes, SEPTEMBER)
    assert figures(september) == (0, 7_500_000, 0, 0, 0, 7_500_000, 500_000)
    month, (october,) = statements.of_month(wes, OCTOBER)
    # 7.50 + 3.29 earned - 11.00 sent + 6.00 back = 5.79, of which 0.04 is pending
    assert figures(october) == (7_500_000, 3_290_000, 0, 11_000_000, 6_000_000, 5_790_000, 40_000)
    said = [(line.sense, line.kind, line.title, line.amount_micros, line.transfers) for line in october.shown]
    assert said == [
        ("earned", "bonus", "Animals", 250_000, 1),
        ("earned", "settlement", "Animals", 3_000_000, 1),
        ("earned", "top_up", "Animals", 40_000, 1),
        ("payout", "payout", None, 11_000_000, 2),
        ("returned", "payout_failed", None, 6_000_000, 1),
    ]
    own = Account.objects.filter(user=wes, kind__in=["earnings", "pending"])
    assert october.closing_micros == sum(account.balance_micros for account in own)
    kinds = [row.entry.kind for row in statements.transfers(wes, month).order_by("pk")[:9]]
    assert kinds == ["settlement", "bonus", "top_up", "matured", "payout_failed"]


def test_what_is_taken_back_stands_there_too_and_is_wrong(book, wes):
    with transaction.atomic():
        book("2026-10-05", "settlement", "reserve", "earnings", 7_000_000)
        book("2026-10-10", "correction", "earnings", "reserve", 100_000)
        counted(at("2026-11-02"))
        _, (october,) = statements.of_month(wes, OCTOBER)
        assert figures(october) == (0, 7_000_000, 100_000, 0, 0, 6_900_000, 0)
        line = october.shown[-1]
        assert (line.sense, line.kind, line.title, line.amount_micros) == (
            "taken_back",
            "correction",
            "Animals",
            100_000,
        )
        assert any("takes 100000 micros of earnings back to reserve" in sentence for sentence in made.audit())
        transaction.set_rollback(True)


def test_a_payout_that_was_paid_and_came_back_later_is_no_earning(book, wes):
    book("2026-09-05", "settlement", "reserve", "earnings", 7_000_000)
    book("2026-09-06", "payout", "earnings", "in_transit", 7_000_000)
    book("2026-09-07", "payout_paid", "in_transit", "outside", 7_000_000)
    book("2026-10-07", "payout_reversed", "outside", "earnings", 7_000_000)
    counted(at("2026-11-02"))
    _, (october,) = statements.of_month(wes, OCTOBER)
    assert figures(october) == (0, 0, 0, 0, 7_000_000, 7_000_000, 0)


def test_a_year_sums_its_months_and_begins_where_the_last_ended(book, wes):
    book("2026-12-31 23:59:59", "settlement", "reserve", "earnings", 1_000_000)
    for month in range(1, 13):
        book(f"2027-{month:02d}-15", "settlement", "reserve", "earnings", month * 100_000)
    book("2027-06-20", "payout", "earnings", "in_transit", 2_000_000)
    book("2027-06-21", "payout_paid", "in_transit", "outside", 2_000_000)
    book("2028-01-01 00:00", "settlement", "reserve", "earnings", 9)
    counted(at("2028-01-02"))
    months, (part,) = statements.of_year(wes, 2027)
    assert len(months) == 12
    # 0.1 + 0.2 + ... + 1.2 = 7.8
    assert figures(part) == (1_000_000, 7_800_000, 0, 2_000_000, 0, 6_800_000, 0)
    assert part.in_month("2027-06") == {
        "earned": 600_000, "taken_back": 0, "payout": 2_000_000, "returned": 0, "matured": 0,
    }  # fmt: skip
    assert sum(part.in_month(str(month))["earned"] for month in months) == part.earned_micros


def test_years_are_the_operators(book, wes, settings):
    settings.REPORTING_TIME_ZONE = ZoneInfo("Asia/Tokyo")
    book("2026-12-31 14:59", "settlement", "reserve", "earnings", 1)
    book("2026-12-31 15:00", "settlement", "reserve", "earnings", 20)
    counted(at("2027-01-02"))
    assert [statements.of_year(wes, year)[1][0].earned_micros for year in (2026, 2027)] == [1, 20]


@pytest.mark.parametrize(("currency", "micros"), [("JPY", 7_000_000), ("BHD", 7_123_000), ("USD", 7_123_456)])
def test_currencies_are_parts_of_their_own(wes, currency, micros):
    kind = {"currency": currency, "mode": "sandbox"}
    to = ledger.account("earnings", user=wes, **kind)
    booked(at("2026-10-02"), "settlement", "a", (ledger.account("outside", **kind), to, micros))
    usd = ledger.account("earnings", user=wes, **USD)
    booked(at("2026-10-02"), "settlement", "b", (ledger.account("outside", **USD), usd, 1))
    counted(at("2026-10-03"))
    _, parts = statements.of_month(wes, OCTOBER)
    assert sum(part.closing_micros for part in parts) == micros + 1
    assert {part.currency for part in parts} == {currency, "USD"}


def test_months_without_movement_say_the_balance_and_those_before_the_first_do_not_exist(book, wes, sam):
    book("2026-09-05", "settlement", "reserve", "earnings", 7_000_000)
    other = ledger.account("earnings", user=make.user("olga"), **USD)
    booked(at("2026-08-05"), "settlement", "olga", (ledger.account("outside", **USD), other, 1))
    counted(at("2026-11-02"))
    assert figures(statements.of_month(wes, OCTOBER)[1][0]) == (7_000_000, 0, 0, 0, 0, 7_000_000, 0)
    for person, day in ((wes, date(2026, 8, 1)), (sam, OCTOBER), (wes, date(2031, 1, 1))):
        with pytest.raises(NotFound):
            statements.of_month(person, day)
    for person, year in ((sam, 2026), (wes, 2025), (wes, 0), (wes, 10**12)):
        with pytest.raises(NotFound):
            statements.of_year(person, year)
    assert [(str(one.month), one.micros) for one in statements.months_of(wes)] == [("2026-09", 7_000_000)]
    assert statements.months_of(sam) == []
    assert Month.objects.count() >= 3
