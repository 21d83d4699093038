"""Tasks that wait to be bought another answer: what it is worth to each, and which come first."""

from collections.abc import Mapping, Sequence

from django.db import connection

from tasks.models import Batch

NEXT = """
SELECT id, gain FROM tasks_task
WHERE batch_id = %s AND gain IS NOT NULL AND state = 'open' AND taken = bought AND withdrawn = 0
ORDER BY gain DESC, priority, pos LIMIT %s
"""


def note(tasks: Mapping[int, float]) -> None:
    """Have these open tasks wait, with what another answer is worth to each."""
    with connection.cursor() as sql:
        sql.execute("SELECT 1 FROM tasks_task WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [list(tasks)])
        sql.execute(
            """UPDATE tasks_task t SET gain = new.gain FROM unnest(%s::bigint[], %s::real[]) AS new (id, gain)
               WHERE t.id = new.id AND t.state = 'open' AND t.gain IS DISTINCT FROM new.gain""",
            [list(tasks), list(tasks.values())],
        )


def first(batch: Batch, most: int) -> list[int]:
    """So many of those that wait, to which another answer is worth most; of equals the first in the queue."""
    with connection.cursor() as sql:
        sql.execute(NEXT, [batch.pk, most])
        return [row[0] for row in sql.fetchall()]


def forget(tasks: Sequence[int]) -> None:
    """Have these tasks wait no more."""
    with connection.cursor() as sql:
        sql.execute("UPDATE tasks_task SET gain = NULL WHERE id = ANY(%s) AND gain IS NOT NULL", [list(tasks)])


def worth(batch: Batch, answers: int) -> tuple[int, float]:
    """Of so many answers more, how many would be bought first, and how many labels they would put right, as expected.

    Each waiting task is bought one; what the answers to it say of the next is not known yet.
    """
    with connection.cursor() as sql:
        sql.execute(f"SELECT count(*), coalesce(sum(gain), 0) FROM ({NEXT}) AS next", [batch.pk, answers])
        bought, righted = sql.fetchone()
        return bought, float(righted)
