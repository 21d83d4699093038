"""Questions and answers between a worker and a requester: neither learns the address or the name of the other."""

import re

from django.db import transaction
from django.db.models import Count
from django.urls import reverse

from marketplace import accounts, audit, guidelines
from marketplace.core import clock, states
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.core.strictjson import text_error
from marketplace.models import Guideline, Membership, Project, Role, User
from tasks import earning
from tasks.models import Assignment, Conversation, Message
from workers import groups, notices
from workers.models import Worker

TEXT_MOST = 5_000
MESSAGES_MOST = 200  # in one conversation; then another one begins
PASSAGE_MOST = 200
TOLD_MOST = 20
SECTION = "## Questions and answers"
ANSWERERS = (Role.OWNER, Role.MANAGER, Role.REVIEWER)


@transaction.atomic
def ask(
    worker: Worker,
    project: Project,
    text: str,
    *,
    assignment: Assignment | None = None,
    position: int | None = None,
    passage: str = "",
) -> Conversation:
    """Ask the requester about a project, or about one task of a page that this worker holds or held.

    passage  a heading of the guideline, as `passages` lists them
    raises   Forbidden (neither offered nor ever worked in; a page of others), Invalid
    """
    _check_asker(worker, project)
    if (assignment is None) != (position is None):
        raise Invalid("name both the page and the position, or neither")
    if assignment is not None and position is not None:
        if assignment.worker_id != worker.pk or assignment.project_id != project.pk:
            raise Forbidden("this is no page of yours in this project")
        if not assignment.answers.filter(position=position).exists():
            raise _invalid("position", "unknown", f"there is no position {position} on this page")
    if passage and passage not in passages(project):
        raise _invalid("passage", "option", "the guideline has no such heading")
    words, at = _text(text), clock.now()
    conversation = Conversation.objects.create(
        project=project, worker=worker, assignment=assignment, position=position, passage=passage, opened_at=at
    )
    Message.objects.create(conversation=conversation, by_worker=True, author_id=worker.user_id, text=words, at=at)
    audit.record(worker.user, "ask", conversation)
    _tell_requesters(conversation, f"A worker asks about {project}")
    return conversation


@transaction.atomic
def reply(conversation: Conversation, by: User, text: str) -> Message:
    """Say the next thing, as the worker who asked or as a member of the organisation.

    raises  Forbidden, Invalid, IllegalMove (it is closed, or full)
    """
    by_worker = is_worker_of(conversation, by)
    words = _text(text)
    conversation = _lock(conversation)
    if conversation.state == Conversation.State.CLOSED:
        raise IllegalMove("this conversation is closed; begin another one", state=str(conversation.state))
    if conversation.messages.count() >= MESSAGES_MOST:
        raise IllegalMove(f"a conversation has at most {MESSAGES_MOST} messages; begin another one")
    to = Conversation.State.OPEN if by_worker else Conversation.State.ANSWERED
    if conversation.state != to:
        states.move(conversation, to)
    message = Message.objects.create(
        conversation=conversation, by_worker=by_worker, author=by, text=words, at=clock.now()
    )
    audit.record(by, "reply", conversation, message=message.pk)
    if by_worker:
        _tell_requesters(conversation, f"A worker wrote about {conversation.project}")
    else:
        _tell_worker(conversation, f"{conversation.project.organisation} answered your question")
    return message


def read(conversation: Conversation, by: User) -> None:
    """Note that this side has read what the other one wrote."""
    theirs = conversation.messages.filter(by_worker=not is_worker_of(conversation, by), read_at=None)
    theirs.update(read_at=clock.now())


@transaction.atomic
def close(conversation: Conversation, by: User) -> Conversation:
    """End a conversation, from either side; again: nothing changes."""
    by_worker = is_worker_of(conversation, by)
    conversation = _lock(conversation)
    if conversation.state == Conversation.State.CLOSED:
        return conversation
    states.move(conversation, Conversation.State.CLOSED)
    audit.record(by, "close", conversation)
    if not by_worker:
        _tell_worker(conversation, f"{conversation.project.organisation} closed your question")
    return conversation


