"""Invoices and credit notes: numbered without gaps, and to the micro what the ledger moved."""

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from marketplace import accounts
from marketplace.core import clock, taxes
from payments import billing, corrections, invoices, ledger, reserves
from payments.models import BilledTo, BillingDetails, Invoice, InvoiceLine, Month, Series
from tests import make
from tests.payments import made
from tests.payments.made import USD, at, booked, counted

pytestmark = [pytest.mark.django_db, pytest.mark.by_hand]
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


@pytest.fixture(autouse=True)
def _vat(settings):
    settings.TAX_LINES = taxes.read({"DE": [{"name": "VAT", "rate_bp": 1900}]})
    settings.OPERATOR_NAME, settings.OPERATOR_ADDRESS, settings.OPERATOR_TAX_ID = "Hands GmbH", "Berlin", "DE123"


@pytest.fixture
def lab(rita):
    return make.organisation(rita)


def money(currency="USD"):
    return {"currency": currency, "mode": "sandbox"}


def spend(home, when, key, reward, fee=0, *, kind="settlement", currency="USD", project=None, back=False):
    """What a batch of its own paid to Wes and to the operator, out of what is prepaid for it at that time.

    back  the operator gives as much back: what Wes has earned stays his
    """
    wes = ledger.account("earnings", user=make.user("wes"), **money(currency))
    outside, fees = ledger.account("outside", **money(currency)), ledger.account("fees", **money(currency))
    prepaid = ledger.account("prepaid", organisation=home, **money(currency))
    subject = f"batch:{key}"
    reserve = reserves.Reserve.objects.filter(subject=subject).select_related("account").first()
    if reserve is None:
        account = ledger.account("reserve", organisation=home, subject=subject, **money(currency))
        reserve = reserves.Reserve.objects.create(
            subject=subject, project=project or make.project(home, currency=currency), account=account, fee_bp=1000
        )
    total = reward + fee
    moves = [(wes, reward), *([(fees, fee)] if fee else [])]
    if back:
        back_from = ((ledger.account("losses", **money(currency)), reward), (fees, fee))
        return booked(when, kind, f"{kind}:{key}:{when}", *((account, reserve.account, n) for account, n in back_from))
    booked(when, "prepayment", f"p:{kind}:{key}:{when}", (outside, prepaid, total))
    moved = booked(when, "reserve", f"r:{kind}:{key}:{when}", (prepaid, reserve.account, total))
    with connection.cursor() as sql:  # as `reserves.add` keeps it
        sql.execute(
            "INSERT INTO payments_reserveline (reserve_id, name, amount_micros) VALUES (%s, 'answers', %s) "
            "ON CONFLICT (reserve_id, name) DO UPDATE SET amount_micros = payments_reserveline.amount_micros + %s",
            [reserve.pk, total, total],
        )
    assert moved
    return booked(when, kind, f"{kind}:{key}:{when}", *((reserve.account, account, n) for account, n in moves))


def issued(when="2026-11-02"):
    """The documents of all months that have ended by then."""
    counted(at(when))
    while invoices.issue():
        pass
    assert made.audit() == []
    return list(Invoice.objects.order_by("pk"))


def lines(invoice):
    return [(line.title, line.what, line.amount_micros) for line in invoice.lines.all()]


def test_a_month_is_one_invoice_with_a_line_for_each_batch_and_kind_of_cost(lab, rita):
    billing.state(lab, rita, name="Lab AG", address="Bern", country="DE", tax_id="DE9")
    cats, dogs = make.project(lab, title="Cats"), make.project(lab, title="Dogs")
    spend(lab, at("2026-10-01 00:00"), 1, 100_000_000, 10_000_000, project=cats)
    spend(lab, at("2026-10-20"), 1, 5_000_000, 500_000, kind="bonus", project=cats)
    spend(lab, at("2026-10-31 23:59"), 2, 3_000_000, project=dogs)
    spend(lab, at("2026-11-01 00:00"), 2, 7_000_000, project=dogs)
    (invoice,) = issued()
    assert (str(invoice), invoice.kind, str(invoice.month)) == (f"PLAY-{invoice.year}-000001", "invoice", "2026-10")
    assert lines(invoice) == [
        ("Cats", "bonus", 5_000_000),
        ("Cats", "settlement", 100_000_000),
        ("Cats", "fee", 10_500_000),
        ("Dogs", "settlement", 3_000_000),
    ]
    assert invoice.total_micros == 118_500_000
    # 118.50 with 19 % in it: 18.920168..., in cents 18.92
    assert (invoice.tax_micros, invoice.net_micros) == (18_920_000, 99_580_000)
    (tax,) = invoice.taxes.all()
    assert (tax.name, tax.rate_bp, tax.base_micros, tax.amount_micros) == ("VAT", 1900, 99_579_832, 18_920_000)
    to = invoice.billed_to
    assert (to.name, to.address, to.country, to.tax_id) == ("Lab AG", "Bern", "DE", "DE9")
    assert (invoice.operator_name, invoice.operator_tax_id) == ("Hands GmbH", "DE123")


