"""Handing in a page, once: one statement locks it, one takes every answer on it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.db import transaction

from marketplace.core import statements
from marketplace.core.errors import IllegalMove, NotFound
from marketplace.labels import schema as label_schema
from tasks import seats, terms, training
from tasks.assignments import keeping
from tasks.errors import AnswersInvalid, LeaseEnded
from tasks.models import Answer, Assignment

FIELDS = [
    *("id", "public_id", "worker_id", "project_id", "batch_id", "purpose", "state", "guideline_version", "attempt"),
    *("claimed_at", "leased_until", "submitted_at", "active_s", "score"),
]
HELD = f"""
SELECT x.id, x.position, x.task_id, x.state, x.to_grade, {", ".join(f"a.{name}" for name in FIELDS)}
FROM tasks_assignment a JOIN tasks_answer x ON x.assignment_id = a.id
WHERE a.public_id = %(lease)s AND a.worker_id = %(worker)s ORDER BY x.position FOR NO KEY UPDATE OF a
"""
# After the lock, so that its time is the database's and later than what it decides
TAKE = """
WITH lease AS (
    UPDATE tasks_assignment a SET state = 'submitted', submitted_at = now.at, draft = NULL,
        active_s = greatest(a.active_s, least(%(active_s)s, floor(extract(epoch FROM now.at - a.claimed_at))))
    FROM (SELECT clock_timestamp() AS at) AS now WHERE a.id = %(lease)s
    RETURNING a.submitted_at, a.active_s
)
UPDATE tasks_answer x SET state = 'submitted', value = given.value::jsonb, codes = given.codes::smallint[],
    submitted_at = lease.submitted_at, accept_at = lease.submitted_at + %(accept_after_s)s * interval '1 second'
FROM lease, unnest(%(answers)s::bigint[], %(values)s::text[], %(codes)s::text[]) AS given (id, value, codes)
WHERE x.id = given.id AND x.state IN ('leased', 'expired')
RETURNING lease.submitted_at, lease.active_s
"""
ANSWERABLE = (Answer.State.LEASED, Answer.State.EXPIRED)


class Row(NamedTuple):
    """An answer of the page that is being handed in."""

    pk: int
    position: int
    task: int
    state: str
    to_grade: bool


class ExamOver(Exception):
    """An exam came too late; unlike work it is not kept."""


class Changed(Exception):
    """A position was skipped between the look and the lock."""


def submit(assignment: Assignment, answers: dict[int, Any], active_s: int | None = None) -> Assignment:
    """Hand in the page, once; a repeated call changes nothing and returns what was handed in first.

    assignment  of which only the public id and the worker need be known
    answers     position -> value, for every position that was not skipped
    raises      AnswersInvalid (nothing is taken), LeaseEnded (late, and every seat is taken; kept as a draft),
                IllegalMove, NotFound
    """
    while True:
        try:
            return _submit(assignment, answers, active_s or 0)
        except Changed:
            continue
        except ExamOver as refusal:
            raise LeaseEnded(str(refusal)) from None
        except LeaseEnded:
            keeping.keep_draft(assignment, {str(position): value for position, value in answers.items()})
            raise


@transaction.atomic
def _submit(assignment: Assignment, answers: dict[int, Any], active_s: int) -> Assignment:
    named = {"lease": assignment.public_id, "worker": assignment.worker_id}
    held = statements.rows(HELD, named)
    if not held:
        raise NotFound()
    lease = Assignment.from_db("default", FIELDS, held[0][5:])
    if lease.state == Assignment.State.SUBMITTED:
        late = lease.answers.filter(state=Answer.State.EXPIRED).order_by("position")
        lease.refused = list(late.values_list("position", flat=True))
        return lease
    if lease.state == Assignment.State.RETURNED:
        raise IllegalMove("the assignment was given back")
    if lease.purpose == Assignment.Purpose.EXAM and lease.is_over:
        raise ExamOver("the time of the exam is over; the draft that was kept in time is graded")
    rows = [row for row in (Row(*row[:5]) for row in held) if row.state in ANSWERABLE]
    if lease.purpose == Assignment.Purpose.PRACTICE:  # what was checked stands as it was answered first
        checked = {row[1] for row in held if row[3] == Answer.State.SUBMITTED}
        answers = {position: value for position, value in answers.items() if position not in checked}
    schema = terms.of(lease.batch_id).schema
    _check(schema, rows, answers)
    taken = _still_open(lease, rows) if lease.state == Assignment.State.EXPIRED else rows
    _take(lease, taken, schema, answers, active_s)
    lease.refused = sorted({row.position for row in rows} - {row.position for row in taken})
    if lease.purpose == Assignment.Purpose.PRACTICE:
        training.finish_practice(lease)
    elif lease.purpose == Assignment.Purpose.EXAM:
        training.finish_exam(lease)
    return lease


def _check(schema: dict[str, Any], rows: Sequence[Row], answers: dict[int, Any]) -> None:
    """Refuse the whole page when a position is missing, unknown or does not fit the schema."""
    wanted = {row.position for row in rows}
    errors = [
        {"path": f"answers[{position}]", "code": "missing", "message": "answer it or skip it"}
        for position in sorted(wanted - answers.keys())
    ]
    errors += [
        {"path": f"answers[{position}]", "code": "unknown", "message": "this page has no such open position"}
        for position in sorted(answers.keys() - wanted)
    ]
    for position in sorted(wanted & answers.keys()):
        for error in label_schema.validate(schema, answers[position]):
            inside = error.under(f"answers[{position}]")
            errors.append({"path": inside.path, "code": inside.code, "message": inside.message})
    if errors:
        raise AnswersInvalid(f"{len(errors)} problems; nothing was taken", errors=errors[: settings.ERRORS_SHOWN])


def _still_open(lease: Assignment, rows: Sequence[Row]) -> list[Row]:
    """Of a late page, what can still be taken: its seat is open and the worker did not claim it anew."""
    tasks = [row.task for row in rows]
    again = set(
        Answer.objects.filter(worker=lease.worker_id, task__in=tasks, attempt=0)
        .exclude(state__in=[Answer.State.EXPIRED, Answer.State.RETURNED])
        .values_list("task", flat=True)
    )
    taken = seats.retake(set(tasks) - again)
    if not taken:
        raise LeaseEnded("the lease ended and others have taken its seats; your answers are kept as a draft")
    return [row for row in rows if row.task in taken or (row.to_grade and row.task not in again)]


def _take(
    lease: Assignment, rows: Sequence[Row], schema: dict[str, Any], answers: dict[int, Any], active_s: int
) -> None:
    """Write the answers of these rows, all of them or none."""
    codes = [label_schema.codes(schema, answers[row.position]) for row in rows]
    is_paid = lease.purpose == Assignment.Purpose.WORK
    taken = statements.rows(
        TAKE,
        {
            "lease": lease.pk,
            "active_s": active_s,
            "accept_after_s": terms.of(lease.batch_id).accept_after_s if is_paid else None,
            "answers": [row.pk for row in rows],
            "values": [msgspec.json.encode(answers[row.position]).decode() for row in rows],
            "codes": ["{" + ",".join(map(str, some)) + "}" for some in codes],
        },
    )
    if len(taken) != len(rows):
        raise Changed
    lease.state = Assignment.State.SUBMITTED
    lease.submitted_at, lease.active_s = taken[0]
