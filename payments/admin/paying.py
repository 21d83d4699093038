"""Payouts, where they go, and what holds them up."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from marketplace.admin import by, decide
from payments import balances, holds, payouts
from payments.admin.rows import LedgerAdmin
from payments.models import Hold, Payout, PayoutAccount

SHOWN = 20
CAME_BACK = ("payout_failed", "payout_reversed")  # credited, not earned


@admin.register(Payout)
class PayoutAdmin(LedgerAdmin):
    list_display = ["public_id", "user", "amount", "state", "mode", "created_at", "tries", "due_at", "trouble"]
    list_filter = ["state", "mode"]
    list_select_related = ["user"]
    search_fields = ["public_id__exact", "user__public_id__exact", "provider_id__exact"]
    search_help_text = "Public id of a payout or a person, or the provider's id"

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show a payout; one in review, with what is known of its person, or settle it with the verdict sent."""
        waiting = Payout.objects.filter(state=Payout.State.REVIEW).select_related("user", "account")
        payout = waiting.filter(pk=int(object_id)).first() if object_id.isdecimal() else None
        if payout is None or not self.has_view_permission(request):
            return super().change_view(request, object_id, *args, **options)
        if request.method == "POST":
            _review(request, payout)
            return redirect(request.path)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"Payout {payout}"}
        return TemplateResponse(request, "admin/payments/payout/review.html", {**context, **_known_of(payout)})


def _known_of(payout: Payout) -> dict[str, Any]:
    """What an admin looks at before a payout is sent."""
    others = payout.user.payouts.exclude(pk=payout.pk).order_by("-pk")
    kin = PayoutAccount.objects.none()
    if payout.account and payout.account.identity:
        same = PayoutAccount.objects.filter(identity=payout.account.identity)
        kin = same.exclude(user=payout.user_id).select_related("user").order_by("-pk")
    return {
        "payout": payout,
        "others": others[:SHOWN],
        "kin": kin[:SHOWN],
        "earned": [row for row in balances.earned(payout.user)[:SHOWN] if row.entry.kind not in CAME_BACK],
        "hold": holds.in_force(payout.user),
        "may": payout.mode == settings.MODE,
    }


def _review(request: HttpRequest, payout: Payout) -> None:
    who, reason = by(request), request.POST.get("reason", "")
    decide(request, {
        "let_go": (lambda: payouts.let_go(payout, who), "It is sent."),
        "refuse": (lambda: payouts.refuse(payout, who, reason), "It is back in the earnings."),
    })  # fmt: skip


@admin.register(PayoutAccount)
class PayoutAccountAdmin(LedgerAdmin):
    list_display = ["id", "user", "mode", "state", "country", "seen_at", "due_at"]
    list_filter = ["state", "mode"]
    list_select_related = ["user"]
    search_fields = ["user__public_id__exact", "provider_id__exact"]
    search_help_text = "Public id of a person, or the provider's id"


@admin.register(Hold)
class HoldAdmin(LedgerAdmin):
    list_display = ["id", "user", "since", "until", "lifted_at"]
    list_select_related = ["user"]
    search_fields = ["user__public_id__exact"]
    search_help_text = "Public id of a person"
