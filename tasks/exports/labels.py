"""The labels of a batch, one row for every key that came in."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from marketplace.labels import schema as label_schema
from marketplace.models import ItemAlias
from tasks.models import Answer, Batch, Consensus, Task

STEP = 1000

Row = dict[str, Any]


def rows(batch: Batch) -> Iterator[Row]:
    """Every alias of every item that became a task, in order of arrival, read in bounded steps."""
    last = 0
    while True:
        tasks = list(
            Task.objects.filter(batch=batch, gold=None, pk__gt=last).select_related("item").order_by("pk")[:STEP]
        )
        if not tasks:
            return
        yield from _of(batch, tasks)
        last = tasks[-1].pk


def _of(batch: Batch, tasks: list[Task]) -> Iterator[Row]:
    aliases, consensus, answers = defaultdict(list), defaultdict(list), defaultdict(list)
    seen = ItemAlias.objects.filter(item__in=[task.item_id for task in tasks], version__lte=batch.dataset_version)
    for alias in seen.order_by("pk"):
        aliases[alias.item_id].append(alias)
    for result in Consensus.objects.filter(task__in=tasks):
        consensus[result.task_id].append(result)
    handed_in = Answer.objects.filter(task__in=tasks, submitted_at__isnull=False, attempt=0).order_by("pk")
    for answer in handed_in.select_related("worker", "assignment"):
        answers[answer.task_id].append(answer)
    for task in tasks:
        label = _label(batch, task, consensus[task.pk], answers[task.pk])
        for alias in aliases[task.item_id]:
            yield {"key": alias.key, "version": alias.version, **label}


def _label(batch: Batch, task: Task, results: list[Consensus], answers: list[Answer]) -> Row:
    classes = dict(label_schema.categorical(batch.schema))
    return {
        "payload": task.item.payload,
        "labels": {result.field: result.value for result in results},
        "confidence": {result.field: round(result.confidence, 6) for result in results},
        "posterior": {
            result.field: {name: round(p, 6) for name, p in zip(classes[result.field], result.posterior, strict=True)}
            for result in results
            if result.posterior
        },
        "support": {result.field: result.support for result in results},
        "method": {result.field: f"{result.method} {result.version}" for result in results},
        "state": task.state,
        "answers": [
            {
                "worker": batch.project.organisation.pseudonym(answer.worker.public_id),
                "value": answer.value,
                "state": answer.state,
                "submitted_at": answer.submitted_at.isoformat() if answer.submitted_at else None,
                "guideline_version": answer.assignment.guideline_version,
                "self_selected": answer.self_selected,
            }
            for answer in answers
        ],
        "batch": batch.public_id,
        "schema_version": batch.schema_version,
        "dataset_version": batch.dataset_version,
    }
