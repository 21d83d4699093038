"""Telling the admins of a task, a message or a project that should not be here."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import limits
from marketplace.web.edge import page_of, person, refusals_in
from tasks import assignments
from tasks import reports as verbs
from tasks.models import Assignment, Message, Report
from tasks.web.message_forms import ReportForm
from tasks.web.views.questions import offered_or_worked, own_task, parts_of


@login_required
def my_reports(request: HttpRequest) -> HttpResponse:
    """What this person reported, and what came of it."""
    mine = Report.objects.filter(reporter=person(request)).select_related("project")
    return render(request, "tasks/my_reports.html", {"page": page_of(request, mine)})


@login_required
def report_project(request: HttpRequest, project: str) -> HttpResponse:
    found = offered_or_worked(request, project)
    return _report(request, {"project": found}, {"what": "this project", "project": found})


@login_required
def report_task(request: HttpRequest, assignment: str, position: int) -> HttpResponse:
    """Report a task, and skip it with that where it is still to be done."""
    answer = own_task(request, assignment, position)
    lease = answer.assignment
    may_skip = (answer.state, lease.state, lease.purpose) == ("leased", Assignment.State.OPEN, Assignment.Purpose.WORK)
    context = {
        "what": f"task {position + 1}",
        "project": lease.project,
        "parts": parts_of(answer),
        "may_skip": may_skip,
    }
    response = _report(request, {"assignment": lease, "position": position}, context)
    if response.status_code == 302 and may_skip and "skip" in request.POST:
        assignments.skip(lease, position)
        return redirect("assignment", lease.public_id)
    return response


@login_required
def report_message(request: HttpRequest, message: str) -> HttpResponse:
    """Report what the other side wrote."""
    found = get_object_or_404(Message.objects.reportable_by(person(request)), public_id=message)
    context = {"what": "this message", "project": found.conversation.project, "message": found}
    return _report(request, {"message": found}, context)


def _report(request: HttpRequest, thing: dict[str, Any], context: dict[str, Any]) -> HttpResponse:
    form = ReportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            limits.spend("report", person(request).pk)
            verbs.report(person(request), **form.cleaned_data, **thing)
            messages.success(request, "Thank you. An admin looks at it and tells you what came of it.")
            return redirect("my-reports")
    return render(request, "tasks/report.html", {"form": form, **context})
