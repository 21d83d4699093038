"""The ledger for staff: everything can be found, nothing can be added, changed or deleted."""

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import models
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property

from marketplace.admin import ReadOnly, ask_reason
from marketplace.core import money
from marketplace.core.errors import DomainError
from marketplace.models import User
from payments import balances, corrections, differences, holds, payouts, refunds
from payments.models import (
    Account,
    Correction,
    Difference,
    Dispute,
    Entry,
    Hold,
    Invoice,
    Maturity,
    Payout,
    PayoutAccount,
    Prepayment,
    ProviderMovement,
    Refund,
    Reserve,
    ReserveLine,
    SealedCheckpoint,
    StripeEvent,
    Transfer,
)

COUNT_MOST = 5_000  # rows that a list pages through; what lies further is found by searching
SHOWN = 20
INLINE_MOST = 200  # transfers shown of one entry; a settlement has thousands
PAGE = 50


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

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.transfers)
        return [path("<int:pk>/transfers/", view, name="payments_account_transfers"), *super().get_urls()]

    def transfers(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The newest transfers of an account, or those before one of them."""
        account, before = get_object_or_404(Account, pk=pk), request.GET.get("before", "")
        given = int(before) if before.isdecimal() and len(before) < 19 else None
        found = balances.transfers(account, given, PAGE + 1)
        rows = [_seen_from(account, row) for row in found[:PAGE]]
        context = {
            **self.admin_site.each_context(request),
            **{"opts": self.opts, "title": f"Transfers of account {pk}", "account": account, "rows": rows},
            **{"balance": self.balance(account), "older": rows[-1]["pk"] if len(found) > PAGE else None},
        }
        return TemplateResponse(request, "admin/payments/account/transfers.html", context)


def _seen_from(account: Account, transfer: Transfer) -> dict[str, Any]:
    """A transfer as a row of one account's list."""
    is_in, amount = transfer.credit_id == account.pk, money.show(transfer.amount_micros, transfer.currency)
    return {
        **{"pk": transfer.pk, "at": transfer.created_at, "entry": transfer.entry},
        **{"inward": amount if is_in else "", "outward": "" if is_in else amount},
        "other": transfer.debit if is_in else transfer.credit,
    }


@admin.register(Entry)
class EntryAdmin(LedgerAdmin):
    list_display = ["id", "kind", "key", "created_at"]
    search_fields = ["key__startswith"]
    search_help_text = "The beginning of a key, such as payout:17"
    inlines = [TransferInline]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reverse_entry)
        return [path("<int:pk>/reverse/", view, name="payments_entry_reverse"), *super().get_urls()]

    def reverse_entry(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why an entry is to be reversed, and reverse it, or propose to."""
        entry = get_object_or_404(Entry, pk=pk)
        words = (
            corrections.reversible(entry) or "All it moved goes back; above the limit when a second admin has signed."
        )
        return ask_reason(
            self, request, [entry], lambda row, why: corrections.propose(row, cast(User, request.user), why),
            title="Reverse", words=words[0].upper() + words[1:], back=reverse("admin:payments_correction_changelist"),
        )  # fmt: skip


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


@admin.register(Invoice)
class InvoiceAdmin(LedgerAdmin):
    list_display = ["public_id", "organisation", "kind", "issued_at"]
    list_filter = ["kind"]
    list_select_related = ["organisation"]
    search_fields = ["public_id__exact", "organisation__public_id__exact"]
    search_help_text = "Public id of an invoice or an organisation"


@admin.register(Hold)
class HoldAdmin(LedgerAdmin):
    list_display = ["id", "user", "since", "until", "lifted_at"]
    list_select_related = ["user"]
    search_fields = ["user__public_id__exact"]
    search_help_text = "Public id of a person"


@admin.register(Maturity)
class MaturityAdmin(LedgerAdmin):
    list_display = ["id", "organisation", "day", "currency", "mode", "state"]
    list_filter = ["state", "mode"]
    list_select_related = ["organisation"]
    search_fields = ["organisation__public_id__exact"]
    search_help_text = "Public id of an organisation"


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
            _tell(request, lambda: differences.explain(difference, _by(request), request.POST.get("note", "")))
            return redirect(request.path)
        known = models.Q(subject=difference.subject) | models.Q(provider_id=difference.subject)
        figures = {
            name: "nothing" if micros is None else money.show(micros, difference.currency)
            for name, micros in (("ours", difference.ours_micros), ("theirs", difference.theirs_micros))
        }
        context = {
            **self.admin_site.each_context(request),
            **{"opts": self.opts, "title": "Difference", "difference": difference, **figures},
            "movements": ProviderMovement.objects.filter(known, mode=difference.mode).order_by("pk")[:PAGE],
            "is_open": difference.state == Difference.State.OPEN,
        }
        return TemplateResponse(request, "admin/payments/difference/explain.html", context)


@admin.register(Correction)
class CorrectionAdmin(LedgerAdmin):
    list_display = ["public_id", "entry", "amount_micros", "state", "proposed_by", "signed_by", "proposed_at"]
    list_filter = ["state"]
    list_select_related = ["entry", "proposed_by", "signed_by"]
    search_fields = ["public_id__exact", "entry__key__exact"]
    search_help_text = "Public id of a correction, or the key of an entry"

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
            **{"opts": self.opts, "title": "Correction", "correction": correction},
            "rows": [{"from": row.credit, "to": row.debit, "amount": self.amount(row)} for row in moved],
            "is_open": correction.state == Correction.State.PROPOSED,
            "may_sign": correction.proposed_by_id != _by(request).pk,
        }
        return TemplateResponse(request, "admin/payments/correction/decide.html", context)


def _decide(request: HttpRequest, correction: Correction) -> None:
    match request.POST.get("verdict"):
        case "sign":
            _tell(request, lambda: corrections.sign(correction, _by(request)))
        case "decline":
            _tell(request, lambda: corrections.decline(correction, _by(request), request.POST.get("reason", "")))
        case _:
            messages.error(request, "Choose what to do.")


def _tell(request: HttpRequest, verb: Callable[[], Any]) -> None:
    """Do it, and say that it was done, or why not."""
    try:
        verb()
        messages.success(request, "Done.")
    except DomainError as refusal:
        messages.error(request, refusal.detail)


def _by(request: HttpRequest) -> User:
    return cast(User, request.user)
