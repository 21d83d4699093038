"""Labels of a batch that look wrong, the most suspect first: a list to look at, of which nothing is decided.

Counted when asked for, from the newest labels; nothing of it is written down. Fields that ask for a perspective are
left out: to differ there is no mistake.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from django.conf import settings

from marketplace import labels
from marketplace.labels import words
from marketplace.models import Item, ItemAlias
from tasks.aggregation import suspects as arrays
from tasks.models import Batch, Task
from tasks.suspects import rows
from tasks.suspects.rows import Labels, OfField

EXCERPT_MOST, COLUMNS_MOST = 300, 50


class Why(StrEnum):
    ANSWERS = "answers"  # most answers say otherwise
    PREDICTION = "prediction"
    DUPLICATE = "duplicate"  # the same thing is labelled otherwise elsewhere
    CHANGED = "changed"  # it was another label before


@dataclass(frozen=True)
class Reason:
    """What speaks against a label, for which other one, and how strongly: 0 to 1, a rank and no probability."""

    why: Why
    score: float
    instead: str
    words: str


@dataclass(frozen=True)
class Suspect:
    """A label that looks wrong; the strongest reason first. `key` is the requester's own, of the item."""

    task: int
    key: str
    payload: dict[str, Any]
    field: str
    title: str
    label: str
    confidence: float | None
    reasons: list[Reason]

    @property
    def score(self) -> float:
        return self.reasons[0].score

    @property
    def excerpt(self) -> dict[str, str]:
        """The beginning of each part of the item."""
        texts = {name: part if isinstance(part, str) else json.dumps(part) for name, part in self.payload.items()}
        return {name: text[:EXCERPT_MOST] for name, text in list(texts.items())[:COLUMNS_MOST]}


@dataclass(frozen=True)
class Drift:
    """A label that is given more often, or less, in this batch than in the earlier ones."""

    field: str
    title: str
    label: str
    before: float
    now: float


@dataclass(frozen=True)
class Report:
    """From so many of the newest labels; `found` is how many look wrong, of which the first are listed."""

    looked_at: int
    most: int
    found: int
    suspects: list[Suspect]
    drifts: list[Drift]


Found = dict[tuple[int, str], list[Reason]]  # row, field


def of(batch: Batch, predicted: Mapping[str, Mapping[int, Sequence[float]]] | None = None) -> Report:
    """Look at the newest `SUSPECTS_LABELS_MOST` labels of a batch, and list at most `SUSPECTS_SHOWN`.

    predicted  what a model that has not seen the labels says: field -> task -> probability of each class
    """
    seen = rows.load(batch, settings.SUSPECTS_LABELS_MOST)
    found: Found = defaultdict(list)
    drifts: list[Drift] = []
    for one in seen.fields:
        _against_answers(found, seen, one, (predicted or {}).get(one.spec["name"], {}))
        _among_likes(found, seen, one)
        _changed(found, one)
        drifts += _drifts(batch, seen, one)
    for reasons in found.values():
        reasons.sort(key=lambda reason: -reason.score)
    order = sorted(found, key=lambda key: (-found[key][0].score, -len(found[key]), key))
    listed = {key: found[key] for key in order[: settings.SUSPECTS_SHOWN]}
    return Report(seen.here, settings.SUSPECTS_LABELS_MOST, len(found), _told(batch, seen, listed), drifts)


def _against_answers(found: Found, seen: Labels, one: OfField, predicted: Mapping[int, Sequence[float]]) -> None:
    """Labels that the plain answers, or a model, speak against: more than is usual of labels of their class."""
    given, code = one.answers[: seen.here], one.code[: seen.here]
    total = given.sum(axis=1, keepdims=True)
    shares = np.where(total >= rows.LEAST_SUPPORT, given / np.maximum(total, 1), np.nan)
    model = np.full(shares.shape, np.nan)
    for row, task in enumerate(seen.task[: seen.here]):
        if task in predicted:
            model[row] = predicted[task]
    doubted = arrays.mislabelled(code, shares, model)
    for row, score, instead in zip(doubted.task, doubted.score, doubted.instead, strict=True):
        other = _title(one, int(instead))
        said, against = int(given[row, code[row]]), int(given[row, instead])
        if against > said:
            words = f"{against} of {int(total[row, 0])} answers say {other}, {said} say {_title(one, code[row])}."
            found[int(row), one.spec["name"]].append(Reason(Why.ANSWERS, float(score), other, words))
        else:
            words = f"A model that has not seen the label says {other}."
            found[int(row), one.spec["name"]].append(Reason(Why.PREDICTION, float(score), other, words))


