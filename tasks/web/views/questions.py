"""Questions about tasks: asked and followed by workers, answered by those who asked for the work."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import limits
from marketplace.models import Project
from marketplace.web.edge import action, page_of, person, refusals_in
from marketplace.web.views.projects import visible
from tasks import conversations
from tasks.models import Answer, Assignment, Conversation
from tasks.web import shown
from tasks.web.message_forms import AskForm, PromoteForm, ReplyForm
from workers import groups, profiles

NAME_SHOWN = 10  # of a pseudonym; as much as tells workers apart
STATES = [(Conversation.State.OPEN, "To answer"), (Conversation.State.ANSWERED, "Answered"), ("closed", "Closed")]


# The worker


@login_required
def my_questions(request: HttpRequest) -> HttpResponse:
    mine = _mine(request).annotate(new=Count("messages", filter=Q(messages__by_worker=False, messages__read_at=None)))
    return render(request, "tasks/my_questions.html", {"page": page_of(request, mine)})


@login_required
def ask_about_project(request: HttpRequest, project: str) -> HttpResponse:
    return _ask(request, offered_or_worked(request, project))


@login_required
def ask_about_task(request: HttpRequest, assignment: str, position: int) -> HttpResponse:
    answer = own_task(request, assignment, position)
    return _ask(request, answer.assignment.project, answer)


def _ask(request: HttpRequest, project: Project, answer: Answer | None = None) -> HttpResponse:
    form = AskForm(request.POST or None, passages=conversations.passages(project))
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            limits.spend("message", person(request).pk)
            asked = conversations.ask(
                profiles.of(person(request)),
                project,
                form.cleaned_data["text"],
                passage=form.cleaned_data.get("passage", ""),
                assignment=answer.assignment if answer else None,
                position=answer.position if answer else None,
            )
            messages.success(request, "Your question is sent. You are told when there is an answer.")
            return redirect("question", asked.public_id)
    context = {"project": project, "form": form, "parts": parts_of(answer), "answer": answer}
    return render(request, "tasks/ask.html", context)


@login_required
def question(request: HttpRequest, question: str) -> HttpResponse:
    """What was asked and answered, as the worker sees it."""
    found = get_object_or_404(_mine(request), public_id=question)
    return _thread(request, found, "question", {"parts": parts_of(found.answer)})


@action
def close_question(request: HttpRequest, question: str) -> HttpResponse:
    found = get_object_or_404(_mine(request), public_id=question)
    conversations.close(found, person(request))
    return redirect("question", found.public_id)


# The requester


@login_required
def inbox(request: HttpRequest, project: str) -> HttpResponse:
    """The questions about a project, and which passages of its guideline cause them."""
    found = visible(request, project)
    asked = Conversation.objects.visible_to(person(request)).filter(project=found).select_related("worker")
    state = request.GET.get("state", "")
    if state in Conversation.State.values:
        asked = asked.filter(state=state)
    page = page_of(request, asked.annotate(new=Count("messages", filter=_UNREAD)))
    for row in page["rows"]:
        row.pseudonym = found.organisation.pseudonym(row.worker.public_id)[:NAME_SHOWN]
        row.first = row.messages.order_by("pk").first()
    counted = conversations.by_passage(found)
    most = max((count for _, count in counted), default=0)
    context = {"project": found, "page": page, "state": state, "states": STATES, "passages": counted, "most": most}
    return render(request, "tasks/inbox.html", context)


_UNREAD = Q(messages__by_worker=True, messages__read_at=None)


@login_required
def conversation(request: HttpRequest, conversation: str) -> HttpResponse:
    """What was asked and answered, as the requester sees it: the worker under a pseudonym, the task with its truth."""
    found = _theirs(request, conversation)
    answer = found.answer
    gold = getattr(answer.task, "gold", None) if answer else None
    more = {
        "parts": parts_of(answer),
        "pseudonym": found.project.organisation.pseudonym(found.worker.public_id)[:NAME_SHOWN],
        "known": shown.answer(answer.batch.schema, gold.truth) if answer and gold else None,
    }
    return _thread(request, found, "conversation", more)


@action
def close_conversation(request: HttpRequest, conversation: str) -> HttpResponse:
    found = _theirs(request, conversation)
    conversations.close(found, person(request))
    return redirect("conversation", found.public_id)


@login_required
def promote(request: HttpRequest, conversation: str) -> HttpResponse:
    """Put a question and its answer into the guideline."""
    found = _theirs(request, conversation)
    said = list(found.messages.order_by("pk")[: conversations.MESSAGES_MOST])
    last = next((message.text for message in reversed(said) if not message.by_worker), "")
    form = PromoteForm(request.POST or None, initial={"question": " ".join(said[0].text.split()), "answer": last})
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            guideline = conversations.promote(found, person(request), **form.cleaned_data)
            messages.success(request, f"It is in version {guideline.version} of the guideline.")
            return redirect("conversation", found.public_id)
    return render(request, "tasks/promote.html", {"conversation": found, "form": form})


# Both


def _thread(request: HttpRequest, found: Conversation, side: str, more: dict[str, Any]) -> HttpResponse:
    form = ReplyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            limits.spend("message", person(request).pk)
            conversations.reply(found, person(request), form.cleaned_data["text"])
            messages.success(request, "Your message is sent.")
            return redirect(side, found.public_id)
    if request.method == "GET":
        conversations.read(found, person(request))
    said = found.messages.select_related("author").order_by("pk")[: conversations.MESSAGES_MOST]
    context = {
        "conversation": found,
        "project": found.project,
        "said": said,
        "form": form,
        "side": side,
        "is_worker": side == "question",
        **more,
    }
    return render(request, "tasks/conversation.html", context)


def offered_or_worked(request: HttpRequest, project: str) -> Project:
    """One that is offered, or in which this person has worked before."""
    own = Project.objects.filter(pk__in=profiles.of(person(request)).assignments.values("project"))
    seen = groups.open_to(profiles.of(person(request)), Project.objects.offered() | own)
    return get_object_or_404(seen.select_related("organisation"), public_id=project)


def own_task(request: HttpRequest, assignment: str, position: int) -> Answer:
    """One place of a page that this person holds or held."""
    mine = Assignment.objects.visible_to(profiles.of(person(request)))
    lease = get_object_or_404(mine, public_id=assignment)
    seats = lease.answers.select_related("assignment__project__organisation", "batch", "task__item")
    return get_object_or_404(seats, position=position)


def parts_of(answer: Answer | None) -> list[dict[str, str]]:
    return shown.parts(answer.batch.schema, answer.task.item.payload) if answer else []


def _mine(request: HttpRequest) -> "QuerySet[Conversation]":
    return profiles.of(person(request)).conversations.select_related("project__organisation", "worker")


def _theirs(request: HttpRequest, conversation: str) -> Conversation:
    scoped = Conversation.objects.visible_to(person(request)).select_related("project__organisation", "worker")
    return get_object_or_404(scoped, public_id=conversation)
