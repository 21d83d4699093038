"""A page of tasks: shown, kept as a draft, handed in, given back; and what a practice showed."""

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from marketplace.core.errors import DomainError, Invalid
from marketplace.web.edge import action, person, seconds, sentence
from tasks import assignments, training
from tasks.errors import AnswersInvalid
from tasks.models import Answer, Assignment
from tasks.web import shown
from tasks.web.forms import TaskForm
from workers import profiles

ANSWERABLE = (Assignment.State.OPEN, Assignment.State.EXPIRED)
UNANSWERED = (Answer.State.LEASED, Answer.State.EXPIRED)


def _mine(request: HttpRequest, assignment: str) -> Assignment:
    mine = Assignment.objects.visible_to(profiles.of(person(request)))
    return get_object_or_404(mine.select_related("batch", "project__organisation"), public_id=assignment)


@login_required
def assignment(request: HttpRequest, assignment: str) -> HttpResponse:
    """A page to answer, and handing it in: sent twice, it is handed in once."""
    lease = _mine(request, assignment)
    if lease.purpose == Assignment.Purpose.EXAM and (lease.state != Assignment.State.OPEN or lease.is_over):
        return redirect("exam-result", lease.public_id)
    if lease.state in ANSWERABLE:
        return _submit(request, lease) if request.method == "POST" else _page(request, lease, _forms(lease))
    if lease.purpose == Assignment.Purpose.PRACTICE and lease.state == Assignment.State.SUBMITTED:
        return redirect("feedback", lease.public_id)
    if request.method == "POST":
        return redirect("assignment", lease.public_id)
    return render(request, "tasks/handed_in.html", {"lease": lease, **_outcome(lease)})


def _submit(request: HttpRequest, lease: Assignment) -> HttpResponse:
    forms = _forms(lease, request.POST)
    if all([form.is_valid() for form in forms.values()]):
        answers = {position: form.value for position, form in forms.items()}
        try:
            assignments.submit(lease, answers, seconds(request))
            return redirect("assignment", lease.public_id)
        except Invalid as refusal:
            _place(refusal, forms)
        except DomainError as refusal:
            messages.error(request, sentence(refusal))
            return redirect("assignment", lease.public_id)
    return _page(request, lease, forms, status=422)


@action
def save_draft(request: HttpRequest, assignment: str) -> HttpResponse:
    lease = _mine(request, assignment)
    if "hx-request" in request.headers:
        return render(request, "tasks/_saved.html", {"refusal": _refusal_to_keep(request, lease), "at": timezone.now()})
    _keep(request, lease)
    messages.success(request, "The draft is saved.")
    return redirect("assignment", lease.public_id)


@login_required
@require_POST
def heartbeat(request: HttpRequest, assignment: str) -> HttpResponse:
    """Keep the lease while somebody is there; asked by the page's script."""
    try:
        lease = assignments.renew(_mine(request, assignment), seconds(request))
    except DomainError as refusal:
        return JsonResponse({"detail": sentence(refusal)}, status=409)
    return JsonResponse({"leased_until": lease.leased_until.isoformat(), "active_s": lease.active_s})


@action
def check(request: HttpRequest, assignment: str, position: int) -> HttpResponse:
    """Say at once whether one answer of a practice is right; what was typed elsewhere on the page is kept."""
    lease = _mine(request, assignment)
    form = TaskForm(request.POST, position=position, schema=lease.batch.schema)
    if form.is_valid():
        try:
            training.check(lease, position, form.value)
        except AnswersInvalid as refusal:
            for error in refusal.facts["errors"]:
                name = str(error["path"]).removeprefix("value.")
                form.add_error(name if name in form.fields else None, error["message"])
    lease.refresh_from_db()
    if "hx-request" in request.headers:
        tasks = {task["position"]: task for task in _tasks(lease, {position: form})}
        return render(request, "tasks/_task.html", {"lease": lease, "task": tasks[position], "count": len(tasks)})
    if lease.state == Assignment.State.OPEN:
        _keep(request, lease)
    if form.errors:
        return _page(request, lease, {**_forms(lease), position: form}, status=422)
    return redirect(f"{reverse('assignment', args=[lease.public_id])}#task-{position + 1}")


@action
def skip(request: HttpRequest, assignment: str, position: int) -> HttpResponse:
    """Leave one task to others; what was typed elsewhere on the page is kept."""
    lease = _mine(request, assignment)
    _keep(request, lease)
    lease = assignments.skip(lease, position)
    if lease.state == Assignment.State.OPEN:
        return redirect("assignment", lease.public_id)
    messages.info(request, "You skipped every task of the page.")
    return redirect("work-project", lease.project.public_id)


@action
def give_back(request: HttpRequest, assignment: str) -> HttpResponse:
    lease = _mine(request, assignment)
    assignments.give_back(lease)
    messages.success(request, "The page is given back. Others will do it.")
    return redirect("work-project", lease.project.public_id)


