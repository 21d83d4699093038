"""From answers to labels: rows -> arrays -> aggregation -> rows, and whether a task is settled.

All answers of a batch are weighed together, which tells how good its workers are. Between two such fits of a large
batch only tasks with new answers are weighed, by what the last fit learned: their cost is of the work, not the history.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, Value, When

from marketplace.core import clock
from tasks import reviews, seats, wishes
from tasks.consensus import answers, consolidated, fields, fits, judging, reviewed, rows, settling
from tasks.consensus.answers import Crowd
from tasks.consensus.labelled import Labelled
from tasks.models import Assignment, Batch, Task
from tasks.reviews import Verdict

Verdicts = Mapping[int, Verdict]  # by task

REST = 3  # after a run of one second, the next waits three, while there is work to hand out


def waiting() -> Iterable[Batch]:
    """Batches with answers or decisions that consensus has not seen, or due for a fit; the longest wait first."""
    recent = Assignment.objects.filter(
        batch=OuterRef("pk"), submitted_at__gt=OuterRef("consensus_at") - answers.COMMITTED_WITHIN
    )
    at = clock.now()
    fresh = Batch.objects.annotate(recent=Subquery(recent.order_by("submitted_at").values("pk")[:1]))
    wanted = Q(consensus_at=None) | Q(recent__isnull=False, returned_at=None) | Q(fit_due_at__lte=at)
    wanted |= Q(touched_at__isnull=False)
    for batch in fresh.filter(wanted).exclude(state=Batch.State.FILLING).order_by("consensus_at", "pk")[:100]:
        rested = batch.consensus_at is None or batch.consensus_at + timedelta(seconds=REST * batch.consensus_s) <= at
        if rested or batch.touched_at or not Task.objects.filter(batch=batch, open=True).exists():
            yield batch


def update(batch: Batch) -> None:
    """Weigh what is new of a batch, or all of it where a fit is due; write what changed, settle what is sure enough."""
    started, at = time.monotonic(), clock.now()
    # Who wants everything weighed again says so by emptying consensus_at: kept in fit_due_at, if this run should die
    due_at = Case(When(consensus_at=None, then=Value(at)), default=F("fit_due_at"))
    Batch.objects.filter(pk=batch.pk).update(fit_due_at=due_at, consensus_at=at)
    with transaction.atomic():
        seats.hold(batch.pk)
        batch.refresh_from_db()
        touched, is_rest = answers.touched(batch)
        if is_whole := fits.is_due(batch, at):
            learned = _weigh(batch, at)
        else:
            _weigh_new(batch, touched, at)
        if not is_rest:  # nor was anything decided since
            Batch.objects.filter(pk=batch.pk, touched_at=batch.touched_at).update(touched_at=None)
    if is_whole:
        wishes.know(batch, learned.workers, learned.fields)
    Batch.objects.filter(pk=batch.pk).update(consensus_s=time.monotonic() - started)


def _weigh(batch: Batch, at: datetime) -> fits.Known:
    """Fit all answers, and write what the labels say now; return what was learned of the workers."""
    started = time.monotonic()
    said = reviews.verdicts(batch)
    crowd = answers.load(batch, checked={task: one for task, one in said.items() if one.sampled})
    found, known = fields.weigh(batch, crowd)
    flipped = _write(batch, crowd, found, said)
    fits.keep(batch, crowd, known, at, time.monotonic() - started)
    _settle(batch, crowd, found, said, flipped)
    return fits.Known(crowd.workers, known)


def _weigh_new(batch: Batch, touched: Collection[int], at: datetime) -> None:
    """Weigh the tasks that were answered since, and those that were touched, by what the last fit learned."""
    assert batch.weighed_to is not None
    answered, more = answers.new(batch, batch.weighed_to)
    tasks = sorted({*answered, *touched})
    known, said = fits.known(batch), reviews.verdicts(batch, tasks)
    crowd = answers.load(batch, tasks)
    found = fields.weigh_again(batch, crowd, known.fields, known.workers)
    flipped = _write(batch, crowd, found, said, tasks)
    fits.note(batch, more + len(touched), at)
    _settle(batch, crowd, found, said, flipped)


def _write(
    batch: Batch, crowd: Crowd, found: list[Labelled], said: Verdicts, among: Sequence[int] | None = None
) -> set[int]:
    """A reviewer's word counts before a requester's program, and that before ours; the tasks whose label changed."""
    return rows.write(batch, reviewed.overrule(crowd, consolidated.over(batch, found), said), among)


def _settle(batch: Batch, crowd: Crowd, found: list[Labelled], said: Verdicts, flipped: set[int]) -> None:
    """After all that writes to the batch: it is locked before tasks and scores."""
    found = reviewed.overrule(crowd, found, said)
    closed = settling.settle(batch, crowd, found)
    judging.judge(batch, crowd, found, (closed | flipped) - set(said))  # of those a verdict tells
    reviews.after_settling(batch, closed)
