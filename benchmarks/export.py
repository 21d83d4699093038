"""How many labels a second does a download bring, how near is that to reading the bare columns, and in how much memory?

    python benchmarks/export.py [--full]

In a database of its own, made and dropped here: one batch of 20,000 items (with --full: 1,000,000) with one key, one
label and three answers each. Each line is one format, as its endpoint streams it to a client in the same process: rows
a second, the most memory that process held beyond what it held before the request, and rows a second of the anchor in
the same run: COPY TO STDOUT of one statement that joins the same columns, to a client that drops them. The last column
is the median over the rounds of what the anchor took, over what the download took.
"""

import os
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from benchmarks.crowd.fresh import apart, memory  # noqa: E402
from marketplace import accounts, datasets, projects  # noqa: E402
from marketplace.core import clock  # noqa: E402
from marketplace.models import User  # noqa: E402
from tasks import batches  # noqa: E402
from tasks.models import Batch  # noqa: E402

ROWS, FULL_ROWS = 20_000, 1_000_000
ROUNDS, FULL_ROUNDS = 3, 1
WORKERS, PAGE, ANSWERS = 300, 10, 3
SCHEMA = {
    "display": [{"column": "text"}],
    "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"]}],
}
FILL = """
INSERT INTO marketplace_item (dataset_id, content_hash, payload, version)
SELECT %(dataset)s, sha256(n::text::bytea), jsonb_build_object(
    'text', 'a small brown dog sleeps under the tall tree', 'image', 'https://images.example.org/' || n, 'width', n), 1
FROM generate_series(1, %(rows)s) n;
INSERT INTO marketplace_itemalias (dataset_id, version, key, item_id)
SELECT dataset_id, 1, 'row-' || id, id FROM marketplace_item ORDER BY id;
INSERT INTO tasks_task (batch_id, item_id, state, priority, pos, bought, taken)
SELECT %(batch)s, id, 'closed', 0, id, 3, 3 FROM marketplace_item ORDER BY id;
INSERT INTO tasks_consensus (task_id, field, value, code, posterior, confidence, support, method, version, updated_at)
SELECT id, 'animal', '"dog"', 1, '{0.0213, 0.9541, 0.0246}', 0.9541, 3, 'variational', '1', now() FROM tasks_task;
INSERT INTO marketplace_user (public_id, email, name, password, is_superuser, is_staff, is_active, date_joined)
SELECT 'u' || n, 'u' || n || '@example.org', '', '', false, false, true, now() FROM generate_series(1, %(workers)s) n;
INSERT INTO workers_worker (public_id, user_id, state, joined_at)
SELECT 'w' || id, id, 'active', now() FROM marketplace_user WHERE public_id ~ '^u[0-9]+$';
INSERT INTO tasks_assignment (public_id, worker_id, project_id, batch_id, purpose, state, guideline_version, attempt,
    claimed_at, leased_until, submitted_at, active_s)
SELECT 'a' || page || '-' || nth, (SELECT min(id) FROM workers_worker) + (page * %(answers)s + nth) %% %(workers)s,
    %(project)s, %(batch)s, 'work', 'submitted', 1, 0, now(), now(), now(), 30
FROM generate_series(0, (%(rows)s - 1) / %(page)s) page, generate_series(0, %(answers)s - 1) nth;
INSERT INTO tasks_answer (assignment_id, position, task_id, worker_id, batch_id, attempt, state, value, codes,
    price_micros, fee_micros, self_selected, to_grade, submitted_at, accept_at)
SELECT page.id, (task.pos - first.pos) %% %(page)s, task.id, page.worker_id, %(batch)s, 0, 'accepted',
    '{"animal": "dog"}', '{1}', 50000, 5000, false, false, now(), now()
FROM (SELECT min(pos) AS pos FROM tasks_task) first, tasks_task task, generate_series(0, %(answers)s - 1) nth,
    LATERAL (SELECT id, worker_id FROM tasks_assignment
             WHERE public_id = 'a' || (task.pos - first.pos) / %(page)s || '-' || nth) page
ORDER BY task.id;
"""
TABLES = ["marketplace_item", "marketplace_itemalias", "tasks_task", "tasks_consensus", "tasks_answer"]
BARE = """
COPY (
    SELECT alias.key, alias.version, item.payload, task.state, label.*, said.*
    FROM tasks_task task
    JOIN marketplace_item item ON item.id = task.item_id
    JOIN marketplace_itemalias alias ON alias.item_id = item.id
    LEFT JOIN tasks_gold gold ON gold.task_id = task.id
    LEFT JOIN LATERAL (
        SELECT array_agg(row(field, value, confidence, posterior, support, method, version)) AS labels
        FROM tasks_consensus WHERE task_id = task.id) label ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(row(worker.public_id, answer.value, answer.state, answer.submitted_at, page.guideline_version,
                             answer.self_selected) ORDER BY answer.id) AS answers
        FROM tasks_answer answer JOIN tasks_assignment page ON page.id = answer.assignment_id
        JOIN workers_worker worker ON worker.id = answer.worker_id WHERE answer.task_id = task.id) said ON true
    WHERE task.batch_id = %s AND gold.id IS NULL ORDER BY task.item_id
) TO STDOUT"""


