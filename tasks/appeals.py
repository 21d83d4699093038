"""Contesting a decision: a person who did not make it looks again; silence is decided for the worker."""

from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, jobs, states
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.models import Role, User
from tasks import decisions
from tasks.errors import AppealClosed
from tasks.models import Appeal, Decision, Statement
from workers import notices
from workers.models import Worker

STATEMENT_MOST = 5000
STATEMENTS_MOST = 5  # of each side, beside the first
QUOTED = 300  # of a statement, in a notice


@transaction.atomic
def contest(decision: Decision, worker: Worker, statement: str) -> Appeal:
    """Ask that a person look at a decision again; a repeated call returns the same appeal.

    raises  AppealClosed (too late, or decided), Invalid (no statement)
    """
    decision = Decision.objects.select_for_update(no_key=True).get(pk=decision.pk, worker=worker)
    if begun := Appeal.objects.filter(decision=decision).first():
        return begun
    at = clock.now()
    if decision.state != Decision.State.STANDING or at >= decision.contestable_until:
        raise AppealClosed(f"it could be contested until {decision.contestable_until:%Y-%m-%d %H:%M} UTC")
    if not statement.strip() or len(statement) > STATEMENT_MOST:
        raise Invalid(f"say in 1 to {STATEMENT_MOST} characters why the decision is wrong")
    due = at + timedelta(seconds=settings.APPEAL_DECIDED_WITHIN_S)
    appeal = Appeal.objects.create(decision=decision, statement=statement.strip(), opened_at=at, due_at=due)
    decisions.count(decision, contested=1)
    if decision.decided_by_id:
        text = f"{decision.get_kind_display()}: {appeal.statement[:QUOTED]}"
        notices.tell(decision.decided_by_id, "appeal", "A decision of yours is contested", text)
    if decision.answer:
        jobs.enqueue("tasks.jobs.contest_label", decision.answer.task_id)
    audit.record(worker.user, "contest", appeal)
    return appeal


@transaction.atomic
def state_more(appeal: Appeal, by: User, text: str) -> Statement:
    """Say something on one's own side of an open appeal; both sides and the admin read it.

    raises  AppealClosed, Forbidden (no part in it), Invalid (nothing or too much is said)
    """
    decision = Decision.objects.select_for_update(no_key=True).get(pk=appeal.decision_id)  # as those who settle it
    appeal.refresh_from_db()
    side = _side(decision, by)
    if appeal.state != Appeal.State.OPEN:
        raise AppealClosed("the appeal is settled")
    if not text.strip() or len(text) > STATEMENT_MOST:
        raise Invalid(f"say it in 1 to {STATEMENT_MOST} characters")
    if appeal.statements.filter(side=side).count() >= STATEMENTS_MOST:
        raise Invalid(f"a side may add {STATEMENTS_MOST} statements")
    added = Statement.objects.create(appeal=appeal, side=side, author=by, text=text.strip(), at=clock.now())
    audit.record(by, "state", appeal)
    return added


def _side(decision: Decision, by: User) -> str:
    if by.pk == decision.worker.user_id:
        return Statement.Side.WORKER
    if decision.organisation is None:
        if by.pk != decision.decided_by_id:
            raise Forbidden("only the admin who decided speaks for the operator")
    else:
        accounts.require(by, decision.organisation, Role.MANAGER, Role.REVIEWER)
    return Statement.Side.REQUESTER


@transaction.atomic
def uphold(appeal: Appeal, by: User | None, reason: str) -> None:
    """Agree with the worker: the decision is overturned, with all it did."""
    _decide(appeal, Appeal.State.UPHELD, by, reason)
    decisions.overturn(appeal.decision, by, reason.strip())


@transaction.atomic
def dismiss(appeal: Appeal, by: User, reason: str) -> None:
    """Let the decision stand."""
    _decide(appeal, Appeal.State.DISMISSED, by, reason)
    decision = appeal.decision
    text = f"The decision stands: {reason.strip()}"
    link = reverse("decision", args=[decision.public_id])
    notices.tell(decision.worker.user_id, "appeal", "Your appeal was dismissed", text, link)


def uphold_overdue(limit: int = 100) -> bool:
    """Uphold what nobody decided in time."""
    late = Appeal.objects.filter(state=Appeal.State.OPEN, due_at__lte=clock.now()).order_by("due_at")
    due = list(late.select_related("decision__answer__batch", "decision__answer__task")[:limit])
    for appeal in due:
        with suppress(IllegalMove):  # an admin, or another cluster, was faster
            uphold(appeal, None, "It was not decided in time.")
    return len(due) == limit


def _decide(appeal: Appeal, to: str, by: User | None, reason: str) -> None:
    decision = appeal.decision
    if by is not None:
        if not by.is_staff:
            raise Forbidden("appeals are settled by admins")
        if by.pk in (decision.decided_by_id, decision.worker.user_id):
            raise Forbidden("someone who has no part in the decision must settle it")
        if decision.organisation and decision.organisation.memberships.filter(user=by).exists():
            raise Forbidden("a member of the organisation cannot settle its appeals")
    if not reason.strip():
        raise Invalid("say why; both sides read it")
    states.move(appeal, to, decided_by=by, reason=reason.strip(), decided_at=clock.now())
    audit.record(by, to, appeal)
