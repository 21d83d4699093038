"""The labels of a batch as arrays, beside those of the other batches of its project."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db.models import TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Left

from marketplace.labels import schema as label_schema
from tasks.models import Answer, Batch, Consensus, ConsensusChange, Task
from workers.signals import copies

BATCHES_MOST = 100  # the newest ones, so that many empty batches cost no more
TEXT_MOST = 1_000  # letters of an item that are compared
LEAST_SUPPORT = 2  # a label on fewer answers was never more than a guess


@dataclass
class OfField:
    """The labels of one field; a row for each task of `Labels`, -1 and nan: none.

    changed  (row, earlier value, its confidence, answers it rested on, when it changed), oldest first
    """

    spec: dict[str, Any]
    classes: list[str]
    code: np.ndarray
    posterior: np.ndarray  # float[T, K]; of labels on one answer nothing is known
    answers: np.ndarray  # int[T, K], how many said so; of this batch alone
    confidence: dict[int, float] = field(default_factory=dict)
    changed: list[tuple[int, Any, float | None, int, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Labels:
    """
    task    primary keys; those of the batch that is looked at first
    here    how many those are
    period  int[T], the batch each belongs to, in the order of their numbers, from 0
    like    int[T], which items are equal or nearly; -1: like no other
    """

    task: list[int]
    here: int
    period: np.ndarray
    like: np.ndarray
    fields: list[OfField]


def load(batch: Batch, most: int) -> Labels:
    """The newest labels of the categorical fields that have a truth: at most so many, and as many of other batches."""
    others = batch.project.batches.exclude(pk=batch.pk).order_by("-pk")[:BATCHES_MOST]
    items = _items(batch, most)
    here, found = len(items), [(batch, items)] if items else []
    left = most
    for other in others:
        if left <= 0:
            break
        if items := _items(other, left):
            left -= len(items)
            found.append((other, items))
    order = {pk: place for place, (_, pk) in enumerate(sorted((one.number, one.pk) for one, _ in found))}
    rows = {task: row for row, task in enumerate(task for _, items in found for task, *_ in items)}
    specs = {spec["name"]: spec for spec in batch.schema["fields"]}
    fields = [
        OfField(specs[name], list(classes), *_empty(len(rows), len(classes)))
        for name, classes in label_schema.categorical(batch.schema)
        if specs[name]["truth"] != "perspective" and len(classes) > 1
    ]
    for one, items in found:
        _read_labels(one, items, rows, fields)
    if here:
        _read_answers(batch, found[0][1], rows, fields)
        _read_changes(batch, found[0][1], rows, fields, most)
    period = [order[one.pk] for one, items in found for _ in items]
    return Labels(list(rows), here, np.array(period, np.int64), _like(found), fields)


Items = list[tuple[int, int, bytes, str]]  # task, item, hash of its content, what is shown of it as text


def _empty(tasks: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape = (tasks, classes)
    return np.full(tasks, -1, np.int64), np.full(shape, np.nan), np.zeros(shape, np.int64)


def _items(batch: Batch, most: int) -> Items:
    """The newest tasks; by item, because there is an index of them in each batch."""
    display = batch.schema.get("display") or []
    columns = [one["column"] for one in display] if all(one["kind"] != "image" for one in display) else []
    texts = {
        f"text{n}": Left(Cast(KeyTextTransform(column, "item__payload"), TextField()), TEXT_MOST)
        for n, column in enumerate(columns)
    }
    tasks = Task.objects.filter(batch=batch, is_copy=False).order_by("-item_id").annotate(**texts)
    rows = tasks.values_list("pk", "item_id", "item__content_hash", *texts)[:most]
    return [(task, item, bytes(content), _text(shown)) for task, item, content, *shown in rows]


def _text(shown: list[str | None]) -> str:
    """What is compared; of what was cut the rest may differ, so that only the hash says whether it is equal."""
    texts = [text or "" for text in shown]
    return " ".join(texts) if all(len(text) < TEXT_MOST for text in texts) else ""


def _like(found: list[tuple[Batch, Items]]) -> np.ndarray:
    """Equal by their content, whatever the schema shows of it, or nearly by what it shows."""
    items = [item for _, listed in found for item in listed]
    near = copies.same([text for *_, text in items])
    names: dict[Any, int] = {}
    by_hash: dict[bytes, Any] = {}
    for (_, _, content, _), code in zip(items, near, strict=True):
        by_hash[content] = code if code >= 0 else by_hash.get(content, content)
    codes = [names.setdefault(by_hash[content], len(names)) for _, _, content, _ in items]
    like = np.array(codes, np.int64)
    alone = np.bincount(like, minlength=len(names)) < 2 if len(like) else np.zeros(0, bool)
    return np.where(alone[like], -1, like) if len(like) else like


def _read_labels(batch: Batch, items: Items, rows: dict[int, int], fields: list[OfField]) -> None:
    """Labels, put where their class stands in the schema of the batch that is looked at."""
    known = dict(label_schema.categorical(batch.schema))
    by_name = {one.spec["name"]: one for one in fields if one.spec["name"] in known}
    places = {name: _places(known[name], one.classes) for name, one in by_name.items()}
    labels = Consensus.objects.filter(task__batch=batch, task__item__gte=items[-1][1], code__gte=0, field__in=by_name)
    for task, name, code, confidence, posterior, support in labels.values_list(
        "task", "field", "code", "confidence", "posterior", "support"
    ):
        row, one, to = rows.get(task), by_name[name], places[name]
        if row is None or code >= len(to):
            continue
        one.code[row] = to[code]
        if confidence is not None:
            one.confidence[row] = confidence
        if posterior and support >= LEAST_SUPPORT and -1 not in to:
            one.posterior[row] = 0.0
            one.posterior[row, to] = np.clip(posterior, 0.0, 1.0)


def _places(listed: Iterable[str], classes: list[str]) -> list[int]:
    return [classes.index(value) if value in classes else -1 for value in listed]


def _read_answers(batch: Batch, items: Items, rows: dict[int, int], fields: list[OfField]) -> None:
    columns = {name: column for column, (name, _) in enumerate(label_schema.categorical(batch.schema))}
    counted = Answer.objects.counted().filter(batch=batch, attempt=0, task__item__gte=items[-1][1], codes__isnull=False)
    for task, codes in counted.values_list("task", "codes").iterator():
        row = rows.get(task)
        if row is None or codes is None:
            continue
        for one in fields:
            if (code := codes[columns[one.spec["name"]]]) >= 0:
                one.answers[row, code] += 1


def _read_changes(batch: Batch, items: Items, rows: dict[int, int], fields: list[OfField], most: int) -> None:
    by_name = {one.spec["name"]: one for one in fields}
    changes = ConsensusChange.objects.filter(
        task__batch=batch, task__item__gte=items[-1][1], field__in=by_name, support__gte=LEAST_SUPPORT
    )
    newest = changes.order_by("-pk").values_list("task", "field", "value", "confidence", "support", "at")[:most]
    for task, name, value, confidence, support, at in reversed(newest):
        if (row := rows.get(task)) is not None:
            by_name[name].changed.append((row, value, confidence, support, at))
