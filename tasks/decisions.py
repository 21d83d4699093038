"""Accept, exclude, reject: what people decide about answers, with the reason, and what it does."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction

from marketplace import accounts, audit
from marketplace.core import clock, states
from marketplace.core.errors import Invalid
from marketplace.models import Role, User
from payments import reserves
from tasks import evidence, seats
from tasks.models import Answer, Batch, Decision, Evidence

ACCEPT_STEP = 20_000
DUE = """SELECT id FROM tasks_answer WHERE state = 'submitted' AND accept_at <= %s
         ORDER BY accept_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED"""


@transaction.atomic
def accept_due(limit: int = ACCEPT_STEP) -> bool:
    """Accept what nobody decided about in time; True while there may be more."""
    with connection.cursor() as sql:
        sql.execute(DUE, [clock.now(), limit])
        due = [row[0] for row in sql.fetchall()]
        sql.execute("UPDATE tasks_answer SET state = 'accepted' WHERE id = ANY(%s)", [due])
    return len(due) == limit


@transaction.atomic
def accept(answers: Sequence[Answer], by: User) -> int:
    """Accept these answers now; what is accepted already is left as it is. Returns how many moved.

    raises  IllegalMove when one of them was decided otherwise
    """
    for batch in {answer.batch for answer in answers}:
        accounts.require(by, batch.project.organisation, Role.MANAGER, Role.REVIEWER)
    waiting = sorted((a for a in answers if a.state != Answer.State.ACCEPTED), key=lambda answer: answer.pk)
    for answer in waiting:
        if answer.state in (Answer.State.EXCLUDED, Answer.State.REJECTED):
            raise Invalid(f"{answer.public_id} was {answer.state}; an appeal can undo that")
        states.move(answer, Answer.State.ACCEPTED)
    return len(waiting)


def exclude(answer: Answer, by: User, reason_code: str, reason: str, refill: bool = True) -> Decision:
    """Do not use this answer, and pay it all the same.

    refill  buy another answer in its place, reserving its price now
    raises  InsufficientFunds, IllegalMove, Forbidden
    """
    return _take_out(answer, by, Decision.Kind.EXCLUDE, reason_code, reason, refill)


def reject(answer: Answer, by: User, reason_code: str, reason: str, refill: bool = True) -> Decision:
    """Do not use this answer and do not pay it, for a reason the worker is told and may contest.

    Its price stays reserved until the time to contest, or an appeal, has ended.
    refill  buy another answer in its place, reserving its price now
    raises  InsufficientFunds, IllegalMove (accepted work is never rejected), Forbidden
    """
    return _take_out(answer, by, Decision.Kind.REJECT, reason_code, reason, refill)


@transaction.atomic
def _take_out(answer: Answer, by: User, kind: str, code: str, reason: str, refill: bool) -> Decision:
    batch = Batch.objects.select_related("project__organisation").get(pk=answer.batch_id)
    accounts.require(by, batch.project.organisation, Role.MANAGER, Role.REVIEWER)
    if code not in Decision.Reason.values:
        raise Invalid(f"{code!r} is not a reason code", expected=Decision.Reason.values)
    if not reason.strip():
        raise Invalid("say why in your own words; the worker reads it")
    if answer.attempt:
        raise Invalid("practice is not decided about")
    states.move(answer, Answer.State.REJECTED if kind == Decision.Kind.REJECT else Answer.State.EXCLUDED)
    at = clock.now()
    decision = Decision.objects.create(
        kind=kind,
        answer=answer,
        worker_id=answer.worker_id,
        organisation=batch.project.organisation,
        decided_by=by,
        reason_code=code,
        reason=reason.strip(),
        decided_at=at,
        contestable_until=at + timedelta(seconds=batch.appeal_window_s),
    )
    wants_consensus(batch)  # before any task and any score, to keep one order of locks
    if not is_gold(answer):
        refill = refill and batch.state == Batch.State.OPEN
        seats.give_up(answer, refill=refill)
        if refill:
            reserves.add(batch.subject, "answers", answer.price_micros + answer.fee_micros)
    if kind == Decision.Kind.REJECT:
        answer.batch = batch
        evidence.add(Evidence.Kind.REVIEW, [(answer, 0.0)])
    audit.record(by, kind, decision, answer=answer.pk)
    return decision


@transaction.atomic
def overturn(decision: Decision, by: User | None) -> None:
    """Undo a decision completely: the answer counts and is paid again, its evidence is void, labels are recomputed."""
    states.move(decision, Decision.State.OVERTURNED)
    answer = decision.answer
    states.move(answer, Answer.State.ACCEPTED)
    wants_consensus(answer.batch)  # before the task and the score, to keep one order of locks
    if not is_gold(answer):
        seats.restore(answer.task_id)
    evidence.void(answer.evidence.filter(kind=Evidence.Kind.REVIEW), "decision overturned", decision)
    audit.record(by, "overturn", decision)


def wants_consensus(batch: Batch) -> None:
    """Have the next sweep weigh this batch again."""
    Batch.objects.filter(pk=batch.pk).update(consensus_at=None)


def is_gold(answer: Answer) -> bool:
    return hasattr(answer.task, "gold")
