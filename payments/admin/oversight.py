"""What the provider says, how it differs from our books, and what admins do about it."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from marketplace.admin import by, decide, tell
from marketplace.core import money
from payments import corrections, differences
from payments.admin.rows import INLINE_MOST, PAGE, LedgerAdmin
from payments.models import Correction, Difference, ProviderMovement, SealedCheckpoint, StripeEvent, Transfer


@admin.register(StripeEvent)
class StripeEventAdmin(LedgerAdmin):
    list_display = ["event_id", "type", "mode", "state", "tries", "received_at"]
    list_filter = ["state", "mode"]
    search_fields = ["event_id__exact", "type__exact"]
    search_help_text = "The provider's id of an event, or its type"


@admin.register(ProviderMovement)
class ProviderMovementAdmin(LedgerAdmin):
    list_display = ["provider_id", "kind", "subject", "amount", "fee_micros", "mode", "moved_at"]
    list_filter = ["kind", "mode"]
    search_fields = ["provider_id__exact", "source_id__exact", "subject__exact"]
    search_help_text = "The provider's id, or a row of ours such as payout:17"


@admin.register(SealedCheckpoint)
class SealedCheckpointAdmin(LedgerAdmin):
    list_display = ["id", "after_id", "upto_id", "transfers", "sealed_at"]
    search_fields = ["digest__exact"]
    search_help_text = "A digest"


@admin.register(Difference)
class DifferenceAdmin(LedgerAdmin):
    list_display = ["id", "kind", "subject", "text", "mode", "state", "found_at"]
    list_filter = ["state", "kind", "mode"]
    search_fields = ["subject__exact"]
    search_help_text = "A row of ours such as payout:17, or the provider's id"

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show what differs, or keep how an admin explains it."""
        if not self.has_view_permission(request):
            return super().change_view(request, object_id, *args, **options)
        rows = Difference.objects.select_related("explained_by")
        difference = get_object_or_404(rows, pk=object_id if object_id.isdecimal() else None)
        if request.method == "POST":
            note = request.POST.get("note", "")
            tell(request, lambda: differences.explain(difference, by(request), note), "It is explained.")
            return redirect(request.path)
        known = models.Q(subject=difference.subject) | models.Q(provider_id=difference.subject)
        figures = {
            name: "nothing" if micros is None else money.show(micros, difference.currency)
            for name, micros in (("ours", difference.ours_micros), ("theirs", difference.theirs_micros))
        }
        context = {
            **self.admin_site.each_context(request),
            **{"opts": self.opts, "title": f"Difference {difference}", "difference": difference, **figures},
            "movements": ProviderMovement.objects.filter(known, mode=difference.mode).order_by("pk")[:PAGE],
            "is_open": difference.state == Difference.State.OPEN,
        }
        return TemplateResponse(request, "admin/payments/difference/explain.html", context)


@admin.register(Correction)
class CorrectionAdmin(LedgerAdmin):
    list_display = ["public_id", "entry", "amount", "state", "proposed_by", "signed_by", "proposed_at"]
    list_filter = ["state"]
    list_select_related = ["entry", "proposed_by", "signed_by"]
    search_fields = ["public_id__exact", "entry__key__exact"]
    search_help_text = "Public id of a correction, or the key of an entry"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Correction]:
        moved = Transfer.objects.filter(entry=models.OuterRef("entry")).order_by("pk").values("currency")
        return super().get_queryset(request).annotate(currency=models.Subquery(moved[:1]))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show what was proposed, or sign or decline it."""
        if not self.has_view_permission(request):
            return super().change_view(request, object_id, *args, **options)
        rows = Correction.objects.select_related("entry", "reversal", "proposed_by", "signed_by")
        correction = get_object_or_404(rows, pk=object_id if object_id.isdecimal() else None)
        if request.method == "POST":
            _decide(request, correction)
            return redirect(request.path)
        moved = correction.entry.transfers.select_related("debit", "credit").order_by("pk")[:INLINE_MOST]
        context = {
            **self.admin_site.each_context(request),
            **{"opts": self.opts, "title": f"Correction {correction}", "correction": correction},
            "rows": [{"from": row.credit, "to": row.debit, "amount": self.amount(row)} for row in moved],
            "is_open": correction.state == Correction.State.PROPOSED,
            "may_sign": correction.proposed_by_id != by(request).pk,
        }
        return TemplateResponse(request, "admin/payments/correction/decide.html", context)


def _decide(request: HttpRequest, correction: Correction) -> None:
    who, reason = by(request), request.POST.get("reason", "")
    decide(request, {
        "sign": (lambda: corrections.sign(correction, who), "It is signed."),
        "decline": (lambda: corrections.decline(correction, who, reason), "It is declined."),
    })  # fmt: skip