@login_required
def feedback(request: HttpRequest, assignment: str) -> HttpResponse:
    """What was right in a practice, and what comes next."""
    lease = _mine(request, assignment)
    if lease.state != Assignment.State.SUBMITTED or lease.purpose != Assignment.Purpose.PRACTICE:
        return redirect("assignment", lease.public_id)
    result = training.feedback(lease)
    schema = lease.batch.schema
    rows = [
        {
            "number": mark.position + 1,
            "answer": f"{lease.public_id}-{mark.position}",
            "parts": shown.parts(schema, mark.payload),
            "given": shown.answer(schema, mark.value),
            "mark": shown.marked(schema, mark),
        }
        for mark in result.answers
    ]
    right = sum(mark.is_right for mark in result.answers)
    return render(request, "tasks/feedback.html", {"lease": lease, "result": result, "rows": rows, "right": right})


@login_required
def exam_result(request: HttpRequest, assignment: str) -> HttpResponse:
    """What an exam came to, and when the next try is possible; nothing that others could use."""
    lease = _mine(request, assignment)
    if lease.purpose != Assignment.Purpose.EXAM or (lease.state == Assignment.State.OPEN and not lease.is_over):
        return redirect("assignment", lease.public_id)
    result = training.result(lease) if lease.score is not None else None  # the sweep has not come to it yet
    return render(request, "tasks/exam_result.html", {"lease": lease, "result": result})


def _forms(lease: Assignment, data: Any = None) -> dict[int, TaskForm]:
    """A form for each task that still waits, by position."""
    positions = lease.answers.filter(state__in=UNANSWERED).order_by("position").values_list("position", flat=True)
    drafts = lease.draft if isinstance(lease.draft, dict) else {}
    return {
        position: TaskForm(data, position=position, schema=lease.batch.schema, draft=drafts.get(str(position)))
        for position in positions
    }


def _page(request: HttpRequest, lease: Assignment, forms: dict[int, TaskForm], status: int = 200) -> HttpResponse:
    tasks = _tasks(lease, forms)
    wrong = sum(form.is_bound and not form.is_valid() for form in forms.values())
    guideline = lease.project.guidelines.filter(version=lease.guideline_version).first()
    examples = shown.examples(lease.batch.schema, guideline.examples.all()) if guideline else []
    context = {
        **{"lease": lease, "tasks": tasks, "wrong": wrong, "guideline": guideline, "examples": examples},
        "to_do": sum(1 for task in tasks if task["form"] or task["mark"]),
    }
    return render(request, "tasks/assignment.html", context, status=status)


def _tasks(lease: Assignment, forms: dict[int, TaskForm]) -> list[dict[str, Any]]:
    """The tasks of a page in order: still to be answered, or, in a practice, marked."""
    schema, is_practice = lease.batch.schema, lease.purpose == Assignment.Purpose.PRACTICE
    marks = {mark.position: shown.marked(schema, mark) for mark in training.marks(lease)} if is_practice else {}
    return [
        {
            "number": task["position"] + 1,
            "position": task["position"],
            "parts": shown.parts(schema, task["payload"]),
            "form": forms.get(task["position"]) if task["position"] not in marks else None,
            "mark": marks.get(task["position"]),
            "given": shown.answer(schema, task["value"]),
        }
        for task in assignments.pages(lease)
    ]


def _outcome(lease: Assignment) -> dict[str, Any]:
    """How many answers were taken, and which came too late."""
    states = list(lease.answers.order_by("position").values_list("position", "state", "submitted_at"))
    return {
        "taken": sum(submitted_at is not None for _, _, submitted_at in states),
        "skipped": sum(state == Answer.State.SKIPPED for _, state, _ in states),
        "late": [position + 1 for position, state, _ in states if state == Answer.State.EXPIRED],
    }


def _keep(request: HttpRequest, lease: Assignment) -> None:
    drafts = {str(position): form.draft for position, form in _forms(lease, request.POST).items()}
    assignments.keep_draft(lease, {position: draft for position, draft in drafts.items() if draft})


def _refusal_to_keep(request: HttpRequest, lease: Assignment) -> str:
    """Why the draft was not kept, for a page that only shows a line about it; empty: it was."""
    try:
        _keep(request, lease)
    except DomainError as refusal:
        return sentence(refusal)
    return ""


def _place(refusal: Invalid, forms: dict[int, TaskForm]) -> None:
    """Put what the verb found wrong beside its field."""
    for error in refusal.facts.get("errors", []):
        found = re.match(r"answers\[(\d+)\]\.?(\w*)", str(error["path"]))
        form = forms.get(int(found.group(1))) if found else None
        if form is None or found is None:
            continue
        form.add_error(found.group(2) if found.group(2) in form.fields else None, error["message"])
