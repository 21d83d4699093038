"""Pilots: a small first batch shows whether people understand the question before all of it is bought.

What must be reached is the mean agreement of two people about the same item, of the field they agree on least. It is
defined for every kind of answer (by its similarity, 0 to 1); Krippendorff's alpha is shown beside it where answers are
classes. Perspective fields are left out: disagreement is their result.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from marketplace import labels
from marketplace.labels import schema as label_schema
from marketplace.labels import words
from marketplace.models import Project
from tasks.aggregation import agreement
from tasks.models import Answer, Batch, Task

COVERED = 0.5  # the share of a pilot's items that need two answers, or it says nothing

Values = dict[int, list[tuple[int, dict[str, Any]]]]  # task -> worker, answer


@dataclass(frozen=True)
class Confusion:
    """Two classes that were given to the same item more often than any other two."""

    one: str
    other: str
    share: float  # of the pairs of answers that disagree


@dataclass(frozen=True)
class Field:
    """How far people agree on one question."""

    name: str
    title: str
    agreement: float
    alpha: float | None
    confusion: Confusion | None


@dataclass(frozen=True)
class Outcome:
    """What a pilot showed."""

    batch: Batch
    items: int
    covered: int  # of them with two answers or more
    fields: list[Field]
    wanted: float

    @property
    def agreement(self) -> float | None:
        return min((field.agreement for field in self.fields), default=None)

    @property
    def is_covered(self) -> bool:
        return self.covered >= COVERED * max(1, self.items)

    @property
    def is_reached(self) -> bool:
        return self.is_covered and (self.agreement is None or self.agreement >= self.wanted)


def last(project: Project) -> Batch | None:
    """The last pilot that was published with the label schema of now."""
    piloted = project.batches.filter(pilot_size__gt=0, schema_version=project.schema_version)
    return piloted.order_by("-number").first()


def is_next(project: Project) -> bool:
    """Whether what is published next is a pilot: the first, or one after the guideline was changed."""
    if not project.pilot_size:
        return False
    pilot = last(project)
    return pilot is None or _is_explained_anew(project, pilot)


def problems(project: Project) -> list[str]:
    """Why the full batch cannot be published yet, in words for the requester, with the figures."""
    if not project.pilot_size:
        return []
    pilot = last(project)
    if is_next(project):
        few = project.redundancy_min < 2
        return ["a pilot needs at least two answers for each item, to see whether people agree"] if few else []
    assert pilot is not None
    if not _is_over(pilot):
        return [f"the pilot (batch {pilot.number}) is not finished"]
    found = outcome(pilot, project)
    return [] if found.is_reached else [_missed(found)]


def outcome(pilot: Batch, project: Project | None = None) -> Outcome:
    """What the answers of a pilot say, as of now, beside what is wanted of it."""
    values = _values(pilot)
    return Outcome(
        batch=pilot,
        items=pilot.items,
        covered=len(values),
        fields=[_field(pilot, spec, values) for spec in pilot.schema["fields"] if spec["truth"] != "perspective"],
        wanted=(project or pilot.project).pilot_agreement,
    )


def _is_over(pilot: Batch) -> bool:
    """Whether it has all the answers that were bought, decided about or not."""
    if pilot.state == Batch.State.FILLING:
        return False
    return pilot.state == Batch.State.CLOSED or not pilot.tasks.filter(state=Task.State.OPEN).exists()


def _is_explained_anew(project: Project, pilot: Batch) -> bool:
    """Whether the guideline was changed since this pilot, which is over and fell short."""
    changed = project.guidelines.filter(created_at__gt=pilot.published_at).exists()
    return changed and _is_over(pilot) and not outcome(pilot, project).is_reached


def _missed(found: Outcome) -> str:
    number, wanted = found.batch.number, f"{found.wanted:.0%}"
    if not found.is_covered:
        return (
            f"the pilot (batch {number}) was closed when {found.covered} of its {found.items} items had two answers; "
            "write a new version of the guideline, and publish another pilot"
        )
    worst = min(found.fields, key=lambda field: field.agreement)
    mixed = worst.confusion
    often = f"; most often mixed up: “{mixed.one}” and “{mixed.other}”" if mixed else ""
    return (
        f"in the pilot (batch {number}) people agreed {worst.agreement:.0%} on “{worst.title}”, {wanted} are wanted"
        f"{often}; explain it in a new version of the guideline, or change the question, and publish another pilot"
    )


def _values(pilot: Batch) -> Values:
    """The answers that count, of tasks with two or more."""
    rows = Answer.objects.counted().filter(batch=pilot, attempt=0, task__gold=None).order_by("pk")
    found: Values = defaultdict(list)
    for task, worker, value in rows.values_list("task", "worker", "value"):
        found[task].append((worker, value or {}))
    return {task: some for task, some in found.items() if len(some) > 1}


def _field(pilot: Batch, spec: dict[str, Any], values: Values) -> Field:
    kind, name = labels.TYPES[spec["type"]], spec["name"]
    by_item = []
    for some in values.values():
        given = [value[name] for _, value in some if name in value]
        pairs = [kind.similarity(a, b, spec) for a, b in combinations(given, 2)]
        by_item += [sum(pairs) / len(pairs)] if pairs else []
    return Field(
        name=name,
        title=spec["title"],
        agreement=sum(by_item) / len(by_item) if by_item else 0.0,
        alpha=_alpha(pilot, spec, values),
        confusion=_confusion(spec, values),
    )


def _alpha(pilot: Batch, spec: dict[str, Any], values: Values) -> float | None:
    classes = dict(label_schema.categorical(pilot.schema)).get(spec["name"])
    if not classes:
        return None
    kind = labels.TYPES[spec["type"]]
    workers: dict[int, int] = {}
    triples: list[tuple[int, int, int]] = []
    for task, some in enumerate(values.values()):
        for worker, value in some:
            if spec["name"] in value:
                label = classes.index(kind.to_text(value[spec["name"]], spec))
                triples.append((task, workers.setdefault(worker, len(workers)), label))
    if not triples:
        return None
    tasks, people, given = np.array(triples, np.int64).T
    return agreement.krippendorff_alpha(tasks, people, given, len(values), len(classes))


def _confusion(spec: dict[str, Any], values: Values) -> Confusion | None:
    """The two answers that people most often gave to the same item; None where answers cannot be listed."""
    if not labels.TYPES[spec["type"]].categories(spec):
        return None
    mixed: Counter[tuple[str, str]] = Counter()
    for some in values.values():
        said: Sequence[str] = [words.said(value[spec["name"]], spec) for _, value in some if spec["name"] in value]
        mixed.update((min(a, b), max(a, b)) for a, b in combinations(said, 2) if a != b)
    if not mixed:
        return None
    (one, other), times = mixed.most_common(1)[0]
    return Confusion(one, other, times / mixed.total())
