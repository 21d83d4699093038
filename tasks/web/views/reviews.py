"""Labels that reviewers look at: how it goes, and one after the other with the answers side by side."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.web.edge import action, page_of, person, refusals_in, sentence
from marketplace.web.views.projects import visible
from tasks import reviews
from tasks.errors import NoReviewWaiting
from tasks.models import Review
from tasks.web import chart, shown
from tasks.web.review_forms import NoteForm, correction

TAKE = "answer-"  # of the button that takes an answer


@login_required
def all_reviews(request: HttpRequest, project: str) -> HttpResponse:
    """What waits and what was found, with how often reviewers changed a label."""
    found = visible(request, project)
    listed = Review.objects.visible_to(person(request)).filter(project=found)
    state = request.GET.get("state", "")
    if state in Review.State.values:
        listed = listed.filter(state=state)
    page = page_of(request, listed.select_related("batch", "task__item", "decided_by"))
    for row in page["rows"]:
        row.parts = shown.parts(row.batch.schema, row.task.item.payload)
        row.words = _said(row, row.value) if row.value else []
    figures = reviews.of(found)
    marks = [(row.title, row.p05, row.share, row.p95) for row in figures if row.share is not None]
    return render(
        request,
        "tasks/reviews.html",
        {
            "project": found,
            "page": page,
            "state": state,
            "filters": Review.State.choices,
            "figures": figures,
            "picture": chart.intervals(marks) if marks else None,  # type: ignore[arg-type]
            "progress": reviews.progress(found, person(request)),
        },
    )


@action
def next_review(request: HttpRequest, project: str) -> HttpResponse:
    return _onward(request, visible(request, project))


@login_required
def review(request: HttpRequest, review: str) -> HttpResponse:
    """One label with what there is to judge it by; the answers without names, and how sure it was only afterwards."""
    found = _review(request, review)
    case = reviews.case(found)
    is_mine = found.held_by_id == person(request).pk and not case.is_decided
    verdict = request.POST.get("verdict", "")
    note = NoteForm(request.POST or None)
    form = correction(found, request.POST if verdict == "correct" else None, case.label)
    if request.method == "POST" and note.is_valid() and (verdict != "correct" or form.is_valid()):
        with refusals_in(note):
            value = _taken(case, verdict) if verdict.startswith(TAKE) else form.value if verdict == "correct" else None
            asked = "correct" if verdict.startswith(TAKE) else verdict
            decided = reviews.decide(found, person(request), asked, value, note.cleaned_data["note"])
            messages.success(request, _told(decided, reviews.case(decided)))
            return _onward(request, found.project)
    return render(
        request,
        "tasks/review.html",
        {
            "review": found,
            "project": found.project,
            "case": case,
            "is_mine": is_mine,
            "parts": shown.parts(found.batch.schema, found.task.item.payload),
            "label": _said(found, case.label),
            "answers": [(seen.name, _said(found, seen.value)) for seen in case.answers],
            "verdicts": [(seen.name, _said(found, seen.value)) for seen in case.verdicts],
            "value": _said(found, found.value) if found.value else [],
            "guideline": case.guideline,
            "examples": shown.examples(found.batch.schema, case.guideline.examples.all()) if case.guideline else [],
            "progress": reviews.progress(found.project, person(request)),
            "note": note,
            "form": form,
            "why": NoteForm(request.POST or None, auto_id="why_%s"),
        },
    )


@action
def pass_review(request: HttpRequest, review: str) -> HttpResponse:
    """Leave it to somebody else and go on."""
    found = _review(request, review)
    reviews.pass_on(found, person(request))
    return _onward(request, found.project)


def _onward(request: HttpRequest, project: Any) -> HttpResponse:
    """To the next label that waits for this person, or to the list."""
    try:
        return redirect("review", reviews.next_for(project, person(request)).public_id)
    except NoReviewWaiting as nothing:
        messages.info(request, sentence(nothing))
        return redirect("reviews", project.public_id)


def _review(request: HttpRequest, review: str) -> Review:
    seen = Review.objects.visible_to(person(request))
    return get_object_or_404(
        seen.select_related("batch", "task__item", "project__organisation", "held_by", "decided_by"), public_id=review
    )


def _said(review: Review, value: dict[str, Any] | None) -> list[tuple[str, str]]:
    return shown.answer(reviews.correctable(review.batch.schema), value)


def _taken(case: reviews.Case, verdict: str) -> dict[str, Any]:
    """The answer whose button was pressed; none, and the verb says what is missing."""
    return next((seen.value for seen in case.answers if verdict == TAKE + seen.name), {})


def _told(decided: Review, case: reviews.Case) -> str:
    """What was found, and now also how sure the label was."""
    done = {
        "accept": "Noted: the label is right.",
        "correct": "Noted: the label is corrected.",
        "send_back": "One more answer is asked for; then the label comes back.",
    }[decided.verdict]
    if decided.state == Review.State.GIVEN:
        done += " Another person looks at it, too."
    named = {spec["name"]: spec["title"] for spec in decided.batch.schema["fields"]}
    sure = [
        f"{named.get(row.field, row.field)} {row.confidence:.0%}, on {row.support} answers"
        for row in case.sureness
        if row.confidence is not None
    ]
    return f"{done} How sure it was: {'; '.join(sure)}." if sure else done
