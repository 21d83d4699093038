"""What the cluster runs: each loads, calls one verb, and may run twice. True: there is more to do."""

from marketplace.core import jobs
from tasks import appeals, assignments, batches, consensus, decisions, gold, settlement
from tasks.models import Batch


def fill_batch(pk: int) -> None:
    if batches.fill(pk):
        jobs.enqueue("tasks.jobs.fill_batch", pk)


def fill() -> bool:
    """Go on filling batches whose job was lost with its cluster."""
    waiting = Batch.objects.filter(state=Batch.State.FILLING).order_by("pk").values_list("pk", flat=True)[:10]
    return any([batches.fill(pk) for pk in waiting])


def expire() -> bool:
    return assignments.expire()


def grade() -> bool:
    return gold.grade()


def update_consensus() -> bool:
    for batch in consensus.waiting():
        consensus.update(batch)
    return False


def accept() -> bool:
    return decisions.accept_due()


def settle() -> bool:
    return settlement.settle()


def close() -> bool:
    """Close what is finished, and give the rest of closed batches back."""
    batches.close_finished()
    closed = Batch.objects.filter(state=Batch.State.CLOSED, returned_at=None).order_by("pk")
    return any([batches.return_rest(pk) for pk in closed.values_list("pk", flat=True)[:100]])


def uphold_overdue() -> bool:
    return appeals.uphold_overdue()
