"""Seats at tasks: the SQL that gives them, takes them back, and so decides the claim.

Gold has no seats (bought = taken = 0); no statement here touches it. Locks are taken in one order: the batch where its
queue epoch or its gold is written, then tasks by primary key. One statement locks, the next one updates: a single one
locks twice, and where others refer to the row, that can deadlock; not so where it locks FOR UPDATE, as a claim does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection

from marketplace.core import ids, money, statements
from tasks.models import Answer, Assignment, Batch, Task
from tasks.terms import Terms

WINDOW = 500  # how far one statement looks, so that nobody's history makes a claim slow
HEAD = (-(2**31), -1)  # before every (priority, pos)
END = (2**31 - 1, 2**63 - 1)  # behind every one

# Scalar sub-selects, not NOT EXISTS: one index probe a candidate, whatever the worker's history
UNSEEN = """(SELECT 1 FROM tasks_answer a WHERE a.worker_id = %(worker)s AND a.task_id = t.id AND a.attempt = 0
             AND NOT (a.state IN ('returned', 'expired')) LIMIT 1) IS NULL"""
# Nor what a copy was made of: whoever answered that knows the item
NEVER_SEEN = """(SELECT 1 FROM tasks_answer a WHERE a.task_id = ANY(ARRAY[g.task_id, g.source_id])
                 AND a.worker_id = %(worker)s LIMIT 1) IS NULL"""
SUPERSEDED = """(SELECT count(*) FROM tasks_answer x WHERE x.task_id = t.id AND x.superseded_at IS NOT NULL
                 AND x.state IN ('submitted', 'accepted'))"""
AMONG = {  # where a page comes from: a part of the queue, or what the worker picked
    "queue": """AND (t.priority, t.pos) > (%(priority)s, %(pos)s)
        AND (t.priority, t.pos) <= (%(to_priority)s, %(to_pos)s)
        AND (t.wants_until IS NULL OR t.wants <@ %(good_at)s::smallint[])""",
    "picked": "AND t.pick_key = ANY(%(keys)s::text[])",
}
HIDDEN = f"""SELECT g.task_id FROM tasks_gold g WHERE g.batch_id = %(batch)s AND g.purpose = 'hidden'
                 AND g.state = 'active' AND {NEVER_SEEN} AND g.draw"""

# A page, in one statement: its cursor is locked first, as the claim before it left it, and nothing is given otherwise.
# A page of gold alone locks no task that closing the batch would wait for, so it locks the batch.
GIVE = f"""
WITH cursor AS MATERIALIZED (
    SELECT id FROM tasks_cursor WHERE id = %(cursor)s AND claimed = %(claimed)s FOR UPDATE
), hidden AS MATERIALIZED (
    ({HIDDEN} >= %(draw)s ORDER BY g.draw LIMIT %(gold)s)
    UNION ALL ({HIDDEN} < %(draw)s ORDER BY g.draw LIMIT %(gold)s) LIMIT %(gold)s
), found AS MATERIALIZED (
    SELECT t.id, t.item_id, t.priority, t.pos FROM tasks_task t
    WHERE t.batch_id = %(batch)s AND t.open {{among}} AND {UNSEEN} AND (SELECT true FROM cursor)
    ORDER BY t.priority, t.pos LIMIT %(size)s - (SELECT count(*) FROM hidden) FOR UPDATE OF t {{waiting}}
), alone AS MATERIALIZED (
    SELECT id FROM tasks_batch
    WHERE id = %(batch)s AND state = 'open' AND (SELECT count(*) FROM hidden) = %(size)s FOR SHARE
), page AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY random()) - 1 AS position, task, item, is_gold
    FROM (SELECT id AS task, item_id AS item, false AS is_gold FROM found
          UNION ALL SELECT g.id, g.item_id, true FROM hidden JOIN tasks_task g ON g.id = hidden.task_id) AS seat
    WHERE (SELECT true FROM cursor) AND (EXISTS (SELECT FROM found) OR EXISTS (SELECT FROM alone))
), taken AS (
    UPDATE tasks_task t SET taken = t.taken + 1 FROM found WHERE t.id = found.id
), lease AS (
    INSERT INTO tasks_assignment (public_id, worker_id, project_id, batch_id, purpose, state, guideline_version,
        attempt, claimed_at, leased_until, active_s)
    SELECT %(name)s, %(worker)s, %(project)s, %(batch)s, 'work', 'open', %(guideline)s, 0, now.at,
        now.at + %(lease_s)s * interval '1 second', 0
    FROM (SELECT clock_timestamp() AS at) AS now WHERE EXISTS (SELECT FROM page)
    RETURNING id, claimed_at, leased_until
), answers AS (
    INSERT INTO tasks_answer (assignment_id, position, task_id, worker_id, batch_id, attempt, state, price_micros,
        fee_micros, self_selected, to_grade)
    SELECT lease.id, page.position, page.task, %(worker)s, %(batch)s, 0, 'leased', %(price)s, %(fee)s,
        %(self_selected)s, page.is_gold
    FROM lease CROSS JOIN page
), moved AS (
    UPDATE tasks_cursor c SET claimed = c.claimed + held.seats, gold_left = c.gold_left - held.gold,
        priority = coalesce(held.place[1], c.priority), pos = coalesce(held.place[2], c.pos)
    FROM (SELECT count(*) AS seats, count(*) FILTER (WHERE is_gold) AS gold,
              (SELECT ARRAY[priority, pos] FROM found WHERE NOT %(self_selected)s
               ORDER BY priority DESC, pos DESC LIMIT 1) AS place
          FROM page) AS held
    WHERE c.id = %(cursor)s AND held.seats > 0
)
SELECT lease.id, lease.claimed_at, lease.leased_until, page.position, item.payload
FROM lease CROSS JOIN page JOIN marketplace_item item ON item.id = page.item ORDER BY page.position
"""
STATEMENTS = {
    (among, wait): GIVE.format(among=part, waiting="" if wait else "SKIP LOCKED")
    for among, part in AMONG.items()
    for wait in (False, True)
}

Place = tuple[int, int]  # priority, pos


class Seat(NamedTuple):
    """One task of a page as its worker sees it; payload and value are JSON."""

    position: int
    payload: str
    state: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page as a claim wants it: for whom, from which batch, how long, and how much of it gold.

    claimed  what the cursor has been given so far, as the claim saw it: another claim of the same person shows by it
    draw     where to look for gold
    price    of each answer, gold or not: by the worker's tier
    good_at  classes; a task that wishes for who is good at others is passed by
    keys     what the worker picked, if anything
    """

    worker: int
    project: int
    terms: Terms
    price_micros: int
    cursor: int
    claimed: int
    guideline: int
    size: int
    gold: int
    draw: float
    good_at: Sequence[int] | None
    keys: Sequence[str] | None


