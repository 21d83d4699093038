"""What the evidence says of each worker, in a project and over all: sums kept up to date, and the posterior they give.

One writer at a time: a transaction may add more than once, in no common order, and what a worker is over all projects
is the sum of what they are in each.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Sum

from marketplace.core import clock
from marketplace.models import Project
from workers import scoring
from workers.models import OverallReliability, Reliability

Sums = dict[int, tuple[float, float]]  # worker -> (expected number of right answers, number judged)

AGED = timedelta(days=1)  # what a score is worth is asked again when it is older

ADD = """
INSERT INTO workers_reliability AS r (worker_id, project_id, correct_sum, judged_sum, half_life_days, correct, judged,
    accuracy, accuracy_p05, accuracy_p95, scored_at, updated_at)
SELECT worker, %s, correct, judged, %s, 0, 0, 0, 0, 0, clock_timestamp(), clock_timestamp()
FROM unnest(%s::bigint[], %s::float8[], %s::float8[]) AS sums (worker, correct, judged)
ON CONFLICT (worker_id, project_id) DO UPDATE SET correct_sum = greatest(r.correct_sum + excluded.correct_sum, 0),
    judged_sum = greatest(r.judged_sum + excluded.judged_sum, 0), half_life_days = excluded.half_life_days,
    updated_at = clock_timestamp()
"""
OVER_ALL = """
INSERT INTO workers_overallreliability AS r (worker_id, correct_sum, judged_sum, half_life_days, correct, judged,
    accuracy, accuracy_p05, accuracy_p95, scored_at, updated_at)
SELECT worker_id, sum(correct_sum), sum(judged_sum), %s, 0, 0, 0, 0, 0, clock_timestamp(), clock_timestamp()
FROM workers_reliability WHERE worker_id = ANY(%s) GROUP BY worker_id ORDER BY worker_id
ON CONFLICT (worker_id) DO UPDATE SET correct_sum = excluded.correct_sum, judged_sum = excluded.judged_sum,
    half_life_days = excluded.half_life_days, updated_at = clock_timestamp()
"""


def add(project: Project, sums: Sums, at: datetime | None = None) -> set[int]:
    """Add evidence (or, with negative sums, take it back) and score these workers again.

    at       the time as of which the sums weigh what they say; now, if not said
    returns  the workers to whom nothing was added: their sums are of another half-life and must be counted anew
    """
    if not sums:
        return set()
    lock()
    stale = set(_stale().filter(worker__in=sums).values_list("worker", flat=True))
    fresh = {worker: pair for worker, pair in sums.items() if worker not in stale}
    _add(project, fresh, at or clock.now())
    return stale


def replace(project: Project, sums: Sums, workers: Collection[int] | None = None, at: datetime | None = None) -> None:
    """Set the sums of a project, or of these workers there, as counted from the evidence from scratch."""
    lock()
    there = Reliability.objects.filter(project=project)
    there = there if workers is None else there.filter(worker__in=workers)
    gone = dict.fromkeys(there.values_list("worker", flat=True), (0.0, 0.0))
    there.update(correct_sum=0, judged_sum=0)
    _add(project, {**gone, **sums}, at or clock.now())


@transaction.atomic
def rescore(limit: int = 500) -> tuple[list[tuple[int, int]], bool]:
    """Score anew what was scored a day ago or before; which (worker, project), and whether there may be more."""
    lock()
    before = clock.now() - AGED
    aged = list(Reliability.objects.filter(scored_at__lt=before).order_by("scored_at")[:limit])
    for project in {row.project_id for row in aged}:
        _score(
            Reliability.objects.filter(project=project), [row.worker_id for row in aged if row.project_id == project]
        )
    overall = OverallReliability.objects.filter(scored_at__lt=before).order_by("scored_at")
    others = list(overall.values_list("worker", flat=True)[:limit])
    _score(OverallReliability.objects.all(), others)
    return [(row.worker_id, row.project_id) for row in aged], limit in (len(aged), len(others))


def stale(limit: int = 100) -> list[int]:
    """Workers whose sums are of another half-life than the one set now."""
    return list(_stale().order_by("worker").values_list("worker", flat=True).distinct()[:limit])


def lock() -> None:
    """Let nobody else write reliabilities or confusions until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('reliability'), 0)")


def _add(project: Project, sums: Sums, at: datetime) -> None:
    worth, half_life = scoring.weight(at, settings.RELIABILITY_HALF_LIFE_DAYS), settings.RELIABILITY_HALF_LIFE_DAYS
    rows = sorted((worker, correct * worth, judged * worth) for worker, (correct, judged) in sums.items())
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(ADD, [project.pk, half_life, *columns])
        cursor.execute(OVER_ALL, [half_life, columns[0]])
    _score(Reliability.objects.filter(project=project), columns[0])
    _score(OverallReliability.objects.all(), columns[0])


def _stale() -> "models.QuerySet[Reliability]":
    return Reliability.objects.exclude(half_life_days=settings.RELIABILITY_HALF_LIFE_DAYS)


def _score(everyone: "models.QuerySet[Any]", workers: list[int]) -> None:
    """Bring these workers' figures up to date, drawn towards everyone's."""
    if not workers:
        return
    at = clock.now()
    worth = scoring.weight(at, settings.RELIABILITY_HALF_LIFE_DAYS)
    total = everyone.aggregate(correct=Sum("correct_sum"), judged=Sum("judged_sum"))
    mean = scoring.prior(min(total["correct"], total["judged"]) / worth, total["judged"] / worth)
    rows = list(everyone.filter(worker__in=workers))
    for row in rows:
        row.correct, row.judged = min(row.correct_sum, row.judged_sum) / worth, row.judged_sum / worth
        row.scored_at = at
    score = scoring.posterior_accuracy([row.correct for row in rows], [row.judged for row in rows], mean)
    for row, middle, p05, p95 in zip(rows, score.mean, score.p05, score.p95, strict=True):
        row.accuracy, row.accuracy_p05, row.accuracy_p95 = float(middle), float(p05), float(p95)
    figures = ["correct", "judged", "accuracy", "accuracy_p05", "accuracy_p95", "scored_at"]
    everyone.bulk_update(rows, figures, batch_size=500)
