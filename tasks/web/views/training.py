"""What a requester arranges so that people learn the work: lessons, tests, the pilot, sessions."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.web.edge import action, page_of, person, refusals_in
from marketplace.web.views.projects import visible
from tasks import cohorts, pilots
from tasks import training as course
from tasks.models import Assignment, Cohort, CohortAnswer
from tasks.web import chart, shown
from tasks.web.forms import CohortForm, RemarkForm

RESULTS_READ = 2_000


@login_required
def training(request: HttpRequest, project: str) -> HttpResponse:
    """One page for all of it, and a form to plan a session."""
    found = visible(request, project)
    form = CohortForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            cohort = cohorts.plan(found, person(request), **form.cleaned_data)
            messages.success(request, "The session is planned.")
            return redirect("cohort", cohort.public_id)
    pilot = pilots.last(found)
    outcome = pilots.outcome(pilot, found) if pilot else None
    marks = [(field.title, field.agreement) for field in outcome.fields] if outcome else []
    return render(
        request,
        "tasks/training.html",
        {
            "project": found,
            "lessons": found.lessons.current().count(),
            "efforts": course.efforts(found),
            "exams": _exams(found.pk),
            "pilot": outcome,
            "picture": chart.shares(marks, found.pilot_agreement),
            "page": page_of(request, found.cohorts.all(), 10),
            "form": form,
        },
    )


def _exams(project: int) -> dict[str, int]:
    """How the last exams went."""
    ended = Assignment.objects.filter(batch__project=project, purpose=Assignment.Purpose.EXAM, score__isnull=False)
    passed = list(ended.order_by("-pk").values_list("passed", flat=True)[:RESULTS_READ])
    return {"sat": len(passed), "passed": sum(map(bool, passed))}


@login_required
def cohort(request: HttpRequest, cohort: str) -> HttpResponse:
    """The session as its trainer leads it; the answers come in while it is open."""
    found = _led(request, cohort)
    polled = "hx-request" in request.headers
    context = _answers(found)
    if not polled:
        item, schema = cohorts.item(found, for_trainer=True), found.batch.schema
        known = {**schema, "fields": [field for field in schema["fields"] if field["name"] in (item.truth or {})]}
        places = found.places.select_related("worker").order_by("pk")
        context |= {
            "item": item,
            "parts": shown.parts(schema, item.payload),
            "truth": shown.answer(known, item.truth),
            "remark": RemarkForm(),
            "count": found.items.count(),
            "places": [(found.project.organisation.pseudonym(place.worker.public_id), place) for place in places],
        }
    template = "tasks/_cohort_answers.html" if polled else "tasks/cohort.html"
    return render(request, template, {"cohort": found, "project": found.project, **context})


def _answers(cohort: Cohort) -> dict[str, Any]:
    given = CohortAnswer.objects.filter(item__cohort=cohort, item__position=cohort.position)
    return {
        "joined": cohort.places.filter(joined_at__isnull=False).count(),
        "answered": given.count(),
        "pictures": [(spread.title, chart.counts(spread.said)) for spread in cohorts.spread(cohort)],
    }


@action
def invite(request: HttpRequest, cohort: str) -> HttpResponse:
    found = _led(request, cohort)
    invited = cohorts.invite(found, person(request), request.POST.get("workers", "").split())
    messages.success(request, f"Invited: {invited}.")
    return redirect("cohort", found.public_id)


@action
def begin(request: HttpRequest, cohort: str) -> HttpResponse:
    return redirect("cohort", cohorts.begin(_led(request, cohort), person(request)).public_id)


@action
def reveal(request: HttpRequest, cohort: str) -> HttpResponse:
    found = cohorts.reveal(_led(request, cohort), person(request), request.POST.get("remark", ""))
    return redirect("cohort", found.public_id)


@action
def turn(request: HttpRequest, cohort: str) -> HttpResponse:
    return redirect("cohort", cohorts.turn(_led(request, cohort), person(request)).public_id)


@action
def end(request: HttpRequest, cohort: str) -> HttpResponse:
    found = cohorts.end(_led(request, cohort), person(request))
    messages.success(request, "The session has ended.")
    return redirect("cohort", found.public_id)


def _led(request: HttpRequest, public_id: str) -> Cohort:
    seen = Cohort.objects.visible_to(person(request)).select_related("project__organisation", "batch", "trainer")
    return get_object_or_404(seen, public_id=public_id)
