"""What was decided on checks that turned out to be wrong: looked at again, and undone. It only ever restores."""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction

from marketplace import audit
from marketplace.core import clock, states
from marketplace.core.errors import InsufficientFunds
from tasks import batches, decisions, rules
from tasks.models import Appeal, Decision, Evidence

BECAUSE = "The check it rested on was wrong."
RETRY = timedelta(minutes=10)  # where the money for it was missing
DISBELIEVED = ("quarantined", "overturned")  # states of gold that is held, or known, to be wrong


def after_void(evidence_ids: Iterable[int]) -> int:
    """Undo what no longer holds now that these pieces of evidence are void; how many decisions that was.

    Each in a transaction of its own: undoing locks answers and tasks, which whoever voids evidence is past. So call it
    after that transaction, or enqueue `tasks.jobs.reconsider` in it. What cannot be paid waits until it can.
    """
    ids = list(evidence_ids)
    return sum(_tried(pk) for pk in [*_by_rules(ids), *_rejections(ids)])


def owed(limit: int = 100) -> bool:
    """Undo what had to wait for money, those first that waited longest; True while there may be more."""
    waiting = Decision.objects.filter(state=Decision.State.STANDING, owed_at__lte=clock.now() - RETRY)
    pks = list(waiting.order_by("owed_at").values_list("pk", flat=True)[:limit])
    for pk in pks:
        _tried(pk)
    return len(pks) == limit


def _tried(pk: int) -> bool:
    """Whether it is undone now; where its pay cannot be reserved, the owners are told once and it waits."""
    try:
        return _reconsider(pk)
    except InsufficientFunds as missing:
        decision = Decision.objects.select_related("answer__batch__project").get(pk=pk)
        if decision.owed_at is None and decision.answer:
            subject = f"{decision.answer.batch.project}: pay for an answer is missing"
            text = f"The check that it was rejected by was wrong, so it is to be paid: {missing.detail}. Please prepay."
            batches.tell(decision.answer.batch, subject, text)
        Decision.objects.filter(pk=pk).update(owed_at=clock.now())
        return False


def _by_rules(evidence_ids: list[int]) -> list[int]:
    """Decisions and proposals of rules that rest on one of these."""
    resting = Decision.objects.filter(grounds__evidence__in=evidence_ids, rule__isnull=False)
    alive = resting.filter(state__in=[Decision.State.STANDING, Decision.State.PROPOSED])
    return sorted(set(alive.values_list("pk", flat=True)))


def _rejections(evidence_ids: list[int]) -> list[int]:
    """Rejections of answers to gold that is believed no more."""
    answers = Evidence.objects.filter(
        pk__in=evidence_ids, kind=Evidence.Kind.GOLD, answer__task__gold__state__in=DISBELIEVED
    )
    rejected = Decision.objects.filter(answer__in=answers.values("answer"), kind=Decision.Kind.REJECT)
    return sorted(rejected.filter(state=Decision.State.STANDING).values_list("pk", flat=True))


@transaction.atomic
def _reconsider(pk: int) -> bool:
    rows = Decision.objects.select_for_update(no_key=True, of=("self",))
    decision = rows.select_related(
        *("answer__task", "answer__batch", "worker__user", "project", "organisation", "grant", "standing", "rule")
    ).get(pk=pk)
    if not _is_undone_by_it(decision):
        return False
    at = clock.now()
    if decision.state == Decision.State.PROPOSED:
        states.move(decision, Decision.State.DECLINED, decided_at=at, undone_at=at, undone_because=BECAUSE)
        audit.record(None, "decline", decision)
        return True
    if open_appeal := Appeal.objects.filter(decision=decision, state=Appeal.State.OPEN).first():
        states.move(open_appeal, Appeal.State.UPHELD, reason=BECAUSE, decided_at=at)
        audit.record(None, Appeal.State.UPHELD, open_appeal)
    decisions.overturn(decision, None, BECAUSE)
    return True


def _is_undone_by_it(decision: Decision) -> bool:
    """Asked again under the lock: a person may have been faster."""
    if decision.state not in (Decision.State.STANDING, Decision.State.PROPOSED):
        return False
    if decision.rule and not rules.still_holds(decision):
        return True
    gold = getattr(decision.answer.task, "gold", None) if decision.answer else None
    return decision.kind == Decision.Kind.REJECT and gold is not None and gold.state in DISBELIEVED
