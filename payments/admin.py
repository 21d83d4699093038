"""The ledger for staff: everything can be found, nothing can be added, changed or deleted."""

from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import models
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property

from marketplace.admin import ReadOnly
from marketplace.core import money
from marketplace.core.errors import DomainError
from marketplace.models import User
from payments import holds, payouts, refunds
from payments.models import (
    Account,
    Dispute,
    Entry,
    Payout,
    PayoutAccount,
    Prepayment,
    Refund,
    Reserve,
    ReserveLine,
    Transfer,
)

COUNT_MOST = 5_000  # rows that a list pages through; what lies further is found by searching
SHOWN = 20
INLINE_MOST = 200  # transfers shown of one entry; a settlement has thousands


class CappedPaginator(Paginator):
    """Pages over the first rows of a table, without ever counting the rest."""

    @cached_property
    def count(self) -> int:
        rows = cast("models.QuerySet[Any]", self.object_list)
        return rows.order_by()[:COUNT_MOST].count()


class LedgerAdmin(ReadOnly, admin.ModelAdmin):
    paginator = CappedPaginator
    show_full_result_count = False
    ordering = ["-pk"]
    list_per_page = 50

    @admin.display(description="amount")
    def amount(self, row: Any) -> str:
        return money.show(row.amount_micros, row.currency)


class FirstTransfers(BaseInlineFormSet):
    """The first transfers of an entry, read once."""

    @cached_property
    def _first(self) -> list[models.Model]:
        return list(super().get_queryset().order_by("pk")[:INLINE_MOST])

    def get_queryset(self) -> Any:
        return self._first


class TransferInline(ReadOnly, admin.TabularInline):
    model = Transfer
    formset = FirstTransfers
    fields = ["debit", "credit", "amount_micros", "currency", "mode"]
    verbose_name_plural = f"first {INLINE_MOST} transfers"
    extra = 0

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Transfer]:
        return super().get_queryset(request).select_related("debit", "credit")


class LineInline(ReadOnly, admin.TabularInline):
    model = ReserveLine
    fields = ["name", "amount_micros"]
    extra = 0


@admin.register(Account)
class AccountAdmin(LedgerAdmin):
    list_display = ["id", "kind", "organisation", "user", "subject", "balance", "mode"]
    list_filter = ["kind", "mode"]
    list_select_related = ["organisation", "user"]
    search_fields = ["subject__exact", "organisation__public_id__exact", "user__public_id__exact"]
    search_help_text = "Subject, or public id of an organisation or a person"

    @admin.display(description="balance")
    def balance(self, account: Account) -> str:
        return money.show(account.balance_micros, account.currency)


@admin.register(Entry)
class EntryAdmin(LedgerAdmin):
    list_display = ["id", "kind", "key", "created_at"]
    search_fields = ["key__startswith"]
    search_help_text = "The beginning of a key, such as payout:17"
    inlines = [TransferInline]


@admin.register(Reserve)
class ReserveAdmin(LedgerAdmin):
    list_display = ["subject", "project", "fee_bp", "left"]
    list_select_related = ["project", "account"]
    search_fields = ["subject__exact", "project__public_id__exact"]
    search_help_text = "Subject, or public id of a project"
    inlines = [LineInline]

    @admin.display(description="left")
    def left(self, reserve: Reserve) -> str:
        return money.show(reserve.account.balance_micros, reserve.account.currency)


@admin.register(Prepayment)
class PrepaymentAdmin(LedgerAdmin):
    list_display = ["public_id", "organisation", "amount", "state", "mode", "created_at"]
    list_filter = ["state", "mode"]
    list_select_related = ["organisation"]
    search_fields = ["public_id__exact", "organisation__public_id__exact", "provider_id__exact"]
    search_help_text = "Public id of a prepayment or an organisation, or the provider's id"


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


class ToDecide(LedgerAdmin):
    """Rows about which admins decide by a verb; a refusal is said of each."""

    def _each(self, request: HttpRequest, chosen: "models.QuerySet[Any]", verb: Any) -> None:
        for row in chosen:
            try:
                verb(row, request.user)
            except DomainError as refusal:
                self.message_user(request, f"{row}: {refusal.detail}", "ERROR")
            else:
                self.message_user(request, f"{row}: done")


@admin.register(Refund)
class RefundAdmin(ToDecide):
    list_display = ["public_id", "prepayment", "amount", "way", "state", "proposed_by", "created_at"]
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


@admin.register(PayoutAccount)
class PayoutAccountAdmin(LedgerAdmin):
    list_display = ["id", "user", "mode", "state", "country", "seen_at", "due_at"]
    list_filter = ["state", "mode"]
    list_select_related = ["user"]
    search_fields = ["user__public_id__exact", "provider_id__exact"]
    search_help_text = "Public id of a person, or the provider's id"


def _known_of(payout: Payout) -> dict[str, Any]:
    """What an admin looks at before a payout is sent."""
    others = payout.user.payouts.exclude(pk=payout.pk).order_by("-pk")
    kin = PayoutAccount.objects.none()
    if payout.account and payout.account.identity:
        same = PayoutAccount.objects.filter(identity=payout.account.identity)
        kin = same.exclude(user=payout.user_id).select_related("user").order_by("-pk")
    earnings = payout.user.accounts.filter(kind=Account.Kind.EARNINGS, currency=payout.currency, mode=payout.mode)
    earned = Transfer.objects.filter(credit__in=list(earnings)).select_related("entry", "debit__reserve__project")
    return {
        "payout": payout,
        "others": others[:SHOWN],
        "kin": kin[:SHOWN],
        "earned": earned.order_by("-pk")[:SHOWN],
        "hold": holds.in_force(payout.user),
        "may": payout.mode == settings.MODE,
    }


def _review(request: HttpRequest, payout: Payout) -> None:
    by = cast(User, request.user)
    try:
        match request.POST.get("verdict"):
            case "let_go":
                payouts.let_go(payout, by)
                messages.success(request, "It is sent.")
            case "refuse":
                payouts.refuse(payout, by, request.POST.get("reason", ""))
                messages.success(request, "It is back in the earnings.")
            case _:
                messages.error(request, "Choose a verdict.")
    except DomainError as refusal:
        messages.error(request, refusal.detail)
