"""The newest answers of a project, as signals look at them."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from marketplace import labels
from marketplace.labels import schema as label_schema
from marketplace.models import Project
from tasks.aggregation import dawid_skene
from tasks.models import Answer, Gold
from workers.signals import Floats, Ints
from workers.signals.pairs import Answered, weighed

BATCHES_MOST = 200  # the newest
COLUMNS = (
    "task", "worker", "batch", "assignment", "position", "codes", "assignment__public_id", "assignment__active_s",
    "assignment__claimed_at", "assignment__submitted_at",
)  # fmt: skip


class Row(NamedTuple):
    task: int
    worker: int
    batch: int
    assignment: int
    position: int
    codes: list[int]
    page: str
    active_s: int
    claimed_at: Any
    submitted_at: Any
    value: dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """Rows in the order they were given by each worker, the schemas of their batches, and what gold is known."""

    rows: list[Row]
    schemas: dict[int, dict[str, Any]]
    truths: dict[int, dict[str, Any]]

    def public_id(self, place: int) -> str:
        return f"{self.rows[place].page}-{self.rows[place].position}"


@dataclass(frozen=True)
class Question:
    """The answers to one categorical field, where it was asked in the same way.

    place    int[N]  where each stands in the rows
    workers  int[W]  keys; the codes of `answered` point here
    """

    name: str
    classes: list[str]
    truth: str
    place: Ints
    workers: Ints
    tasks: Ints
    answered: Answered


def newest(project: Project, most: int) -> Seen:
    """At most so many rows, of the newest batches first."""
    found: list[Row] = []
    schemas = {}
    for batch in project.batches.order_by("-number")[:BATCHES_MOST]:
        wanted = Answer.objects.counted().filter(batch=batch, attempt=0).order_by("-pk")[: most - len(found)]
        has_text = any(spec["type"] == "text" for spec in batch.schema["fields"])
        columns = (*COLUMNS, "value") if has_text else COLUMNS
        found += [Row(*row, *(() if has_text else ({},))) for row in wanted.values_list(*columns)]
        schemas[batch.pk] = batch.schema
        if len(found) >= most:
            break
    found.sort(key=lambda row: (row.submitted_at, row.assignment, row.position))
    gold = Gold.objects.filter(batch__in=schemas, purpose=Gold.Purpose.HIDDEN, state=Gold.State.ACTIVE)
    return Seen(found, schemas, dict(gold.values_list("task", "truth")))


def questions(seen: Seen) -> list[Question]:
    """Each categorical field with its answers, weighed by consensus as if these were all there are."""
    columns: dict[str, dict[int, int]] = defaultdict(dict)  # the field, exactly as asked -> batch -> column
    specs = {}
    for batch, schema in seen.schemas.items():
        fields = {spec["name"]: spec for spec in schema["fields"]}
        for column, (name, classes) in enumerate(label_schema.categorical(schema)):
            key = json.dumps([name, classes, fields[name]["truth"]])
            columns[key][batch] = column
            specs[key] = (fields[name], classes)
    found = (_question(seen, *specs[key], batches) for key, batches in columns.items())
    return [question for question in found if question]


def _question(seen: Seen, spec: dict[str, Any], classes: list[str], column: dict[int, int]) -> Question | None:
    given = [
        (place, row.task, row.worker, row.codes[column[row.batch]])
        for place, row in enumerate(seen.rows)
        if row.batch in column and row.codes[column[row.batch]] >= 0
    ]
    if not given:
        return None
    place, task_of, worker_of, label = np.array(given, np.int64).T
    tasks, task = np.unique(task_of, return_inverse=True)
    workers, worker = np.unique(worker_of, return_inverse=True)
    gold = np.full(len(tasks), -1, np.int64)
    for at, pk in enumerate(tasks.tolist()):
        if spec["name"] in seen.truths.get(pk, {}):
            gold[at] = classes.index(labels.TYPES[spec["type"]].to_text(seen.truths[pk][spec["name"]], spec))
    fit = dawid_skene.fit(task, worker, label, len(tasks), len(workers), len(classes), gold=gold)
    answered = weighed(task, worker, label, gold, fit.confusions, fit.pooled, fit.prior)
    return Question(spec["name"], classes, spec["truth"], place, workers, tasks, answered)


def seconds(seen: Seen) -> tuple[Ints, Ints, Ints, Floats]:
    """Each page: the place of its first answer, its worker, its batch, and how long a task of it took.

    Active time where the page has said it, else from claim to submit, which is never less.
    """
    pages: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(seen.rows):
        pages[row.assignment].append(place)
    first = [places[0] for places in pages.values()]
    took = [
        max(row.active_s or (row.submitted_at - row.claimed_at).total_seconds(), 0.5) / len(places)
        for places in pages.values()
        for row in [seen.rows[places[0]]]
    ]
    worker, batch = ([getattr(seen.rows[place], name) for place in first] for name in ("worker", "batch"))
    return np.array(first, np.int64), np.array(worker, np.int64), np.array(batch, np.int64), np.array(took, np.float64)
