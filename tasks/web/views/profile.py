"""What a worker holds, is in, and states of themselves."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import clock
from marketplace.web.edge import action, page_of, person
from tasks import earning
from tasks.web import qualification_forms as typed
from workers import credentials, groups, profiles, qualifications, totals
from workers.models import CredentialRequest, Grant, Qualification, Worker

LANGUAGES_SHOWN = 5


@login_required
def mine(request: HttpRequest) -> HttpResponse:
    """My qualifications: grants, credentials, groups, and what I say of myself."""
    worker = profiles.of(person(request))
    named = ("qualification__organisation", "qualification__project__organisation")
    page = page_of(request, worker.grants.select_related(*named))
    at = clock.now()
    for grant in page["rows"]:
        grant.state = _state(grant, at)
    country, languages = _stated(worker)
    context = {
        "page": page,
        "credentials": _credentials(worker),
        "memberships": groups.of(worker).order_by("-pk"),
        "invitations": groups.invitations_of(person(request)),
        "country": country,
        "languages": languages,
        "record": totals.share(worker),
    }
    return render(request, "tasks/my_qualifications.html", context)


@action
def state(request: HttpRequest) -> HttpResponse:
    worker = profiles.of(person(request))
    country, languages = _stated(worker, request.POST)
    if all([form.is_valid() for form in (country, *languages)]):
        spoken = {form.cleaned_data["code"]: form.cleaned_data["level"] for form in languages}
        spoken.pop("", None)
        earning.state(worker, spoken, country.cleaned_data["country"])
        messages.success(request, "It is noted.")
    else:
        messages.error(request, "Choose from the lists.")
    return redirect("my-qualifications")


@action
def ask(request: HttpRequest, credential: str) -> HttpResponse:
    site = Qualification.objects.filter(kind=Qualification.Kind.SITE)
    found = get_object_or_404(site, public_id=credential)
    credentials.ask(profiles.of(person(request)), found, request.POST.get("statement", ""))
    messages.success(request, "An admin will look at it, and you are told what comes of it.")
    return redirect("my-qualifications")


@action
def leave(request: HttpRequest, group: str) -> HttpResponse:
    worker = profiles.of(person(request))
    found = get_object_or_404(groups.of(worker), group__public_id=group)
    groups.leave(found.group, worker)
    messages.success(request, f"You have left “{found.group}”.")
    return redirect("my-qualifications")


@action
def accept(request: HttpRequest, invitation: str) -> HttpResponse:
    found = get_object_or_404(groups.invitations_of(person(request)), public_id=invitation)
    group = groups.accept(found, profiles.of(person(request)))
    messages.success(request, f"You are in the group “{group}” now.")
    return redirect("my-qualifications")


def _stated(worker: Worker, sent: QueryDict | None = None) -> tuple[forms.Form, list[forms.Form]]:
    """The forms of what a worker states, a language each and some more."""
    spoken = [{"code": code, "level": level} for code, level in worker.languages.items()]
    rows = [*spoken, *({} for _ in range(max(2, LANGUAGES_SHOWN - len(spoken))))]
    listed = [typed.LanguageForm(sent, prefix=f"language{n}", initial=row) for n, row in enumerate(rows)]
    return typed.ProfileForm(sent, initial={"country": worker.country}), [*listed]


def _credentials(worker: Worker) -> list[dict[str, Any]]:
    """The site's credentials, each with how this worker stands to it."""
    held = qualifications.counting(worker.grants.all(), clock.now())
    held_now = set(held.filter(qualification__kind="site").values_list("qualification", flat=True))
    last: dict[int, CredentialRequest] = {}
    for request in worker.credential_requests.order_by("pk"):
        last[request.qualification_id] = request
    return [
        {
            "credential": row,
            "is_held": row.pk in held_now,
            "request": last.get(row.pk),
            "form": typed.AskForm(auto_id=f"id_{row.public_id}_%s"),
        }
        for row in Qualification.objects.filter(kind=Qualification.Kind.SITE).order_by("name")[:100]
    ]


def _state(grant: Grant, at: Any) -> str:
    if grant.revoked_at:
        return "ended"
    return "expired" if grant.expires_at and grant.expires_at <= at else "in force"
