"""Statements, invoices and filings over HTTP: parse, call one verb, answer."""

from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core.errors import NotFound
from marketplace.models import ApiKey, Organisation
from payments import billing, invoices, months, statements
from payments.models import Invoice, InvoiceLine, Month
from tasks import filings, paid_for
from tasks.api import statements_shapes as shapes
from tasks.api.batches import download
from tasks.exports import statements as exports

CSV = {(200, "text/csv"): OpenApiTypes.BINARY}


def first_day(month: str) -> date:
    """Of a month as 2026-10; NotFound for any other writing."""
    try:
        day = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise NotFound("a month is written as 2026-10") from error
    if month != f"{day:%Y-%m}":
        raise NotFound("a month is written as 2026-10")
    return day


class Mine(View):
    """What a worker was paid."""

    scope = ApiKey.Scope.WORK

    def month(self, month: str) -> tuple[Month, list[statements.Statement]]:
        return statements.of_month(person(self.request), first_day(month))

    def say(self, among: list[Month], parts: list[statements.Statement]) -> Response:
        return self.answer({
            "begins_at": among[0].begins_at,
            "ends_at": among[-1].ends_at,
            "is_closed": all(month.closed_at for month in among),
            "counted_at": months.counted_at(),
            "parts": parts,
        })  # fmt: skip


class Months(Mine):
    serializer_class = shapes.EarnedMonths

    @extend_schema(operation_id="statements_months")
    def get(self, request: Request) -> Response:
        """The months of which there is a statement, newest first."""
        return self.answer({"counted_at": months.counted_at(), "months": statements.months_of(person(request))})


class OfMonth(Mine):
    serializer_class = shapes.StatementSerializer

    @extend_schema(operation_id="statements_month")
    def get(self, request: Request, month: str) -> Response:
        """What you earned in a month, and where it went; a part for each currency."""
        found, parts = self.month(month)
        return self.say([found], parts)


class OfMonthCsv(Mine):
    @extend_schema(operation_id="statements_month_csv", responses=CSV)
    def get(self, request: Request, month: str) -> StreamingHttpResponse:
        """The same as a table for spreadsheets."""
        found, parts = self.month(month)
        return download(f"manyhands-statement-{found}.csv", exports.CONTENT_TYPE, exports.write_lines(parts))


class MonthAmounts(Mine):
    serializer_class = shapes.StatementTransfer

    @extend_schema(operation_id="statements_month_amounts", responses=shapes.StatementTransfer(many=True))
    def get(self, request: Request, month: str) -> Response:
        """Every amount that was credited to you in a month."""
        found, _ = self.month(month)
        return self.page(statements.transfers(person(request), found))


class MonthAmountsCsv(Mine):
    @extend_schema(operation_id="statements_month_amounts_csv", responses=CSV)
    def get(self, request: Request, month: str) -> StreamingHttpResponse:
        """The same as a table for spreadsheets."""
        found, _ = self.month(month)
        blocks = exports.write_transfers(person(request), found)
        return download(f"manyhands-amounts-{found}.csv", exports.CONTENT_TYPE, blocks)


class OfYear(Mine):
    serializer_class = shapes.StatementSerializer

    @extend_schema(operation_id="statements_year")
    def get(self, request: Request, year: int) -> Response:
        """What you earned in a year, its lines by month."""
        return self.say(*statements.of_year(person(request), year))


class OfYearCsv(Mine):
    @extend_schema(operation_id="statements_year_csv", responses=CSV)
    def get(self, request: Request, year: int) -> StreamingHttpResponse:
        """The same as a table for spreadsheets."""
        _, parts = statements.of_year(person(request), year)
        return download(f"manyhands-statement-{year}.csv", exports.CONTENT_TYPE, exports.write_lines(parts))


