"""The counted answers of a batch, as arrays."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count

from marketplace.core import copying
from marketplace.labels import schema as label_schema
from tasks.aggregation.votes import Floats, Ints
from tasks.models import Answer, Batch, Gold, Touch
from tasks.reviews import Verdict

# Those that speak, as `Answer.objects.counted()` has it; gold that is copied into practice is not among them.
COUNTED = """FROM tasks_answer x WHERE x.batch_id = %(batch)s AND x.attempt = 0 AND x.submitted_at IS NOT NULL
    AND x.state IN ('submitted', 'accepted') AND x.superseded_at IS NULL"""
AMONG = "AND x.task_id = ANY(%(tasks)s::bigint[])"
NEW = """
SELECT x.task_id, count(*) FILTER (WHERE a.submitted_at > %(after)s)
FROM tasks_assignment a JOIN tasks_answer x ON x.assignment_id = a.id
WHERE a.batch_id = %(batch)s AND a.purpose = 'work' AND a.submitted_at > %(before)s
    AND x.submitted_at IS NOT NULL GROUP BY x.task_id
"""
TOUCHED_STEP = 20_000
COMMITTED_WITHIN = timedelta(seconds=10)  # a submit's time is read this long before others see it, at most


@dataclass(frozen=True)
class Crowd:
    """The counted answers to the tasks of a batch, or to some of them.

    tasks, workers  int[T], int[W]  primary keys, sorted
    task, worker    int[N]          which of them each answer belongs to
    codes           int[N, C]       one column per categorical field; -1: none
    values          list of N answers, where the schema has fields that are not categorical; else empty
    answers         int[N]          primary keys
    gold            {place of a task: truth} of hidden gold, which gets no label
    known           the same with tasks whose label a reviewer checked: what the models learn from, and are held against
    weight          float[T]  how many others each known task stands for: reviewed ones by how rarely they were drawn
    superseded      {task: how many more answers hold a seat and speak no more}
    """

    tasks: Ints
    workers: Ints
    task: Ints
    worker: Ints
    codes: Ints
    values: list[dict[str, Any]]
    answers: Ints
    gold: dict[int, dict[str, Any]]
    known: dict[int, dict[str, Any]]
    weight: Floats
    superseded: dict[int, int]

    def given(self) -> Ints:
        """How many answers each task has, int[T]."""
        return np.bincount(self.task, minlength=len(self.tasks))


def load(batch: Batch, only: Sequence[int] | None = None, checked: Mapping[int, Verdict] | None = None) -> Crowd:
    """All answers of a batch, or all answers to these of its tasks.

    checked  the verdicts on tasks that were drawn at random
    """
    width = len(label_schema.categorical(batch.schema))
    columns = {"answer": "i8", "task": "i8", "worker": "i8", **{f"code{n}": "i2" for n in range(width)}}
    classes = "".join(f", coalesce(x.codes[{n + 1}], -1)::int2 AS code{n}" for n in range(width))
    where = COUNTED if only is None else f"{COUNTED} {AMONG}"
    named: dict[str, Any] = {"batch": batch.pk, "tasks": list(only or ())}
    query = f"SELECT x.id AS answer, x.task_id AS task, x.worker_id AS worker{classes} {where}"
    rows = copying.read(query, named, columns)
    rows = rows[np.argsort(rows["answer"])]
    tasks, task = np.unique(rows["task"], return_inverse=True)
    workers, worker = np.unique(rows["worker"], return_inverse=True)
    gold = Gold.objects.filter(batch=batch, purpose=Gold.Purpose.HIDDEN, state__in=Gold.BELIEVED)
    gone = Answer.objects.superseded().filter(batch=batch, attempt=0)
    if only is not None:
        gold, gone = gold.filter(task__in=only), gone.filter(task__in=only)
    codes = np.empty((len(rows), width), np.int64)
    for n in range(width):
        codes[:, n] = rows[f"code{n}"]
    truths, seen = dict(gold.values_list("task", "truth")), checked or {}
    return Crowd(
        tasks=tasks,
        workers=workers,
        task=task,
        worker=worker,
        codes=codes,
        values=_values(where, named) if width < len(batch.schema["fields"]) else [],
        answers=rows["answer"],
        gold=_places(tasks, truths),
        known=_places(tasks, {**{task: one.value for task, one in seen.items()}, **truths}),
        weight=_weight(tasks, seen),
        superseded=dict(gone.values_list("task").annotate(n=Count("pk")).order_by("task")),
    )


def new(batch: Batch, after: datetime) -> tuple[list[int], int]:
    """The tasks to which answers were handed in since, or shortly before; and how many were since."""
    with connection.cursor() as sql:
        sql.execute(NEW, {"batch": batch.pk, "after": after, "before": after - COMMITTED_WITHIN})
        rows = sql.fetchall()
        return [task for task, _ in rows], sum(count for _, count in rows)


def touched(batch: Batch) -> tuple[set[int], bool]:
    """Take the tasks that were touched since they were weighed, at most TOUCHED_STEP; and whether there may be more."""
    rows = dict(Touch.objects.filter(batch=batch).order_by("pk").values_list("pk", "task")[:TOUCHED_STEP])
    Touch.objects.filter(pk__in=rows).delete()
    return set(rows.values()), len(rows) == TOUCHED_STEP


def _weight(tasks: Ints, seen: Mapping[int, Verdict]) -> Floats:
    """1 for each, and for those that were drawn by how rarely: 1 in their mean."""
    rarely = _places(tasks, {task: 1.0 / one.rate for task, one in seen.items() if one.rate})
    weight = np.ones(len(tasks))
    if rarely:
        drawn = np.array(list(rarely.values()))
        weight[list(rarely)] = drawn / drawn.mean()
    return weight


def _places(tasks: Ints, truths: Mapping[int, Any]) -> dict[int, Any]:
    """The same, by the place of the task; those that nobody answered are left out."""
    keys = np.fromiter(truths, np.int64, len(truths))
    places = np.searchsorted(tasks, keys)
    pairs = zip(keys.tolist(), places.tolist(), strict=True)
    return {place: truths[key] for key, place in pairs if place < len(tasks) and tasks[place] == key}


def _values(where: str, named: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as sql:
        sql.execute(f"SELECT x.value {where} ORDER BY x.id", named)
        return [json.loads(value or "{}") for (value,) in sql.fetchall()]
