"""Invoices: what an organisation spent in a month, numbered without gaps, and credit notes over what was given back.

Spent is what left the prepaid and reserve accounts of the organisation for anybody but itself, the world (refunds,
disputes), what makes up for a dispute later, and money on its way back; given back is what came into them from there.
Both include tax.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from marketplace.core import clock, taxes
from marketplace.models import Mode, Organisation
from payments import billing
from payments.models import Invoice, InvoiceLine, InvoiceTax, Month, MonthTotal, Series
from payments.months import local

log = logging.getLogger(__name__)
STEP = 20  # organisations
OWN = "('prepaid', 'reserve')"
NOT_SPENT = "('prepaid', 'reserve', 'refunding', 'outside')"
RECOVERED = "dispute_recovered"  # from what is prepaid, for what a bank took when nothing was: no spending either

# By currency, mode, batch and what for; of fees, not what they were for. Ordered as lines are
SPENT = f"""
SELECT * FROM (
SELECT side.back, d.currency, d.mode, r.id AS reserve, r.project_id, p.title,
       CASE WHEN other.kind = 'fees' THEN 'fee' ELSE m.kind END AS what, sum(m.amount_micros)::bigint
FROM payments_movement m
JOIN payments_account d ON d.id = m.debit_id JOIN payments_account c ON c.id = m.credit_id
CROSS JOIN LATERAL (SELECT c.kind IN {OWN} AS back) side
JOIN payments_account own ON own.id = CASE WHEN side.back THEN c.id ELSE d.id END
JOIN payments_account other ON other.id = CASE WHEN side.back THEN d.id ELSE c.id END
LEFT JOIN payments_reserve r ON r.account_id = own.id LEFT JOIN marketplace_project p ON p.id = r.project_id
WHERE m.month_id = %(month)s AND m.organisation_id = %(organisation)s
  AND own.kind IN {OWN} AND other.kind NOT IN {NOT_SPENT} AND m.kind <> '{RECOVERED}'
GROUP BY 1, 2, 3, 4, 5, 6, 7) line ORDER BY back, currency, mode, project_id, reserve, what = 'fee', what
"""
PAYMENTS = {  # what is no spending: how it is called, by the kinds of both accounts
    ("outside", "prepaid"): "Prepayment",
    ("prepaid", "refunding"): "Refund",
    ("refunding", "prepaid"): "Refund that came back",
    ("prepaid", "outside"): "Taken back by the payer's bank",
    ("prepaid", "losses"): "Kept for what the payer's bank took back",
}


@dataclass(frozen=True)
class Spent:
    """One line to be: what a batch cost in one respect."""

    is_back: bool
    currency: str
    mode: str
    reserve: int | None
    project: int | None
    title: str | None
    what: str
    amount_micros: int


@dataclass(frozen=True)
class Payment:
    """What came in or went back in a month."""

    what: str
    amount_micros: int  # negative: to the organisation


@dataclass(frozen=True)
class Prepaid:
    """How a document's total was paid: what stood, what came, what was spent, what stands; reserves included."""

    opening_micros: int
    payments: list[Payment]
    spent_micros: int
    closing_micros: int


def issue(limit: int = STEP) -> bool:
    """Issue the documents of some more organisations for a closed month, each once; True while there are more.

    Whoever issues holds the month: several at once find nothing to do.
    """
    with transaction.atomic():
        waiting = Month.objects.filter(closed_at__isnull=False, invoiced_at=None).order_by("begins_at")
        month = waiting.select_for_update(skip_locked=True, no_key=True).first()
        if month is None or _earlier_waits(month):
            return False
        if settings.MODE == Mode.LIVE and not settings.OPERATOR_NAME:
            log.error("no invoice is issued: say who issues it in OPERATOR_NAME")
            return False
        found = _organisations(month, limit)
        for organisation in Organisation.objects.filter(pk__in=found).order_by("pk"):
            _issue_for(month, organisation)
        is_more = len(found) == limit
        done: dict[str, Any] = {"invoiced_to": found[-1]} if found else {}
        Month.objects.filter(pk=month.pk).update(**done, **({} if is_more else {"invoiced_at": clock.now()}))
        return is_more or waiting.exists()


def spent(month: Month, organisation: Organisation) -> list[Spent]:
    """What the organisation spent in the month and what of that was given back, line by line."""
    with connection.cursor() as sql:
        sql.execute(SPENT, {"month": month.pk, "organisation": organisation.pk})
        return [Spent(*row) for row in sql.fetchall()]


def prepaid(invoice: Invoice) -> Prepaid:
    """What the organisation had prepaid in the document's month and currency, and what became of it."""
    own = MonthTotal.objects.filter(
        user=None,
        organisation=invoice.organisation_id,
        kind__in=("prepaid", "reserve"),
        currency=invoice.currency,
        mode=invoice.mode,
        month__begins_at__lte=invoice.month.begins_at,
    )
    opening = change = 0
    for month, credits, debits in own.values_list("month", "credits_micros", "debits_micros"):
        if month == invoice.month_id:
            change += credits - debits
        else:
            opening += credits - debits
    payments = [Payment(*row) for row in _payments(invoice)]
    spent_micros = opening + sum(one.amount_micros for one in payments) - (opening + change)
    return Prepaid(opening, payments, spent_micros, opening + change)


