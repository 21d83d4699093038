"""How far people agree on a field beyond chance: all together, under one version of the guideline, and over time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from tasks.aggregation import agreement, bootstrap, set_agreement
from tasks.aggregation.distances import Bools
from tasks.aggregation.votes import Ints
from tasks.agreement.scales import Said

PERIODS_MOST = 12
PERIOD_TASKS_LEAST = 20  # with fewer, the interval is wider than what changes
RESAMPLES_LEAST, WORK_MOST = 200, 10_000_000  # where values are many; resamples x answers to the field
FEW_VALUES = 12  # of which the ways to answer a task are few, and many resamples cheap


class Unknown(StrEnum):
    """Why there is no figure, or no interval of it."""

    NO_PAIRS = "no_pairs"  # no task was answered by two people
    ONE_VALUE = "one_value"  # all say one and the same: whether they would tell cases apart does not show
    FEW_TASKS = "few_tasks"  # no interval: fewer than bootstrap.LEAST_TASKS
    ALIKE = "alike"  # no interval: tasks are all alike, as where everybody agrees


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha: 1 = all agree, 0 = as if by chance, below 0 = they oppose.

    low, high       it lies between with 95 % probability
    tasks, answers  what it rests on: tasks that two people or more answered, and the answers to these
    unknown         why alpha or its interval is None; empty: neither is
    """

    value: float | None
    low: float | None
    high: float | None
    tasks: int
    answers: int
    unknown: str


@dataclass(frozen=True)
class F1:
    """Mean pairwise F1 of sets: of two answers to a task, how much of what either chose did both choose.

    mean       every task counts the same; None: no task was answered by two people
    low, high  it lies between with 95 % probability; None: unknown
    """

    mean: float | None
    low: float | None
    high: float | None
    tasks: int
    pairs: int


@dataclass(frozen=True)
class Period:
    """The tasks whose last answer came between these times."""

    since: datetime
    until: datetime
    alpha: Alpha


def alpha(said: Said, chosen: Bools, resamples: int = bootstrap.RESAMPLES) -> Alpha:
    """Of the answers chosen, bool[N]; its interval from fewer resamples where those would take long."""
    columns, code = said.columns.take(chosen), said.code[chosen]
    paired = _paired(columns.task)
    tasks, task = np.unique(columns.task[paired], return_inverse=True)
    _, worker = np.unique(columns.worker[paired], return_inverse=True)
    codes, label = np.unique(code[paired], return_inverse=True)
    if len(codes) < 2:
        unknown = Unknown.ONE_VALUE if len(codes) else Unknown.NO_PAIRS
        return Alpha(None, None, None, len(tasks), len(label), unknown)
    if len(codes) > FEW_VALUES:
        resamples = min(resamples, max(RESAMPLES_LEAST, WORK_MOST // len(said.code)))
    distance = said.distance(codes)
    found = agreement.alpha(task, worker, label, len(tasks), len(codes), distance, resamples=resamples)
    few = Unknown.FEW_TASKS if found.tasks < bootstrap.LEAST_TASKS else Unknown.ALIKE
    return Alpha(found.value, found.low, found.high, found.tasks, found.answers, "" if found.low is not None else few)


def over_time(said: Said, resamples: int) -> list[Period]:
    """Alpha of equally many tasks at a time, the oldest first; empty where there are too few for two periods.

    What was superseded is not compared with what came in its place.
    """
    unit = said.columns.task * 2 + said.columns.counts
    kept = _paired(unit)
    units, place = np.unique(unit[kept], return_inverse=True)
    last = np.zeros(len(units))
    np.maximum.at(last, place, said.columns.at[kept])
    periods = min(PERIODS_MOST, len(units) // PERIOD_TASKS_LEAST)
    if periods < 2:
        return []
    found = []
    for part in np.array_split(np.lexsort((units, last)), periods):
        chosen = np.isin(unit, units[part])
        found.append(Period(_when(last[part[0]]), _when(last[part[-1]]), alpha(said, chosen, resamples)))
    return found


def f1(said: Said, chosen: Bools, most: int) -> F1 | None:
    """Of the answers chosen, at most so many pairs of them; None: they are no sets."""
    if said.sets is None:
        return None
    chosen = chosen & newest(said.columns.task, chosen, most)
    columns, sets = said.columns.take(chosen), said.sets[said.code[chosen]]
    tasks, task = np.unique(columns.task, return_inverse=True)
    workers, worker = np.unique(columns.worker, return_inverse=True)
    found = set_agreement.pairwise_f1_of_sets(task, worker, sets, len(tasks), len(workers))
    return F1(found.macro, found.macro_low, found.macro_high, found.tasks, found.pairs)


def newest(task: Ints, chosen: Bools, most: int) -> Bools:
    """Which answers are to the newest tasks that have at most so many pairs of answers together, bool[N]."""
    tasks, place = np.unique(task, return_inverse=True)
    answers = np.bincount(place, chosen, len(tasks))
    pairs = np.cumsum((answers * (answers - 1) // 2)[::-1])[::-1]
    return (pairs <= most)[place]


def _paired(unit: Ints) -> Bools:
    _, place, answers = np.unique(unit, return_inverse=True, return_counts=True)
    return answers[place] > 1


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
