"""The gold of a project, one piece of it with what is said against it, and what a worker's figure rests on."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core.errors import NotFound
from marketplace.web.edge import action, page_of, person, refusals_in
from marketplace.web.views.projects import visible
from tasks import evidence, gold_disputes, gold_pool
from tasks.models import Answer, Batch, Gold
from tasks.web import chart, shown
from tasks.web.gold_forms import ContestGoldForm, ExplainForm, NewGoldForm, ReasonForm, TruthForm
from workers import profiles
from workers.models import OverallReliability, Reliability

BATCHES_SHOWN, CANDIDATES_SHOWN, SAID_SHOWN, NAME_SHOWN = 10, 25, 8, 10
DONE = {
    "quarantine": "It is not served, and nobody's accuracy rests on it.",
    "reinstate": "It is served again. What was void stays void.",
    "overturn": "It was wrong. Nobody's accuracy rests on it any more.",
}


@login_required
def gold(request: HttpRequest, project: str) -> HttpResponse:
    """The pieces of gold of a project, and what is left of each batch's."""
    found = visible(request, project)
    listed = Gold.objects.visible_to(person(request)).filter(batch__project=found)
    state = request.GET.get("state", "")
    if state in Gold.State.values:
        listed = listed.filter(state=state)
    page = page_of(request, listed.select_related("batch", "task__item"))
    for row in page["rows"]:
        _add_words(row)
    running = found.batches.filter(state=Batch.State.OPEN).order_by("-number")[:BATCHES_SHOWN]
    return render(
        request,
        "tasks/gold.html",
        {
            "project": found,
            "page": page,
            "state": state,
            "filters": Gold.State.choices,
            "stocks": [gold_pool.stock(batch) for batch in running],
            "doubtful": Gold.objects.filter(batch__project=found, state=Gold.State.QUARANTINED).count(),
        },
    )


@login_required
def add_gold(request: HttpRequest, batch: str) -> HttpResponse:
    """Make gold by hand: of an item that nobody has begun, or of a label that everybody gave alike."""
    found = _batch(request, batch)
    form = NewGoldForm(request.POST or None)
    truth = TruthForm(request.POST or None, schema=found.schema)
    if request.method == "POST" and form.is_valid() and truth.is_valid():
        with refusals_in(form):
            asked = form.cleaned_data
            made = gold_pool.add(found, person(request), asked.pop("key"), truth.value, **asked)
            messages.success(request, "It is gold now.")
            return redirect("one-gold", made.public_id)
    candidates = list(gold_pool.candidates(found).order_by("pk")[:CANDIDATES_SHOWN])
    for task in candidates:
        task.parts = shown.parts(found.schema, task.item.payload)  # type: ignore[attr-defined]
        label = {row.field: row.value for row in task.consensus.all()}
        task.words = shown.answer(found.schema, label)  # type: ignore[attr-defined]
    context = {"batch": found, "project": found.project, "form": form, "truth": truth, "candidates": candidates}
    return render(request, "tasks/gold_add.html", context)


@action
def promote_gold(request: HttpRequest, batch: str) -> HttpResponse:
    """Confirm that a unanimous label is right."""
    found = _batch(request, batch)
    gold_pool.promote(found, person(request), request.POST.get("key", "")[:200])
    messages.success(request, "Confirmed. People who have not seen it may be checked with it.")
    return redirect("add-gold", found.public_id)


@login_required
def one_gold(request: HttpRequest, gold: str) -> HttpResponse:
    """One piece of gold: its figures, what people answered, what they say against it, and what became of it."""
    found = _gold(request, gold)
    verb = request.POST.get("verb", "")
    reason = ReasonForm(request.POST if verb in DONE else None)
    truth = TruthForm(request.POST if verb == "overturn" else None, schema=found.batch.schema)
    if verb in DONE and reason.is_valid() and (verb != "overturn" or truth.is_valid()):
        with refusals_in(reason):
            _decide(request, found, verb, reason.cleaned_data["reason"], truth)
            messages.success(request, DONE[verb])
            return redirect("one-gold", found.public_id)
    _add_words(found)
    return render(
        request,
        "tasks/gold_one.html",
        {
            "gold": found,
            "project": found.batch.project,
            "said": _said(found),
            "contests": found.contests.order_by("-pk")[:CANDIDATES_SHOWN],
            "changes": found.changes.order_by("-pk").select_related("by")[:CANDIDATES_SHOWN],
            "reason": reason,
            "truth": truth,
            "explain": ExplainForm(initial={"explanation": found.explanation}),
        },
    )


@action
def explain_gold(request: HttpRequest, gold: str) -> HttpResponse:
    """Keep the explanation that practice shows."""
    found = _gold(request, gold)
    gold_pool.explain(found, person(request), request.POST.get("explanation", ""))
    messages.success(request, "The explanation is kept.")
    return redirect("one-gold", found.public_id)


