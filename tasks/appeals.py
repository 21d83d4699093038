"""Contesting a decision: a person who did not make it looks again; silence is decided for the worker."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from marketplace import audit
from marketplace.core import clock, states
from marketplace.core.errors import Forbidden, Invalid
from marketplace.models import Membership, User
from tasks import decisions
from tasks.errors import AppealClosed
from tasks.models import Appeal, Decision
from workers.models import Worker

STATEMENT_MOST = 5000


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
    audit.record(worker.user, "contest", appeal)
    return appeal


@transaction.atomic
def uphold(appeal: Appeal, by: User | None, reason: str) -> None:
    """Agree with the worker: the decision is overturned, with all it did."""
    _decide(appeal, Appeal.State.UPHELD, by, reason)
    decisions.overturn(appeal.decision, by)


@transaction.atomic
def dismiss(appeal: Appeal, by: User, reason: str) -> None:
    """Let the decision stand."""
    _decide(appeal, Appeal.State.DISMISSED, by, reason)


def uphold_overdue(limit: int = 100) -> bool:
    """Uphold what nobody decided in time."""
    late = Appeal.objects.filter(state=Appeal.State.OPEN, due_at__lte=clock.now()).order_by("due_at")
    for appeal in late.select_related("decision__answer__batch", "decision__answer__task")[:limit]:
        uphold(appeal, None, "It was not decided in time.")
    return False


def _decide(appeal: Appeal, to: str, by: User | None, reason: str) -> None:
    decision = appeal.decision
    if by is not None:
        if not by.is_staff:
            raise Forbidden("appeals are settled by admins")
        if by.pk in (decision.decided_by_id, decision.worker.user_id):
            raise Forbidden("someone who has no part in the decision must settle it")
        if Membership.objects.filter(user=by, organisation=decision.organisation).exists():
            raise Forbidden("a member of the organisation cannot settle its appeals")
    if not reason.strip():
        raise Invalid("say why; both sides read it")
    states.move(appeal, to, decided_by=by, reason=reason.strip(), decided_at=clock.now())
    audit.record(by, to, appeal)
