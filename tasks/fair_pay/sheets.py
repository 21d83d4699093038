"""Time sheets: what each worker gave to a batch and got for it, added up as it becomes known.

Rows are locked by batch and worker, after answers and batches and before accounts, by everybody.
"""

from collections.abc import Iterable

from django.db import connection, transaction

from marketplace.models import Project
from tasks.models import Answer, Batch
from workers.models import Worker

PAGES_STEP = 2_000
WORDS_A_MINUTE = 80  # of a slow reader; who takes longer is not there
READING_LEAST_S, READING_MOST_S = 30, 1800

NAMES = (
    *("answers", "work_s", "offered_micros", "tests", "test_s", "reading_s"),
    *("paid", "paid_micros", "exam_micros", "rejected_micros"),
)
ADD = f"""
INSERT INTO tasks_timesheet AS sheet (worker_id, batch_id, project_id, {", ".join(NAMES)},
    topped_micros, granted_micros, declined_micros, is_new)
SELECT worker, b.id, b.project_id, {", ".join(f"new.{name}" for name in NAMES)}, 0, 0, 0, true
FROM ({{new}}) AS new JOIN tasks_batch b ON b.id = new.batch ORDER BY b.id, worker
ON CONFLICT (batch_id, worker_id) DO UPDATE SET is_new = true,
    {", ".join(f"{name} = sheet.{name} + excluded.{name}" for name in NAMES)}
"""
GIVEN = f"""SELECT * FROM unnest(%s::bigint[], %s::bigint[], {", ".join("%s::bigint[]" for _ in NAMES)})
    AS row (worker, batch, {", ".join(NAMES)})"""
STAMP = """
UPDATE tasks_assignment SET is_timed = true WHERE id = ANY(ARRAY(
    SELECT id FROM tasks_assignment WHERE submitted_at IS NOT NULL AND NOT is_timed
    ORDER BY batch_id, id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)) RETURNING id
"""
# Each page once: its time, and how many answers with which prices came of it, what was withheld of them meanwhile too
PAGES = """
SELECT a.worker_id AS worker, a.batch_id AS batch,
    sum(CASE WHEN a.purpose = 'work' THEN given.answers ELSE 0 END) AS answers,
    sum(CASE WHEN a.purpose = 'work' AND given.answers > 0 THEN a.active_s ELSE 0 END) AS work_s,
    sum(given.micros) AS offered_micros,
    sum(CASE WHEN a.purpose <> 'work' THEN given.answers ELSE 0 END) AS tests,
    sum(CASE WHEN a.purpose <> 'work' THEN a.active_s ELSE 0 END) AS test_s,
    0 AS reading_s, 0 AS paid, 0 AS paid_micros, 0 AS exam_micros, 0 AS rejected_micros
FROM tasks_assignment a, LATERAL (
    SELECT count(*) AS answers, coalesce(sum(price_micros + CASE WHEN state IN ('excluded', 'accepted') THEN coalesce((
        SELECT sum(w.price_micros) FROM tasks_decision d JOIN tasks_withheld w ON w.decision_id = d.id
        WHERE d.answer_id = x.id), 0) ELSE 0 END), 0) AS micros
    FROM tasks_answer x WHERE x.assignment_id = a.id AND x.submitted_at IS NOT NULL) AS given
WHERE a.id = ANY(%s) GROUP BY 1, 2
"""
Paid = tuple[int, int, int, int]  # worker, answers of work, their prices and those of exams in micros


@transaction.atomic
def note_pages(limit: int = PAGES_STEP) -> bool:
    """Add pages that were handed in to the time sheets of their workers, each once; True: ask again."""
    with connection.cursor() as sql:
        sql.execute(STAMP, [limit])
        pages = [page for (page,) in sql.fetchall()]
        if pages:
            sql.execute(ADD.format(new=PAGES), [pages])
    return len(pages) == limit


def note_paid(batch: int, sums: Iterable[Paid]) -> None:
    """Add what is being settled; before the entry is made, for its accounts are locked last."""
    _add(
        {"worker": row[0], "batch": batch, "paid": row[1], "paid_micros": row[2], "exam_micros": row[3]} for row in sums
    )


def note_rejected(answer: Answer, micros: int) -> None:
    """Add what is not paid of the price of an answer: all of it where it is rejected, else what is withheld."""
    _add([{"worker": answer.worker_id, "batch": answer.batch_id, "rejected_micros": micros}])


def note_restored(answer: Answer, micros: int, paid_micros: int = 0) -> None:
    """Take that back.

    paid_micros  of it, what an entry of its own pays in the same transaction
    """
    _add([{"worker": answer.worker_id, "batch": answer.batch_id, "paid_micros": paid_micros}])
    with connection.cursor() as sql:  # what is taken back cannot be inserted
        sql.execute(
            "UPDATE tasks_timesheet SET rejected_micros = rejected_micros - %s WHERE batch_id = %s AND worker_id = %s",
            [micros, answer.batch_id, answer.worker_id],
        )


def note_reading(worker: Worker, project: Project, text: str, active_s: int) -> int:
    """Add the time of reading a guideline or a lesson, as far as its length explains it; return how much that is.

    It counts in the newest batch there is to work on; without one nothing is asked to be read.
    """
    batch = Batch.objects.workable().filter(project=project).order_by("-pk").values_list("pk", flat=True).first()
    reading_s = bounded_s(text, active_s)
    if batch is None or not reading_s:
        return 0
    _add([{"worker": worker.pk, "batch": batch, "reading_s": reading_s}])
    return reading_s


def bounded_s(text: str, active_s: int) -> int:
    """Of the seconds that somebody says to have read a text, those that a slow reader takes at most."""
    slowly_s = max(READING_LEAST_S, len(text.split()) * 60 // WORDS_A_MINUTE)
    return max(0, min(active_s, slowly_s, READING_MOST_S))


def _add(rows: Iterable[dict[str, int]]) -> None:
    """Add to the sheets of workers in batches, making those there are not."""
    listed = list(rows)
    if not listed:
        return
    columns = [[row.get(name, 0) for row in listed] for name in ("worker", "batch", *NAMES)]
    with connection.cursor() as sql:
        sql.execute(ADD.format(new=GIVEN), columns)
