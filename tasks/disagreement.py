"""Which labels people disagree about, under which version of the guideline, and where that names them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.conf import settings

from marketplace import guidelines
from marketplace.guidelines import Passage
from marketplace.labels import schema as label_schema
from marketplace.models import Project
from tasks.aggregation import agreement
from tasks.models import Answer, Assignment, Batch

BATCHES_MOST = 100  # the newest ones, so that many empty batches cost no more

Given = list[tuple[int, int, int]]  # guideline version, task, class


@dataclass(frozen=True)
class Label:
    """How far those who gave this label were joined by the others who answered the same tasks.

    agreement      of those who say it, how often another says it too; None: nobody else answered those tasks
    confused_with  the label that stood against it most often, in so many pairs of answers
    """

    value: str
    title: str
    agreement: float | None
    agreeing: int
    differing: int
    tasks: int
    confused_with: str
    confused: int


@dataclass(frozen=True)
class UnderVersion:
    """The answers to one field under one version of the guideline.

    pairs  the labels of the field by each other: in how many pairs of answers to one task they stand against each other
    """

    version: int
    answers: int
    tasks: int
    labels: list[Label]
    pairs: list[list[int]]

    @property
    def worst(self) -> Label | None:
        """The label that is confused most, with the one it is confused with."""
        return max(self.labels, key=lambda label: label.confused, default=None)


@dataclass(frozen=True)
class OfField:
    """A categorical field, the newest version first.

    named  where the latest guideline names each label
    """

    name: str
    title: str
    truth: str
    labels: list[str]
    versions: list[UnderVersion] = field(default_factory=list)
    named: dict[str, list[Passage]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What it rests on is the newest answers, however many there are."""

    answers: int
    most: int
    guideline_version: int
    by_field: list[OfField]


def report(project: Project, most: int | None = None) -> Report:
    """Disagreement about each class of each categorical field, from at most so many of the newest answers."""
    limit = most or settings.DISAGREEMENT_ANSWERS_MOST
    specs = {spec["name"]: spec for spec in project.schema.get("fields", [])}
    classes = {name: list(listed) for name, listed in label_schema.categorical(project.schema)} if specs else {}
    given, answers = _given(project, classes, limit)
    latest = project.guidelines.first()
    passages = guidelines.passages(latest.text) if latest else []
    fields = []
    for name, listed in classes.items():
        titles = _titles(specs[name], listed)
        fields.append(
            OfField(
                name=name,
                title=specs[name]["title"],
                truth=specs[name]["truth"],
                labels=listed,
                versions=_versions(given[name], listed, titles),
                named={value: guidelines.naming(passages, (value, titles[value])) for value in listed},
            )
        )
    return Report(answers, limit, latest.version if latest else 0, fields)


def _given(project: Project, classes: dict[str, list[str]], limit: int) -> tuple[dict[str, Given], int]:
    """The newest answers, batch by batch, as classes of each field; gold is left out, which everybody answers.

    An older schema may have had classes that are gone: they are put behind those of today.
    """
    given: dict[str, Given] = defaultdict(list)
    answers = 0
    for batch in project.batches.order_by("-pk")[:BATCHES_MOST]:
        if answers >= limit:
            break
        columns = [
            (column, name, _places(listed, classes[name]))
            for column, (name, listed) in enumerate(label_schema.categorical(batch.schema))
            if name in classes
        ]
        rows = _rows(batch, limit - answers)
        answers += len(rows)
        for version, task, codes in rows:
            for column, name, places in columns:
                if codes[column] >= 0:
                    given[name].append((version, task, places[codes[column]]))
    return given, answers


def _rows(batch: Batch, limit: int) -> list[tuple[int, int, list[int]]]:
    """Guideline version, task and codes of the newest answers of a batch; what was superseded is among them."""
    seated = Answer.objects.seated().filter(batch=batch, attempt=0, task__gold=None, codes__isnull=False)
    rows = list(seated.order_by("-pk").values_list("assignment", "task", "codes")[:limit])
    pages = {page for page, *_ in rows}
    versions = dict(Assignment.objects.filter(pk__in=pages).values_list("pk", "guideline_version"))
    return [(versions[page], task, codes or []) for page, task, codes in rows]


def _places(listed: Sequence[str], known: list[str]) -> list[int]:
    """Where each of these classes stands among those known; new ones are put at the end."""
    known += [value for value in listed if value not in known]
    return [known.index(value) for value in listed]


def _titles(spec: dict[str, Any], listed: Sequence[str]) -> dict[str, str]:
    titles = {str(option["value"]): option["title"] for option in spec.get("options", [])}
    return {value: titles.get(value, value) for value in listed}


def _versions(given: Given, listed: list[str], titles: dict[str, str]) -> list[UnderVersion]:
    if not given:
        return []
    version, task, label = np.array(given, np.int64).T
    return [
        _under(int(one), task[version == one], label[version == one], listed, titles)
        for one in np.unique(version)[::-1]
    ]


def _under(
    version: int, task: np.ndarray, label: np.ndarray, listed: list[str], titles: dict[str, str]
) -> UnderVersion:
    tasks, unit = np.unique(task, return_inverse=True)
    found = agreement.pairs(unit, label, len(tasks), len(listed))
    specific = found.specific()
    labels = []
    for place, value in enumerate(listed):
        other = int(found.differing[place].argmax())
        confused = int(found.differing[place, other])
        labels.append(
            Label(
                value=value,
                title=titles[value],
                agreement=None if np.isnan(specific[place]) else float(specific[place]),
                agreeing=int(found.agreeing[place]),
                differing=int(found.differing[place].sum()),
                tasks=int(found.units[place]),
                confused_with=listed[other] if confused else "",
                confused=confused,
            )
        )
    is_paired = np.bincount(unit, minlength=len(tasks)) > 1
    return UnderVersion(version, len(task), int(is_paired.sum()), labels, found.differing.tolist())