@transaction.atomic
def promote(conversation: Conversation, by: User, question: str, answer: str) -> Guideline:
    """Make a question with its answer part of the guideline: its next version, by a manager.

    raises  Forbidden, Invalid, IllegalMove (done before, or the project is closed)
    """
    accounts.require(by, conversation.project.organisation, Role.MANAGER)
    question, answer = " ".join(_text(question, "question").split()), _text(answer, "answer")
    project = Project.objects.select_for_update(no_key=True).get(pk=conversation.project_id)  # of two, one comes after
    conversation = _lock(conversation)
    if conversation.promoted_version is not None:
        raise IllegalMove(f"it is in version {conversation.promoted_version} of the guideline already")
    last = project.guidelines.first()
    guideline = guidelines.write(project, by, with_pair(last.text if last else "", question, answer))
    Conversation.objects.filter(pk=conversation.pk).update(promoted_version=guideline.version)
    audit.record(by, "promote", conversation, version=guideline.version)
    _tell_worker(conversation, f"Your question is now part of the guideline of {project}")
    return guideline


def by_passage(project: Project) -> list[tuple[str, int]]:
    """How many questions there were about each passage of the guideline, the most first; those about none left out."""
    counted = Conversation.objects.filter(project=project).exclude(passage="").values("passage")
    return [(row["passage"], row["n"]) for row in counted.annotate(n=Count("id")).order_by("-n", "passage")]


def passages(project: Project) -> list[str]:
    """The headings of the latest guideline, in its order, each once."""
    last = project.guidelines.first()
    titles = (part.title[:PASSAGE_MOST] for part in guidelines.passages(last.text if last else ""))
    return [title for title in dict.fromkeys(titles) if title]


def with_pair(guideline: str, question: str, answer: str) -> str:
    """The guideline with a question and its answer at the end of that section, which is made where there is none."""
    pair = f"### {question}\n\n{answer}"
    lines = guideline.rstrip().splitlines()
    if SECTION not in lines:
        return "\n\n".join(part for part in (guideline.rstrip(), SECTION, pair) if part) + "\n"
    start = lines.index(SECTION)
    behind = [n for n in range(start + 1, len(lines)) if re.match(r"#{1,2}[ \t]", lines[n])]
    end = behind[0] if behind else len(lines)
    before, after = "\n".join(lines[:end]).rstrip(), "\n".join(lines[end:])
    return "\n\n".join(part for part in (before, pair, after) if part) + "\n"


def is_worker_of(conversation: Conversation, by: User) -> bool:
    """Which side this person is on; Forbidden: on none."""
    if conversation.worker.user_id == by.pk:
        return True
    accounts.require(by, conversation.project.organisation, *ANSWERERS)
    return False


def _check_asker(worker: Worker, project: Project) -> None:
    earning.check_not_own(worker, project)
    seen = groups.open_to(worker, Project.objects.offered().filter(pk=project.pk)).exists()
    if not seen and not worker.assignments.filter(project=project).exists():
        raise Forbidden("this project is not offered to you")


def _lock(conversation: Conversation) -> Conversation:
    """The conversation as it is now, and stays until the transaction ends."""
    rows = Conversation.objects.select_related("project__organisation", "worker")
    return rows.select_for_update(no_key=True, of=("self",)).get(pk=conversation.pk)


def _tell_requesters(conversation: Conversation, subject: str) -> None:
    """Those who have written in it, else those who run the organisation's projects."""
    members = Membership.objects.filter(organisation=conversation.project.organisation_id)
    wrote = conversation.messages.filter(by_worker=False).values("author")
    chosen = members.filter(user__in=wrote)
    if not chosen.exists():
        chosen = members.filter(role__in=[Role.OWNER, Role.MANAGER])
    people = chosen.order_by("pk").values_list("user", flat=True)[:TOLD_MOST]
    notices.tell_all(people, "message", subject, "", reverse("conversation", args=[conversation.public_id]))


def _tell_worker(conversation: Conversation, subject: str) -> None:
    link = reverse("question", args=[conversation.public_id])
    notices.tell(conversation.worker.user_id, "message", subject, "", link)


def _text(text: str, path: str = "text") -> str:
    words = text.strip()
    if text_error(words) or not 1 <= len(words) <= TEXT_MOST:
        raise _invalid(path, "length", f"must have 1 to {TEXT_MOST:,} characters")
    return words


def _invalid(path: str, code: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"path": path, "code": code, "message": message}])
