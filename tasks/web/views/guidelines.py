"""The guideline of a project for its requester: versions, examples, what changed, what is asked again because of it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace import guidelines
from marketplace.core.errors import DomainError
from marketplace.models import Guideline, Project
from marketplace.web.edge import page_of, person, refusals_in
from marketplace.web.views.projects import visible
from tasks import reopening
from tasks.models import Batch
from tasks.web import shown
from tasks.web.guideline_forms import GuidelineEditor, ReopenForm

COMPARED_MOST = 200  # versions one may choose from
PLACES = {"field": "label"}


@login_required
def guideline(request: HttpRequest, project: str) -> HttpResponse:
    """The latest version with its examples, and the versions before it."""
    found = visible(request, project)
    latest = found.guidelines.first()
    return render(
        request,
        "tasks/guideline.html",
        {**_shown(found, latest), "page": page_of(request, found.guidelines.select_related("created_by"))},
    )


@login_required
def version(request: HttpRequest, project: str, version: int) -> HttpResponse:
    found = visible(request, project)
    one = get_object_or_404(found.guidelines, version=version)
    return render(request, "tasks/guideline_version.html", _shown(found, one))


@login_required
def compare(request: HttpRequest, project: str) -> HttpResponse:
    """What changed between two versions; without saying which, the last two."""
    found = visible(request, project)
    versions = list(found.guidelines.values_list("version", flat=True)[:COMPARED_MOST])
    newest = versions[0] if versions else 0
    after = get_object_or_404(found.guidelines, version=_number(request, "to", newest))
    before = get_object_or_404(found.guidelines, version=_number(request, "from", max(1, after.version - 1)))
    context = {"project": found, "versions": versions, **shown.difference(found.schema, before, after)}
    return render(request, "tasks/guideline_compare.html", context)


@login_required
def edit(request: HttpRequest, project: str) -> HttpResponse:
    """The next version, written with a preview; publishing it has everybody who works read it again."""
    found = visible(request, project)
    context: dict[str, Any] = {"project": found, "next": _newest(found) + 1, "previewed": False}
    if "add_example" in request.POST:
        return _edited(request, GuidelineEditor.with_another(found, request.POST), context)
    editor = GuidelineEditor(found, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not editor.is_valid():
        return _edited(request, editor, context)
    if "preview" in request.POST:
        examples = shown.examples(found.schema, editor.preview())
        return _edited(request, editor, {**context, "previewed": True, "text": editor.text, "examples": examples})
    try:
        written = guidelines.write(found, person(request), editor.text, editor.given)
    except DomainError as refusal:
        editor.refuse(refusal)
        return _edited(request, editor, context)
    messages.success(request, f"Version {written.version} is published. Everybody who works reads it before going on.")
    return redirect("guideline", found.public_id)


def _edited(request: HttpRequest, editor: GuidelineEditor, context: dict[str, Any]) -> HttpResponse:
    return render(request, "tasks/guideline_edit.html", {**context, "editor": editor})


@login_required
def reopen(request: HttpRequest, project: str) -> HttpResponse:
    """What asking again would touch and cost, and doing it."""
    found = visible(request, project)
    newest = _newest(found)
    asked = request.POST if request.method == "POST" else request.GET if "label" in request.GET else None
    form = ReopenForm(asked, project=found, newest=newest)
    quote = None
    if asked is not None and form.is_valid():
        with refusals_in(form, PLACES):
            if request.method == "POST":
                run = reopening.reopen(found, person(request), *form.chosen)
                messages.success(request, _told(run))
                return redirect("reopen", found.public_id)
            quote = reopening.quote(found, person(request), *form.chosen)
    context = {
        "project": found,
        "newest": newest,
        "form": form,
        "quote": quote,
        "is_open": found.batches.filter(state=Batch.State.OPEN).exists(),
        "page": page_of(request, found.reopenings.all()),
    }
    return render(request, "tasks/reopen.html", context)


def _told(run: Any) -> str:
    if not run.tasks:
        return "Nothing is labelled so any more."
    rest = "; the rest follows." if run.state == run.State.RUNNING else "."
    return f"{run.tasks:,} {'task is' if run.tasks == 1 else 'tasks are'} asked again{rest}"


def _shown(project: Project, one: Guideline | None) -> dict[str, Any]:
    examples = shown.examples(project.schema, one.examples.all()) if one else []
    return {"project": project, "guideline": one, "examples": examples, "newest": _newest(project)}


def _newest(project: Project) -> int:
    return project.guidelines.values_list("version", flat=True).first() or 0


def _number(request: HttpRequest, name: str, otherwise: int) -> int:
    named = request.GET.get(name, "")
    return int(named) if named.isascii() and named.isdigit() and len(named) < 10 else otherwise