def hold(batch: int) -> None:
    """Let nobody else weigh this batch, or reopen or withdraw its seats, until the transaction ends; before any lock.

    What is weighed is what was loaded: an answer that is superseded in between would be judged by a label it no longer
    speaks for. No row is locked for it, so that claims and submits do not wait.
    """
    with connection.cursor() as sql:
        sql.execute("SELECT pg_advisory_xact_lock(hashtextextended('consensus of batch ' || %s::text, 0))", [batch])


def give(wanted: Wanted, after: Place = HEAD, to: Place = END, *, wait: bool = False) -> Assignment | None:
    """Lease a page of tasks behind one place and not behind another that this worker has not answered; None: nothing.

    Waiting for a locked task is for a claim that holds none; the others pass it by.
    """
    terms, name = wanted.terms, ids.new("asg")
    fee_micros = money.fee_micros(wanted.price_micros, terms.fee_bp)
    rows = statements.rows(
        STATEMENTS["queue" if wanted.keys is None else "picked", wait],
        {
            **{"cursor": wanted.cursor, "claimed": wanted.claimed, "worker": wanted.worker, "project": wanted.project},
            **{"batch": terms.batch, "price": wanted.price_micros, "fee": fee_micros, "lease_s": terms.lease_s},
            **{"priority": after[0], "pos": after[1], "to_priority": to[0], "to_pos": to[1], "name": name},
            **{"size": wanted.size, "gold": wanted.gold, "draw": wanted.draw, "guideline": wanted.guideline},
            **{"good_at": wanted.good_at, "keys": wanted.keys, "self_selected": wanted.keys is not None},
        },
    )
    if not rows:
        return None
    pk, claimed_at, leased_until, *_ = rows[0]
    lease = Assignment(
        pk=pk,
        public_id=name,
        worker_id=wanted.worker,
        project_id=wanted.project,
        batch_id=terms.batch,
        guideline_version=wanted.guideline,
        claimed_at=claimed_at,
        leased_until=leased_until,
    )
    lease._state.adding = False
    lease.is_new = True
    lease.price_micros = wanted.price_micros
    lease.seats = [Seat(position, payload, "leased", None) for *_, position, payload in rows]
    return lease


