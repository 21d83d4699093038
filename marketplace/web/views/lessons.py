"""The lessons of a project, as their organisation writes them."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace import lessons as verbs
from marketplace.models import Lesson
from marketplace.web.edge import action, person, refusals_in
from marketplace.web.forms import LessonForm
from marketplace.web.views.projects import visible


@login_required
def lessons(request: HttpRequest, project: str) -> HttpResponse:
    """Those that are to be read, in their order, and a form for one more."""
    found = visible(request, project)
    form = LessonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            verbs.write(found, person(request), **form.cleaned_data)
            messages.success(request, "The lesson is added.")
            return redirect("lessons", found.public_id)
    current = list(found.lessons.current())
    return render(request, "marketplace/lessons.html", {"project": found, "lessons": current, "form": form})


@login_required
def revise(request: HttpRequest, lesson: str) -> HttpResponse:
    found = _lesson(request, lesson)
    form = LessonForm(request.POST or None, initial={"title": found.title, "text": found.text})
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            verbs.revise(found, person(request), **form.cleaned_data)
            messages.success(request, "The new words are in its place.")
            return redirect("lessons", found.project.public_id)
    return render(request, "marketplace/lesson_edit.html", {"lesson": found, "project": found.project, "form": form})


@action
def move(request: HttpRequest, lesson: str, position: int) -> HttpResponse:
    found = _lesson(request, lesson)
    verbs.move(found, person(request), position)
    return redirect("lessons", found.project.public_id)


@action
def retire(request: HttpRequest, lesson: str) -> HttpResponse:
    found = _lesson(request, lesson)
    verbs.retire(found, person(request))
    messages.success(request, "The lesson is taken out.")
    return redirect("lessons", found.project.public_id)


def _lesson(request: HttpRequest, public_id: str) -> Lesson:
    seen = Lesson.objects.visible_to(person(request)).select_related("project__organisation")
    return get_object_or_404(seen, public_id=public_id)
