"""What organisations pay, what they get back, and the documents about it."""

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from marketplace.core import money
from payments import refunds
from payments.admin.rows import LedgerAdmin, ToDecide
from payments.models import Dispute, Invoice, Maturity, Prepayment, Refund


@admin.register(Prepayment)
class PrepaymentAdmin(LedgerAdmin):
    list_display = ["public_id", "organisation", "amount", "state", "mode", "created_at", "tries", "due_at"]
    list_filter = ["state", "mode"]
    list_select_related = ["organisation"]
    search_fields = ["public_id__exact", "organisation__public_id__exact", "provider_id__exact"]
    search_help_text = "Public id of a prepayment or an organisation, or the provider's id"


@admin.register(Refund)
class RefundAdmin(ToDecide):
    list_display = ["public_id", "prepayment", "amount", "way", "state", "proposed_by", "created_at", "tries", "due_at"]
    list_filter = ["state", "way"]
    list_select_related = ["prepayment", "proposed_by"]
    search_fields = ["public_id__exact", "prepayment__public_id__exact", "provider_id__exact"]
    search_help_text = "Public id of a refund or a prepayment, or the provider's id"
    actions = ["propose", "sign", "decline", "try_original"]

    @admin.display(description="amount")
    def amount(self, row: Refund) -> str:
        return money.show(row.amount_micros, row.prepayment.currency)

    @admin.action(description="Pay by hand: another admin signs that it was paid", permissions=["view"])
    def propose(self, request: HttpRequest, chosen: "models.QuerySet[Refund]") -> None:
        self._each(request, chosen, refunds.propose)

    @admin.action(description="Sign: it was paid by hand", permissions=["view"])
    def sign(self, request: HttpRequest, chosen: "models.QuerySet[Refund]") -> None:
        self._each(request, chosen, refunds.sign)

    @admin.action(description="Decline: the money is prepaid again", permissions=["view"])
    def decline(self, request: HttpRequest, chosen: "models.QuerySet[Refund]") -> None:
        self._each(request, chosen, refunds.decline)

    @admin.action(description="Send to what it was paid with after all", permissions=["view"])
    def try_original(self, request: HttpRequest, chosen: "models.QuerySet[Refund]") -> None:
        self._each(request, chosen, refunds.try_original)


@admin.register(Dispute)
class DisputeAdmin(LedgerAdmin):
    list_display = ["public_id", "organisation", "amount", "covered", "state", "reason", "opened_at"]
    list_filter = ["state"]
    list_select_related = ["prepayment__organisation"]
    search_fields = ["public_id__exact", "provider_id__exact", "charge_id__exact"]
    search_help_text = "Public id of a dispute, or the provider's id of it or of its charge"

    @admin.display(description="organisation")
    def organisation(self, row: Dispute) -> str:
        return str(row.prepayment.organisation) if row.prepayment else "not one of ours"

    @admin.display(description="amount")
    def amount(self, row: Dispute) -> str:
        return (
            money.show(row.amount_micros, row.prepayment.currency) if row.prepayment else f"{row.amount_micros} micros"
        )

    @admin.display(description="of it prepaid")
    def covered(self, row: Dispute) -> str:
        return money.show(row.covered_micros, row.prepayment.currency) if row.prepayment else ""


@admin.register(Maturity)
class MaturityAdmin(LedgerAdmin):
    list_display = ["id", "organisation", "day", "currency", "mode", "state"]
    list_filter = ["state", "mode"]
    list_select_related = ["organisation"]
    search_fields = ["organisation__public_id__exact"]
    search_help_text = "Public id of an organisation"


@admin.register(Invoice)
class InvoiceAdmin(LedgerAdmin):
    list_display = ["public_id", "organisation", "kind", "issued_at"]
    list_filter = ["kind"]
    list_select_related = ["organisation"]
    search_fields = ["public_id__exact", "organisation__public_id__exact"]
    search_help_text = "Public id of an invoice or an organisation"
