"""What the money of a running batch stands at: what is in its reserve, and what may come to be owed from it."""

from typing import Any, NamedTuple

from django.db import connection

from marketplace.core import clock
from tasks import batches
from tasks.models import Batch

COUNTED = "bought, withdrawn, leased, submitted, accepted, gold, gold_out"
# Figures are exact at any moment; gold that was leased and lost is counted as still to come, for it may come late
STAND = f"""
WITH told AS (
    SELECT coalesce(sum(bought), 0)::bigint AS bought, coalesce(sum(gold), 0)::bigint AS gold,
        coalesce(sum(gold_out), 0)::bigint AS gold_out, coalesce(sum(withdrawn), 0)::bigint AS withdrawn,
        coalesce(sum(leased + submitted + accepted), 0)::bigint AS given
    FROM (SELECT {COUNTED} FROM tasks_tally WHERE batch_id = %(batch)s UNION ALL
          SELECT {COUNTED} FROM tasks_mark WHERE batch_id = %(batch)s) AS parts),
golden AS (
    SELECT count(*) AS leased FROM tasks_assignment a JOIN tasks_answer x ON x.assignment_id = a.id
    WHERE a.batch_id = %(batch)s AND a.state = 'open' AND a.purpose = 'work' AND x.state = 'leased' AND x.to_grade)
SELECT acc.credits_micros - acc.debits_micros, ({batches.OWED})::bigint,
    told.bought - (told.given - told.gold - golden.leased), told.withdrawn,
    greatest(0, b.gold_bought - told.gold - told.gold_out - golden.leased),
    CASE WHEN b.exam_size > 0 THEN b.exam_paid_most - b.exams_taken ELSE 0 END,
    coalesce((SELECT sum(amount_micros) FROM payments_reserveline
              WHERE reserve_id = r.id AND name = 'answers'), 0)::bigint,
    coalesce((SELECT sum(amount_micros) FROM payments_reserveline
              WHERE reserve_id = r.id AND name NOT IN ('answers', 'gold', 'training', 'bonus')), 0)::bigint
        - b.topped_micros
FROM tasks_batch b JOIN payments_reserve r ON r.subject = %(subject)s JOIN payments_account acc ON acc.id = r.account_id
CROSS JOIN told CROSS JOIN golden WHERE b.id = %(batch)s
"""


class Stand(NamedTuple):
    """What there is and what may come to be owed, at one moment."""

    left_micros: int  # in the reserve
    owed_micros: int  # for what was given out
    open_seats: int
    withdrawn_seats: int
    gold_to_come: int
    exams_to_come: int
    line_micros: int  # of the answers, what was spent of it included
    other_micros: int  # left in lines that are not for answers at all


def of(batch: Batch) -> Stand:
    """As it is now, read in one statement."""
    named: dict[str, Any] = {"batch": batch.pk, "subject": batch.subject}
    with connection.cursor() as sql:
        sql.execute(STAND, {**named, "contestable_after": clock.now() - batches.COMMITTED_WITHIN})
        return Stand(*sql.fetchone())
