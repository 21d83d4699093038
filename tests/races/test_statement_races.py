"""Counting the ledger and issuing documents under threads; each race is also run on a naive version, which loses it."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Max, Sum

from marketplace.core import clock
from payments import invoices, ledger, months, statements
from payments.models import Invoice, Month, Movement, Series, Transfer
from tests import make
from tests.payments import made
from tests.payments.made import USD, at, booked, counted
from tests.race import race

pytestmark = pytest.mark.django_db(transaction=True)
SWEEPERS = 8


def outside_and(kind, **own):
    return ledger.account("outside", **USD), ledger.account(kind, **own, **USD)


def elsewhere():
    """Accounts that whoever holds those of dollars does not hold."""
    euro = {"currency": "EUR", "mode": "sandbox"}
    return ledger.account("outside", **euro), ledger.account("prepaid", organisation=make.organisation(), **euro)


def post_held(key, between, release, posted):
    """A transfer whose transaction stays open until it is released."""
    try:
        with transaction.atomic():
            ledger.post("prepayment", key, (*between, 1))
            posted.set()
            release.wait(20)
    finally:
        connection.close()


def held_open(between):
    """Run a poster that has its key and has not committed; how to release it."""
    release, posted = threading.Event(), threading.Event()
    thread = threading.Thread(target=post_held, args=("held", between, release, posted))
    thread.start()
    assert posted.wait(20)

    def end():
        release.set()
        thread.join(20)

    return end


def test_a_transfer_that_commits_late_is_counted_all_the_same():
    between = outside_and("prepaid", organisation=make.organisation())
    end = held_open(between)
    ledger.post("prepayment", "quick", (*elsewhere(), 10))  # a higher key, and there before
    for _ in range(3):
        months.count()
    assert not Movement.objects.exists()  # nothing is counted past the one that is open
    end()
    counted(clock.now())
    assert sorted(Movement.objects.values_list("amount_micros", flat=True)) == [1, 10]
    assert made.audit() == []


def test_control_counting_to_the_highest_key_that_is_seen_loses_it(monkeypatch):
    monkeypatch.setattr(months, "_have_ended", lambda counting, seal: months._place(counting, seal) or True)
    between = outside_and("prepaid", organisation=make.organisation())
    end = held_open(between)
    ledger.post("prepayment", "quick", (*elsewhere(), 10))
    months.count()
    end()
    counted(clock.now())
    assert Movement.objects.get().amount_micros == 10
    assert any("is counted as None in None, not 1 in 1" in sentence for sentence in made.audit())


def test_a_month_is_not_closed_while_something_of_it_is_open():
    between = outside_and("prepaid", organisation=make.organisation())
    booked(at("2026-10-10"), "prepayment", "first", (*between, 5))
    end = held_open(between)
    for _ in range(3):
        months.count()
    assert not Month.objects.filter(closed_at__isnull=False).exists()
    end()
    counted(clock.now())
    assert Month.objects.filter(closed_at__isnull=False).exists()


def test_many_posting_and_many_counting_come_to_the_sum_of_the_transfers():
    between = outside_and("prepaid", organisation=make.organisation())

    def post(n):
        for k in range(15):
            ledger.post("prepayment", f"p{n}:{k}", (*between, 1))

    def count():
        for _ in range(20):
            months.count(limit=7)

    outcomes = race(*(lambda n=n: post(n) for n in range(5)), *[count] * 4)
    assert outcomes == [None] * 9
    counted(at("2030-01-01"))
    assert Movement.objects.aggregate(n=Sum("transfers"))["n"] == Transfer.objects.count() == 75
    assert made.audit() == []


# Issuing


def to_invoice(organisations):
    """So many organisations that spent something in a month that is closed."""
    wes = ledger.account("earnings", user=make.user("wes"), **USD)
    for n in range(organisations):
        outside, prepaid = outside_and("prepaid", organisation=make.organisation(make.user("rita")))
        booked(at("2026-10-01"), "prepayment", f"p{n}", (outside, prepaid, 100))
        booked(at("2026-10-02"), "bonus", f"b{n}", (prepaid, wes, 100))
    counted(at("2026-11-02"))
    assert Month.objects.filter(closed_at__isnull=False, invoiced_at=None).exists()


def sweep():
    while invoices.issue(limit=1):
        pass


def test_sweepers_at_once_issue_every_document_once_and_number_them_without_a_gap():
    to_invoice(12)
    outcomes = race(*[sweep] * SWEEPERS)
    assert outcomes == [None] * SWEEPERS
    sweep()
    assert sorted(Invoice.objects.values_list("number", flat=True)) == list(range(1, 13))
    assert Invoice.objects.values("organisation").distinct().count() == 12
    assert made.audit() == []


def test_control_without_holding_the_month_sweepers_run_into_each_other(monkeypatch):
    to_invoice(12)
    barrier = threading.Barrier(SWEEPERS)
    found = invoices._organisations

    def together(month, limit):
        rows = found(month, limit)
        barrier.wait(20)
        return rows

    def naive():
        month = Month.objects.filter(closed_at__isnull=False, invoiced_at=None).order_by("begins_at")[0]
        with transaction.atomic():
            for organisation in invoices.Organisation.objects.filter(pk__in=together(month, 1)):
                invoices._issue_for(month, organisation)

    outcomes = race(*[naive] * SWEEPERS)
    assert sum(isinstance(one, IntegrityError) for one in outcomes) == SWEEPERS - 1


def test_numbers_are_given_one_after_the_other_and_none_is_lost_with_what_fails():
    class Failed(Exception):
        pass

    def number(n):
        with transaction.atomic():
            given = invoices._next_number("sandbox", 2026)
            if n % 3 == 0:
                raise Failed
            return given

    outcomes = race(*(lambda n=n: number(n) for n in range(12)))
    assert sorted(one for one in outcomes if isinstance(one, int)) == list(range(1, 9))
    assert Series.objects.get().last == 8
    Series.objects.all().delete()


def test_control_the_highest_number_and_one_is_given_twice():
    Series.objects.create(mode="sandbox", year=2026)
    all_have_looked = threading.Barrier(6)

    def naive():
        with transaction.atomic():
            last = Series.objects.filter(mode="sandbox", year=2026).aggregate(last=Max("last"))["last"]
            all_have_looked.wait(20)
            Series.objects.filter(mode="sandbox", year=2026).update(last=last + 1)
            return last + 1

    assert len(set(race(*[naive] * 6))) < 6
    Series.objects.all().delete()


# Reading


def test_a_statement_that_is_read_while_a_step_is_counted_is_of_one_moment(monkeypatch):
    wes = make.user("wes")
    outside, earnings = ledger.account("outside", **USD), ledger.account("earnings", user=wes, **USD)
    booked(at("2026-10-01"), "settlement", "one", (outside, earnings, 5))
    counted(at("2026-10-02"))
    lines = statements._lines

    def interrupted(user, months):
        if not Movement.objects.filter(amount_micros=12).exists():
            booked(at("2026-10-03"), "settlement", "two", (outside, earnings, 7))
            counted(at("2026-10-04"))
        return lines(user, months)

    monkeypatch.setattr(statements, "_lines", interrupted)
    _, (part,) = statements.of_month(wes, at("2026-10-01").date())
    assert (part.closing_micros, [line.amount_micros for line in part.lines]) == (12, [12])
