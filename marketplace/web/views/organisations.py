"""Organisations and their members."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace import accounts
from marketplace.models import Membership, Organisation
from marketplace.web.edge import action, page_of, person, refusals_in
from marketplace.web.forms import MemberForm, OrganisationForm, RoleForm


def _visible(request: HttpRequest, organisation: str) -> Organisation:
    return get_object_or_404(Organisation.objects.visible_to(person(request)), public_id=organisation)


def _membership(request: HttpRequest, organisation: str, membership: int) -> Membership:
    return get_object_or_404(_visible(request, organisation).memberships, pk=membership)


@login_required
def organisations(request: HttpRequest) -> HttpResponse:
    form = OrganisationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            founded = accounts.found(person(request), form.cleaned_data["name"])
            messages.success(request, f"{founded} is founded. Next: draft a project.")
            return redirect("organisation", founded.public_id)
    memberships = person(request).memberships.select_related("organisation").order_by("organisation__name")
    return render(request, "marketplace/organisations.html", {"form": form, "memberships": memberships})


@login_required
def organisation(request: HttpRequest, organisation: str) -> HttpResponse:
    found = _visible(request, organisation)
    return render(
        request,
        "marketplace/organisation.html",
        {
            "organisation": found,
            "membership": found.memberships.get(user=person(request)),
            "projects": page_of(request, found.projects.all()),
            "members": found.memberships.count(),
        },
    )


@login_required
def members(request: HttpRequest, organisation: str) -> HttpResponse:
    found = _visible(request, organisation)
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            accounts.add_member(found, form.cleaned_data["email"], form.cleaned_data["role"], person(request))
            messages.success(request, f"{form.cleaned_data['email']} is a member now.")
            return redirect("members", found.public_id)
    memberships = found.memberships.select_related("user").order_by("pk")
    rows = [(one, RoleForm(initial={"role": one.role}, prefix=str(one.pk))) for one in memberships]
    own = next(one for one in memberships if one.user_id == request.user.pk)
    return render(
        request, "marketplace/members.html", {"organisation": found, "form": form, "rows": rows, "membership": own}
    )


@action
def change_role(request: HttpRequest, organisation: str, membership: int) -> HttpResponse:
    found = _membership(request, organisation, membership)
    form = RoleForm(request.POST, prefix=str(found.pk))
    if form.is_valid():
        accounts.change_role(found, form.cleaned_data["role"], person(request))
        messages.success(request, "The role is changed.")
    return redirect("members", organisation)


@action
def remove_member(request: HttpRequest, organisation: str, membership: int) -> HttpResponse:
    found = _membership(request, organisation, membership)
    accounts.remove_member(found, person(request))
    messages.success(request, "The member is removed.")
    return redirect("home" if found.user_id == request.user.pk else "members", *_unless_gone(request, found))


def _unless_gone(request: HttpRequest, membership: Membership) -> list[str]:
    return [] if membership.user_id == request.user.pk else [membership.organisation.public_id]
