"""The admin's view of people: credentials are defined and verified here; all else is to be read."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from marketplace.admin import ReadOnly, by, decide
from workers import credentials, qualifications
from workers.models import CredentialRequest, Group, Qualification


class CredentialForm(forms.ModelForm):
    """A credential of the site; the name is used once."""

    class Meta:
        model = Qualification
        fields = ["name", "description"]

    def clean_name(self) -> str:
        name = self.cleaned_data["name"].strip()
        if Qualification.objects.filter(kind=Qualification.Kind.SITE, name=name).exists():
            raise forms.ValidationError("This name is used already.")
        return name


class DecisionForm(forms.Form):
    """What comes of a request."""

    reason = forms.CharField(
        required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}), help_text="The worker reads it."
    )
    days = forms.IntegerField(
        required=False, min_value=1, max_value=3650, label="Days until it expires", help_text="Empty: it does not."
    )


@admin.register(Qualification)
class QualificationAdmin(ReadOnly, admin.ModelAdmin):
    form = CredentialForm
    list_display = ["public_id", "name", "kind", "organisation"]
    list_filter = ["kind"]
    list_select_related = ["organisation"]
    search_fields = ["public_id", "name"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def save_model(self, request: HttpRequest, obj: Qualification, form: Any, change: bool) -> None:
        made = qualifications.define_credential(by(request), obj.name, obj.description)
        obj.pk, obj.public_id = made.pk, made.public_id


@admin.register(Group)
class GroupAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["public_id", "name", "kind", "organisation"]
    list_filter = ["kind"]
    list_select_related = ["organisation"]
    search_fields = ["public_id", "name"]
    show_full_result_count = False


@admin.register(CredentialRequest)
class CredentialRequestAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["public_id", "qualification", "state", "worker", "asked_at", "decided_at"]
    list_filter = ["state"]
    list_select_related = ["qualification", "worker"]
    search_fields = ["public_id"]
    ordering = ["pk"]
    show_full_result_count = False

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show what is asked for, or decide it with the verdict sent."""
        if not self.has_view_permission(request):
            return super().change_view(request, object_id, *args, **options)
        everything = CredentialRequest.objects.select_related("qualification", "worker", "decided_by")
        found = get_object_or_404(everything, pk=object_id if object_id.isdecimal() else None)
        form = DecisionForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            _decide(request, found, form.cleaned_data)
            return redirect(request.path)
        before = found.worker.credential_requests.exclude(pk=found.pk).select_related("qualification").order_by("-pk")
        context = {
            "opts": self.opts,
            "title": f"{found.qualification}: {found}",
            "asked": found,
            "form": form,
            "before": before[:20],
            "is_open": found.state == CredentialRequest.State.OPEN,
        }
        page = {**self.admin_site.each_context(request), **context}
        return TemplateResponse(request, "admin/workers/credentialrequest/decide.html", page)


def _decide(request: HttpRequest, asked: CredentialRequest, said: dict[str, Any]) -> None:
    who, reason, days = by(request), said["reason"], said["days"]
    decide(request, {
        "verify": (lambda: credentials.verify(asked, who, reason, days), "Verified. The worker holds it now."),
        "decline": (lambda: credentials.decline(asked, who, reason), "Declined. The worker is told why."),
    })  # fmt: skip