def window_end(batch: int, after: Place) -> Place | None:
    """Where the window behind this place ends; None: it holds all that is left of the queue."""
    with connection.cursor() as sql:
        sql.execute(
            f"""SELECT priority, pos FROM tasks_task WHERE batch_id = %s AND open AND (priority, pos) > (%s, %s)
                ORDER BY priority, pos OFFSET {WINDOW - 1} LIMIT 1""",
            [batch, *after],
        )
        return sql.fetchone()


def retake(tasks: Iterable[int]) -> set[int]:
    """Take a seat again at those tasks that still have an open one, for a late answer; return which."""
    wanted = list(tasks)
    with connection.cursor() as sql:
        sql.execute(
            """SELECT 1 FROM tasks_batch WHERE id IN (SELECT batch_id FROM tasks_task WHERE id = ANY(%s))
               ORDER BY id FOR NO KEY UPDATE""",
            [wanted],
        )
        _lock(wanted)
        sql.execute(
            """UPDATE tasks_task t SET taken = t.taken + 1 FROM tasks_batch b
               WHERE t.id = ANY(%s) AND t.open AND b.id = t.batch_id AND b.state = 'open' RETURNING t.id""",
            [wanted],
        )
        return {row[0] for row in sql.fetchall()}


def free(tasks: Sequence[int]) -> None:
    """Give seats back, one for each mention of a task; in a closed batch nobody may have them again."""
    if not tasks:
        return
    bump(Task.objects.filter(pk__in=set(tasks)).values_list("batch", flat=True).distinct())
    _lock(tasks)
    with connection.cursor() as sql:
        sql.execute(
            """WITH freed AS (SELECT id, count(*)::int AS seats FROM unnest(%s::bigint[]) AS id GROUP BY id)
               UPDATE tasks_task t SET taken = t.taken - freed.seats,
                   bought = t.bought - CASE WHEN b.state = 'closed' THEN freed.seats ELSE 0 END
               FROM freed, tasks_batch b WHERE freed.id = t.id AND t.taken > 0 AND b.id = t.batch_id""",
            [list(tasks)],
        )


def buy(batch: Batch, tasks: Sequence[int]) -> None:
    """Buy one more answer for each task whose answers are all in, as long as the batch allows more.

    What was superseded keeps its seat and is not counted: another was bought in its place.
    """
    if not tasks:
        return
    bump([batch.pk])
    _lock(tasks)
    with connection.cursor() as sql:
        sql.execute(
            f"""UPDATE tasks_task t SET bought = bought + 1, gain = NULL
                WHERE id = ANY(%s) AND state = 'open' AND taken = bought AND bought < %s + {SUPERSEDED}""",
            [list(tasks), batch.redundancy_max],
        )


def withdraw(batch: Batch, most: int, limit: int) -> int:
    """Take open seats back unused, so many at most and of so many tasks, from the end of the queue; return how many."""
    with connection.cursor() as sql:
        sql.execute(
            """SELECT id FROM tasks_task WHERE open AND id = ANY(ARRAY(
                   SELECT id FROM tasks_task WHERE batch_id = %s AND open ORDER BY priority DESC, pos DESC LIMIT %s))
               ORDER BY id FOR NO KEY UPDATE""",
            [batch.pk, min(most, limit)],
        )
        sql.execute(
            """WITH last AS (
                   SELECT id, bought - taken AS seats,
                       sum(bought - taken) OVER (ORDER BY priority DESC, pos DESC, id DESC) AS upto
                   FROM tasks_task WHERE id = ANY(%s) AND open),
               gone AS (SELECT id, least(seats, %s - (upto - seats)) AS seats FROM last WHERE upto - seats < %s)
               UPDATE tasks_task t SET bought = t.bought - gone.seats,
                   withdrawn = t.withdrawn + CASE t.state WHEN 'open' THEN gone.seats ELSE 0 END
               FROM gone WHERE t.id = gone.id RETURNING gone.seats""",
            [[row[0] for row in sql.fetchall()], most, most],
        )
        return int(sum(row[0] for row in sql.fetchall()))


