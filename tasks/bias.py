"""Who answers how: the answers of groups of people who said something of themselves, against all others'.

What somebody said must not be read from it, by nobody who has every answer under its worker's pseudonym either. So it
is of the whole project, never of a batch or a version of the guideline that could be subtracted from it; of what was
handed in before today, whatever was decided about it since, so that nobody moves it by deciding about one person; and
of each group some are left out by lot, others whenever somebody joins or withdraws. docs/decisions/0027 says why.
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings

from marketplace.core import clock
from marketplace.labels import schema as label_schema
from marketplace.models import Project
from tasks.aggregation.group_chance import group_chance
from tasks.aggregation.group_shifts import GroupShifts, group_shifts
from tasks.models import Answer, Assignment
from workers import self_descriptions
from workers.self_descriptions import Question

BATCHES_MOST = 100  # the newest ones, so that many empty batches cost no more
OF_EACH = 5  # one in so many of a group is left out, and one at least
IN_STEPS_OF = 5  # how many were counted is told so, rounded down
GROUPS_LEAST = 2
SURE = 0.05


@dataclass(frozen=True)
class Share:
    """How often a group gave a label, and all others on the same tasks; None: too few tasks in common to say."""

    name: str
    share: float | None
    others: float | None
    shift: float | None
    low: float | None
    high: float | None

    @property
    def points(self) -> str:
        return _points(self.shift)

    @property
    def range(self) -> str:
        return f"{_points(self.low)} to {_points(self.high)}"


@dataclass(frozen=True)
class Group:
    """People who said the same of themselves.

    people     at least so many were counted
    chance     that groups drawn by lot differ as much, all that this report compares taken into account
    variation  half the sum of all shifts without their sign; `by_chance` is what chance alone would show
    """

    title: str
    people: int
    shares: list[Share]
    chance: float
    variation: float | None
    by_chance: float | None

    @property
    def differs(self) -> bool:
        return self.chance <= SURE and self.variation is not None


@dataclass(frozen=True)
class Comparison:
    """A field by the answers to a question."""

    field: str
    title: str
    truth: str
    question: str
    words: str
    groups: list[Group]


@dataclass(frozen=True)
class Report:
    """Of answers handed in before `until`, the newest `most` of them; without groups under `least` people."""

    until: datetime
    most: int
    least: int
    comparisons: list[Comparison]


@dataclass(frozen=True)
class Given:
    """The answers to one field as arrays of codes; `workers` are primary keys."""

    task: np.ndarray
    worker: np.ndarray
    label: np.ndarray
    workers: list[int]
    n_tasks: int
    classes: list[str]


def report(project: Project) -> Report:
    """Each group's label shares in each categorical field, with its shift; only groups of `GROUP_LEAST` or more."""
    until = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    specs = {spec["name"]: spec for spec in project.schema.get("fields", [])}
    given, newest = _given(project, until)
    everybody = sorted({worker for one in given.values() for worker in one.workers})
    found = []
    for question in self_descriptions.QUESTIONS:
        said = self_descriptions.among(question, everybody, until)
        if len(said) < GROUPS_LEAST * settings.GROUP_LEAST:
            continue
        counted = _counted(project, question, newest, everybody, said)
        found += [
            (specs[name], question, compared)
            for name, one in given.items()
            if (compared := _of(one, counted, question))
        ]
    comparisons = [
        Comparison(
            field=spec["name"],
            title=spec["title"],
            truth=spec["truth"],
            question=question.name,
            words=question.group,
            groups=_groups(spec, question, *compared, len(found)),
        )
        for spec, question, compared in sorted(found, key=lambda row: list(specs).index(row[0]["name"]))
    ]
    return Report(until, settings.DISAGREEMENT_ANSWERS_MOST, settings.GROUP_LEAST, comparisons)


