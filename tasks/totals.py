"""Totals of what was decided for good about each worker's answers: what is approved is added as it is paid.

A rejection is final when it can no longer be contested, or its appeal was dismissed; one that is overturned all the
same is taken back, and its answer counts as approved when it is paid.
"""

from django.db import connection, transaction
from django.db.models import Count

from marketplace.core import clock
from tasks.batches import COMMITTED_WITHIN
from tasks.models import Answer, Decision
from workers import totals
from workers.models import Record

STEP = 1_000
FINAL = """
SELECT d.id, d.worker_id, d.organisation_id FROM tasks_decision d LEFT JOIN tasks_appeal p ON p.decision_id = d.id
WHERE d.kind = 'reject' AND d.state = 'standing' AND NOT d.counted AND d.contestable_until <= %s
    AND (p.id IS NULL OR p.state = 'dismissed')
ORDER BY d.contestable_until LIMIT %s FOR NO KEY UPDATE OF d SKIP LOCKED
"""
OVERTURNED = """
SELECT d.id, d.worker_id, d.organisation_id FROM tasks_decision d
WHERE d.state = 'overturned' AND d.counted ORDER BY d.id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
Rows = list[tuple[int, int, int]]  # decision, worker, organisation


@transaction.atomic
def count(limit: int = STEP) -> bool:
    """Count rejections that became final, and take back those that were overturned; True while there may be more."""
    with connection.cursor() as sql:
        sql.execute(FINAL, [clock.now() - COMMITTED_WITHIN, limit])
        final: Rows = sql.fetchall()
        sql.execute(OVERTURNED, [limit])
        overturned: Rows = sql.fetchall()
    _mark(final, True)
    _mark(overturned, False)
    sums = [(home, worker, 0, 1) for _, worker, home in final]
    totals.add(sums + [(home, worker, 0, -1) for _, worker, home in overturned])
    return limit in (len(final), len(overturned))


def recount(organisation: int) -> dict[int, tuple[int, int]]:
    """What the totals of an organisation's workers come to from scratch: worker -> approved, rejected."""
    paid = Answer.objects.filter(batch__project__organisation=organisation, entry__isnull=False).values("worker")
    found: dict[int, tuple[int, int]] = {row["worker"]: (row["n"], 0) for row in paid.annotate(n=Count("id"))}
    final = Decision.objects.filter(organisation=organisation, counted=True).values("worker")
    for row in final.annotate(n=Count("id")):
        found[row["worker"]] = (found.get(row["worker"], (0, 0))[0], row["n"])
    return found


@transaction.atomic
def replace(organisation: int) -> None:
    """Set the totals of an organisation's workers to what they come to from scratch, and the site's with them."""
    kept = Record.objects.select_for_update(no_key=True).filter(organisation=organisation).order_by("worker")
    before = {row.worker_id: (row.approved, row.rejected) for row in kept}
    after = recount(organisation)
    sums = ((worker, before.get(worker, (0, 0)), after.get(worker, (0, 0))) for worker in sorted({*before, *after}))
    totals.add((organisation, worker, new[0] - old[0], new[1] - old[1]) for worker, old, new in sums if old != new)


def _mark(rows: Rows, counted: bool) -> None:
    Decision.objects.filter(pk__in=[pk for pk, *_ in rows]).update(counted=counted)
