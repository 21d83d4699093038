"""What the cluster runs: each loads, calls one verb, and may run twice. True: there is more to do."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from marketplace.core import jobs
from marketplace.models import User
from tasks import (
    appeals,
    assignments,
    batches,
    budgets,
    consensus,
    consolidations,
    decisions,
    dispute_notices,
    earning,
    fair_pay,
    gold,
    gold_disputes,
    gold_pool,
    grants,
    invoice_notices,
    oversight,
    payout_notices,
    reconsidering,
    reopening,
    reviews,
    rules,
    settlement,
    tallies,
    top_up_notices,
    totals,
    training,
    wishes,
)
from tasks.models import Batch

log = logging.getLogger(__name__)


def fill_batch(pk: int) -> None:
    if batches.fill(pk):
        jobs.enqueue("tasks.jobs.fill_batch", pk)


def fill() -> bool:
    """Go on filling batches whose job was lost with its cluster."""
    waiting = Batch.objects.filter(state=Batch.State.FILLING).order_by("pk").values_list("pk", flat=True)[:10]
    return _each(batches.fill, waiting)


def expire() -> bool:
    return assignments.expire()


def grade() -> bool:
    return gold.grade()


def rescore() -> bool:
    """Let what is known of workers age, and count anew what was counted with another half-life."""
    return gold.rescore()


def suspect_gold() -> bool:
    """Look at gold that was missed or contested since; what is probably wrong is not served meanwhile."""
    waiting = gold_disputes.doubted()
    _each(gold_disputes.look, waiting)
    return False


def warn_of_gold() -> bool:
    return gold_pool.warn()


def update_consensus() -> bool:
    return _each(consensus.update, consensus.waiting())


def consolidate() -> bool:
    """Ask projects' own aggregators about tasks that are done, and have labels made of what they said."""
    more = _each(consolidations.look, consolidations.outdated())
    more |= _each(consolidations.send, consolidations.due())
    consolidations.weigh()
    return more


def accept() -> bool:
    return decisions.accept_due()


def settle() -> bool:
    return _each(settlement.settle, settlement.waiting())


def tally() -> bool:
    return tallies.fold()


def note_time() -> bool:
    """Add the time of pages that were handed in to the time sheets of their workers."""
    return fair_pay.note_pages()


def update_pay() -> bool:
    """Make the figures of pay anew where something changed."""
    return _each(fair_pay.look, fair_pay.outdated())


def top_up() -> bool:
    """Add what is missing where an hour pays less than its floor."""
    return _each(fair_pay.top_up, fair_pay.due())


def close() -> bool:
    """Close what is finished, and give the rest of closed batches back."""
    batches.close_finished()
    return _each(batches.return_rest, batches.returnable())


def reopen() -> bool:
    """Go on with what somebody had asked again."""
    return _each(reopening.go_on, reopening.running())


def fit_budgets() -> bool:
    """Go on withdrawing seats that a lowered budget does not pay, or bringing them back."""
    return _each(budgets.fit, budgets.unfitted())


def resume_dry() -> bool:
    return _each(budgets.resume, budgets.dry())


def widen() -> bool:
    return _each(budgets.widen, budgets.idle())


def lift_wishes() -> bool:
    return wishes.lift()


def uphold_overdue() -> bool:
    return appeals.uphold_overdue()


def tell_of_disputes() -> bool:
    return dispute_notices.tell()


def tell_of_payouts() -> bool:
    return payout_notices.tell()


def tell_of_invoices() -> bool:
    return invoice_notices.tell()


def tell_of_top_ups() -> bool:
    return top_up_notices.tell()


def apply_rules() -> bool:
    """Let every rule that is on look at the workers of whom something is new."""
    return _each(rules.look, rules.on())


def reconsider(evidence_ids: list[int], gold_task: int | None = None) -> None:
    """Undo what rested on evidence that is void now, and score the exams again in which its gold was asked."""
    reconsidering.after_void(evidence_ids)
    if gold_task is not None:
        training.rescore_with(gold_task)


def expire_reviews() -> bool:
    return reviews.expire()


def contest_label(task: int) -> None:
    """Somebody contests what was decided on the label of a task, or with it."""
    reviews.contest(task)


def doubt_verdict(task: int) -> None:
    """What was decided with the label of a task was wrong."""
    reviews.doubt(task)


def undo_owed() -> bool:
    return reconsidering.owed()


def record() -> bool:
    return totals.count()


def relate(user: int) -> None:
    """Where somebody is paid, or whether they can be, has changed."""
    earning.relate(User.objects.get(pk=user))


def review_grants() -> bool:
    return grants.review()


def tell_of_differences() -> bool:
    return oversight.tell()


def _each(verb: Callable[[Any], bool | None], rows: Iterable[Any]) -> bool:
    """Do it for every row; one that fails is told and does not hold up the others."""
    more = False
    for row in rows:
        try:
            more |= bool(verb(row))
        except Exception:
            log.exception("%s failed for %s", verb.__name__, row)
    return more