def _counted(
    project: Project, question: Question, newest: str, everybody: Sequence[int], said: Mapping[int, str]
) -> dict[int, str]:
    """What those who are counted said, empty: nothing; without those whom the lot leaves out, of each group some.

    The lot is another one when somebody joins or withdraws, and after a day with new answers; else it is the same,
    so that asking again says nothing more.
    """
    members = " ".join(f"{worker}={said[worker]}" for worker in sorted(said))
    about = f"{project.pk} {question.name} {newest} {members}".encode()
    key = hmac.digest(settings.SECRET_KEY.encode(), hashlib.sha256(about).digest(), "sha256")
    groups: dict[str, list[int]] = defaultdict(list)
    for worker in everybody:
        groups[said.get(worker, self_descriptions.NOT_SAID)].append(worker)
    counted: dict[int, str] = {}
    for choice, people in groups.items():
        drawn = sorted(people, key=lambda worker: hmac.digest(key, str(worker).encode(), "sha256"))
        counted |= dict.fromkeys(drawn[max(1, len(people) // OF_EACH) :], choice)
    return counted


def _of(
    given: Given, counted: Mapping[int, str], question: Question
) -> tuple[GroupShifts, np.ndarray, list[str]] | None:
    """The groups that may be shown, the chance of each, and the classes; None: too few."""
    choices = list(question.choices)
    said = np.array([choices.index(counted[w]) if counted.get(w) else -1 for w in given.workers], np.int64)
    kept = np.array([worker in counted for worker in given.workers])[given.worker]
    arrays = (given.task[kept], given.worker[kept], given.label[kept], said)
    sizes = (given.n_tasks, len(given.workers), len(given.classes))
    shifts = group_shifts(*arrays, *sizes, len(choices), least_workers=settings.GROUP_LEAST)
    if len(shifts.group) < GROUPS_LEAST:
        return None
    return shifts, group_chance(*arrays, *sizes, groups=shifts.group, classes=shifts.classes), given.classes


def _groups(
    spec: dict[str, Any], question: Question, shifts: GroupShifts, chance: np.ndarray, classes: list[str], looks: int
) -> list[Group]:
    titles = {str(option["value"]): option["title"] for option in spec.get("options", [])}
    labels = [titles.get(classes[code], classes[code]) for code in shifts.classes.tolist()]
    names = list(question.choices.values())
    groups = []
    for row, code in enumerate(shifts.group.tolist()):
        figures = zip(
            *(_known(part[row]) for part in (shifts.share, shifts.others, shifts.shift, shifts.low, shifts.high)),
            strict=True,
        )
        (variation,), (by_chance,) = (_known(part[row : row + 1]) for part in (shifts.variation, shifts.by_chance))
        groups.append(
            Group(
                title=names[code],
                people=int(shifts.workers[row]) // IN_STEPS_OF * IN_STEPS_OF,
                shares=[Share(label, *five) for label, five in zip(labels, figures, strict=True)],
                chance=round(min(1.0, float(chance[row]) * looks), 2),
                variation=variation,
                by_chance=by_chance,
            )
        )
    return groups


def _points(shift: float | None) -> str:
    """A difference in points of percent: "+5", "-12", "0"."""
    points = round(100 * (shift or 0.0))
    return f"{points:+d}".replace("-", "\N{MINUS SIGN}") if points else "0"


def _known(figures: np.ndarray) -> list[float | None]:
    return [None if np.isnan(figure) else float(figure) for figure in figures]


def _given(project: Project, until: datetime) -> tuple[dict[str, Given], str]:
    """The newest answers to each categorical field, and the day of the newest of them; known answers are left out.

    Rejected, excluded and superseded ones are among them. An older schema may have had classes that are gone: they are
    put behind those of today.
    """
    listed_now = label_schema.categorical(project.schema) if project.schema else []
    classes = {name: list(listed) for name, listed in listed_now}
    rows: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    left, newest = settings.DISAGREEMENT_ANSWERS_MOST, ""
    for batch in project.batches.order_by("-pk")[:BATCHES_MOST]:
        if left <= 0:
            break
        handed_in = Answer.objects.filter(
            batch=batch,
            attempt=0,
            task__gold=None,
            codes__isnull=False,
            submitted_at__lt=until,
            assignment__purpose=Assignment.Purpose.WORK,
        )
        found = list(handed_in.order_by("-pk").values_list("task", "worker", "codes", "submitted_at")[:left])
        left -= len(found)
        newest = max([newest, *(at.date().isoformat() for *_, at in found if at)])
        for column, (name, listed) in enumerate(label_schema.categorical(batch.schema)):
            if name not in classes:
                continue
            classes[name] += [value for value in listed if value not in classes[name]]
            places = [classes[name].index(value) for value in listed]
            rows[name] += [(t, w, places[codes[column]]) for t, w, codes, _ in found if codes and codes[column] >= 0]
    several = [name for name in classes if rows[name] and len(classes[name]) > 1]
    return {name: _arrays(rows[name], classes[name]) for name in several}, newest


def _arrays(rows: list[tuple[int, int, int]], classes: list[str]) -> Given:
    task, worker, label = np.array(rows, np.int64).T
    tasks, task = np.unique(task, return_inverse=True)
    workers, worker = np.unique(worker, return_inverse=True)
    return Given(task, worker, label, workers.tolist(), len(tasks), classes)