def bring_back(batch: Batch, most: int, limit: int) -> int:
    """Open withdrawn seats again, so many at most and of so many tasks, the first in the queue first; how many."""
    bump([batch.pk])
    with connection.cursor() as sql:
        sql.execute(
            """SELECT id FROM tasks_task WHERE withdrawn > 0 AND id = ANY(ARRAY(
                   SELECT id FROM tasks_task WHERE batch_id = %s AND withdrawn > 0 ORDER BY priority, pos LIMIT %s))
               ORDER BY id FOR NO KEY UPDATE""",
            [batch.pk, min(most, limit)],
        )
        sql.execute(
            """WITH first AS (
                   SELECT id, withdrawn AS seats, sum(withdrawn) OVER (ORDER BY priority, pos, id) AS upto
                   FROM tasks_task WHERE id = ANY(%s)),
               back AS (SELECT id, least(seats, %s - (upto - seats)) AS seats FROM first WHERE upto - seats < %s)
               UPDATE tasks_task t SET bought = t.bought + back.seats, withdrawn = t.withdrawn - back.seats
               FROM back WHERE t.id = back.id RETURNING back.seats""",
            [[row[0] for row in sql.fetchall()], most, most],
        )
        return int(sum(row[0] for row in sql.fetchall()))


def reopen(seats: Mapping[int, int]) -> None:
    """Buy so many more answers for each of these tasks, paid for by the caller, and ask for them."""
    _lock(seats)
    with connection.cursor() as sql:
        sql.execute(
            """UPDATE tasks_task t SET bought = t.bought + more.seats, state = 'open'
               FROM unnest(%s::bigint[], %s::int[]) AS more (id, seats) WHERE t.id = more.id""",
            [list(seats), list(seats.values())],
        )


def trim(batch: Batch, limit: int) -> int:
    """Withdraw the open seats of a closed batch, some tasks at a time; return how many tasks had any."""
    with connection.cursor() as sql:
        sql.execute(
            "SELECT id FROM tasks_task WHERE batch_id = %s AND open ORDER BY id LIMIT %s FOR NO KEY UPDATE",
            [batch.pk, limit],
        )
        tasks = [row[0] for row in sql.fetchall()]
        sql.execute("UPDATE tasks_task SET bought = taken WHERE id = ANY(%s)", [tasks])
        return len(tasks)


def are_open(batch: int) -> bool:
    """Whether a seat of this batch can be taken now."""
    return Task.objects.filter(batch=batch, open=True).order_by("priority", "pos")[:1].exists()


def bump(batches: Iterable[int]) -> None:
    """Tell every cursor of these batches to look again: tasks reopen. Before any task is locked, to keep one order."""
    with connection.cursor() as sql:
        for batch in sorted(set(batches)):
            sql.execute("UPDATE tasks_batch SET queue_epoch = queue_epoch + 1 WHERE id = %s", [batch])


def settle(tasks: Sequence[int]) -> list[int]:
    """Close those of these open tasks whose every seat is taken, and none withdrawn; return which."""
    _lock(tasks)
    with connection.cursor() as sql:
        sql.execute(
            """UPDATE tasks_task SET state = 'closed', gain = NULL
               WHERE id = ANY(%s) AND state = 'open' AND taken = bought AND withdrawn = 0 RETURNING id""",
            [list(tasks)],
        )
        return [row[0] for row in sql.fetchall()]


def give_up(answer: Answer, *, refill: bool) -> None:
    """Take an answer out of its task: the seat reopens, paid for by the caller, or is withdrawn and the task closed.

    In the place of one that was superseded another was bought: its withdrawal leaves the task as it is.
    """
    if refill:
        bump([answer.batch_id])
    with connection.cursor() as sql:
        sql.execute(
            """UPDATE tasks_task t SET taken = t.taken - 1, bought = t.bought - CASE WHEN %s THEN 0 ELSE 1 END,
                   state = CASE WHEN %s THEN 'open' WHEN x.superseded_at IS NOT NULL THEN t.state ELSE 'closed' END,
                   withdrawn = CASE WHEN %s OR x.superseded_at IS NOT NULL THEN t.withdrawn ELSE 0 END
               FROM tasks_answer x WHERE x.id = %s AND t.id = x.task_id AND t.taken > 0""",
            [refill, refill, refill, answer.pk],
        )


def restore(answer: Answer) -> None:
    """Put an answer back into its task: into an open seat where there is one, otherwise into one of its own.

    An open seat that was bought in the place of what was superseded stays open.
    """
    with connection.cursor() as sql:
        sql.execute(
            """UPDATE tasks_task t SET taken = t.taken + 1, bought = CASE WHEN x.superseded_at IS NULL
                   THEN greatest(t.bought, t.taken + 1) ELSE t.bought + 1 END
               FROM tasks_answer x WHERE x.id = %s AND t.id = x.task_id""",
            [answer.pk],
        )


def _lock(tasks: Iterable[int]) -> None:
    """Lock these tasks in one order; those who only refer to them do not wait."""
    with connection.cursor() as sql:
        sql.execute("SELECT 1 FROM tasks_task WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [list(tasks)])
