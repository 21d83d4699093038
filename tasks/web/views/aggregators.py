"""A project's own aggregator: naming it, its secret once, a try with it, and what came of it."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from marketplace.models import Project
from marketplace.web.edge import action, person, refusals_in
from marketplace.web.views.projects import visible
from tasks import consolidations
from tasks.consolidations.naming import NoAggregator
from tasks.models import Aggregator
from tasks.web.aggregator_forms import AggregatorForm


@login_required
def aggregator(request: HttpRequest, project: str) -> HttpResponse:
    """The aggregator with its figures and failures, and the form that names one; a new one's secret once."""
    found, secret = visible(request, project), ""
    form = AggregatorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            _, secret = consolidations.name(found, person(request), form.cleaned_data["url"])
            form = AggregatorForm()
    return _page(request, found, form=form, secret=secret)


@action
def renew_aggregator(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    secret = consolidations.renew(consolidations.of_project(found), person(request))
    return _page(request, found, secret=secret)


@action
def sample_aggregator(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    tried = consolidations.sample(consolidations.of_project(found), person(request))
    sent = json.dumps(json.loads(tried.sent), indent=2, ensure_ascii=False)
    return _page(request, found, sample=tried, sent=sent)


@action
def send_again(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    count = consolidations.send_again(consolidations.of_project(found), person(request))
    messages.success(request, f"It is asked again about {count:,} {'task' if count == 1 else 'tasks'}.")
    return redirect("aggregator", found.public_id)


@action
def drop_aggregator(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    consolidations.drop(consolidations.of_project(found), person(request))
    messages.success(request, "It is asked no more. Batches that still go on have our labels again.")
    return redirect("aggregator", found.public_id)


def _page(request: HttpRequest, project: Project, **shown: Any) -> HttpResponse:
    row = _named(project)
    about = {"figures": consolidations.figures(row), "failures": consolidations.failures(row)} if row else {}
    shown = {"form": AggregatorForm(), **shown}
    response = render(request, "tasks/aggregator.html", {"project": project, "aggregator": row, **about, **shown})
    response["Cache-Control"] = "no-store"
    return response


def _named(project: Project) -> Aggregator | None:
    try:
        return consolidations.of_project(project)
    except NoAggregator:
        return None