class PaidFor(Mine):
    serializer_class = shapes.PaidAnswer

    @extend_schema(operation_id="statements_amount_answers", responses=shapes.PaidAnswer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Your answers that an amount paid."""
        return self.page(paid_for.answers(person(request), paid_for.transfer(person(request), id)))


class OfHome(View):
    """What stands under an organisation that the caller belongs to."""

    def organisation(self) -> Organisation:
        return get_object_or_404(Organisation.objects.visible_to(person(self.request)), public_id=self.kwargs["id"])


class Invoices(OfHome):
    serializer_class = shapes.InvoiceHead

    def get_queryset(self) -> "QuerySet[Invoice]":
        return Invoice.objects.filter(organisation=self.organisation()).select_related("month")

    @extend_schema(operation_id="invoices_list", responses=shapes.InvoiceHead(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The invoices and credit notes of an organisation."""
        return self.page(self.get_queryset())


class Billing(OfHome):
    serializer_class = shapes.BillingSerializer

    @extend_schema(operation_id="billing_get")
    def get(self, request: Request, id: str) -> Response:
        """Who is billed from the next invoice on."""
        return self.answer(billing.details(self.organisation()))

    @extend_schema(operation_id="billing_state", request=shapes.BillingSerializer)
    def patch(self, request: Request, id: str) -> Response:
        """Say who is billed; owners may. Documents that are issued stay as they are."""
        asked = self.asked(shapes.BillingSerializer, partial=True)
        return self.answer(billing.state(self.organisation(), person(request), **asked))


class OfInvoice(View):
    serializer_class: Any = shapes.InvoiceSerializer

    def found(self) -> Invoice:
        seen = Invoice.objects.visible_to(person(self.request)).select_related("month", "organisation", "billed_to")
        return get_object_or_404(seen, public_id=self.kwargs["id"])


class OneInvoice(OfInvoice):
    @extend_schema(operation_id="invoices_get")
    def get(self, request: Request, id: str) -> Response:
        """One document, its taxes, and how it was paid."""
        found = self.found()
        found.prepaid = invoices.prepaid(found)  # type: ignore[attr-defined]
        return self.answer(found)


class InvoiceCsv(OfInvoice):
    @extend_schema(operation_id="invoices_csv", responses=CSV)
    def get(self, request: Request, id: str) -> StreamingHttpResponse:
        """The document as a table for spreadsheets."""
        found = self.found()
        return download(f"manyhands-{found}.csv", exports.CONTENT_TYPE, exports.write_invoice(found))


class Lines(OfInvoice):
    serializer_class = shapes.InvoiceLineSerializer
    keyset = "pk"

    @extend_schema(operation_id="invoices_lines", responses=shapes.InvoiceLineSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What a document is for, line by line."""
        return self.page(InvoiceLine.objects.filter(invoice=self.found()).select_related("project", "corrects"))


class LineAmounts(OfInvoice):
    serializer_class = shapes.LineTransfer

    @extend_schema(operation_id="invoices_line_amounts", responses=shapes.LineTransfer(many=True))
    def get(self, request: Request, id: str, position: int) -> Response:
        """The amounts that a line is the sum of."""
        lines = InvoiceLine.objects.select_related("invoice__month", "invoice__organisation", "reserve")
        line = get_object_or_404(lines, invoice=self.found(), position=position)
        page: list[Any] = self.paginate_queryset(paid_for.transfers(line)) or []
        for row in page:
            row.worker = paid_for.pseudonym(line, row)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class Filed(View):
    scope = ApiKey.Scope.ADMIN


class Filing(Filed):
    serializer_class = shapes.FilingSerializer

    @extend_schema(operation_id="filings_year")
    def get(self, request: Request, year: int) -> Response:
        """The operator's fees of a year, by month; for admins."""
        filings.check(person(request), year)
        return self.answer({"year": year, "fees": filings.fees(year)})


class FiledWorkers(Filed):
    @extend_schema(operation_id="filings_workers_csv", responses=CSV)
    def get(self, request: Request, year: int) -> StreamingHttpResponse:
        """What each worker earned and was paid in a year, as a table; public ids, countries and sums alone."""
        filings.check(person(request), year)
        return download(f"manyhands-workers-{year}.csv", exports.CONTENT_TYPE, exports.write_workers(year))


class FiledFees(Filed):
    @extend_schema(operation_id="filings_fees_csv", responses=CSV)
    def get(self, request: Request, year: int) -> StreamingHttpResponse:
        """The operator's fees of a year, as a table."""
        filings.check(person(request), year)
        return download(f"manyhands-fees-{year}.csv", exports.CONTENT_TYPE, exports.write_fees(year))
