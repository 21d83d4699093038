"""How many answers a second are settled, and how near is that to writing the bare stamps?

    python benchmarks/settle.py [--full]

In a database of its own, made and dropped here. One line for each size of the crowd: answers a second accepted by
`decisions.accept_due` and paid by `settlement.settle` (locks, sums, entries, transfers, stamps, commits), in the steps
that the sweeps make, until nothing is left; how many transfers that took; and the anchor, one plain UPDATE that stamps
the same rows in a copy of the table with the same indexes and no other constraint than its CHECKs. Nothing that stamps
answers can do less. The ratio is settled over stamped, each pair run back to back, the median of the rounds.

50,000 answers a crowd; with `--full`, one round of 1,000,000, which takes ten minutes.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

import django

django.setup()

from django.db import connection  # noqa: E402

from marketplace.core import clock  # noqa: E402
from marketplace.models import Dataset, Membership, Organisation, Project, User  # noqa: E402
from payments import reserves  # noqa: E402
from payments.models import Transfer  # noqa: E402
from tasks import audit, decisions, settlement  # noqa: E402
from tasks.batches import PINNED  # noqa: E402
from tasks.models import Answer, Batch  # noqa: E402
from tests.payments import made  # noqa: E402

CROWDS = (100, 1_000, 10_000)
PRICE, FEE = 1_000, 100
COPY = "CREATE TABLE bare_answer (LIKE tasks_answer INCLUDING ALL) WITH (fillfactor = 80)"

ITEMS = """INSERT INTO marketplace_item (dataset_id, content_hash, payload, version)
    SELECT %(dataset)s, sha256(n::text::bytea), '{}', 1 FROM generate_series(1, %(tasks)s) n"""
TASKS = """INSERT INTO tasks_task (batch_id, item_id, state, priority, pos, bought, taken)
    SELECT %(batch)s, item.id, 'closed', 0, item.id, answers, answers
    FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM marketplace_item
          WHERE dataset_id = %(dataset)s) item,
         LATERAL (SELECT %(answers)s / %(tasks)s + (n < %(answers)s %% %(tasks)s)::int AS answers) bought"""
PEOPLE = """WITH users AS (
        INSERT INTO marketplace_user (public_id, email, name, password, is_superuser, is_staff, is_active, date_joined)
        SELECT name, name || '@example.org', '', '', false, false, true, now()
        FROM (SELECT 'u%(batch)s_' || n AS name FROM generate_series(1, %(people)s) n) names RETURNING id)
    INSERT INTO workers_worker (public_id, user_id, state, joined_at)
    SELECT 'w' || id, id, 'active', now() FROM users"""
PAGES = """INSERT INTO tasks_assignment (public_id, worker_id, project_id, batch_id, purpose, state, guideline_version,
        attempt, claimed_at, leased_until, submitted_at, active_s)
    SELECT 'a%(batch)s_' || n, %(worker)s + n %% %(people)s, %(project)s, %(batch)s, 'work', 'submitted', 1, 0,
        now(), now(), now(), 1 FROM generate_series(0, (%(answers)s - 1) / 10) n"""
# The crowd goes through the tasks in step, page by page: round after round, nobody meets a task twice
ANSWERS = """INSERT INTO tasks_answer (assignment_id, position, task_id, worker_id, batch_id, attempt, state, value,
        codes, price_micros, fee_micros, self_selected, to_grade, submitted_at, accept_at)
    SELECT page.id, place, %(task)s + (number * 10 + place) %% %(tasks)s, page.worker_id, %(batch)s, 0, 'submitted',
        '{"animal": "cat"}', '{0}', %(price)s, %(fee)s, false, false, now(), now()
    FROM (SELECT id, worker_id, row_number() OVER (ORDER BY id) - 1 AS number FROM tasks_assignment
          WHERE batch_id = %(batch)s) page, generate_series(0, 9) place
    WHERE number * 10 + place < %(answers)s ORDER BY page.id, place"""


def run(sql: str, values: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def first(table: str, condition: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(id) FROM {table} WHERE {condition}")
        return int(cursor.fetchone()[0])


def open_batch(micros: int) -> Batch:
    """A batch whose reserve holds this much."""
    user, _ = User.objects.get_or_create(email="rita@example.org")
    home = Organisation.objects.create(name="benchmark")
    project = Project.objects.create(organisation=home, title="benchmark", mode="sandbox", price_micros=PRICE)
    data = Dataset.objects.create(organisation=home, name="benchmark", version=1)
    batch = Batch.objects.create(
        **{name: getattr(project, name) for name in PINNED},
        **{"project": project, "number": 1, "state": "open", "dataset": data, "dataset_version": 1, "fee_bp": 1_000},
        **{"published_by": user, "published_at": clock.now()},
    )
    Membership.objects.create(organisation=home, user=user, role="owner")
    made.prepaid(home, micros)
    reserves.open(project, batch.subject, {"answers": micros}, batch.fee_bp, "USD", "sandbox")
    return batch


def crowd(answers: int, people: int) -> Batch:
    """A batch with so many answers of so many workers, all due to be accepted."""
    batch = open_batch(answers * (PRICE + FEE))
    tasks = max(10, answers // 3, 10 * answers // people)
    facts = {
        **{"batch": batch.pk, "project": batch.project_id, "dataset": batch.dataset_id, "price": PRICE, "fee": FEE},
        **{"answers": answers, "people": people, "tasks": tasks},
    }
    for statement in (ITEMS, TASKS, PEOPLE):
        run(statement, facts)
    run(PAGES, {**facts, "worker": first("workers_worker", f"user_id >= {newest_user() - people + 1}")})
    run(ANSWERS, {**facts, "task": first("tasks_task", f"batch_id = {batch.pk}")})
    run("VACUUM ANALYZE")
    return batch


def newest_user() -> int:
    return int(User.objects.order_by("-pk").values_list("pk", flat=True)[0])


def copied(batch: Batch) -> None:
    """The accepted answers of this batch in a table that nothing refers to."""
    run("DROP TABLE IF EXISTS bare_answer")
    run(COPY)
    run("INSERT INTO bare_answer SELECT * FROM tasks_answer WHERE batch_id = %s ORDER BY id", [batch.pk])
    run("VACUUM ANALYZE")


def until_done(step: Callable[[], bool]) -> float:
    """Seconds until a sweep has nothing more to do."""
    start = time.perf_counter()
    while step():
        pass
    return time.perf_counter() - start


def settle() -> bool:
    """The step of the sweep."""
    return any([settlement.settle(batch) for batch in settlement.waiting()])


def stamp() -> bool:
    run("UPDATE bare_answer SET entry_id = 1 WHERE entry_id IS NULL")
    return False


def line(answers: int, people: int, rounds: int) -> str:
    """One row of the table."""
    times, before = [], Transfer.objects.count()
    for _ in range(rounds):
        batch = crowd(answers, people)
        accepted = until_done(decisions.accept_due)
        copied(batch)
        times.append((accepted, until_done(settle), until_done(stamp)))
        assert not Answer.objects.filter(batch=batch, entry=None).exists()
    transfers = (Transfer.objects.count() - before) // rounds
    accept, paid, bare = (answers / statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(bare / ours for _, ours, bare in times)
    return f"{people:8,} {answers:10,} {accept:12,.0f} {paid:12,.0f} {bare:12,.0f} {ratio:7.2f} {transfers:10,}"


def main() -> None:
    """Print the table."""
    answers, rounds = (1_000_000, 1) if "--full" in sys.argv else (50_000, 3)
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        print(
            f"{'workers':>8} {'answers':>10} {'accepted/s':>12} {'settled/s':>12} {'stamped/s':>12} {'ratio':>7}",
            end="",
        )
        print(f" {'transfers':>10}")
        for people in CROWDS:
            print(line(answers, people, rounds), flush=True)
        assert audit.check() == []
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
