"""Looking at answers, and deciding about them."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.web.edge import action, back, page_of, person, refusals_in
from tasks import decisions
from tasks.models import Answer, Batch, Decision
from tasks.web import shown
from tasks.web.forms import DecideForm
from workers.models import Worker

NAME_SHOWN = 10  # of a pseudonym; as much as tells workers apart
FILTERS = [Answer.State.SUBMITTED, Answer.State.ACCEPTED, Answer.State.REJECTED, Answer.State.EXCLUDED]
VERBS: dict[str, Callable[..., Decision]] = {
    "reject": decisions.reject,
    "exclude": decisions.exclude,
    "part": decisions.pay_part,
}
DONE = {
    "reject": "The answer is rejected. The worker can read why, and contest it.",
    "exclude": "The answer is not used. It is paid all the same.",
    "part": "The answer is not used. A part of its price is paid; the worker can read why, and contest it.",
}


def _batch(request: HttpRequest, batch: str) -> Batch:
    visible = Batch.objects.visible_to(person(request)).select_related("project__organisation")
    return get_object_or_404(visible, public_id=batch)


def _answer(request: HttpRequest, answer: str) -> Answer:
    visible = Answer.objects.visible_to(person(request)).select_related(
        "assignment", "batch__project__organisation", "worker", "task__item", "task__gold"
    )
    for found in visible.named([answer]):
        return found
    raise Http404


@login_required
def answers(request: HttpRequest, batch: str) -> HttpResponse:
    """The answers of a batch that were handed in, newest first."""
    found = _batch(request, batch)
    listed = Answer.objects.visible_to(person(request)).filter(batch=found)
    state = request.GET.get("state", "")
    if state in FILTERS:
        listed = listed.filter(state=state)
    page = page_of(request, listed.select_related("assignment", "worker", "task__item", "task__gold"))
    for answer in page["rows"]:
        _add_words(answer, found)
    return render(request, "tasks/answers.html", {"batch": found, "page": page, "state": state, "filters": FILTERS})


@action
def accept(request: HttpRequest, batch: str) -> HttpResponse:
    """Accept the answers that were ticked."""
    found = _batch(request, batch)
    chosen = [_answer(request, answer) for answer in request.POST.getlist("answer")[:100]]
    if any(answer.batch_id != found.pk for answer in chosen):
        raise Http404
    if not chosen:
        messages.info(request, "Tick the answers to accept first.")
    else:
        accepted = decisions.accept(chosen, person(request))
        messages.success(request, f"Accepted: {accepted}.")
    return back(request)


@login_required
def decide(request: HttpRequest, answer: str) -> HttpResponse:
    """One answer, with everything a decision about it needs in view."""
    found = _answer(request, answer)
    _add_words(found, found.batch)
    form = DecideForm(request.POST or None)
    verb = request.POST.get("verb", "")
    if request.method == "POST" and verb in VERBS and form.is_valid():
        with refusals_in(form):
            how, percent = form.cleaned_data, form.cleaned_data.pop("percent")
            VERBS[verb](found, person(request), **how, **({"percent": percent or 0} if verb == "part" else {}))
            messages.success(request, DONE[verb])
            return redirect("decide", found.public_id)
    return render(
        request,
        "tasks/decide.html",
        {
            "answer": found,
            "batch": found.batch,
            "form": form,
            "decisions": found.decisions.order_by("-pk").select_related("appeal"),
            "consensus": found.task.consensus.order_by("field"),
        },
    )


def _add_words(answer: Any, batch: Batch) -> None:
    """What the page says of an answer, the worker under the organisation's name for them."""
    worker: Worker = answer.worker
    answer.pseudonym = batch.project.organisation.pseudonym(worker.public_id)[:NAME_SHOWN]
    answer.parts = shown.parts(batch.schema, answer.task.item.payload)
    answer.words = shown.answer(batch.schema, answer.value)
    gold = getattr(answer.task, "gold", None)
    answer.known = [pair for pair in shown.answer(batch.schema, gold.truth) if pair[1] != "no answer"] if gold else []
