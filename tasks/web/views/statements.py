"""Statements of workers, invoices of organisations, and what the operator files."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import paging
from marketplace.core.errors import NotFound
from marketplace.core.money import show
from marketplace.models import Organisation
from marketplace.web.edge import page_of, person, refusals_in
from payments import billing, invoices, months, statements
from payments.models import Invoice, InvoiceLine, Month
from tasks import filings, paid_for
from tasks.exports import statements as exports
from tasks.web import chart, shown
from tasks.web.statement_forms import BillingForm

LINES_SHOWN = 500  # of a document; the table for spreadsheets has them all


def first_day(month: str) -> date:
    """Of a month as 2026-10; no other writing of it exists."""
    try:
        day = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise Http404 from error
    if month != f"{day:%Y-%m}":
        raise Http404
    return day


@login_required
def all_statements(request: HttpRequest) -> HttpResponse:
    """The months and years of which this person has a statement."""
    found = statements.months_of(person(request))
    years = sorted({one.month.first_day.year for one in found}, reverse=True)
    return render(request, "tasks/statements.html", {"months": found, "years": years, "until": months.counted_at()})


@login_required
def of_month(request: HttpRequest, month: str) -> HttpResponse:
    found, parts = _month(request, month)
    facts = {"month": found, "parts": parts, "payouts": statements.payouts(person(request), [found])}
    return render(request, "tasks/statement_month.html", {**facts, "until": months.counted_at()})


@login_required
def of_month_csv(request: HttpRequest, month: str) -> StreamingHttpResponse:
    found, parts = _month(request, month)
    return _download(f"manyhands-statement-{found}.csv", exports.write_lines(parts))


@login_required
def month_transfers(request: HttpRequest, month: str) -> HttpResponse:
    """Every amount of a month, each leading to the work it paid."""
    found, _ = _month(request, month)
    page = page_of(request, statements.transfers(person(request), found))
    for row in page["rows"]:
        row.token = paging.seal(row.pk)
    return render(request, "tasks/statement_transfers.html", {"month": found, "page": page})


@login_required
def month_transfers_csv(request: HttpRequest, month: str) -> StreamingHttpResponse:
    found, _ = _month(request, month)
    return _download(f"manyhands-amounts-{found}.csv", exports.write_transfers(person(request), found))


@login_required
def of_year(request: HttpRequest, year: int) -> HttpResponse:
    found, parts = _year(request, year)
    by_month = [_by_month(part, found) for part in parts]
    facts = {"year": year, "parts": list(zip(parts, by_month, strict=True)), "until": months.counted_at()}
    return render(request, "tasks/statement_year.html", facts)


@login_required
def of_year_csv(request: HttpRequest, year: int) -> StreamingHttpResponse:
    _, parts = _year(request, year)
    return _download(f"manyhands-statement-{year}.csv", exports.write_lines(parts))


@login_required
def transfer(request: HttpRequest, transfer: str) -> HttpResponse:
    """What an amount was for: the answers it paid, or the bonuses, each by itself."""
    try:
        amount = paid_for.transfer(person(request), transfer)
    except NotFound as error:
        raise Http404 from error
    facts = {"amount": amount, "month": months.containing(amount.created_at)}
    if amount.entry.kind == "bonus":
        page = page_of(request, paid_for.bonuses(person(request), amount))
        return render(request, "tasks/paid_for.html", {**facts, "page": page, "bonuses": page["rows"]})
    page = page_of(request, paid_for.answers(person(request), amount))
    for answer in page["rows"]:
        answer.words = shown.answer(answer.batch.schema, answer.value)
    return render(request, "tasks/paid_for.html", {**facts, "page": page, "answers": page["rows"]})


@login_required
def organisation_invoices(request: HttpRequest, organisation: str) -> HttpResponse:
    home = _home(request, organisation)
    page = page_of(request, Invoice.objects.filter(organisation=home).select_related("month"))
    return render(request, "tasks/invoices.html", {"organisation": home, "page": page})


@login_required
def billing_details(request: HttpRequest, organisation: str) -> HttpResponse:
    """Who is billed from the next invoice on; owners say it."""
    home = _home(request, organisation)
    said = billing.details(home)
    form = BillingForm(request.POST or None, initial={name: getattr(said, name) for name in billing.COLUMNS})
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            billing.state(home, person(request), **form.cleaned_data)
            messages.success(request, "The next invoice says so.")
            return redirect("invoices", home.public_id)
    return render(request, "tasks/billing.html", {"organisation": home, "form": form})


@login_required
def invoice(request: HttpRequest, invoice: str) -> HttpResponse:
    """One document, ready to be printed."""
    found = _invoice(request, invoice)
    lines = list(found.lines.select_related("corrects", "project").order_by("position")[: LINES_SHOWN + 1])
    facts: dict[str, Any] = {"invoice": found, "lines": lines[:LINES_SHOWN], "is_cut": len(lines) > LINES_SHOWN}
    facts |= {"taxes": found.taxes.all(), "prepaid": invoices.prepaid(found)}
    return render(request, "tasks/invoice.html", facts)


@login_required
def invoice_csv(request: HttpRequest, invoice: str) -> StreamingHttpResponse:
    found = _invoice(request, invoice)
    return _download(f"manyhands-{found}.csv", exports.write_invoice(found))


@login_required
def invoice_line(request: HttpRequest, invoice: str, position: int) -> HttpResponse:
    """The amounts behind a line: when, to which worker (under the organisation's own name for them), how much."""
    found = _invoice(request, invoice)
    lines = InvoiceLine.objects.select_related("invoice__month", "invoice__organisation", "reserve", "project")
    line = get_object_or_404(lines, invoice=found, position=position)
    page = page_of(request, paid_for.transfers(line))
    for row in page["rows"]:
        row.worker = paid_for.pseudonym(line, row)
    return render(
        request,
        "tasks/invoice_line.html",
        {"line": line, "invoice": found, "page": page, "batch": paid_for.batch(line)},
    )


@login_required
def all_filings(request: HttpRequest) -> HttpResponse:
    """What there is to file, by year; for admins."""
    try:
        years = [{"year": year, "fees": filings.fees(year)} for year in filings.years(person(request))]
    except NotFound as error:
        raise Http404 from error
    return render(request, "tasks/filings.html", {"years": years})


@login_required
def filed_workers_csv(request: HttpRequest, year: int) -> StreamingHttpResponse:
    _admin(request, year)
    return _download(f"manyhands-workers-{year}.csv", exports.write_workers(year))


@login_required
def filed_fees_csv(request: HttpRequest, year: int) -> StreamingHttpResponse:
    _admin(request, year)
    return _download(f"manyhands-fees-{year}.csv", exports.write_fees(year))


def _admin(request: HttpRequest, year: int) -> None:
    try:
        filings.check(person(request), year)
    except NotFound as error:
        raise Http404 from error


def _home(request: HttpRequest, organisation: str) -> Organisation:
    return get_object_or_404(Organisation.objects.visible_to(person(request)), public_id=organisation)


def _invoice(request: HttpRequest, public_id: str) -> Invoice:
    seen = Invoice.objects.visible_to(person(request)).select_related("month", "organisation", "billed_to")
    return get_object_or_404(seen, public_id=public_id)


def _month(request: HttpRequest, month: str) -> tuple[Month, list[statements.Statement]]:
    try:
        return statements.of_month(person(request), first_day(month))
    except NotFound as error:
        raise Http404 from error


def _year(request: HttpRequest, year: int) -> tuple[list[Month], list[statements.Statement]]:
    try:
        return statements.of_year(person(request), year)
    except NotFound as error:
        raise Http404 from error


def _by_month(part: statements.Statement, among: list[Month]) -> Any:
    """The part's months, drawn and in figures."""
    rows = [(month, part.in_month(str(month))) for month in among]
    drawn = [(f"{month.first_day:%b}", sums["earned"], show(sums["earned"], part.currency)) for month, sums in rows]
    return {"rows": rows, "picture": chart.amounts(drawn)}


def _download(name: str, blocks: Any) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(blocks, content_type=exports.CONTENT_TYPE, headers=headers)
