"""What a decision of each kind does, and how that is undone completely."""

from collections.abc import Iterable

from marketplace.core import clock, money, states
from marketplace.core.errors import IllegalMove, Invalid
from payments import holds, ledger, reserves
from tasks import evidence, fair_pay, seats
from tasks.models import Answer, Appeal, Batch, Decision, Evidence, Touch, Withheld
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

    One that is partly paid has the part as its price from now on, before it can be settled; `withhold` keeps the rest.

    raises  InsufficientFunds, IllegalMove
    """
    answer = _answer(decision)
    is_rejected = decision.kind == Decision.Kind.REJECT
    if decision.kind == Decision.Kind.PART:
        _pay_part(decision, answer)
    else:
        states.move(answer, Answer.State.REJECTED if is_rejected else Answer.State.EXCLUDED)
    touch(answer.batch, [answer.task_id])  # before any task and any score, to keep one order of locks
    if is_rejected:
        fair_pay.note_rejected(answer, answer.price_micros)
    elif decision.kind == Decision.Kind.PART:
        fair_pay.note_rejected(answer, decision.facts["price_micros"] - answer.price_micros)
    if not is_gold(answer):
        refill = bool(decision.facts.get("refill")) and _is_open(answer.batch)
        seats.give_up(answer, refill=refill)
        if refill:
            reserves.add(answer.batch.subject, "answers", answer.batch.seat_most_micros)
    if is_rejected:
        evidence.void(answer.evidence.filter(kind=Evidence.Kind.REVIEW), "rejected")  # it is said once
        evidence.add(Evidence.Kind.REVIEW, [(answer, 0.0)])


def put_back(decision: Decision) -> None:
    """Let the answer count and be paid again, in whole; what the decision told of its worker is void.

    raises  InsufficientFunds  it could no longer be contested, so that its price was given back, and is missing now
    """
    answer = _answer(decision)
    was_rejected = answer.state == Answer.State.REJECTED
    states.move(answer, Answer.State.ACCEPTED)
    touch(answer.batch, [answer.task_id])  # before the task and the score, to keep one order of locks
    if was_rejected:
        fair_pay.note_restored(answer, answer.price_micros)
    elif withheld := Withheld.objects.filter(decision=decision).first():
        fair_pay.note_restored(answer, withheld.price_micros, paid_micros=withheld.price_micros)
    if not is_gold(answer):
        seats.restore(answer)
    _restore_pay(decision, answer)
    if was_rejected:
        evidence.void(answer.evidence.filter(kind=Evidence.Kind.REVIEW), "decision overturned", decision)


def withhold(decision: Decision) -> None:
    """Note what a decision that stands now keeps back of an answer's price."""
    answer, percent = _answer(decision), decision.facts["percent"]
    whole, fee_micros = decision.facts["price_micros"], decision.facts["fee_micros"]
    Withheld.objects.create(
        decision=decision,
        batch=answer.batch,
        percent=percent,
        price_micros=whole - answer.price_micros,
        fee_micros=fee_micros - answer.fee_micros,
    )


def _pay_part(decision: Decision, answer: Answer) -> None:
    """Take the answer out with a part of its price, rounded up; only what nobody has accepted."""
    if answer.state != Answer.State.SUBMITTED:
        raise IllegalMove(f"the answer is {answer.state}; what was accepted is paid in whole", state=str(answer.state))
    decision.facts |= {"price_micros": answer.price_micros, "fee_micros": answer.fee_micros}
    part = -(-answer.price_micros * decision.facts["percent"] // 100)
    fee_micros = money.fee_micros(part, answer.batch.fee_bp)
    states.move(answer, Answer.State.EXCLUDED, price_micros=part, fee_micros=fee_micros)


def _restore_pay(decision: Decision, answer: Answer) -> None:
    """See that what the decision took can be paid, and pay at once what it withheld.

    Its money is there as long as it could be contested; later it was given back, and is reserved anew.
    """
    withheld = Withheld.objects.filter(decision=decision).first()
    if withheld:
        price_micros, fee_micros = withheld.price_micros, withheld.fee_micros
    elif decision.kind == Decision.Kind.REJECT:
        price_micros, fee_micros = answer.price_micros, answer.fee_micros
    else:
        return
    if not price_micros:
        return
    subject, rewards = answer.batch.subject, {answer.worker.user_id: price_micros}
    if withheld:
        reserve, to = reserves.lock_to_pay({subject: rewards})[subject]
    if not _is_kept(decision):
        reserves.add(subject, "answers", price_micros + fee_micros)
    if withheld:
        facts = {"project": reserve.project.public_id, "decision": decision.public_id, "rest": True}
        key = f"rest:{decision.pk}"
        entry = ledger.post_settlement(key, reserve.account, rewards, fee_micros, facts=facts, to=to)
        Withheld.objects.filter(pk=withheld.pk).update(entry=entry)


def _is_kept(decision: Decision) -> bool:
    """Whether the price was still reserved when the decision was undone."""
    if appeal := Appeal.objects.filter(decision=decision).first():
        return appeal.state == Appeal.State.UPHELD
    return clock.now() < decision.contestable_until


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
    """Have the next sweep weigh all of this batch again: what is known of its gold has changed."""
    Batch.objects.filter(pk=batch.pk).update(consensus_at=None)


def touch(batch: Batch, tasks: Iterable[int]) -> None:
    """Have the next sweep weigh these tasks again, and leave the others. The batch is locked from here on."""
    Batch.objects.filter(pk=batch.pk).update(touched_at=clock.now())
    Touch.objects.bulk_create((Touch(batch=batch, task_id=task) for task in tasks), batch_size=1000)


def _is_open(batch: Batch) -> bool:
    """Whether it is open still; asked after `touch`, which holds off whoever closes it."""
    return Batch.objects.filter(pk=batch.pk, state=Batch.State.OPEN).exists()


def is_gold(answer: Answer) -> bool:
    return hasattr(answer.task, "gold")


def _answer(decision: Decision) -> Answer:
    assert decision.answer
    return decision.answer