def test_how_it_was_paid_stands_beside_it(lab):
    spend(lab, at("2026-10-05"), 1, 100, 10)
    spend(lab, at("2026-11-05"), 1, 200, 20)
    own = {"organisation": lab, **USD}
    prepaid, outside = ledger.account("prepaid", **own), ledger.account("outside", **USD)
    refunding = ledger.account("refunding", **own)
    booked(at("2026-11-06"), "prepayment", "more", (outside, prepaid, 1_000))
    booked(at("2026-11-07"), "refund", "back", (prepaid, refunding, 400))
    booked(at("2026-11-08"), "refund_paid", "gone", (refunding, outside, 300))
    booked(at("2026-11-09"), "refund_failed", "again", (refunding, prepaid, 100))
    booked(at("2026-11-10"), "dispute", "bank", (prepaid, outside, 50))
    losses = ledger.account("losses", **USD)
    booked(at("2026-11-11"), "dispute", "bank again", (losses, outside, 30))
    booked(at("2026-11-12"), "dispute_recovered", "made up for", (prepaid, losses, 30))
    counted(at("2026-12-02"))
    while invoices.issue():
        pass
    _, november = Invoice.objects.order_by("month__begins_at")
    found = invoices.prepaid(november)
    assert (found.opening_micros, found.spent_micros, found.closing_micros) == (0, 220, 620)
    assert {one.what: one.amount_micros for one in found.payments} == {
        "Prepayment": 1_220, "Refund": -400, "Refund that came back": 100, "Taken back by the payer's bank": -50,
        "Kept for what the payer's bank took back": -30,
    }  # fmt: skip


def test_a_fee_that_an_admin_gives_back_is_a_credit_note(lab, ada):
    entry = spend(lab, at("2026-09-10"), 1, 1_000_000, 100_000)
    corrections.propose(entry, ada, "It was late.")
    counted(clock.now() + timedelta(days=62))
    while invoices.issue():
        pass
    invoice, note = Invoice.objects.order_by("pk")
    line = note.lines.get()
    assert (note.kind, note.total_micros, line.what, line.corrects) == ("credit_note", 100_000, "fee", invoice)
    assert made.audit() == []


def test_what_is_given_back_later_is_a_credit_note_over_the_invoice_of_that_batch(lab):
    spend(lab, at("2026-09-10"), 1, 1_000_000, 100_000)
    spend(lab, at("2026-10-10"), 2, 2_000_000, 200_000)
    spend(lab, at("2026-10-11"), 1, 300_000, 30_000, kind="correction", back=True)
    first, second, note = issued()
    assert [str(row)[-6:] for row in (first, second, note)] == ["000001", "000002", "000003"]
    assert (note.kind, str(note.month), note.total_micros) == ("credit_note", "2026-10", 330_000)
    assert {(line.what, line.amount_micros, line.corrects_id) for line in note.lines.all()} == {
        ("correction", 300_000, first.pk),
        ("fee", 30_000, first.pk),
    }
    assert second.total_micros == 2_200_000


def test_currencies_are_billed_apart_and_tax_is_whole_in_each(lab, rita):
    billing.state(lab, rita, country="DE")
    for key, currency in enumerate(["USD", "JPY", "EUR"]):
        spend(lab, at("2026-10-10"), key, 1_000_000_000, currency=currency)
    found = {row.currency: row.tax_micros for row in issued()}
    # 1,000 with 19 % in it hold 159.663865...
    assert found == {"USD": 159_660_000, "JPY": 160_000_000, "EUR": 159_660_000}


def test_every_organisation_is_billed_once_however_often_the_sweep_runs(rita):
    homes = [make.organisation(rita) for _ in range(5)]
    for n, home in enumerate(homes):
        spend(home, at("2026-10-10"), n, 1_000 * (n + 1))
    counted(at("2026-11-02"))
    assert invoices.issue(limit=2) is True
    assert Invoice.objects.count() == 2
    found = issued("2026-11-02")
    assert [row.organisation_id for row in found] == [home.pk for home in homes]
    assert [row.number for row in found] == [1, 2, 3, 4, 5]
    assert issued("2026-11-03") == found


def test_nothing_is_billed_where_nothing_was_spent_or_before_the_month_is_closed(lab):
    made.prepaid(lab, 100)
    booked(at("2026-10-10"), "prepayment", "x", (
        ledger.account("outside", **USD), ledger.account("prepaid", organisation=lab, **USD), 5))  # fmt: skip
    assert issued("2026-11-02") == []
    other = make.organisation(make.user("olga"))
    spend(other, at("2026-11-01 12:00"), 9, 100)
    assert issued("2026-12-01 05:00") == []
    assert len(issued("2026-12-01 06:00")) == 1


def test_issued_documents_are_neither_changed_nor_deleted(lab):
    spend(lab, at("2026-10-10"), 1, 100, 10)
    (invoice,) = issued()
    for rows in (Invoice.objects.filter(pk=invoice.pk), invoice.lines.all(), BilledTo.objects.all()):
        for change in (lambda rows=rows: rows.update(**_other(rows)), lambda rows=rows: rows.delete()):
            with pytest.raises(DatabaseError), transaction.atomic():
                change()


