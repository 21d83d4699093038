"""How long the tasks of projects take, from the pages handed in last."""

from collections.abc import Iterable

from django.db import connection

from marketplace.models import Project

PAGES_READ = 200
BATCHES_READ = 5
ANSWERS_LEAST = 30  # a median of fewer is chance

MEDIANS = """
SELECT batch.project_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY page.active_s / page.answers)
FROM tasks_batch batch,
     LATERAL (SELECT a.active_s::float AS active_s,
                     (SELECT count(*) FROM tasks_answer w WHERE w.assignment_id = a.id AND w.submitted_at IS NOT NULL)
                     AS answers
              FROM tasks_assignment a
              WHERE a.batch_id = batch.id AND a.purpose = 'work' AND a.submitted_at IS NOT NULL AND a.active_s > 0
              ORDER BY a.submitted_at DESC LIMIT %s) AS page
WHERE batch.project_id = ANY(%s) AND batch.state = 'open' AND page.answers > 0
GROUP BY batch.project_id
"""

# The same over one project's last batches, closed ones too, with the answers that it rests on
MEASURED = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY page.active_s / page.answers), sum(page.answers)
FROM (SELECT id FROM tasks_batch WHERE project_id = %s ORDER BY number DESC LIMIT %s) AS batch,
     LATERAL (SELECT a.active_s::float AS active_s,
                     (SELECT count(*) FROM tasks_answer w WHERE w.assignment_id = a.id AND w.submitted_at IS NOT NULL)
                     AS answers
              FROM tasks_assignment a
              WHERE a.batch_id = batch.id AND a.purpose = 'work' AND a.submitted_at IS NOT NULL AND a.active_s > 0
              ORDER BY a.submitted_at DESC LIMIT %s) AS page
WHERE page.answers > 0
"""


def medians(projects: Iterable[int]) -> dict[int, float]:
    """The median of active seconds a task, by project; projects without work so far are left out."""
    with connection.cursor() as cursor:
        cursor.execute(MEDIANS, [PAGES_READ, list(projects)])
        return dict(cursor.fetchall())


def expected(project: Project) -> tuple[float, bool]:
    """Seconds that a task takes here, and whether that is measured: with few answers it is what the requester said."""
    with connection.cursor() as cursor:
        cursor.execute(MEASURED, [project.pk, BATCHES_READ, PAGES_READ])
        median_s, answers = cursor.fetchone()
    return (median_s, True) if (answers or 0) >= ANSWERS_LEAST else (float(project.expected_s), False)


def hourly_micros(price_micros: int, median_s: float | None) -> int | None:
    """What an hour at the median pace pays."""
    return round(price_micros * 3600 / median_s) if median_s else None