@action
def retire_gold(request: HttpRequest, gold: str) -> HttpResponse:
    """Take a piece out of use, or into use again."""
    found = _gold(request, gold)
    verb = gold_pool.retire if found.state == Gold.State.ACTIVE else gold_pool.reactivate
    verb(found, person(request))
    messages.success(request, f"It is {found.state} now.")
    return redirect("one-gold", found.public_id)


@login_required
def worker_evidence(request: HttpRequest, project: str, worker: str) -> HttpResponse:
    """What a worker's accuracy in a project rests on, row by row, for those who asked."""
    found = visible(request, project)
    about = evidence.measured(found, worker)
    if about is None:
        raise Http404
    score = Reliability.objects.get(worker=about, project=found)
    page = page_of(request, evidence.behind(about, found))
    for piece in page["rows"]:
        piece.words = shown.answer(piece.answer.batch.schema, piece.answer.value)
    return render(
        request,
        "tasks/worker_evidence.html",
        {"project": found, "worker": worker, "name": worker[:NAME_SHOWN], "score": score, "page": page},
    )


@login_required
def my_evidence(request: HttpRequest, project: str) -> HttpResponse:
    """What is recorded about a worker's accuracy in a project, for the worker."""
    worker = profiles.of(person(request))
    score = get_object_or_404(
        Reliability.objects.filter(worker=worker).select_related("project__organisation"), project__public_id=project
    )
    days = evidence.days(worker, score.project)
    overall = OverallReliability.objects.filter(worker=worker).first()
    marks = [("Here", score.accuracy_p05, score.accuracy, score.accuracy_p95)]
    if overall:
        marks.append(("Everywhere", overall.accuracy_p05, overall.accuracy, overall.accuracy_p95))
    context = {"project": score.project, "score": score, "overall": overall, "days": days}
    return render(request, "tasks/my_evidence.html", {**context, "picture": chart.intervals(marks)})


@login_required
def contest_gold(request: HttpRequest, answer: str) -> HttpResponse:
    """Say that a known answer is wrong."""
    worker = profiles.of(person(request))
    try:
        found = gold_disputes.shown(worker, answer)
    except NotFound as missing:
        raise Http404 from missing
    form = ContestGoldForm(request.POST or None)
    begun = found.task.gold.contests.filter(worker=worker).first()
    if request.method == "POST" and begun is None and form.is_valid():
        with refusals_in(form):
            gold_disputes.contest(worker, found, form.cleaned_data["statement"])
            messages.success(request, "Thank you. Those who asked look at it.")
            return redirect("contest-gold", answer)
    schema = found.batch.schema
    return render(
        request,
        "tasks/gold_contest.html",
        {
            "answer": found,
            "project": found.assignment.project,
            "parts": shown.parts(schema, found.task.item.payload),
            "given": shown.answer(schema, found.value),
            "known": _known(schema, found.task.gold.truth),
            "begun": begun,
            "form": form,
        },
    )


def _decide(request: HttpRequest, gold: Gold, verb: str, reason: str, truth: TruthForm) -> None:
    if verb == "quarantine":
        gold_disputes.quarantine(gold, reason, person(request))
    elif verb == "reinstate":
        gold_disputes.reinstate(gold, person(request), reason)
    else:
        gold_disputes.overturn(gold, person(request), reason, truth.value or None)


def _batch(request: HttpRequest, batch: str) -> Batch:
    seen = Batch.objects.visible_to(person(request)).select_related("project__organisation")
    return get_object_or_404(seen, public_id=batch)


def _gold(request: HttpRequest, gold: str) -> Gold:
    seen = Gold.objects.visible_to(person(request)).select_related("batch__project__organisation", "task__item")
    return get_object_or_404(seen, public_id=gold)


def _add_words(gold: Any) -> None:
    gold.parts = shown.parts(gold.batch.schema, gold.task.item.payload)
    gold.words = _known(gold.batch.schema, gold.truth)


def _known(schema: dict[str, Any], truth: dict[str, Any]) -> list[tuple[str, str]]:
    return [pair for pair in shown.answer(schema, truth) if pair[1] != "no answer"]


def _said(gold: Gold) -> list[dict[str, Any]]:
    """What people answered and how many of them, the most popular first; with the length of its bar, 0 to 100."""
    handed_in = Answer.objects.filter(task=gold.task_id, submitted_at__isnull=False).order_by("-pk")[:1000]
    schema = gold.batch.schema
    counted = Counter("; ".join(words for _, words in _known(schema, answer.value or {})) for answer in handed_in)
    truth = "; ".join(words for _, words in _known(schema, gold.truth))
    most = max(counted.values(), default=1)
    return [
        {"words": words, "count": count, "bar": 100 * count // most, "is_truth": words == truth, "y": 24 * place}
        for place, (words, count) in enumerate(counted.most_common(SAID_SHOWN))
    ]
