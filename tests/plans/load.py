"""A million tasks, a worker with 50,000 answers and 30,000 open leases, made by SQL in a minute."""

from typing import Any

from django.db import connection

from marketplace.models import Item
from tasks.models import Batch
from tests.plans import plans
from tests.tasks import work
from workers.models import Worker

TASKS = 1_000_000
HISTORY = 50_000  # answers of the veteran, to the first tasks of the queue, which still want others
LEASES = 30_000  # pages of one that are out

ITEMS = """INSERT INTO marketplace_item (dataset_id, content_hash, payload, version)
    SELECT %(dataset)s, sha256(n::text::bytea), jsonb_build_object('text', n), 1 FROM generate_series(1, %(tasks)s) n"""
ALIASES = """INSERT INTO marketplace_itemalias (dataset_id, version, key, item_id)
    SELECT dataset_id, 1, 'k' || id, id FROM marketplace_item WHERE dataset_id = %(dataset)s AND id > %(first)s"""
WORK = """INSERT INTO tasks_task (batch_id, item_id, state, priority, pos, bought, taken)
    SELECT %(batch)s, id, 'open', 0, id, 3, CASE WHEN id <= %(first)s + %(history)s THEN 1
        WHEN id <= %(first)s + %(history)s + %(leases)s THEN 1 ELSE 0 END
    FROM marketplace_item WHERE dataset_id = %(dataset)s AND id > %(first)s ORDER BY id"""
PEOPLE = """WITH users AS (
        INSERT INTO marketplace_user (public_id, email, name, password, is_superuser, is_staff, is_active, date_joined)
        SELECT 'u' || n, 'u' || n || '@example.org', '', '', false, false, true, now()
        FROM generate_series(1, %(people)s) n RETURNING id)
    INSERT INTO workers_worker (public_id, user_id, state, joined_at)
    SELECT 'w' || id, id, 'active', now() FROM users"""
PAGES = """WITH pages AS (
        INSERT INTO tasks_assignment (public_id, worker_id, project_id, batch_id, purpose, state, guideline_version,
            attempt, claimed_at, leased_until, submitted_at, active_s)
        SELECT %(name)s || t.id, {worker}, %(project)s, %(batch)s, 'work', %(page)s, 1, 0, now(),
            now() + interval '1 hour', {submitted}, 1
        FROM tasks_task t WHERE t.batch_id = %(batch)s AND t.pos > %(after)s ORDER BY t.pos LIMIT %(count)s
        RETURNING id, worker_id, substr(public_id, 2)::bigint AS task)
    INSERT INTO tasks_answer (assignment_id, position, task_id, worker_id, batch_id, attempt, state, value, codes,
        price_micros, fee_micros, self_selected, to_grade, submitted_at, accept_at)
    SELECT id, 0, task, worker_id, %(batch)s, 0, %(answer)s, '{{"animal": "cat"}}', '{{0}}', 50000, 5000, false, false,
        {submitted}, {submitted} + interval '3 days' FROM pages"""


def million() -> tuple[Batch, Worker]:
    """An open batch of so many tasks, and its veteran."""
    batch, veteran = work.published(items=1, page_size=10), work.worker("veteran")
    _without_foreign_keys()
    fill(batch, TASKS, veteran)
    return batch, veteran


def fill(
    batch: Batch, tasks: int, veteran: Worker, *, history: int = HISTORY, leases: int = LEASES, people: int = LEASES
) -> None:
    """Give a batch so many tasks, its veteran a past at the head of the queue, and others pages that are out."""
    first = Item.objects.order_by("-pk").values_list("pk", flat=True)[0]
    facts = {
        **{"dataset": batch.dataset_id, "batch": batch.pk, "project": batch.project_id, "first": first},
        **{"tasks": tasks, "history": history, "leases": leases, "people": people},
    }
    run(ITEMS, facts)
    run(ALIASES, facts)
    run(WORK, facts)
    run(PEOPLE, facts)
    pages = {**facts, "name": "v", "page": "submitted", "answer": "submitted", "after": first, "count": history}
    run(PAGES.format(worker=veteran.pk, submitted="now()"), pages)
    holder = "(SELECT min(id) FROM workers_worker WHERE public_id ~ '^w[0-9]+$') + t.pos - %(after)s - 1"
    out = {**facts, "name": "l", "page": "open", "answer": "leased", "after": first + history, "count": leases}
    run(PAGES.format(worker=f"({holder})", submitted="NULL::timestamptz"), out)
    for table in (*sorted(plans.BIG), "workers_worker"):
        run(f"ANALYZE {table}", None)


def _without_foreign_keys() -> None:
    """For the rest of this transaction: checking millions of rows again after every test would take minutes."""
    run("SET CONSTRAINTS ALL IMMEDIATE", None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'f'")
        for table, name in cursor.fetchall():
            if table in plans.BIG:
                cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


def run(sql: str, values: dict[str, Any] | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