def _earlier_waits(month: Month) -> bool:
    """Whether another holds an earlier month: documents are numbered month by month."""
    return Month.objects.filter(invoiced_at=None, begins_at__lt=month.begins_at).exists()


def _organisations(month: Month, limit: int) -> list[int]:
    totals = MonthTotal.objects.filter(month=month, user=None, organisation__gt=month.invoiced_to)
    return list(totals.order_by("organisation").values_list("organisation", flat=True).distinct()[:limit])


def _issue_for(month: Month, organisation: Organisation) -> None:
    """The invoice of each currency and mode, then the credit note."""
    lines = spent(month, organisation)
    for is_back in (False, True):
        for currency, mode in sorted({(one.currency, one.mode) for one in lines if one.is_back is is_back}):
            wanted = (is_back, currency, mode)
            _write(month, organisation, [one for one in lines if (one.is_back, one.currency, one.mode) == wanted])


def _write(month: Month, organisation: Organisation, lines: list[Spent]) -> Invoice:
    """Number a document and write it with its lines and taxes; it refers to a copy of who is billed."""
    first, at = lines[0], clock.now()
    to = billing.frozen(organisation, at)
    applied = taxes.of(settings.TAX_LINES, to.country, bool(to.tax_id))
    amounts, fees = [one.amount_micros for one in lines], [one.what == "fee" for one in lines]
    found = taxes.included(amounts, fees, applied, first.currency)
    year = local(at).year
    invoice = Invoice.objects.create(
        kind=Invoice.Kind.CREDIT_NOTE if first.is_back else Invoice.Kind.INVOICE,
        organisation=organisation,
        month=month,
        currency=first.currency,
        mode=first.mode,
        year=year,
        number=_next_number(first.mode, year),
        billed_to=to,
        operator_name=settings.OPERATOR_NAME,
        operator_address=settings.OPERATOR_ADDRESS,
        operator_tax_id=settings.OPERATOR_TAX_ID,
        total_micros=sum(amounts),
        tax_micros=sum(found.amounts),
        issued_at=at,
    )
    InvoiceLine.objects.bulk_create(_lines(invoice, lines, found.parts))
    InvoiceTax.objects.bulk_create(
        InvoiceTax(
            invoice=invoice, position=place, name=tax.name, note=tax.note, rate_bp=tax.rate_bp, base_micros=base,
            amount_micros=amount,
        )
        for place, (tax, base, amount) in enumerate(zip(applied, found.bases, found.amounts, strict=True))
    )  # fmt: skip
    return invoice


def _lines(invoice: Invoice, lines: list[Spent], parts: list[int]) -> Iterable[InvoiceLine]:
    for place, (line, tax) in enumerate(zip(lines, parts, strict=True)):
        yield InvoiceLine(
            invoice=invoice,
            position=place,
            what=line.what,
            reserve_id=line.reserve,
            project_id=line.project,
            title=line.title or "",
            amount_micros=line.amount_micros,
            tax_micros=tax,
            corrects_id=_corrected(invoice, line) if line.is_back else None,
        )


def _corrected(invoice: Invoice, line: Spent) -> int | None:
    """The last invoice in which the batch, or else the organisation, was billed for something."""
    billed = InvoiceLine.objects.filter(invoice__kind=Invoice.Kind.INVOICE, invoice__organisation=invoice.organisation)
    if line.reserve is not None:
        billed = billed.filter(reserve=line.reserve)
    return billed.order_by("-pk").values_list("invoice", flat=True).first()


def _next_number(mode: str, year: int) -> int:
    """The next of its series, which is held until the document with it is there: no number is left out."""
    Series.objects.get_or_create(mode=mode, year=year)
    row = Series.objects.select_for_update(no_key=True).get(mode=mode, year=year)
    Series.objects.filter(pk=row.pk).update(last=row.last + 1)
    return row.last + 1


def _payments(invoice: Invoice) -> list[tuple[str, int]]:
    with connection.cursor() as sql:
        sql.execute(
            """SELECT d.kind, c.kind, sum(m.amount_micros)::bigint
               FROM payments_movement m JOIN payments_account d ON d.id = m.debit_id
               JOIN payments_account c ON c.id = m.credit_id
               WHERE m.month_id = %s AND m.organisation_id = %s AND d.currency = %s AND d.mode = %s
               GROUP BY 1, 2 ORDER BY 1, 2""",
            [invoice.month_id, invoice.organisation_id, invoice.currency, invoice.mode],
        )
        rows = [(PAYMENTS[debit, credit], credit, micros) for debit, credit, micros in sql.fetchall()
                if (debit, credit) in PAYMENTS]  # fmt: skip
    return [(what, micros if credit == "prepaid" else -micros) for what, credit, micros in rows]
