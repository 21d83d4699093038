"""What became of a project: progress, cost, accuracy, labels; and publishing its next batch."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import limits
from marketplace.core.errors import Invalid
from marketplace.models import Dataset, Project, RedundancyBy
from marketplace.web.edge import action, person
from marketplace.web.views.projects import visible
from tasks import batches, fair_pay, forecast
from tasks.exports import csv, jsonl
from tasks.exports import labels as exports
from tasks.models import Batch, TopUpProposal
from tasks.web import chart, prepaying
from tasks.web.forms import AnswersBudgetForm, DatasetForm
from workers.models import Reliability

BATCHES_SHOWN, WORKERS_SHOWN, NAME_SHOWN = 10, 30, 10
PROPOSALS_COUNTED = 1_000


@login_required
def project(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    shown = [
        (batch, batches.progress(batch))
        for batch in found.batches.order_by("-number").select_related("dataset")[:BATCHES_SHOWN]
    ]
    busy = any(batch.state != Batch.State.CLOSED for batch, _ in shown)
    polled = "hx-request" in request.headers
    return render(
        request,
        "tasks/_progress.html" if polled else "tasks/project.html",
        {
            "project": found,
            "batches": shown,
            "busy": busy,
            "has_data": found.import_set.exists() or found.organisation.datasets.filter(version__gt=0).exists(),
            **({} if polled else _accuracy(found) | _pay(found) | {"proposals": _proposals(found)}),
        },
    )


def _accuracy(project: Project) -> dict[str, Any]:
    """The workers with the most evidence, under the organisation's names for them."""
    measured = Reliability.objects.filter(project=project).select_related("worker").order_by("-judged")
    rows = sorted(measured[:WORKERS_SHOWN], key=lambda row: -row.accuracy)
    for row in rows:
        row.pseudonym = project.organisation.pseudonym(row.worker.public_id)  # type: ignore[attr-defined]
    named = [(row.pseudonym[:NAME_SHOWN], row) for row in rows]  # type: ignore[attr-defined]
    marks = [(name, row.accuracy_p05, row.accuracy, row.accuracy_p95) for name, row in named]
    return {"workers": named, "picture": chart.intervals(marks)}


def _pay(project: Project) -> dict[str, Any]:
    pay = fair_pay.of(project)
    return {"pay": pay, "pay_picture": chart.hours(pay)}


def _proposals(project: Project) -> int:
    """How many top-ups wait for a person, counted up to a most."""
    return TopUpProposal.objects.filter(batch__project=project, state="open")[:PROPOSALS_COUNTED].count()


@login_required
def publish(request: HttpRequest, project: str) -> HttpResponse:
    """What publishing a dataset would cost, and the button that does it."""
    found = visible(request, project)
    datasets = found.organisation.datasets.filter(version__gt=0).order_by("-pk")
    latest = datasets.filter(imports__project=found).first() or datasets.first()
    chosen = datasets.filter(public_id=request.GET.get("dataset", "")).first() or latest
    form = DatasetForm(initial={"dataset": chosen.public_id} if chosen else None)
    form.fields["dataset"].queryset = datasets  # type: ignore[attr-defined]
    by_budget = found.redundancy_by == RedundancyBy.BUDGET
    budget = AnswersBudgetForm(request.GET if "budget_micros" in request.GET else None) if by_budget else None
    wanted = budget.cleaned_data["budget_micros"] if budget and budget.is_valid() else None
    quote = forecast.quote(found, chosen, wanted) if chosen else None
    if budget and quote and quote.budget and not budget.is_bound:
        budget.initial = {"budget_micros": quote.budget.answers_micros}
    missing_micros = quote.missing_micros if quote else 0
    return render(
        request,
        "tasks/publish.html",
        {
            "project": found,
            "form": form,
            "dataset": chosen,
            "quote": quote,
            "budget": budget,
            **(_costs(quote) if quote else {}),
            "prepay": prepaying.link(request, found, missing_micros, found.currency) if missing_micros else "",
            "confirmed": person(request).is_confirmed,
            "floors": fair_pay.operators(found.currency),
            **_pay(found),
        },
    )


def _costs(quote: forecast.Quote) -> dict[str, Any]:
    """The lines of a quote as a table and a picture have them."""
    rows = [(name, most, quote.expected.get(name, most)) for name, most in quote.lines.items()]
    return {"costs": rows, "picture": chart.lines([(name.capitalize(), guess, most) for name, most, guess in rows])}


@action
def publish_now(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    dataset = get_object_or_404(Dataset.objects.visible_to(person(request)), public_id=request.POST.get("dataset", ""))
    budget = AnswersBudgetForm(request.POST) if found.redundancy_by == RedundancyBy.BUDGET else None
    if budget and not budget.is_valid():
        raise Invalid("say what the answers may cost, as an amount")
    limits.spend("publish", person(request).pk)
    batches.publish(found, dataset, person(request), budget.cleaned_data["budget_micros"] if budget else None)
    messages.success(request, "It is published. Workers can begin in a moment.")
    return redirect("project", found.public_id)


@action
def close(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    batches.close_project(found, person(request))
    messages.success(request, "The project is closed. What is not spent comes back to your prepayment.")
    return redirect("project", found.public_id)


@login_required
def labels(request: HttpRequest, batch: str, kind: str) -> HttpResponseBase:
    """The labels of a batch as a file."""
    found = get_object_or_404(Batch.objects.visible_to(person(request)).select_related("project"), public_id=batch)
    rows = exports.rows(found)
    kinds = {"jsonl": (jsonl.CONTENT_TYPE, jsonl.write(rows)), "csv": (csv.CONTENT_TYPE, csv.write(found, rows))}
    content_type, lines = kinds[kind]
    return StreamingHttpResponse(
        lines,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{found.public_id}.{kind}"'},
    )
