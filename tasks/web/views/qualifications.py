"""Pages of an organisation about who may work for it: qualifications, groups, requirements and tiers."""

from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core.errors import Forbidden
from marketplace.models import Organisation
from marketplace.web.edge import action, page_of, person, refusals_in
from marketplace.web.views.projects import visible
from tasks.web import qualification_forms as typed
from workers import groups, qualifications, requirements, tiers
from workers.models import Group, Invitation, Qualification

INVITATIONS_SHOWN = 100


def _home(request: HttpRequest, organisation: str) -> Organisation:
    return get_object_or_404(Organisation.objects.visible_to(person(request)), public_id=organisation)


def _qualification(request: HttpRequest, public_id: str) -> Qualification:
    seen = Qualification.objects.visible_to(person(request))
    return get_object_or_404(seen.select_related("organisation", "project__organisation"), public_id=public_id)


def _group(request: HttpRequest, public_id: str) -> Group:
    seen = Group.objects.visible_to(person(request))
    return get_object_or_404(seen.select_related("organisation"), public_id=public_id)


@login_required
def people(request: HttpRequest, organisation: str) -> HttpResponse:
    """The qualifications and groups of an organisation, and making more."""
    home = _home(request, organisation)
    is_group = "kind" in request.POST
    define = typed.DefineForm(None if is_group else request.POST or None)
    group = typed.GroupForm(request.POST if is_group else None, auto_id="id_group_%s")
    form = group if is_group else define
    if request.method == "POST" and form.is_valid():
        verb: Any = groups.found if is_group else qualifications.define
        with refusals_in(form):
            made = verb(home, person(request), **form.cleaned_data)
            messages.success(request, f"“{made}” is made.")
            return redirect("group" if is_group else "qualification", made.public_id)
    own = Qualification.objects.visible_to(person(request)).of_organisation(home)
    listed = {
        "qualifications": own.select_related("project").order_by("kind", "name")[:200],
        "groups": home.groups.order_by("name")[:200],
    }
    return render(request, "tasks/people.html", {"organisation": home, "define": define, "group": group, **listed})


@login_required
def qualification(request: HttpRequest, qualification: str) -> HttpResponse:
    """Who holds a qualification; and granting it, where it is the organisation's own."""
    found = _qualification(request, qualification)
    home: Any = found.organisation or (found.project and found.project.organisation)
    form = typed.GiveForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form, {"workers[0]": "worker"}):
            given = qualifications.give(found, person(request), form.listed(), form.cleaned_data["days"])
            messages.success(request, f"Granted to {len(given)}.")
            return redirect("qualification", found.public_id)
    page = page_of(request, found.grants.select_related("worker"))
    rows = [(home.pseudonym(grant.worker.public_id), grant) for grant in page["rows"]]
    context = {"qualification": found, "organisation": home, "form": form, "page": page, "grants": rows}
    return render(request, "tasks/qualification.html", context)


@action
def revoke(request: HttpRequest, qualification: str) -> HttpResponse:
    found = _qualification(request, qualification)
    worker, reason = request.POST.get("worker", ""), request.POST.get("reason", "")
    qualifications.revoke(found, person(request), worker, reason)
    messages.success(request, "The grant is ended, and the worker is told why.")
    return redirect("qualification", found.public_id)


@login_required
def group(request: HttpRequest, group: str) -> HttpResponse:
    """Who is in a group, and putting workers in."""
    found = _group(request, group)
    home: Any = found.organisation
    form = typed.MembersForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form, {"workers[0]": "worker"}):
            added = groups.add(found, person(request), form.listed())
            messages.success(request, f"{added} put in.")
            return redirect("group", found.public_id)
    page = page_of(request, groups.members(found))
    context = {
        "group": found,
        "organisation": home,
        "form": form,
        "invite": typed.InviteForm(auto_id="id_invite_%s"),
        "page": page,
        "members": [(home.pseudonym(member.worker.public_id), member) for member in page["rows"]],
        "invitations": _invitations(request, found),
    }
    return render(request, "tasks/group.html", context)


def _invitations(request: HttpRequest, group: Group) -> list[Invitation]:
    """The addresses are for those who may ask people in."""
    with suppress(Forbidden):
        return list(groups.invitations(group, person(request)).order_by("-pk")[:INVITATIONS_SHOWN])
    return []


@action
def remove(request: HttpRequest, group: str) -> HttpResponse:
    found = _group(request, group)
    groups.remove(found, person(request), request.POST.get("worker", ""))
    messages.success(request, "The worker is out of the group.")
    return redirect("group", found.public_id)


@action
def invite(request: HttpRequest, group: str) -> HttpResponse:
    found = _group(request, group)
    form = typed.InviteForm(request.POST)
    if form.is_valid():
        groups.invite(found, person(request), form.cleaned_data["email"])
        messages.success(request, "A letter is on its way.")
    else:
        messages.error(request, "This is not an e-mail address.")
    return redirect("group", found.public_id)


@action
def withdraw(request: HttpRequest, group: str, invitation: str) -> HttpResponse:
    found = _group(request, group)
    groups.withdraw(get_object_or_404(found.invitations, public_id=invitation), person(request))
    messages.success(request, "The invitation is taken back.")
    return redirect("group", found.public_id)


@login_required
def requirement(request: HttpRequest, project: str) -> HttpResponse:
    """Who may work in a project: conditions, groups, and how many workers that is."""
    found = visible(request, project)
    if request.method == "POST" and "add" in request.POST:
        editor = typed.RequirementEditor.with_another(found, request.POST)
    else:
        editor = typed.RequirementEditor(found, request.POST if request.method == "POST" else None)
        if request.method == "POST" and editor.is_valid():
            with refusals_in(editor.form):
                requirements.require(found, person(request), editor.expression(), editor.form.cleaned_data["groups"])
                messages.success(request, "Who may work is set. It holds from the next page that is handed out.")
                return redirect("requirement", found.public_id)
            found = visible(request, project)  # what was refused is not said of it
    context = {
        "project": found,
        "editor": editor,
        "form": editor.form,
        "sentences": requirements.describe(found.requirement),
        "qualifying": requirements.how_many(found),
        "tier_forms": typed.tier_forms(found),
    }
    return render(request, "tasks/requirement.html", context)


@action
def set_tiers(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    forms = typed.tier_forms(found, request.POST)
    if not all([form.is_valid() for form in forms]):
        messages.error(request, next(str(text) for form in forms for texts in form.errors.values() for text in texts))
        return redirect("requirement", found.public_id)
    tiers.offer(found, person(request), typed.tiers_of(forms))
    messages.success(request, "The prices are set, for the batches to come.")
    return redirect("requirement", found.public_id)