def labelled(rows: int) -> Batch:
    """A batch all of whose tasks are answered and labelled."""
    owner = User.objects.create(email="benchmark@example.org")
    home = accounts.found(owner, "benchmark")
    project = projects.draft(home, owner, title="benchmark", schema=SCHEMA, price_micros=50_000)
    terms = {name: getattr(project, name) for name in batches.PINNED}
    dataset = datasets.create(home, owner, "benchmark")
    batch = Batch.objects.create(
        **{"project": project, "number": 1, "dataset": dataset, "dataset_version": 1, "fee_bp": 1000, **terms},
        **{"published_by": owner, "published_at": clock.now(), "consensus_at": clock.now()},
    )
    facts = {"dataset": dataset.pk, "batch": batch.pk, "project": project.pk, "rows": rows}
    with connection.cursor() as cursor:
        cursor.execute(FILL, {**facts, "workers": WORKERS, "page": PAGE, "answers": ANSWERS})
        for table in [*TABLES, "tasks_assignment"]:
            cursor.execute(f"VACUUM ANALYZE {table}")
    return batch


def download(database: str, batch: str, format: str, result: Connection) -> None:
    """Take a download in a process of its own; sends rows, seconds, and the bytes held beyond those held idle."""
    connection.settings_dict["NAME"] = database
    setup_test_environment()
    client = Client()
    client.force_login(User.objects.get(email="benchmark@example.org"), settings.AUTHENTICATION_BACKENDS[0])
    client.get("/api/v1/batches")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    idle, rows, begin = memory("VmRSS"), 0, time.perf_counter()
    response: Any = client.get(f"/api/v1/batches/{batch}/labels.{format}")
    for block in response.streaming_content:
        rows += block.count(b"\n")
    result.send((rows, time.perf_counter() - begin, memory("VmHWM") - idle))


def read(batch: Batch) -> float:
    """Seconds in which COPY gives out the same columns."""
    begin = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(BARE, [batch.pk]) as source:
        for _ in source:
            pass
    return time.perf_counter() - begin


def line(format: str, batch: Batch, count: int, rounds: int) -> str:
    """One row of the table."""
    pairs, peaks = [], []
    for _ in range(rounds):
        rows, seconds, peak = apart(download, connection.settings_dict["NAME"], batch.public_id, format)
        assert rows == count + (format == "csv"), rows
        pairs.append((seconds, read(batch)))
        peaks.append(peak)
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(bare / ours for ours, bare in pairs)
    return f"{format:6} {count:10,} {count / ours:10,.0f} {max(peaks) / 1e6:8.0f} {count / bare:10,.0f} {ratio:7.2f}"


def main(full: bool) -> None:
    """Print the table."""
    connection.settings_dict["TEST"]["NAME"] = "manyhands_benchmark_export"
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        count, rounds = (FULL_ROWS, FULL_ROUNDS) if full else (ROWS, ROUNDS)
        batch = labelled(count)
        print(f"{'file':6} {'rows':>10} {'rows/s':>10} {'peak MB':>8} {'copied/s':>10} {'ratio':>7}")
        for format in ("csv", "jsonl"):
            print(line(format, batch, count, rounds), flush=True)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main("--full" in sys.argv[1:])
