"""Seats at tasks: the SQL that gives them, takes them back, and so decides the claim.

Gold has no seats (bought = taken = 0); no statement here touches it. Locks are taken in one order: the batch where its
queue epoch or its gold is written, then tasks by primary key.
"""

from collections.abc import Iterable, Sequence

from django.db import connection

from tasks.models import Answer, Batch, Cursor, Task

HEAD = (-(2**31), -1)  # before every (priority, pos)
WINDOW = 500  # open tasks looked at by one statement, so that nobody's history makes a claim slow

# A scalar sub-select, not NOT EXISTS: one index probe a candidate, whatever the worker's history
UNSEEN = """(SELECT 1 FROM tasks_answer a WHERE a.worker_id = %(worker)s AND a.task_id = t.id AND a.attempt = 0
             AND NOT (a.state IN ('returned', 'expired')) LIMIT 1) IS NULL"""

Place = tuple[int, int]  # priority, pos
Found = list[tuple[int, int, int]]  # id, priority, pos


def in_window(cursor: Cursor, after: Place, limit: int, *, wait: bool = False) -> Found:
    """Lock open tasks this worker has not answered, among the WINDOW open ones behind this place.

    Waiting for a locked task is for a claim that holds none; the others pass it by.
    """
    with connection.cursor() as sql:
        sql.execute(
            f"""SELECT t.id, t.priority, t.pos
                FROM (SELECT id FROM tasks_task WHERE batch_id = %(batch)s AND open
                          AND (priority, pos) > (%(priority)s, %(pos)s)
                      ORDER BY priority, pos LIMIT {WINDOW}) AS near
                JOIN tasks_task t ON t.id = near.id WHERE t.open AND {UNSEEN}
                LIMIT %(limit)s FOR UPDATE OF t {"" if wait else "SKIP LOCKED"}""",
            {
                **{"batch": cursor.batch_id, "worker": cursor.worker_id, "limit": limit},
                **{"priority": after[0], "pos": after[1]},
            },
        )
        return sql.fetchall()


def window_end(batch: Batch, after: Place) -> Place | None:
    """Where the window behind this place ends; None: it holds all that is left of the queue."""
    with connection.cursor() as sql:
        sql.execute(
            f"""SELECT priority, pos FROM tasks_task WHERE batch_id = %s AND open AND (priority, pos) > (%s, %s)
                ORDER BY priority, pos OFFSET {WINDOW - 1} LIMIT 1""",
            [batch.pk, *after],
        )
        return sql.fetchone()


def by_pick_key(cursor: Cursor, keys: Sequence[str], limit: int, *, wait: bool) -> Found:
    """Lock open tasks that carry one of these keys, as in_window does."""
    with connection.cursor() as sql:
        sql.execute(
            f"""SELECT t.id, t.priority, t.pos FROM tasks_task t
                WHERE t.batch_id = %(batch)s AND t.open AND t.pick_key = ANY(%(keys)s) AND {UNSEEN}
                ORDER BY t.priority, t.pos LIMIT %(limit)s FOR UPDATE OF t {"" if wait else "SKIP LOCKED"}""",
            {"keys": list(keys), "worker": cursor.worker_id, "batch": cursor.batch_id, "limit": limit},
        )
        return sql.fetchall()


def take(tasks: Iterable[int]) -> None:
    """Take one seat at each of these tasks, which are locked and open."""
    with connection.cursor() as sql:
        sql.execute("UPDATE tasks_task SET taken = taken + 1 WHERE id = ANY(%s)", [list(tasks)])


def retake(tasks: Iterable[int]) -> set[int]:
    """Take a seat again at those tasks that still have an open one, for a late answer; return which."""
    with connection.cursor() as sql:
        sql.execute(
            """WITH locked AS (SELECT id FROM tasks_task WHERE id = ANY(%s) ORDER BY id FOR UPDATE)
               UPDATE tasks_task t SET taken = t.taken + 1 FROM locked, tasks_batch b
               WHERE t.id = locked.id AND t.open AND b.id = t.batch_id AND b.state = 'open' RETURNING t.id""",
            [list(tasks)],
        )
        return {row[0] for row in sql.fetchall()}


