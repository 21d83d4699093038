"""What the evidence says of each worker in a project: sums kept up to date, and the posterior they give."""

from django.db import connection
from django.db.models import F, Sum

from marketplace.models import Project
from workers import scoring
from workers.models import Reliability

Sums = dict[int, tuple[float, float]]  # worker -> (expected number of right answers, number judged)


def add(project: Project, sums: Sums) -> None:
    """Add evidence (or, with negative sums, take it back) and score these workers again."""
    if not sums:
        return
    _lock(project)
    rows = sorted((worker, correct, judged) for worker, (correct, judged) in sums.items())
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO workers_reliability AS r
                   (worker_id, project_id, correct, judged, accuracy, accuracy_p05, accuracy_p95, updated_at)
               SELECT worker, %s, correct, judged, 0, 0, 0, clock_timestamp()
               FROM unnest(%s::bigint[], %s::float8[], %s::float8[]) AS sums (worker, correct, judged)
               ON CONFLICT (worker_id, project_id) DO UPDATE SET
                   correct = greatest(r.correct + excluded.correct, 0),
                   judged = greatest(r.judged + excluded.judged, 0), updated_at = clock_timestamp()""",
            [project.pk, *map(list, zip(*rows, strict=True))],
        )
    _score(project, list(sums))


def replace(project: Project, sums: Sums) -> None:
    """Set the sums of a whole project, as counted from the evidence from scratch."""
    Reliability.objects.filter(project=project).update(correct=0, judged=0)
    add(project, sums)


def _lock(project: Project) -> None:
    """One writer of a project's reliabilities at a time: a transaction may add more than once, in no common order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('reliability'), %s)", [project.pk % 2**31])


def _score(project: Project, workers: list[int]) -> None:
    everyone = Reliability.objects.filter(project=project)
    total = everyone.aggregate(correct=Sum(F("correct")), judged=Sum(F("judged")))
    mean = scoring.prior(total["correct"], total["judged"])
    rows = list(everyone.filter(worker__in=workers))
    score = scoring.posterior_accuracy([min(r.correct, r.judged) for r in rows], [r.judged for r in rows], mean)
    for row, middle, p05, p95 in zip(rows, score.mean, score.p05, score.p95, strict=True):
        row.accuracy, row.accuracy_p05, row.accuracy_p95 = float(middle), float(p05), float(p95)
    Reliability.objects.bulk_update(rows, ["accuracy", "accuracy_p05", "accuracy_p95"], batch_size=500)
