"""The labels of a batch, one row for every key that came in.

No step holds a transaction open while a reader takes what it brought, and none costs more because the tables are large.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast
from msgspec import Raw

from marketplace.labels import schema as label_schema
from marketplace.models import Item, ItemAlias
from tasks.models import Answer, Assignment, Batch, Consensus, Gold, Task
from workers.models import Worker

STEP, FIRST_STEP = 1000, 50
STEP_MOST_BYTES = 4_000_000  # of payloads: a step that brought more is followed by a shorter one

Row = dict[str, Any]


def rows(batch: Batch) -> Iterator[Row]:
    """Every alias of every item that became a task, in order of arrival, read in bounded steps; JSON as `Raw`."""
    tell = Telling(batch)
    last, count = 0, FIRST_STEP
    while tasks := list(_tasks(batch, last)[:count]):
        yield from tell.rows(tasks)
        if len(tasks) < count:
            return
        last = tasks[-1][1]
        size = sum(len(payload) for *_, payload in tasks)
        count = max(1, min(STEP, 2 * count, count * STEP_MOST_BYTES // size))


def _tasks(batch: Batch, after: int) -> "QuerySet[Task, tuple[int, int, str, str]]":
    """By item, because there is an index of them in each batch: by key, other batches would be read too.

    It joins nothing, so that the planner sees how many there are and reads them in the order of the index.
    """
    payload = Item.objects.filter(pk=OuterRef("item_id")).values(text=Cast("payload", TextField()))[:1]
    tasks = Task.objects.filter(batch=batch, is_copy=False, item__gt=after).order_by("item_id")
    return tasks.values_list("pk", "item_id", "state", Subquery(payload))


class Telling:
    """What is the same for all rows of an export, and the pseudonyms it came upon."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.classes = dict(label_schema.categorical(batch.schema))
        self.pseudonyms: dict[int, str] = {}

    def rows(self, tasks: list[tuple[int, int, str, str]]) -> Iterator[Row]:
        """The rows of these tasks (key, item, state, payload), gold left out."""
        pks = [pk for pk, *_ in tasks]
        gold = set(Gold.objects.filter(task__in=pks).values_list("task_id", flat=True))
        consensus, answers = self._consensus(pks), self._answers(pks)
        aliases = self._aliases([item for _, item, *_ in tasks])
        for pk, item, state, payload in tasks:
            if pk in gold:
                continue
            label = {
                "payload": Raw(payload.encode()),
                **consensus[pk],
                "state": state,
                "answers": answers[pk],
                "batch": self.batch.public_id,
                "schema_version": self.batch.schema_version,
                "dataset_version": self.batch.dataset_version,
            }
            for key, version in aliases[item]:
                yield {"key": key, "version": version, **label}

    def _aliases(self, items: list[int]) -> dict[int, list[tuple[str, int]]]:
        found = defaultdict(list)
        seen = ItemAlias.objects.filter(item__in=items, version__lte=self.batch.dataset_version).order_by("pk")
        for item, key, version in seen.values_list("item_id", "key", "version"):
            found[item].append((key, version))
        return found

    def _consensus(self, tasks: list[int]) -> dict[int, Row]:
        found: dict[int, Row] = {
            task: {"labels": {}, "confidence": {}, "posterior": {}, "support": {}, "method": {}} for task in tasks
        }
        for task, field, value, confidence, posterior, support, method, version in Consensus.objects.filter(
            task__in=tasks
        ).values_list("task_id", "field", "value", "confidence", "posterior", "support", "method", "version"):
            label = found[task]
            label["labels"][field] = value
            label["confidence"][field] = None if confidence is None else round(confidence, 6)
            label["support"][field] = support
            label["method"][field] = f"{method} {version}"
            if posterior:
                shares = zip(self.classes[field], posterior, strict=True)
                label["posterior"][field] = {name: round(share, 6) for name, share in shares}
        return found

    def _answers(self, tasks: list[int]) -> dict[int, list[Row]]:
        """What was handed in; each page is looked up by itself, where a join would read them all."""
        page = Assignment.objects.filter(pk=OuterRef("assignment_id")).values("guideline_version")[:1]
        handed_in = Answer.objects.filter(task__in=tasks, submitted_at__isnull=False, attempt=0).order_by("pk")
        read = list(
            handed_in.values_list(
                "task_id",
                "worker_id",
                "state",
                "submitted_at",
                "self_selected",
                "superseded_at",
                Cast("value", TextField()),
                Subquery(page),
            )
        )
        self._meet({worker for _, worker, *_ in read})
        found = defaultdict(list)
        for task, worker, state, submitted_at, self_selected, superseded_at, value, guideline_version in read:
            found[task].append(
                {
                    "worker": self.pseudonyms[worker],
                    "value": value if value is None else Raw(value.encode()),
                    "state": state,
                    "submitted_at": submitted_at.isoformat(),
                    "guideline_version": guideline_version,
                    "self_selected": self_selected,
                    "superseded": superseded_at is not None,
                }
            )
        return found

    def _meet(self, workers: Iterable[int]) -> None:
        """Give a pseudonym to those who have none yet."""
        if new := set(workers) - self.pseudonyms.keys():
            home = self.batch.project.organisation
            for pk, public_id in Worker.objects.filter(pk__in=new).values_list("pk", "public_id"):
                self.pseudonyms[pk] = home.pseudonym(public_id)
