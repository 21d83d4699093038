"""Projects as their organisation writes them; what became of them stands in `tasks`."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from marketplace import guidelines
from marketplace import projects as verbs
from marketplace.models import Organisation, Project
from marketplace.web.edge import action, page_of, person, refusals_in
from marketplace.web.project_forms import PLACES, ProjectEditor

ADDERS = {"add_display": "display", "add_field": "fields"}


def visible(request: HttpRequest, project: str) -> Project:
    scoped = Project.objects.visible_to(person(request)).select_related("organisation")
    return get_object_or_404(scoped, public_id=project)


@login_required
def projects(request: HttpRequest) -> HttpResponse:
    listed = Project.objects.visible_to(person(request)).select_related("organisation")
    organisations = Organisation.objects.visible_to(person(request)).order_by("name")
    return render(
        request,
        "marketplace/projects.html",
        {"projects": page_of(request, listed), "organisations": organisations},
    )


@login_required
def draft(request: HttpRequest, organisation: str) -> HttpResponse:
    found = get_object_or_404(Organisation.objects.visible_to(person(request)), public_id=organisation)
    editor = _editor(request)
    if _is_sent(request) and editor.is_valid():
        with refusals_in(editor.form, PLACES):
            values = editor.values()
            drafted = verbs.draft(
                found,
                person(request),
                values.pop("title"),
                values.pop("schema"),
                values.pop("price_micros"),
                guideline=editor.form.cleaned_data["guideline"],
                **values,
            )
            messages.success(request, "The project is drafted. Next: bring your data.")
            return redirect("data", drafted.public_id)
    return render(request, "marketplace/project_edit.html", {"organisation": found, "editor": editor})


@login_required
def revise(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    editor = _editor(request, found)
    if _is_sent(request) and editor.is_valid():
        with refusals_in(editor.form, PLACES):
            verbs.revise(found, person(request), **editor.values())
            _write_guideline(request, found, editor.form.cleaned_data["guideline"])
            messages.success(request, "The project is saved.")
            return redirect("project", found.public_id)
    return render(
        request,
        "marketplace/project_edit.html",
        {"organisation": found.organisation, "project": found, "editor": editor},
    )


def _editor(request: HttpRequest, project: Project | None = None) -> ProjectEditor:
    added = next((prefix for name, prefix in ADDERS.items() if name in request.POST), None)
    if added:
        return ProjectEditor.with_another(request.POST, added, project)
    return ProjectEditor(request.POST if request.method == "POST" else None, project)


def _is_sent(request: HttpRequest) -> bool:
    return request.method == "POST" and not any(name in request.POST for name in (*ADDERS, "preview"))


def _write_guideline(request: HttpRequest, project: Project, text: str) -> None:
    """A version of its own, where the words changed."""
    latest = project.guidelines.first()
    if text.strip() != (latest.text.strip() if latest else ""):
        guidelines.write(project, person(request), text)


@login_required
@require_POST
def preview_guideline(request: HttpRequest) -> HttpResponse:
    """The typed Markdown as workers will see it."""
    return render(request, "marketplace/_guideline.html", {"text": request.POST.get("guideline", "")})


@action
def pause(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    verbs.pause(found, person(request))
    messages.success(request, "The project is paused: no new page of tasks is given out.")
    return redirect("project", found.public_id)


@action
def resume(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    verbs.resume(found, person(request))
    messages.success(request, "Work goes on.")
    return redirect("project", found.public_id)
