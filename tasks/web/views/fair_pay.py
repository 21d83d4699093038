"""What was added to pay, for who pays it and for who gets it, and what a person decides."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import money
from marketplace.models import Project
from marketplace.web.edge import action, page_of, person
from marketplace.web.views.projects import visible
from tasks import fair_pay
from tasks.models import TopUp, TopUpProposal
from tasks.web import chart
from workers import profiles

PROPOSALS_SHOWN, NAME_SHOWN = 50, 10


@login_required
def top_ups(request: HttpRequest, project: str) -> HttpResponse:
    """What an hour pays in a project, what was added, and what waits for a decision."""
    found = visible(request, project)
    made = TopUp.objects.filter(batch__project=found).select_related("worker", "batch")
    waiting = TopUpProposal.objects.filter(batch__project=found, state=TopUpProposal.State.OPEN).order_by("pk")
    page, proposals = page_of(request, made), list(waiting.select_related("worker", "batch")[:PROPOSALS_SHOWN])
    for row in [*page["rows"], *proposals]:
        row.pseudonym = found.organisation.pseudonym(row.worker.public_id)[:NAME_SHOWN]
    pay = fair_pay.of(found)
    context = {"project": found, "page": page, "proposals": proposals, "pay": pay, "pay_picture": chart.hours(pay)}
    return render(request, "tasks/top_ups.html", context)


@action
def grant(request: HttpRequest, proposal: str) -> HttpResponse:
    found = _proposal(request, proposal)
    made = fair_pay.grant(found, person(request))
    messages.success(request, f"{money.show(made.amount_micros, found.batch.currency)} is added to the worker's pay.")
    return _to_the_others(request, found)


@action
def decline(request: HttpRequest, proposal: str) -> HttpResponse:
    found = _proposal(request, proposal)
    fair_pay.decline(found, person(request), request.POST.get("reason", ""))
    messages.success(request, "It is declined. The same sum is not proposed again.")
    return _to_the_others(request, found)


@login_required
def my_top_ups(request: HttpRequest) -> HttpResponse:
    """What was added to this person's pay, each with its computation."""
    mine = TopUp.objects.filter(worker=profiles.of(person(request))).select_related("batch__project")
    return render(request, "tasks/my_top_ups.html", {"page": page_of(request, mine)})


def _to_the_others(request: HttpRequest, proposal: TopUpProposal) -> HttpResponse:
    """To the page of the project, for those who see it; an admin of elsewhere decides about those of all projects."""
    project = proposal.batch.project
    if Project.objects.visible_to(person(request)).filter(pk=project.pk).exists():
        return redirect("top-ups", project.public_id)
    return redirect("admin:tasks_topupproposal_changelist")


def _proposal(request: HttpRequest, public_id: str) -> TopUpProposal:
    seen = TopUpProposal.objects.visible_to(person(request)).select_related("batch__project")
    return get_object_or_404(seen, public_id=public_id)
