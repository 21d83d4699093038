"""What several verbs of review need: which fields, what the label is, new rows, and verdicts that count no more."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from marketplace import audit
from marketplace.core import clock, ids, states
from marketplace.models import User
from tasks import evidence
from tasks.models import Answer, Batch, Consensus, Evidence, Review

# Gold is not reviewed but disputed, and a task has one review at a time
INSERT = """
INSERT INTO tasks_review (public_id, project_id, batch_id, task_id, tier, reason, rate, state, passed, asked_by_id,
    asked_at, verdict, note)
SELECT w.name, %(project)s, %(batch)s, w.task, w.tier, w.reason, w.rate, 'waiting', 0, %(by)s, %(at)s, '', ''
FROM unnest(%(names)s::text[], %(tasks)s::bigint[], %(tiers)s::int[], %(reasons)s::text[], %(rates)s::float8[])
    AS w (name, task, tier, reason, rate)
JOIN tasks_task t ON t.id = w.task AND t.batch_id = %(batch)s LEFT JOIN tasks_gold g ON g.task_id = t.id
WHERE g.id IS NULL ORDER BY w.task
ON CONFLICT (task_id) WHERE state IN ('waiting', 'held') DO NOTHING RETURNING task_id
"""


class Wanted(NamedTuple):
    """A review to be made of a task."""

    task: int
    reason: str
    tier: int = 1
    rate: float | None = None


def add(batch: Batch, wanted: Sequence[Wanted], by: User | None = None) -> int:
    """Have these looked at; where one waits already it stays as it is. Returns how many are new."""
    if not wanted:
        return 0
    with connection.cursor() as sql:
        sql.execute(
            INSERT,
            {
                **{"project": batch.project_id, "batch": batch.pk, "by": by.pk if by else None, "at": clock.now()},
                **{"names": [ids.new("rev") for _ in wanted], "tasks": [row.task for row in wanted]},
                **{"tiers": [row.tier for row in wanted], "reasons": [str(row.reason) for row in wanted]},
                "rates": [row.rate for row in wanted],
            },
        )
        return len(sql.fetchall())


def fields(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields that have a right answer; in a perspective nothing can be corrected."""
    return [spec for spec in schema["fields"] if spec["truth"] != "perspective"]


def correctable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of what a reviewer may correct."""
    return {**schema, "fields": fields(schema)}


def label(task: int, schema: dict[str, Any]) -> dict[str, Any]:
    """What the answers to a task come to now, in the fields that have a right answer."""
    named = [spec["name"] for spec in fields(schema)]
    rows = Consensus.objects.filter(task=task, field__in=named).values_list("field", "value")
    return {name: value for name, value in rows if value is not None}


def lock(batch: int) -> Batch:
    """The batch, which nobody else reviews, reopens or decides in before the transaction ends."""
    rows = Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("project__organisation")
    return rows.get(pk=batch)


def void(tasks: Iterable[int], why: str, by: User | None = None) -> list[int]:
    """Let the verdicts on these tasks count no more, nor what they told of anybody; which tasks had a final one.

    For whoever holds the batch.
    """
    decided = Review.objects.filter(task__in=tasks, state__in=[Review.State.GIVEN, Review.State.FINAL])
    had = []
    for row in decided.order_by("pk").select_for_update(no_key=True):
        if row.state == Review.State.FINAL:
            had.append(row.task_id)
        states.move(row, Review.State.VOID)
        audit.record(by, "void", row, why=why)
    evidence.void(told_of(had), why)
    return had


def told_of(tasks: Iterable[int]) -> "QuerySet[Evidence]":
    """What verdicts on these tasks tell of answers; of one that was rejected, the rejection tells it."""
    told = Evidence.objects.filter(kind=Evidence.Kind.REVIEW, answer__task__in=list(tasks), answer__attempt=0)
    return told.exclude(answer__state=Answer.State.REJECTED)
