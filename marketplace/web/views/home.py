"""The first page, and the person's own account."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace import accounts
from marketplace.models import Organisation, Project
from marketplace.web.edge import action, person, refusals_in
from marketplace.web.forms import ApiKeyForm, NameForm


def home(request: HttpRequest) -> HttpResponse:
    """What this is, or where the person who is signed in goes on."""
    if not request.user.is_authenticated:
        return render(request, "marketplace/welcome.html")
    user = person(request)
    return render(
        request,
        "marketplace/home.html",
        {
            "confirmed": user.is_confirmed,
            "organisations": Organisation.objects.visible_to(user).order_by("name"),
            "projects": Project.objects.visible_to(user).select_related("organisation").order_by("-pk")[:5],
        },
    )


@login_required
def account(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form = NameForm(request.POST or None, initial={"name": user.name})
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            accounts.rename(user, form.cleaned_data["name"])
            messages.success(request, "Your name is saved.")
            return redirect("account")
    return render(request, "marketplace/account.html", {"form": form, "confirmed": user.is_confirmed})


@login_required
def api_keys(request: HttpRequest) -> HttpResponse:
    """The person's keys; a new one's secret is on this page once."""
    user, secret = person(request), ""
    form = ApiKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            _, secret = accounts.issue_key(user, **form.cleaned_data)
            form = ApiKeyForm()
    keys = user.api_keys.order_by("-pk")
    return render(request, "marketplace/api_keys.html", {"form": form, "keys": keys, "secret": secret})


@action
def revoke_key(request: HttpRequest, key: str) -> HttpResponse:
    found = get_object_or_404(person(request).api_keys, public_id=key)
    accounts.revoke_key(found, person(request))
    messages.success(request, f"The key “{found}” no longer works.")
    return redirect("api-keys")
