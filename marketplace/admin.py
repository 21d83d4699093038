"""The admin's view of the offer: everything can be looked at, and what may be changed goes through a verb."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from marketplace import accounts
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
    def freeze(self, request: HttpRequest, chosen: "QuerySet[Organisation]") -> None:
        for organisation in chosen:
            accounts.freeze(organisation, request.user)  # type: ignore[arg-type]

    @admin.action(description="Thaw: work goes on", permissions=["view"])
    def thaw(self, request: HttpRequest, chosen: "QuerySet[Organisation]") -> None:
        for organisation in chosen:
            accounts.thaw(organisation, request.user)  # type: ignore[arg-type]


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
