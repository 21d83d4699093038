"""What a batch may still spend, and bonuses."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import ids
from marketplace.web.edge import action, page_of, person, refusals_in
from marketplace.web.views.projects import visible
from tasks import batches, budgets, forecast
from tasks import bonuses as giving
from tasks.models import Batch, Bonus
from tasks.web import chart, prepaying
from tasks.web.budget_forms import BonusesForm, BonusForm, BudgetForm, ExamsForm, GoldForm

NAME_SHOWN = 10


@login_required
def budget(request: HttpRequest, batch: str) -> HttpResponse:
    """What it has cost, what it will cost, and the forms that lower or raise it."""
    found = _batch(request, batch)
    told, prepay = budgets.of(found), dict[str, str]()
    listed: dict[str, forms.Form] = {
        "answers": BudgetForm(initial={"answers_micros": told.answers_micros}),
        "gold": GoldForm(initial={"gold_answers": told.gold_answers}),
        "exams": ExamsForm(initial={"paid_exams": told.paid_exams}),
    }
    line = request.POST.get("line", "")
    if line in listed:
        listed[line] = form = type(listed[line])(request.POST)
        if form.is_valid():
            with refusals_in(form), prepaying.offered(request, found.project, prepay):
                budgets.change(found, person(request), **form.cleaned_data)
                messages.success(request, "The budget is changed.")
                return redirect("budget", found.public_id)
    listed["answers"].fields["answers_micros"].label = f"Answers may cost, in all, in {found.currency}"
    running = forecast.running(found)
    return render(
        request,
        "tasks/budget.html",
        {
            **{"batch": found, "project": found.project, "budget": told, "running": running},
            **{"next": budgets.of_next(found), "forms": listed, "picture": _picture(told, running), **prepay},
        },
    )


@action
def close_batch(request: HttpRequest, batch: str) -> HttpResponse:
    found = _batch(request, batch)
    batches.close(found, person(request))
    messages.success(request, "The batch is closed. What it cannot come to cost comes back to your prepayment.")
    return redirect("project", found.project.public_id)


def _batch(request: HttpRequest, batch: str) -> Batch:
    seen = Batch.objects.visible_to(person(request)).select_related("project__organisation")
    return get_object_or_404(seen, public_id=batch)


def _picture(told: budgets.Budget, running: forecast.Running) -> chart.Lines:
    most = running.most_micros
    rows = [("Spent", told.spent_micros), ("Committed", told.committed_micros), ("Expected", running.expected_micros)]
    return chart.lines([(name, min(micros, most), most) for name, micros in rows])


@login_required
def bonuses(request: HttpRequest, project: str) -> HttpResponse:
    """The bonuses of a project, and the forms that give one or many."""
    found = visible(request, project)
    known = {"key": ids.new("key"), "worker": request.GET.get("worker", "")}
    one, many, prepay = BonusForm(initial=known), BonusesForm(), dict[str, str]()
    if request.method == "POST" and "rows" in request.POST:
        many = BonusesForm(request.POST)
        if many.is_valid():
            with refusals_in(many), prepaying.offered(request, found, prepay, "prepay_many"):
                wanted = giving.parse(many.cleaned_data["rows"])
                given = giving.give_all(found, person(request), wanted)
                messages.success(request, f"Bonuses paid: {len(given):,}.")
                return redirect("bonuses", found.public_id)
    elif request.method == "POST":
        one = BonusForm(request.POST)
        if one.is_valid():
            places = {f"bonuses[0].{name}": name for name in BonusForm.base_fields}
            with refusals_in(one, places), prepaying.offered(request, found, prepay, "prepay_one"):
                giving.give(found, by=person(request), **one.cleaned_data)
                messages.success(request, "The bonus is paid. The worker is told what for.")
                return redirect("bonuses", found.public_id)
    page = page_of(request, Bonus.objects.filter(project=found).select_related("worker", "batch"))
    for bonus in page["rows"]:
        _name(bonus, found)
    one.fields["amount_micros"].label = f"Amount in {found.currency}"
    facts = {"project": found, "page": page, "one": one, "many": many, **prepay}
    return render(request, "tasks/bonuses.html", facts)


def _name(bonus: Any, project: Any) -> None:
    bonus.pseudonym = project.organisation.pseudonym(bonus.worker.public_id)[:NAME_SHOWN]
