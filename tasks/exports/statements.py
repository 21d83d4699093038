"""Statements, invoices and what the operator files, as tables for spreadsheets: streamed, a block at a time."""

from collections.abc import Iterator
from typing import Any

from marketplace.models import User
from payments import invoices, statements
from payments.models import Invoice, InvoiceLine, Month, Transfer
from tasks import filings
from tasks.exports.csv import CONTENT_TYPE, amount, table
from tasks.exports.person import by_key

__all__ = ["CONTENT_TYPE", "write_fees", "write_invoice", "write_lines", "write_transfers", "write_workers"]
LINES = ["month", "what", "kind", "project", "title", "amount", "payments", "currency", "mode"]
TRANSFERS = ["when", "kind", "project", "title", "amount", "currency", "mode"]
INVOICE = ["document", "position", "what", "project", "title", "net", "tax", "total", "currency", "corrects"]
QUARTERS = [f"{what}_q{n}" for n in (1, 2, 3, 4) for what in ("earned", "paid_out", "payouts")]
WORKERS = ["worker", "country_stated", "payout_country", "currency", "mode", "earned", "paid_out", "payouts", *QUARTERS]


def write_lines(parts: list[statements.Statement]) -> Iterator[bytes]:
    """What a month's or a year's statement says, its balances first and last."""

    def rows() -> Iterator[list[Any]]:
        for part in parts:
            money = [part.currency, part.mode]
            yield ["", "opening", "", "", "", amount(part.opening_micros), "", *money]
            for line in part.shown:
                named = [line.month, line.sense, line.kind, line.project or "", line.title or ""]
                yield [*named, amount(line.sign * line.amount_micros), line.transfers, *money]
            yield ["", "closing", "", "", "", amount(part.closing_micros), "", *money]

    return table(LINES, rows())


def write_transfers(user: User, month: Month) -> Iterator[bytes]:
    """Every amount that was credited in a month, oldest first."""

    def cells(row: Transfer) -> list[Any]:
        reserve = getattr(row.debit, "reserve", None)
        named = [reserve.project.public_id, reserve.project.title] if reserve else ["", ""]
        return [row.created_at.isoformat(), row.entry.kind, *named, amount(row.amount_micros), row.currency, row.mode]

    return table(TRANSFERS, map(cells, by_key(statements.transfers(user, month))))


def write_invoice(invoice: Invoice) -> Iterator[bytes]:
    """The lines of a document, then its taxes and how it was paid."""

    def rows() -> Iterator[list[Any]]:
        lines = InvoiceLine.objects.filter(invoice=invoice).select_related("project", "corrects").order_by("position")
        for line in lines.iterator(1_000):
            named = [str(invoice), line.position, line.what, line.project.public_id if line.project else "", line.title]
            sums = [amount(line.amount_micros - line.tax_micros), amount(line.tax_micros), amount(line.amount_micros)]
            yield [*named, *sums, invoice.currency, str(line.corrects or "")]
        for tax in invoice.taxes.all():
            own = [amount(tax.base_micros), amount(tax.amount_micros)]
            yield [str(invoice), "", "tax", "", tax.name, *own, "", invoice.currency, ""]
        sums = [amount(invoice.net_micros), amount(invoice.tax_micros), amount(invoice.total_micros)]
        yield [str(invoice), "", "total", "", "", *sums, invoice.currency, ""]
        for paid in invoices.prepaid(invoice).payments:
            yield [str(invoice), "", "payment", "", paid.what, "", "", amount(paid.amount_micros), invoice.currency, ""]

    return table(INVOICE, rows())


def write_workers(year: int) -> Iterator[bytes]:
    """What the operator files about those it paid, one line for each worker, currency and mode."""

    def cells(row: filings.Filed) -> list[Any]:
        sums: list[Any] = []
        for quarter in (None, 1, 2, 3, 4):
            of = row.total if quarter is None else row.quarters.get(quarter, filings.Sums())
            sums += [amount(of.earned_micros), amount(of.paid_micros), of.payouts]
        return [row.worker, row.country, row.payout_country, row.currency, row.mode, *sums]

    return table(WORKERS, map(cells, filings.workers(year)))


def write_fees(year: int) -> Iterator[bytes]:
    """The fees of a year by month."""
    rows = ([row.month, amount(row.fees_micros), row.currency, row.mode] for row in filings.fees(year))
    return table(["month", "fees", "currency", "mode"], rows)
