"""What statements cost with 1,000 and with 150,000 transfers of one account: the same."""

from datetime import date

import pytest
from django.db import connection

from payments import invoices, ledger, months, statements
from payments.models import Invoice, InvoiceLine, Month
from tasks import filings, paid_for
from tests.payments import made
from tests.payments.made import USD, at, counted
from tests.plans import plans

pytestmark = pytest.mark.django_db
MORE = 150_000
EACH = 50  # transfers of an entry, so that making them is quick
MONTHS = 24  # from November 2024 on
PAGE = 26

ENTRIES = """INSERT INTO payments_entry (kind, key, facts, created_at)
    SELECT 'settlement', %(name)s || n, '{}', timestamptz '2024-11-01 00:00Z' + n * interval '2 years' / %(entries)s
    FROM generate_series(0, %(entries)s - 1) n"""
TRANSFERS = """INSERT INTO payments_transfer (entry_id, debit_id, credit_id, amount_micros, currency, mode, created_at)
    SELECT id, {pair}, 1000, 'USD', 'sandbox', created_at FROM payments_entry, generate_series(1, %(each)s)
    WHERE key LIKE %(name)s || '%%' ORDER BY id"""
TOTALS = """UPDATE payments_account SET {column} = {column} + 1000 * %(count)s::bigint WHERE id = %(account)s"""


def run(sql, **values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


@pytest.fixture
def accounts(wes, monkeypatch):
    monkeypatch.setattr(plans, "BIG", {"payments_transfer"})
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run("ALTER TABLE payments_transfer DROP CONSTRAINT transfer_debit_same_money, "
        "DROP CONSTRAINT transfer_credit_same_money")  # fmt: skip
    with connection.cursor() as sql:  # checked row by row, it would take half of the time
        sql.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'payments_transfer'::regclass AND contype = 'f'"
        )
        for (name,) in sql.fetchall():
            sql.execute(f"ALTER TABLE payments_transfer DROP CONSTRAINT {name}")
    reserve = made.reserve(1, "batch:7").account
    return ledger.account("outside", **USD), reserve, ledger.account("earnings", user=wes, **USD)


def history(accounts, name, count):
    """So many amounts that came into the reserve and went on to Wes over two years, counted and analysed."""
    outside, reserve, wes = accounts
    run(ENTRIES, name=name, entries=count // EACH)
    for debit, credit in ((outside, reserve), (reserve, wes)):
        run(TRANSFERS.format(pair=f"{debit.pk}, {credit.pk}"), name=name, each=EACH)
        run(TOTALS.format(column="debits_micros"), count=count, account=debit.pk)
        run(TOTALS.format(column="credits_micros"), count=count, account=credit.pk)
    counted(at("2024-11-01"))
    for table in ("transfer", "entry", "movement", "monthtotal", "account", "month"):
        run(f"ANALYZE payments_{table}")


def costs(wes, look):
    return {name: plans.of(call) for name, call in look(wes).items()}


def looks(wes):
    old, new = Month.objects.get(first_day=date(2025, 1, 1)), Month.objects.get(first_day=date(2026, 9, 1))
    line = InvoiceLine(invoice=Invoice(month=new, currency="USD", mode="sandbox", kind="invoice"), what="settlement",
                       reserve=made.Reserve.objects.get(subject="batch:7"))  # fmt: skip
    invoice = Invoice(month=new, organisation=line.reserve.account.organisation, currency="USD", mode="sandbox")
    return {
        "an old month": lambda: statements.of_month(wes, old.first_day),
        "a new month": lambda: statements.of_month(wes, new.first_day),
        "a year": lambda: statements.of_year(wes, 2025),
        "all months": lambda: statements.months_of(wes),
        "a page of old amounts": lambda: list(statements.transfers(wes, old).order_by("-pk")[:PAGE]),
        "a page of new amounts": lambda: list(statements.transfers(wes, new).order_by("-pk")[:PAGE]),
        "a page behind a line": lambda: list(paid_for.transfers(line).order_by("-pk")[:PAGE]),
        "what is invoiced": lambda: invoices.spent(new, invoice.organisation),
        "how it was paid": lambda: invoices.prepaid(invoice),
        "what is filed": lambda: list(filings.workers(2025)),
        "fees": lambda: filings.fees(2025),
    }


def test_statements_cost_the_same_at_any_number_of_transfers(accounts, wes):
    history(accounts, "few", 1_000)
    few = costs(wes, looks)
    history(accounts, "many", MORE)
    many = costs(wes, looks)
    assert statements.of_year(wes, 2025)[1][0].earned_micros > 10_000 * 1_000
    for name, cost in many.items():
        assert not cost.scans or few[name].scans == cost.scans, cost.told()
        # of the few, all rows share some pages; of the many, each is found by its own key
        assert cost.buffers <= 1.5 * few[name].buffers + 8 * PAGE, f"{name}\n{few[name].told()}\n{cost.told()}"


def test_a_step_of_counting_reads_its_own_transfers_alone(accounts):
    history(accounts, "many", 50_000)
    history(accounts, "some", 100)
    outside, reserve, _ = accounts
    for n in range(10):
        made.booked(at("2026-10-20"), "reserve", f"new:{n}", (outside, reserve, 1))
    cost = plans.of(lambda: months.count(at("2026-10-21")) or months.count(at("2026-10-21")))
    assert not cost.scans, cost.told()
    assert cost.buffers < 1_500, cost.told()
