"""Accounts, entries and reserves."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db import models
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property

from marketplace.admin import ReadOnly, ask_reason, by
from marketplace.core import money
from marketplace.models import User
from payments import balances, corrections
from payments.admin.rows import INLINE_MOST, PAGE, LedgerAdmin
from payments.models import Account, Entry, Reserve, ReserveLine, Transfer


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
        words = corrections.reversible(entry) or (
            "All it moved goes back; where workers were paid, the fee alone. Above the limit, another admin signs."
        )
        return ask_reason(
            self, request, [entry], partial(_reverse, by=by(request)),
            title="Reverse", words=words[0].upper() + words[1:], back=reverse("admin:payments_correction_changelist"),
        )  # fmt: skip


def _reverse(entry: Entry, reason: str, by: User) -> str:
    """What became of it, in words."""
    made = corrections.propose(entry, by, reason)
    return "Reversed." if made.reversal_id else "It is proposed: nothing moves before another admin has signed."


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
