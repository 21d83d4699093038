"""How far people agree in a project: by field, label, version of the guideline and pair of workers, and over time."""

from collections.abc import Collection
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from django.conf import settings

from marketplace import guidelines
from marketplace.guidelines import Passage
from marketplace.labels import schema as label_schema
from marketplace.models import Project
from tasks.agreement import alphas, labels, people, scales
from tasks.agreement.alphas import F1, Alpha, Period
from tasks.agreement.labels import Label
from tasks.agreement.rows import Rows, newest
from tasks.agreement.scales import Said
from workers.models import Reliability, Worker

PAIRS_MOST = 1_000_000  # pairs of answers to the same task, of all fields together
VERSIONS_MOST = 10
RESAMPLES_MOST = 2_000  # for intervals of a period or a version, of all fields together; at most 400 for one


@dataclass(frozen=True)
class UnderVersion:
    """The answers to one field under one version of the guideline.

    answers, tasks  given; answered by two or more
    labels          of a categorical field
    pairs           these labels by each other: in how many pairs of answers to one task they stand against each other
    """

    version: int
    answers: int
    tasks: int
    alpha: Alpha
    labels: list[Label]
    pairs: list[list[int]]

    @property
    def worst(self) -> Label | None:
        """The label that is confused most, with the one it is confused with."""
        return max(self.labels, key=lambda label: label.confused, default=None)


@dataclass(frozen=True)
class Pair:
    """Two workers, under the organisation's names for them, on the tasks they share.

    agreed  the part of these to which both said just the same
    kappa   that beyond chance, by Cohen
    """

    workers: list[str]
    shared: int
    agreed: float
    kappa: float


@dataclass(frozen=True)
class Pairs:
    """How many pairs of workers share enough tasks, and those at either end, the furthest first."""

    compared: int
    least: list[Pair]
    most: list[Pair]


@dataclass(frozen=True)
class OfField:
    """A field, the newest version first.

    scale   what alpha is computed by
    labels  its classes, those that are gone last; empty where answers cannot be listed
    alpha   of the answers that count: what was superseded speaks under its version and in its time alone
    f1      of sets
    pairs   of workers; None: it asks for a perspective, or answers are never just the same
    named   where the latest guideline names each label
    """

    name: str
    title: str
    truth: str
    scale: str
    labels: list[str]
    alpha: Alpha
    f1: F1 | None
    periods: list[Period]
    pairs: Pairs | None
    versions: list[UnderVersion]
    named: dict[str, list[Passage]]


@dataclass(frozen=True)
class Report:
    """What it rests on is the newest answers, however many there are.

    measured  of the workers who are named, those of whom something was measured here
    """

    answers: int
    most: int
    guideline_version: int
    by_field: list[OfField]
    measured: set[str]


def report(project: Project, most: int | None = None) -> Report:
    """Agreement on every field, from at most so many of the newest answers; of many fields from fewer."""
    specs = project.schema.get("fields", [])
    limit = min(most or settings.DISAGREEMENT_ANSWERS_MOST, settings.AGREEMENT_VALUES_MOST // max(len(specs), 1))
    rows = newest(project, limit)
    latest = project.guidelines.first()
    passages = guidelines.passages(latest.text) if latest else []
    classes = dict(label_schema.categorical(project.schema)) if specs else {}
    texts = sum(scales.of(spec) == scales.Scale.WORDS for spec in specs)
    words_most = scales.WORDS_MOST // max(1, isqrt(texts))  # the time grows with their square
    said = {spec["name"]: scales.read(rows, spec, len(classes.get(spec["name"], [])), words_most) for spec in specs}
    compared = {spec["name"]: _compared(spec, said[spec["name"]], len(specs)) for spec in specs}
    shown = {
        pk for one in compared.values() if one for pair in [*one.least, *one.most] for pk in (pair.one, pair.other)
    }
    names = _names(project, shown)
    known = Reliability.objects.filter(project=project, worker__in=shown).values_list("worker", flat=True)
    fields = [
        _field(rows, spec, said[spec["name"]], _named(compared[spec["name"]], names), passages, len(specs))
        for spec in specs
    ]
    measured = {names[worker] for worker in known}
    return Report(len(rows.columns.task), limit, latest.version if latest else 0, fields, measured)


def _field(
    rows: Rows, spec: dict[str, Any], said: Said, pairs: Pairs | None, passages: list[Passage], fields: int
) -> OfField:
    """One of so many fields, which share the time there is."""
    resamples = min(400, max(alphas.RESAMPLES_LEAST, RESAMPLES_MOST // fields))
    listed = rows.classes.get(spec["name"], [])
    titles = _titles(spec, listed)
    return OfField(
        name=spec["name"],
        title=spec["title"],
        truth=spec["truth"],
        scale=said.scale.value,
        labels=listed,
        alpha=alphas.alpha(said, said.columns.counts),
        f1=alphas.f1(said, said.columns.counts, PAIRS_MOST // fields),
        periods=alphas.over_time(said, resamples),
        pairs=pairs,
        versions=_versions(rows, spec, said, listed, titles, resamples),
        named={value: guidelines.naming(passages, (value, titles[value])) for value in listed},
    )


def _titles(spec: dict[str, Any], listed: list[str]) -> dict[str, str]:
    titles = {str(option["value"]): option["title"] for option in spec.get("options", [])}
    return {value: titles.get(value, value) for value in listed}


def _versions(
    rows: Rows, spec: dict[str, Any], said: Said, listed: list[str], titles: dict[str, str], resamples: int
) -> list[UnderVersion]:
    """The newest versions; labels that are gone are among those that are confused, on whatever scale."""
    columns, code = said.columns, said.code
    if listed:
        given = rows.codes[spec["name"]] >= 0
        columns, code = rows.columns.take(given), rows.codes[spec["name"]][given]
    found = []
    for version in np.unique(columns.version)[::-1][:VERSIONS_MOST].tolist():
        chosen = columns.version == version
        task = columns.task[chosen]
        by_label, pairs = labels.compare(task, code[chosen], listed, titles) if listed else ([], [])
        paired = int((np.unique(task, return_counts=True)[1] > 1).sum())
        alpha = alphas.alpha(said, said.columns.version == version, resamples)
        found.append(UnderVersion(version, len(task), paired, alpha, by_label, pairs))
    return found


def _compared(spec: dict[str, Any], said: Said, fields: int) -> people.Compared | None:
    if spec["truth"] == "perspective" or said.scale not in people.COMPARED:
        return None
    return people.compare(said, said.columns.counts, PAIRS_MOST // fields)


def _names(project: Project, workers: Collection[int]) -> dict[int, str]:
    """What the organisation calls these workers."""
    known = Worker.objects.filter(pk__in=workers).values_list("pk", "public_id")
    return {pk: project.organisation.pseudonym(public_id) for pk, public_id in known}


def _named(found: people.Compared | None, names: dict[int, str]) -> Pairs | None:
    if found is None:
        return None
    least, most = (
        [Pair([names[pair.one], names[pair.other]], pair.shared, pair.agreed, pair.kappa) for pair in pairs]
        for pairs in (found.least, found.most)
    )
    return Pairs(found.pairs, least, most)
