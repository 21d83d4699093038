"""How many answers of each worker were decided for good: totals, so that asking costs the same after any history."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from workers import scoring
from workers.models import Record, Worker

# In one order of rows, whatever organisations are added to at once
SUMS = """
SELECT worker, scope, sum(approved) AS approved, sum(rejected) AS rejected
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) AS new (organisation, worker, approved, rejected),
     LATERAL (VALUES (organisation), (NULL)) AS home (scope)
GROUP BY worker, scope ORDER BY worker, scope
"""
ADD = f"""
INSERT INTO workers_record AS r (worker_id, organisation_id, approved, rejected) {SUMS}
ON CONFLICT (worker_id, organisation_id) DO UPDATE SET
    approved = r.approved + excluded.approved, rejected = r.rejected + excluded.rejected
"""
CHANGE = f"""
UPDATE workers_record r SET approved = r.approved + sums.approved, rejected = r.rejected + sums.rejected
FROM ({SUMS}) AS sums WHERE r.worker_id = sums.worker AND r.organisation_id IS NOT DISTINCT FROM sums.scope
"""
Sums = Iterable[tuple[int, int, int, int]]  # organisation, worker, approved, rejected


@dataclass(frozen=True)
class Share:
    """How many of the answers that were decided for good were approved; the interval is of the share."""

    approved: int
    rejected: int
    share: float | None  # None: too few are decided to tell
    low: float
    high: float

    @property
    def decided(self) -> int:
        return self.approved + self.rejected


def add(sums: Sums) -> None:
    """Add to the totals in each organisation and on the site; once in a transaction, and last: so no two deadlock.

    What is taken back is negative.
    """
    rows = list(sums)
    if not rows:
        return
    homes, workers, approved, rejected = map(list, zip(*rows, strict=True))
    with connection.cursor() as cursor:
        if min(*approved, *rejected) >= 0:
            cursor.execute(ADD, [homes, workers, approved, rejected])
            return
        nothing = [0] * len(rows)  # what is taken back cannot be inserted; so the rows are locked first
        cursor.execute(ADD, [homes, workers, nothing, nothing])
        cursor.execute(CHANGE, [homes, workers, approved, rejected])


def share(worker: Worker) -> Share:
    """The share of a worker's answers that were approved, on the whole site."""
    row = Record.objects.filter(worker=worker, organisation=None).first()
    approved, rejected = (row.approved, row.rejected) if row else (0, 0)
    decided = approved + rejected
    known = approved / decided if decided >= settings.APPROVED_SHARE_LEAST_ANSWERS else None
    return Share(approved, rejected, known, *scoring.interval(approved, decided))
