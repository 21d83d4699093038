"""Who answers how: groups of people against all others, for the requester."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from marketplace.web.views.projects import visible
from tasks import bias as reports
from tasks.web.group_dots import group_dots


@login_required
def bias(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    report = reports.report(found)
    shown = [(comparison, group_dots(comparison)) for comparison in report.comparisons]
    return render(request, "tasks/bias.html", {"project": found, "report": report, "shown": shown})
