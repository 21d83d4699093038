"""The newest answers of a project as columns; what was superseded is among them, gold is left out: everybody has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketplace.labels import schema as label_schema
from marketplace.models import Project
from tasks.aggregation.distances import Bools
from tasks.aggregation.votes import Floats, Ints
from tasks.models import Answer, Assignment, Batch

BATCHES_MOST = 100  # the newest ones, so that many empty batches cost no more

Row = tuple[Any, ...]  # version, task, worker, when, whether it counts, codes, value


@dataclass(frozen=True)
class Columns:
    """Who answered what, and when.

    version, task, worker  int[N]    of the guideline; primary keys
    at                     float[N]  seconds since 1970
    counts                 bool[N]   False: superseded
    """

    version: Ints
    task: Ints
    worker: Ints
    at: Floats
    counts: Bools

    def take(self, where: Ints | Bools) -> "Columns":
        return Columns(self.version[where], self.task[where], self.worker[where], self.at[where], self.counts[where])


@dataclass(frozen=True)
class Rows:
    """Answers of the newest batch first, in each the newest first.

    classes  {categorical field: its classes, today's first, then those that are gone}
    codes    {categorical field: int[N], the place of what was said among its classes; -1: nothing}
    values   {other field: N values; None: nothing}
    """

    columns: Columns
    classes: dict[str, list[str]]
    codes: dict[str, Ints]
    values: dict[str, list[Any]]


def newest(project: Project, most: int) -> Rows:
    """At most so many answers to the fields of today's schema; a field that was of another type then says nothing."""
    specs = {spec["name"]: spec for spec in project.schema.get("fields", [])}
    classes = {name: list(listed) for name, listed in label_schema.categorical(project.schema)} if specs else {}
    rows: list[Row] = []
    codes: dict[str, list[Ints]] = {name: [] for name in classes}
    values: dict[str, list[Any]] = {name: [] for name in specs if name not in classes}
    for batch in project.batches.order_by("-pk")[:BATCHES_MOST]:
        if len(rows) >= most:
            break
        same = {
            spec["name"] for spec in batch.schema["fields"] if spec["type"] == specs.get(spec["name"], spec)["type"]
        }
        found = _of(batch, most - len(rows), same & values.keys())
        for name, given in _coded(batch, found, classes, same).items():
            codes[name].append(given)
        for name, listed in values.items():
            listed += [row[6].get(name) if name in same else None for row in found]
        rows += found
    return Rows(
        _columns(rows),
        classes,
        {name: np.concatenate([[], *parts]).astype(np.int64) for name, parts in codes.items()},
        values,
    )


def _of(batch: Batch, most: int, valued: set[str]) -> list[Row]:
    """The newest answers of a batch, with their values where a field has no classes."""
    seated = Answer.objects.seated().filter(batch=batch, attempt=0, task__gold=None, codes__isnull=False)
    columns = ("assignment", "task", "worker", "submitted_at", "superseded_at", "codes", *(["value"] if valued else []))
    rows = list(seated.order_by("-pk").values_list(*columns)[:most])
    pages = {row[0] for row in rows}
    versions = dict(Assignment.objects.filter(pk__in=pages).values_list("pk", "guideline_version"))
    return [
        (versions[page], task, worker, at.timestamp(), superseded is None, codes or [], value[0] or {} if value else {})
        for page, task, worker, at, superseded, codes, *value in rows
    ]


def _coded(batch: Batch, rows: list[Row], classes: dict[str, list[str]], same: set[str]) -> dict[str, Ints]:
    """What was said to each categorical field; classes of an older schema that are gone are put behind today's."""
    listed = label_schema.categorical(batch.schema)
    table = np.array([row[5] for row in rows], np.int64).reshape(len(rows), len(listed))
    found = {name: np.full(len(rows), -1, np.int64) for name in classes}
    for column, (name, values) in enumerate(listed):
        if name in classes and name in same:
            places = np.array([*_places(values, classes[name]), -1], np.int64)
            found[name] = places[table[:, column]]
    return found


def _places(listed: Sequence[str], known: list[str]) -> list[int]:
    """Where each of these classes stands among those known; new ones are put at the end."""
    known += [value for value in listed if value not in known]
    return [known.index(value) for value in listed]


def _columns(rows: list[Row]) -> Columns:
    numbers = np.array([row[:3] for row in rows], np.int64).reshape(len(rows), 3)
    at = np.array([row[3] for row in rows], np.float64)
    return Columns(numbers[:, 0], numbers[:, 1], numbers[:, 2], at, np.array([row[4] for row in rows], np.bool_))
