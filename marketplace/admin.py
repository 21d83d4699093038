"""The admin's view of the offer: everything can be looked at, and what may be changed goes through a verb."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from allauth.account.decorators import secure_admin_login
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from marketplace import accounts
from marketplace.core.errors import DomainError
from marketplace.models import AuditEvent, BadRow, Import, Membership, Organisation, Project, User

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # one way in, with its limits


class ReadOnly:
    """Staff look; nobody adds, changes or deletes here."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_active and getattr(request.user, "is_staff", False)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def by(request: HttpRequest) -> User:
    """The admin who asks: none of these pages is shown to anybody else."""
    return cast(User, request.user)


def decide(request: HttpRequest, verdicts: Mapping[str, tuple[Callable[[], Any], str]]) -> None:
    """Do what belongs to the verdict sent, and tell the words beside it."""
    if (chosen := verdicts.get(request.POST.get("verdict", ""))) is None:
        messages.error(request, "Choose a verdict.")
    else:
        tell(request, *chosen)


def tell(request: HttpRequest, verb: Callable[[], Any], words: str) -> None:
    """Do it, and say that it was done, or why not; {} in the words is what it returned."""
    try:
        messages.success(request, words.format(verb()))
    except DomainError as refusal:
        messages.error(request, refusal.detail)


def ask_reason(
    page: admin.ModelAdmin, request: HttpRequest, rows: Iterable[Model], verb: Callable[[Any, str], Any], *,
    title: str, words: str, back: str,
) -> HttpResponse:  # fmt: skip
    """Ask for a reason on a page of its own, and with one call the verb for each row; a refusal is shown there."""
    chosen, reason, refusal = list(rows), request.POST.get("reason", ""), ""
    if request.method == "POST" and "reason" in request.POST:
        try:
            said = [verb(row, reason) for row in chosen]
            messages.success(request, next((word for word in said if isinstance(word, str)), f"{title}: done."))
            return redirect(back)
        except DomainError as problem:
            refusal = problem.detail
    kept = [("action", request.POST.get("action", "")), *((ACTION_CHECKBOX_NAME, row.pk) for row in chosen)]
    context = {
        **page.admin_site.each_context(request),
        **{"opts": page.opts, "title": title, "words": words, "rows": chosen, "kept": kept, "back": back},
        **{"reason": reason, "refusal": refusal},
    }
    return TemplateResponse(request, "admin/reason.html", context, status=409 if refusal else 200)


class MembershipInline(ReadOnly, admin.TabularInline):
    model = Membership


@admin.register(User)
class UserAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["public_id", "email", "name", "is_staff", "is_active", "date_joined"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["public_id", "email"]
    exclude = ["password", "groups", "user_permissions"]
    inlines = [MembershipInline]


@admin.register(Organisation)
class OrganisationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["public_id", "name", "frozen_at", "created_at"]
    search_fields = ["public_id", "name"]
    exclude = ["pseudonym_salt"]
    inlines = [MembershipInline]
    actions = ["freeze", "thaw"]

    @admin.action(description="Freeze: work stops at the next claim", permissions=["view"])
    def freeze(self, request: HttpRequest, chosen: "QuerySet[Organisation]") -> HttpResponse:
        words = "Their work stops at the next claim; what was handed in is still paid."
        return ask_reason(
            self, request, chosen, lambda row, why: accounts.freeze(row, request.user, why),  # type: ignore[arg-type]
            title="Freeze", words=words, back=request.path,
        )  # fmt: skip

    @admin.action(description="Thaw: work goes on", permissions=["view"])
    def thaw(self, request: HttpRequest, chosen: "QuerySet[Organisation]") -> HttpResponse:
        words = "Their work goes on."
        return ask_reason(
            self, request, chosen, lambda row, why: accounts.thaw(row, request.user, why),  # type: ignore[arg-type]
            title="Thaw", words=words, back=request.path,
        )  # fmt: skip


@admin.register(Project)
class ProjectAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["public_id", "title", "organisation", "state", "mode", "created_at"]
    list_filter = ["state", "mode"]
    list_select_related = ["organisation"]
    search_fields = ["public_id", "title"]


class BadRowInline(ReadOnly, admin.TabularInline):
    model = BadRow


@admin.register(Import)
class ImportAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["public_id", "dataset", "version", "state", "good", "duplicates", "bad", "created_at"]
    list_filter = ["state", "format"]
    list_select_related = ["dataset"]
    search_fields = ["public_id", "dataset__public_id"]
    inlines = [BadRowInline]


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["at", "verb", "target_type", "target_id", "actor_id"]
    list_filter = ["target_type"]
    search_fields = ["verb", "target_id", "actor_id"]
    show_full_result_count = False
