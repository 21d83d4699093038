"""How rows of money are listed: found and read, never added, changed or deleted."""

from typing import Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.utils.functional import cached_property

from marketplace.admin import ReadOnly
from marketplace.core import money
from marketplace.core.errors import DomainError

COUNT_MOST = 5_000  # rows that a list pages through; what lies further is found by searching
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
