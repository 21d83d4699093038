"""How the work is going, as figures whose cost does not grow with the tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from marketplace.core import metrics
from marketplace.core.jobs import COUNT_MOST
from marketplace.core.metrics import Metric

MOVED = ("submitted", "returned", "expired")  # each counted by a trigger, in a sequence of its own

# what waits, by the partial index that holds only that: asked in its order, up to COUNT_MOST
WAITING = {
    "accept": """SELECT FROM tasks_answer WHERE state = 'submitted' AND accept_at IS NOT NULL
                 ORDER BY accept_at LIMIT %s""",  # practice is never accepted
    "settle": """SELECT FROM tasks_answer WHERE state IN ('accepted', 'excluded') AND entry_id IS NULL
                     AND price_micros > 0 ORDER BY batch_id, id LIMIT %s""",
    "grade": "SELECT FROM tasks_answer WHERE to_grade AND submitted_at IS NOT NULL ORDER BY id LIMIT %s",
}
LEASES = (
    "SELECT FROM tasks_assignment WHERE state = 'open' AND leased_until > '2000-01-01Z' ORDER BY leased_until LIMIT %s"
)
OVERDUE = """SELECT extract(epoch FROM clock_timestamp() - accept_at) FROM tasks_answer
             WHERE state = 'submitted' AND accept_at IS NOT NULL ORDER BY accept_at LIMIT 1"""


@dataclass(frozen=True)
class Work:
    """Assignments by what became of them since the beginning; what is open and what waits, now.

    moved      claimed, submitted, returned, expired; a move that was undone may be in it, none is missing
    waiting    answers submitted and not accepted, accepted and not settled, gold and not graded
    overdue_s  how long the first answer is past the time at which it was to be accepted
    """

    moved: dict[str, int]
    leases: int
    waiting: dict[str, int]
    overdue_s: float


def work() -> Work:
    return Work(
        moved={"claimed": _last("tasks_assignment_id_seq"), **{to: _last(f"tasks_assignment_{to}") for to in MOVED}},
        leases=_count(LEASES),
        waiting={name: _count(query) for name, query in WAITING.items()},
        overdue_s=max(0.0, float(_value(OVERDUE) or 0)),
    )


def of_work() -> list[Metric]:
    """The same for Prometheus."""
    found = work()
    moved = metrics.counter("assignments", "Pages of work and practice, by what became of them.")
    for name, count in found.moved.items():
        moved.add(count, move=name)
    waiting = metrics.gauge("answers_waiting", f"Answers by what is to be done to them; {metrics.BOUND}.")
    for name, count in found.waiting.items():
        waiting.add(count, to=name)
    return [
        moved,
        metrics.gauge("leases_open", f"Pages that workers hold; {metrics.BOUND}.").add(found.leases),
        waiting,
        metrics.gauge("answers_overdue_seconds", "How late the first answer to accept is.").add(found.overdue_s),
    ]


def _last(sequence: str) -> int:
    return int(_value(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"))


def _count(query: str) -> int:
    return _value(f"SELECT count(*) FROM ({query}) found", [COUNT_MOST])


def _value(query: str, values: Sequence[int] = ()) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
        return row[0] if row else 0
