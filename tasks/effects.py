"""What a decision of each kind does, and how that is undone completely."""

from marketplace.core import states
from marketplace.core.errors import Invalid
from payments import holds, reserves
from tasks import evidence, fair_pay, seats
from tasks.models import Answer, Batch, Decision, Evidence
from workers import profiles, qualifications, standings
from workers.models import Standing

SCOPES: dict[str, str] = {
    Decision.Kind.STOP: "project",
    Decision.Kind.SMALL_PAGES: "project",
    Decision.Kind.RETRAIN: "project",
    Decision.Kind.DENY: "organisation",
}


def take_out(decision: Decision) -> None:
    """Let an answer not count: rejected, it is not paid either; with `refill`, another one is bought in its place.

    raises  InsufficientFunds, IllegalMove
    """
    answer = _answer(decision)
    is_rejected = decision.kind == Decision.Kind.REJECT
    states.move(answer, Answer.State.REJECTED if is_rejected else Answer.State.EXCLUDED)
    wants_consensus(answer.batch)  # before any task and any score, to keep one order of locks
    if is_rejected:
        fair_pay.note_rejected(answer, 1)
    if not is_gold(answer):
        refill = bool(decision.facts.get("refill")) and answer.batch.state == Batch.State.OPEN
        seats.give_up(answer, refill=refill)
        if refill:
            reserves.add(answer.batch.subject, "answers", answer.batch.seat_most_micros)
    if is_rejected:
        evidence.add(Evidence.Kind.REVIEW, [(answer, 0.0)])


def put_back(decision: Decision) -> None:
    """Let the answer count and be paid again; what the decision told of its worker is void."""
    answer = _answer(decision)
    was_rejected = answer.state == Answer.State.REJECTED
    states.move(answer, Answer.State.ACCEPTED)
    wants_consensus(answer.batch)  # before the task and the score, to keep one order of locks
    if was_rejected:
        fair_pay.note_rejected(answer, -1)
    if not is_gold(answer):
        seats.restore(answer)
    evidence.void(answer.evidence.filter(kind=Evidence.Kind.REVIEW), "decision overturned", decision)


def apply(decision: Decision) -> None:
    """Put what was decided about a worker in force; the decision then names the row that is."""
    worker, kind = decision.worker, decision.kind
    if kind == Decision.Kind.STOP:
        decision.standing = standings.put(worker, Standing.Kind.STOPPED, project=decision.project, until=decision.until)
    elif kind == Decision.Kind.DENY:
        decision.standing = standings.put(
            worker, Standing.Kind.STOPPED, organisation=decision.organisation, until=decision.until
        )
    elif kind == Decision.Kind.SMALL_PAGES:
        size = decision.facts.get("page_size")
        if not isinstance(size, int) or size < 1:
            raise Invalid("smaller pages want a page_size of at least 1")
        decision.standing = standings.put(
            worker, Standing.Kind.SMALL_PAGES, project=decision.project, until=decision.until, page_size=size
        )
    elif kind == Decision.Kind.SUSPEND:
        profiles.suspend(worker)
    elif kind == Decision.Kind.HOLD:
        assert decision.until
        decision.hold = holds.put(worker.user, decision.until)
    else:
        assert kind in (Decision.Kind.RETRAIN, Decision.Kind.END_GRANT)
        if decision.project and not decision.grant:
            decision.grant = qualifications.in_force(worker, decision.project)
        if decision.grant:
            qualifications.end(decision.grant, decision.reason)


def undo(decision: Decision) -> None:
    """Take what was put in force out of force again."""
    if decision.standing:
        standings.lift(decision.standing)
    if decision.grant:
        qualifications.restore(decision.grant)
    if decision.hold:
        holds.lift(decision.hold)
    if decision.kind == Decision.Kind.SUSPEND:
        profiles.reinstate(decision.worker)


def wants_consensus(batch: Batch) -> None:
    """Have the next sweep weigh this batch again."""
    Batch.objects.filter(pk=batch.pk).update(consensus_at=None)


def is_gold(answer: Answer) -> bool:
    return hasattr(answer.task, "gold")


def _answer(decision: Decision) -> Answer:
    assert decision.answer
    return decision.answer
