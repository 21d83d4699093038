"""What do labels cost from the database and back, beside the fit of the same arrays, and what do new answers cost?

    python benchmarks/consensus.py [--full]

In a database of its own, made and dropped here, one line for each size of a batch of three answers a task: processor
seconds, of this process and of the database's behind it, that the fit of the arrays takes, that a run of
`consensus.update` takes which fits all answers and writes every label, one that fits them and writes none, and one that
weighs a thousand new answers; then the first run over the fit, and the most memory this process held.

100,000 answers; with `--full` 1,000,000, which takes some minutes to make.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import django

django.setup()

from django.db import connection  # noqa: E402

from benchmarks import settle  # noqa: E402
from benchmarks.crowd import fresh  # noqa: E402
from marketplace.core import clock  # noqa: E402
from tasks import consensus  # noqa: E402
from tasks.aggregation import labelling  # noqa: E402
from tasks.consensus import answers  # noqa: E402
from tasks.models import Batch, Consensus, Fit  # noqa: E402

PEOPLE = 1_000
NEW = 1_000
CLASSES = ("bird", "cat", "dog", "owl")
SCHEMA = {
    "display": [],
    "fields": [
        {
            **{"name": "animal", "type": "choice", "title": "Animal", "required": True, "truth": "factual"},
            "options": [{"value": name, "title": name} for name in CLASSES],
        }
    ],
}
# Three in four are right, the others as it comes
SAID = """UPDATE tasks_answer SET codes = ARRAY[CASE WHEN random() < .75 THEN task_id %% 4 ELSE floor(random() * 4) END]
          WHERE batch_id = %s"""
EARLIER = "UPDATE tasks_assignment SET submitted_at = submitted_at - interval '1 hour' WHERE batch_id = %s"
LATELY = """UPDATE tasks_assignment SET submitted_at = clock_timestamp() WHERE id IN (
            SELECT id FROM tasks_assignment WHERE batch_id = %s ORDER BY id DESC LIMIT %s)"""


def used(work: Callable[[], object]) -> float:
    """Processor seconds of this process and of its connection's."""
    before = time.process_time() + _of_database()
    work()
    return time.process_time() + _of_database() - before


def _of_database() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        fields = Path(f"/proc/{cursor.fetchone()[0]}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def batch_of(size: int) -> Batch:
    """A batch with so many answers that nobody has weighed."""
    batch = settle.crowd(size, PEOPLE)
    settle.run(SAID, [batch.pk])
    settle.run(EARLIER, [batch.pk])
    settle.run("VACUUM ANALYZE")
    Batch.objects.filter(pk=batch.pk).update(schema=SCHEMA)
    return Batch.objects.get(pk=batch.pk)


def line(size: int) -> str:
    """One row of the table."""
    batch = batch_of(size)
    crowd = answers.load(batch)
    arrays = crowd.task, crowd.worker, crowd.codes[:, 0], len(crowd.tasks), len(crowd.workers), len(CLASSES)
    fit = used(lambda: labelling.label(*arrays))
    whole = used(lambda: consensus.update(batch))
    assert Consensus.objects.filter(task__batch=batch).count() == len(crowd.tasks)
    Batch.objects.filter(pk=batch.pk).update(consensus_at=None)
    again = used(lambda: consensus.update(Batch.objects.get(pk=batch.pk)))
    Batch.objects.filter(pk=batch.pk).update(weighed_to=clock.now())
    settle.run(LATELY, [batch.pk, NEW // 10])
    new = used(lambda: consensus.update(Batch.objects.get(pk=batch.pk)))
    assert Fit.objects.get(batch=batch).since == NEW
    held = fresh.memory("VmHWM") / 2**20
    figures = f"{fit:9.2f} {whole:9.2f} {again:9.2f} {new:9.2f} {whole / fit:7.1f} {held:9,.0f}"
    return f"{size:10,} {len(crowd.tasks):10,} {figures}"


def main() -> None:
    """Print the table."""
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        print(f"{'answers':>10} {'tasks':>10} {'fit s':>9} {'first s':>9} {'again s':>9} {'new s':>9}", end="")
        print(f" {'ratio':>7} {'MB':>9}")
        for size in (100_000, *((1_000_000,) if "--full" in sys.argv else ())):
            print(line(size), flush=True)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
