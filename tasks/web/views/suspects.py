"""Labels to look at: those of a batch that look wrong, for the requester."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.web.edge import action, person
from tasks import reviews
from tasks import suspects as reports
from tasks.models import Batch
from tasks.web import shown


@login_required
def suspects(request: HttpRequest, batch: str) -> HttpResponse:
    found = _batch(request, batch)
    report = reports.of(found)
    rows = [(one, shown.parts(found.schema, one.payload)) for one in report.suspects]
    return render(request, "tasks/suspects.html", {"batch": found, "report": report, "rows": rows})


@action
def review_suspects(request: HttpRequest, batch: str) -> HttpResponse:
    """Send the labels that were ticked to reviewers."""
    found = _batch(request, batch)
    chosen = request.POST.getlist("key")[: reviews.ASK_MOST]
    asked = reviews.ask(found, reviews.named(found, chosen), "suspected", person(request))
    messages.success(request, f"Sent to review: {asked} of {len(chosen)}. What waits already, or is open, is not sent.")
    return redirect("suspects", found.public_id)


def _batch(request: HttpRequest, batch: str) -> Batch:
    visible = Batch.objects.visible_to(person(request)).select_related("project__organisation")
    return get_object_or_404(visible, public_id=batch)
