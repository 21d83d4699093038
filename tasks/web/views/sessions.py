"""Sessions with a trainer, for the workers who come."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.web.edge import action, page_of, person
from tasks import cohorts
from tasks.errors import AnswersInvalid
from tasks.models import Cohort
from tasks.web import shown
from tasks.web.forms import TaskForm
from workers import profiles

NOTHING_NEW = 204


@login_required
def sessions(request: HttpRequest) -> HttpResponse:
    """Those that one may join, or was invited to."""
    worker = profiles.of(person(request))
    listed = Cohort.objects.open_to(worker).select_related("project__organisation")
    return render(request, "tasks/sessions.html", {"page": page_of(request, listed)})


@login_required
def session(request: HttpRequest, cohort: str) -> HttpResponse:
    """The item that is shown now; the page asks for itself again, and is sent only when something has changed."""
    found = _open(request, cohort)
    polled = "hx-request" in request.headers
    context = _stage(request, found)
    if polled and request.GET.get("seen") == context["stage"]:
        return HttpResponse(status=NOTHING_NEW)
    return render(request, "tasks/_session.html" if polled else "tasks/session.html", context)


@action
def join(request: HttpRequest, cohort: str) -> HttpResponse:
    found = _open(request, cohort)
    cohorts.join(found, profiles.of(person(request)))
    return redirect("session", found.public_id)


@action
def answer(request: HttpRequest, cohort: str, position: int) -> HttpResponse:
    found = _open(request, cohort)
    form = TaskForm(request.POST, position=position, schema=found.batch.schema)
    if form.is_valid():
        try:
            cohorts.answer(found, profiles.of(person(request)), position, form.value)
            return redirect("session", found.public_id)
        except AnswersInvalid as refusal:
            for error in refusal.facts["errors"]:
                name = str(error["path"]).removeprefix("value.")
                form.add_error(name if name in form.fields else None, error["message"])
    return render(request, "tasks/session.html", _stage(request, found, form), status=422)


def _stage(request: HttpRequest, cohort: Cohort, form: TaskForm | None = None) -> dict[str, Any]:
    worker, schema = profiles.of(person(request)), cohort.batch.schema
    place = cohort.places.filter(worker=worker).first()
    joined = bool(place and place.joined_at)
    item = cohorts.item(cohort) if joined else None
    given = cohorts.given(cohort, worker) if joined else None
    context = {
        "cohort": cohort,
        "joined": joined,
        "stage": f"{cohort.state}-{cohort.position}-{bool(item and item.revealed_at)}-{bool(given)}-{joined}",
        "count": cohort.items.count(),
    }
    if item is None:
        return context
    known = {**schema, "fields": [field for field in schema["fields"] if field["name"] in (item.truth or {})]}
    return context | {
        "item": item,
        "parts": shown.parts(schema, item.payload),
        "form": form or TaskForm(None, position=item.position, schema=schema),
        "given": shown.answer(schema, given.value) if given else None,
        "truth": shown.answer(known, item.truth),
        "right": cohorts.right(cohort, given),
    }


def _open(request: HttpRequest, public_id: str) -> Cohort:
    seen = Cohort.objects.open_to(profiles.of(person(request)))
    return get_object_or_404(seen.select_related("project__organisation", "batch"), public_id=public_id)
