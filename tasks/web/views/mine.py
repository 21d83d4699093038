"""What became of a worker's answers, and what they earned."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import paging
from marketplace.models import User
from marketplace.web.edge import page_of, person, refusals_in
from payments import balances
from payments.models import Account
from payments.moves import Moves
from payments.payouts import available_micros
from payments.web.forms import PayoutForm
from tasks import appeals, holding
from tasks.models import Answer, Appeal, Assignment, Decision
from tasks.web import shown
from tasks.web.forms import ContestForm
from tasks.web.views.payout_account import standing
from workers import profiles

SHOWN = 20
FOR_WORK = {"settlement", "bonus", "top_up"}  # kinds of entries that say what they were for


@login_required
def my_answers(request: HttpRequest) -> HttpResponse:
    worker = profiles.of(person(request))
    handed_in = worker.answers.filter(submitted_at__isnull=False, assignment__purpose=Assignment.Purpose.WORK)
    state = request.GET.get("state", "")
    if state in Answer.State.values:
        handed_in = handed_in.filter(state=state)
    page = page_of(request, handed_in.select_related("assignment__project", "batch").prefetch_related("decisions"))
    for answer in page["rows"]:
        answer.words = shown.answer(answer.batch.schema, answer.value)
        answer.last_decision = max(answer.decisions.all(), key=lambda decision: decision.pk, default=None)
    return render(request, "tasks/my_answers.html", {"page": page, "state": state})


@login_required
def my_decisions(request: HttpRequest) -> HttpResponse:
    """All that was decided about this person and their answers, newest first."""
    mine = Decision.objects.told().filter(worker=profiles.of(person(request)))
    page = page_of(request, mine.select_related("organisation", "project", "appeal"))
    return render(request, "tasks/my_decisions.html", {"page": page})


@login_required
def decision(request: HttpRequest, decision: str) -> HttpResponse:
    """A decision with its reason, the way to contest it, and what came of that."""
    worker = profiles.of(person(request))
    mine = (
        Decision.objects.told()
        .filter(worker=worker)
        .select_related(
            "answer__task__item", "answer__batch", "answer__assignment__project", "organisation", "project", "rule"
        )
    )
    found = get_object_or_404(mine, public_id=decision)
    appeal = Appeal.objects.filter(decision=found).prefetch_related("statements").first()
    form = ContestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            if appeal:
                appeals.state_more(appeal, person(request), form.cleaned_data["statement"])
                messages.success(request, "Your statement is added.")
            else:
                appeals.contest(found, worker, form.cleaned_data["statement"])
                messages.success(request, "Your appeal is with a person who did not make the decision.")
            return redirect("decision", found.public_id)
    context = {"decision": found, "appeal": appeal, "form": form, "checks": _checks(found), **_subject(found)}
    return render(request, "tasks/decision.html", context)


def _checks(decision: Decision) -> list[dict[str, Any]]:
    """The known answers a decision rests on, each with what was answered, what would have been right, and its link."""
    grounds = decision.grounds.filter(evidence__answer__task__gold__isnull=False).order_by("pk").select_related(
        "evidence__void", "evidence__answer__assignment", "evidence__answer__batch", "evidence__answer__task__item",
        "evidence__answer__task__gold",
    )  # fmt: skip
    answers = [(ground.evidence, ground.evidence.answer) for ground in grounds[:SHOWN]]
    return [
        {
            "answer": answer.public_id,
            "parts": shown.parts(answer.batch.schema, answer.task.item.payload),
            "given": shown.answer(answer.batch.schema, answer.value),
            "known": shown.answer(answer.batch.schema, answer.task.gold.truth),
            "is_right": told.correct >= 1,
            "is_void": getattr(told, "void", None) is not None,
        }
        for told, answer in answers
    ]


def _subject(decision: Decision) -> dict[str, Any]:
    """The task and the answer, where the decision is about one."""
    answer = decision.answer
    if answer is None:
        return {}
    return {
        "parts": shown.parts(answer.batch.schema, answer.task.item.payload),
        "given": shown.answer(answer.batch.schema, answer.value),
    }


@login_required
def earnings(request: HttpRequest) -> HttpResponse:
    """What this person has earned, what waits, and where it went."""
    user = person(request)
    mine = list(user.accounts.filter(kind__in=balances.OWED).order_by("currency", "mode", "pk"))
    accounts = [account for account in mine if account.kind == Account.Kind.EARNINGS]
    earned = balances.of_user(user)
    payable = [
        {
            "currency": account.currency,
            "available_micros": available_micros(user, account.currency, account.mode),
            "form": PayoutForm(initial={"currency": account.currency}, auto_id=f"id_{account.currency}_%s"),
        }
        for account in accounts
        if account.mode == settings.MODE
    ]
    moves = page_of(request, Moves([account.pk for account in mine]))
    for move in moves["rows"]:
        is_for_work = move.entry.kind in FOR_WORK and move.credit.user_id == user.pk
        move.token = paging.seal(move.pk) if is_for_work else ""
    return render(
        request,
        "tasks/earnings.html",
        {
            **standing(user),
            "earned": earned,
            "hold": holding.in_force(user),
            "has_pending": any(row.pending for row in earned),
            "payable": [row for row in payable if row["available_micros"]],
            "waiting": _waiting(user),
            "moves": moves,
            "payouts": user.payouts.order_by("-pk")[:SHOWN],
            "confirmed": user.is_confirmed,
        },
    )


def _waiting(user: User) -> list[Any]:
    """By currency: what waits for acceptance, and what is accepted and about to be booked."""
    unsettled = profiles.of(user).answers.filter(submitted_at__isnull=False, entry=None, price_micros__gt=0)
    due = Q(state__in=[Answer.State.ACCEPTED, Answer.State.EXCLUDED])
    sums = unsettled.values("batch__currency", "batch__mode").annotate(
        waiting_micros=Sum("price_micros", filter=Q(state=Answer.State.SUBMITTED)),
        due_micros=Sum("price_micros", filter=due),
    )
    return [
        row for row in sums.order_by("batch__currency", "batch__mode") if row["waiting_micros"] or row["due_micros"]
    ]
