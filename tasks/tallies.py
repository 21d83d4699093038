"""How many rows of each kind a batch has, without counting them.

Triggers write a mark for each statement that adds or moves tasks or answers: new rows only, so that nobody waits for
anybody. A sweep adds marks up into one tally a batch. Tally and marks together are exact at any moment.
"""

from django.db import connection, transaction

from tasks.models import Batch, Figures, Tally

FOLD_STEP = 20_000
NAMES = [field.name for field in Figures._meta.get_fields()]
SUMS = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in NAMES)
COLUMNS = ", ".join(NAMES)
LOOK = f"""
SELECT {SUMS} FROM (SELECT {COLUMNS} FROM tasks_tally WHERE batch_id = %(batch)s
                    UNION ALL SELECT {COLUMNS} FROM tasks_mark WHERE batch_id = %(batch)s) AS parts
"""
FOLD = f"""
WITH taken AS (
    DELETE FROM tasks_mark WHERE id = ANY(ARRAY(
        SELECT id FROM tasks_mark ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)) RETURNING batch_id, {COLUMNS}),
added AS (
    INSERT INTO tasks_tally AS tally (batch_id, {COLUMNS})
    SELECT batch_id, {SUMS} FROM taken GROUP BY batch_id ORDER BY batch_id
    ON CONFLICT (batch_id) DO UPDATE SET {", ".join(f"{name} = tally.{name} + excluded.{name}" for name in NAMES)})
SELECT count(*) FROM taken
"""


def of(batch: Batch) -> Tally:
    """The figures of a batch as they are now; reads one row and what was marked since the last fold."""
    with connection.cursor() as sql:
        sql.execute(LOOK, {"batch": batch.pk})
        return Tally(batch=batch, **dict(zip(NAMES, sql.fetchone(), strict=True)))


@transaction.atomic
def fold(limit: int = FOLD_STEP) -> bool:
    """Add marks up into the tallies of their batches; True while there may be more.

    A mark is added once because deleting it is what reads it.
    """
    with connection.cursor() as sql:
        sql.execute(FOLD, [limit])
        return sql.fetchone()[0] == limit
