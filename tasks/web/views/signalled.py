"""What stood out in a project's answers, for its organisation and for admins."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from marketplace.models import Project
from marketplace.web.edge import person
from tasks import signals
from tasks.web.views.review import NAME_SHOWN


@login_required
def signalled(request: HttpRequest, project: str) -> HttpResponse:
    user = person(request)
    found = get_object_or_404(signals.seen_by(user).select_related("organisation"), public_id=project)
    report = signals.of(found)
    shown = [([name[:NAME_SHOWN] for name in signal.workers], signal) for signal in report.signals]
    is_member = Project.objects.visible_to(user).filter(pk=found.pk).exists()  # others would not get where links lead
    return render(
        request,
        "tasks/signals.html",
        {"project": found, "report": report, "signals": shown, "is_member": is_member, "kinds": signals.Kind},
    )
