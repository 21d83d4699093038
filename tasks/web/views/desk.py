"""What an organisation decides about workers: what waits for a person, what was contested, and deciding."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.models import Organisation
from marketplace.web.edge import action, page_of, person, refusals_in
from tasks import appeals, decisions
from tasks.models import Appeal, Decision
from tasks.web import shown
from tasks.web.forms import ContestForm, DecideAboutForm, WithdrawForm
from workers import profiles

NAME_SHOWN = 10  # of a pseudonym
GROUNDS_SHOWN = 50
VIEWS: dict[str, dict[str, str]] = {  # what a list may be narrowed to
    "proposed": {"state": Decision.State.PROPOSED},
    "contested": {"appeal__state": Appeal.State.OPEN},
    "overturned": {"state": Decision.State.OVERTURNED},
}


def _home(request: HttpRequest, organisation: str) -> Organisation:
    return get_object_or_404(Organisation.objects.visible_to(person(request)), public_id=organisation)


def _decision(request: HttpRequest, decision: str) -> Decision:
    seen = Decision.objects.visible_to(person(request)).select_related(
        "answer__task__item", "answer__batch", "worker", "organisation", "project", "rule", "decided_by"
    )
    return get_object_or_404(seen, public_id=decision)


@login_required
def organisation_decisions(request: HttpRequest, organisation: str) -> HttpResponse:
    """What was decided in the organisation's name, newest first, and what waits for somebody to sign."""
    home, view = _home(request, organisation), request.GET.get("view", "")
    rows = Decision.objects.filter(organisation=home, **VIEWS.get(view, {}))
    page = page_of(request, rows.select_related("project", "worker", "rule", "appeal", "decided_by"))
    for decision in page["rows"]:
        decision.pseudonym = home.pseudonym(decision.worker.public_id)[:NAME_SHOWN]
    context = {"organisation": home, "page": page, "view": view, "views": list(VIEWS)}
    return render(request, "tasks/organisation_decisions.html", {**context, "conduct": decisions.conduct_of(home)})


@login_required
def decide_about(request: HttpRequest, organisation: str) -> HttpResponse:
    """Decide about a worker of the organisation's projects."""
    home = _home(request, organisation)
    form = DecideAboutForm(request.POST or None, initial={"worker": request.GET.get("worker", "")})
    form.fields["project"].queryset = home.projects.order_by("-pk")  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            made = _decide(form.cleaned_data, home, request)
            messages.success(request, "It is in force. The worker can read why, and contest it.")
            return redirect("one-decision", made.public_id)
    return render(request, "tasks/decide_about.html", {"organisation": home, "form": form})


def _decide(asked: dict[str, Any], home: Organisation, request: HttpRequest) -> Decision:
    worker = profiles.known_as(home, asked["worker"])
    about = {name: asked[name] for name in ("kind", "reason_code", "reason", "until")}
    project = None if asked["kind"] == Decision.Kind.DENY else asked["project"]
    return decisions.decide(worker=worker, by=person(request), organisation=home, project=project, **about)


@login_required
def one_decision(request: HttpRequest, decision: str) -> HttpResponse:
    """One decision with what it rests on; where it is contested, the place to answer."""
    found = _decision(request, decision)
    assert found.organisation
    appeal = Appeal.objects.filter(decision=found).prefetch_related("statements").first()
    form = ContestForm(request.POST or None)
    form.fields["statement"].label = "What do you say to it?"
    if request.method == "POST" and appeal and form.is_valid():
        with refusals_in(form):
            appeals.state_more(appeal, person(request), form.cleaned_data["statement"])
            messages.success(request, "Your statement is added; the worker and the admin read it.")
            return redirect("one-decision", found.public_id)
    answer = found.answer
    return render(
        request,
        "tasks/one_decision.html",
        {
            "decision": found,
            "appeal": appeal,
            "form": form,
            "withdraw": WithdrawForm(),
            "pseudonym": found.organisation.pseudonym(found.worker.public_id),
            "grounds": found.grounds.select_related("evidence__void").order_by("pk")[:GROUNDS_SHOWN],
            "parts": shown.parts(answer.batch.schema, answer.task.item.payload) if answer else [],
            "given": shown.answer(answer.batch.schema, answer.value) if answer else [],
        },
    )


@action
def sign(request: HttpRequest, decision: str) -> HttpResponse:
    decisions.sign(_decision(request, decision), person(request))
    messages.success(request, "It is your decision now, and in force. The worker can read why, and contest it.")
    return redirect("one-decision", decision)


@action
def decline(request: HttpRequest, decision: str) -> HttpResponse:
    decisions.decline(_decision(request, decision), person(request))
    messages.success(request, "Declined. Nothing happens.")
    return redirect("one-decision", decision)


@action
def withdraw(request: HttpRequest, decision: str) -> HttpResponse:
    decisions.withdraw(_decision(request, decision), person(request), request.POST.get("reason", ""))
    messages.success(request, "The decision is undone, with all it did.")
    return redirect("one-decision", decision)