def free(tasks: Sequence[int]) -> None:
    """Give seats back, one for each mention of a task; in a closed batch nobody may have them again."""
    if not tasks:
        return
    bump(Task.objects.filter(pk__in=set(tasks)).values_list("batch", flat=True).distinct())
    with connection.cursor() as sql:
        sql.execute(
            """WITH freed AS (SELECT id, count(*)::int AS seats FROM unnest(%s::bigint[]) AS id GROUP BY id),
                    locked AS (SELECT t.id FROM tasks_task t JOIN freed USING (id) WHERE t.taken > 0
                               ORDER BY t.id FOR UPDATE OF t)
               UPDATE tasks_task t SET taken = t.taken - freed.seats,
                   bought = t.bought - CASE WHEN b.state = 'closed' THEN freed.seats ELSE 0 END
               FROM locked, freed, tasks_batch b
               WHERE t.id = locked.id AND freed.id = t.id AND b.id = t.batch_id""",
            [list(tasks)],
        )


def buy(batch: Batch, tasks: Sequence[int]) -> None:
    """Buy one more answer for each task whose answers are all in, as long as the batch allows more."""
    if not tasks:
        return
    bump([batch.pk])
    with connection.cursor() as sql:
        sql.execute(
            """WITH locked AS (SELECT id FROM tasks_task WHERE id = ANY(%s) ORDER BY id FOR UPDATE)
               UPDATE tasks_task t SET bought = t.bought + 1 FROM locked
               WHERE t.id = locked.id AND t.state = 'open' AND t.taken = t.bought AND t.bought < %s""",
            [list(tasks), batch.redundancy_max],
        )


def trim(batch: Batch, limit: int) -> int:
    """Withdraw the open seats of a closed batch, some tasks at a time; return how many tasks had any."""
    with connection.cursor() as sql:
        sql.execute(
            """WITH open AS (SELECT id FROM tasks_task WHERE batch_id = %s AND open ORDER BY id LIMIT %s FOR UPDATE)
               UPDATE tasks_task t SET bought = t.taken FROM open WHERE t.id = open.id""",
            [batch.pk, limit],
        )
        return sql.rowcount


def bump(batches: Iterable[int]) -> None:
    """Tell every cursor of these batches to look again: tasks reopen. Before any task is locked, to keep one order."""
    with connection.cursor() as sql:
        sql.execute(
            """UPDATE tasks_batch b SET queue_epoch = queue_epoch + 1
               FROM (SELECT id FROM tasks_batch WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE) locked
               WHERE b.id = locked.id""",
            [list(batches)],
        )


def settle(tasks: Sequence[int]) -> list[int]:
    """Close those of these open tasks whose every seat is taken; return which."""
    with connection.cursor() as sql:
        sql.execute(
            """WITH locked AS (SELECT id FROM tasks_task WHERE id = ANY(%s) ORDER BY id FOR UPDATE)
               UPDATE tasks_task t SET state = 'closed' FROM locked
               WHERE t.id = locked.id AND t.state = 'open' AND t.taken = t.bought RETURNING t.id""",
            [list(tasks)],
        )
        return [row[0] for row in sql.fetchall()]


def give_up(answer: Answer, *, refill: bool) -> None:
    """Take an answer out of its task: the seat reopens, paid for by the caller, or is withdrawn and the task closed."""
    if refill:
        bump([answer.batch_id])
    with connection.cursor() as sql:
        sql.execute(
            """UPDATE tasks_task SET taken = taken - 1, bought = bought - CASE WHEN %s THEN 0 ELSE 1 END,
                   state = CASE WHEN %s THEN 'open' ELSE 'closed' END
               WHERE id = %s AND taken > 0""",
            [refill, refill, answer.task_id],
        )


def restore(task: int) -> None:
    """Put an answer back into a task: into its open seat where there is one, otherwise into one of its own."""
    with connection.cursor() as sql:
        sql.execute(
            "UPDATE tasks_task SET taken = taken + 1, bought = greatest(bought, taken + 1) WHERE id = %s", [task]
        )