def _other(rows):
    return {"name": "Other"} if rows.model is BilledTo else {"tax_micros": 1}


def test_what_an_organisation_says_later_changes_no_document(lab, rita):
    billing.state(lab, rita, name="Old", country="DE")
    spend(lab, at("2026-10-10"), 1, 100)
    (first,) = issued()
    billing.state(lab, rita, name="New")
    spend(lab, at("2026-11-10"), 1, 100)
    _, second = issued("2026-12-02")
    first.refresh_from_db()
    assert (first.billed_to.name, second.billed_to.name, second.billed_to.country) == ("Old", "New", "DE")


def test_who_says_nothing_is_billed_by_the_organisations_name_without_tax(lab):
    spend(lab, at("2026-10-10"), 1, 100)
    (invoice,) = issued()
    assert (invoice.billed_to.name, invoice.tax_micros, list(invoice.taxes.all())) == (lab.name, 0, [])


def test_copies_of_who_was_billed_are_scrubbed_when_they_need_not_be_kept(lab, rita, settings):
    billing.state(lab, rita, name="Old", address="Bern", country="DE", tax_id="DE9")
    spend(lab, at("2026-10-10"), 1, 100)
    (invoice,) = issued()
    kept = timedelta(days=366 * settings.PAY_RECORDS_YEARS)
    billing.forget(at=invoice.issued_at + kept - timedelta(minutes=1))
    assert BilledTo.objects.get().name == "Old"
    billing.forget(at=invoice.issued_at + kept + timedelta(minutes=1))
    to = BilledTo.objects.get()
    assert (to.name, to.address, to.tax_id, to.country) == ("", "", "", "DE")
    assert to.scrubbed_at


def test_details_go_with_the_last_member(lab, rita):
    olga = make.organisation(make.user("olga"))
    billing.state(lab, rita, name="Rita Rot", address="Bern")
    billing.state(olga, make.user("olga"), name="Olga Orth")
    billing.forget_details_of(rita)
    assert [row.name for row in BillingDetails.objects.order_by("pk")] == ["", "Olga Orth"]


def test_details_stay_while_somebody_is_there(lab, rita):
    accounts.add_member(lab, make.user("max").email, "manager", rita)
    billing.state(lab, rita, name="Lab AG")
    billing.forget_details_of(rita)
    assert BillingDetails.objects.get().name == "Lab AG"


@pytest.mark.parametrize(
    "wrong", [{"country": "de"}, {"country": "Germany"}, {"name": "x" * 201}, {"tax_id": "x" * 41}]
)
def test_nonsense_is_refused(lab, rita, wrong):
    with pytest.raises(billing.Invalid):
        billing.state(lab, rita, **wrong)


def test_with_real_money_nobody_is_billed_by_nobody(lab, settings):
    spend(lab, at("2026-10-10"), 1, 100)
    counted(at("2026-11-02"))
    settings.MODE, settings.OPERATOR_NAME = "live", ""
    assert invoices.issue() is False
    assert not Invoice.objects.exists()
    settings.OPERATOR_NAME = "Hands GmbH"
    while invoices.issue():
        pass
    assert Invoice.objects.count() == 1


def test_months_are_billed_in_their_order(lab):
    spend(lab, at("2026-08-10"), 1, 100)
    spend(lab, at("2026-10-10"), 1, 100)
    assert [str(row.month) for row in issued()] == ["2026-08", "2026-10"]
    assert not Month.objects.filter(ends_at__lte=at("2026-11-01"), invoiced_at=None).exists()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE payments_invoice SET total_micros = total_micros + 1", "were spent"),
        ("UPDATE payments_invoiceline SET amount_micros = 101 WHERE what = 'settlement'", "its lines say"),
        ("UPDATE payments_invoiceline SET tax_micros = 1", "its lines say"),
        ("DELETE FROM payments_invoicetax", "its taxes"),
        ("UPDATE payments_series SET last = 2", "the numbers"),
        ("UPDATE payments_invoice SET number = 2", "the numbers"),
        ("UPDATE payments_month SET invoiced_at = closed_at WHERE closed_at IS NOT NULL", "were spent"),
    ],
)
def test_the_audit_finds_damage_to_documents(lab, rita, damage, found):
    billing.state(lab, rita, country="DE")
    spend(lab, at("2026-10-10"), 1, 100_000_000, 10_000_000)
    if "payments_month" in damage:
        counted(at("2026-11-02"))
    else:
        issued()
    with transaction.atomic():
        with connection.cursor() as sql:
            sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in ("invoice", "invoiceline", "invoicetax"):
                sql.execute(f"ALTER TABLE payments_{table} DISABLE TRIGGER USER")
            sql.execute(damage)
        assert any(found in sentence for sentence in made.audit()), made.audit()
        transaction.set_rollback(True)


def test_the_series_of_a_year_begins_at_one(lab):
    spend(lab, at("2026-10-10"), 1, 100)
    (invoice,) = issued()
    year = clock.now().year
    assert list(Series.objects.values_list("mode", "year", "last")) == [("sandbox", year, 1)]
    assert (invoice.year, InvoiceLine.objects.count()) == (year, 1)