def _among_likes(found: Found, seen: Labels, one: OfField) -> None:
    """Labels of items that are equal, or nearly, to others that are labelled otherwise, here or in other batches."""
    doubted = arrays.contradictions(seen.like, one.code, len(one.classes), one.posterior)
    labelled = (seen.like >= 0) & (one.code >= 0)
    cells = seen.like[labelled] * len(one.classes) + one.code[labelled]
    table = np.bincount(cells, minlength=(int(seen.like.max(initial=-1)) + 1) * len(one.classes))
    table = table.reshape(-1, len(one.classes))
    for row, score, instead in zip(doubted.task, doubted.score, doubted.instead, strict=True):
        if row >= seen.here:
            continue
        counts = table[seen.like[row]]
        given = [code for code in np.argsort(-counts, kind="stable").tolist() if counts[code]]
        told = ", ".join(f"{counts[code]:,} {_title(one, code)}" for code in given)
        words = f"Of {int(counts.sum()):,} items that are the same, or nearly, in this project’s batches: {told}."
        reason = Reason(Why.DUPLICATE, float(score), _title(one, int(instead)), words)
        found[int(row), one.spec["name"]].append(reason)


def _changed(found: Found, one: OfField) -> None:
    """Labels that were others before; what counts is how sure the earlier one was beside that of today."""
    for row, value, confidence, support, at in one.changed:
        kind = labels.TYPES[one.spec["type"]]
        text = None if value is None else kind.to_text(value, one.spec)
        if text not in one.classes or one.code[row] < 0 or one.classes[one.code[row]] == text:
            continue
        before, now = confidence or 0.5, one.confidence.get(row, 0.5)
        other = _title(one, one.classes.index(text))
        told = f"It was {other} until {at:%Y-%m-%d}, on {support:,} answers."
        reasons = found[row, one.spec["name"]]
        reasons[:] = [reason for reason in reasons if reason.why != Why.CHANGED]  # the last change is the one to tell
        reasons.append(Reason(Why.CHANGED, before / (before + now), other, told))


def _drifts(batch: Batch, seen: Labels, one: OfField) -> list[Drift]:
    """Where this batch differs from all earlier ones by more than chance."""
    periods = int(seen.period.max(initial=-1)) + 1
    if not seen.here or periods < 2:
        return []
    moved = arrays.drifts(one.code, seen.period, len(one.classes), periods)
    mine = int(seen.period[0])
    return [
        Drift(one.spec["name"], one.spec["title"], _title(one, int(label)), float(before), float(now))
        for label, period, before, now in zip(moved.label, moved.period, moved.before, moved.then, strict=True)
        if period == mine
    ]


def _told(batch: Batch, seen: Labels, listed: Found) -> list[Suspect]:
    """These labels with what a person needs to know them by."""
    by_name = {one.spec["name"]: one for one in seen.fields}
    items = dict(Task.objects.filter(pk__in=[seen.task[row] for row, _ in listed]).values_list("pk", "item_id"))
    payloads = dict(Item.objects.filter(pk__in=items.values()).values_list("pk", "payload"))
    aliases = ItemAlias.objects.filter(item__in=items.values(), version__lte=batch.dataset_version).order_by("-pk")
    keys = dict(aliases.values_list("item", "key"))
    suspects = []
    for (row, name), reasons in listed.items():
        one, task = by_name[name], seen.task[row]
        suspects.append(
            Suspect(
                task=task,
                key=keys.get(items[task], ""),
                payload=payloads[items[task]],
                field=name,
                title=one.spec["title"],
                label=_title(one, int(one.code[row])),
                confidence=one.confidence.get(row),
                reasons=reasons,
            )
        )
    return suspects


def _title(one: OfField, code: int) -> str:
    """A class as people read it."""
    kind = labels.TYPES[one.spec["type"]]
    return f"“{words.said(kind.from_text(one.classes[code], one.spec), one.spec)}”"
