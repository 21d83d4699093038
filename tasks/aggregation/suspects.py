"""Labels that look wrong: against what is thought of the task, against the label of its like, against other times."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom

from tasks.aggregation.votes import Floats, Ints, shares

VERSION = 1
FALSE_ALARMS = 0.05  # at most this share of the drifts told of are none, on average
LEAST_SHIFT = 0.1  # Cohen's h, .5 -> .55 or .005 -> .015: of many labels, smaller ones are sure and matter to nobody
TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Suspects:
    """Tasks whose label may be wrong, the most suspect first; of equal ones the first task first.

    task     int[S]
    score    float[S]  0..1, 1 = surely wrong; a rank, no probability
    instead  int[S]    the class it seems to be
    """

    task: Ints
    score: Floats
    instead: Ints


def mislabelled(label: Ints, probability: Floats, model: Floats | None = None) -> Suspects:
    """Tasks labelled otherwise than what is known of them says, as many as are likely wrong: confident learning.

    label        int[T]       -1 = none
    probability  float[T, K]  of each class, not learned from this label; a row with nan is not known
    model        float[T, K]  the same from elsewhere; either suspects, and both together score higher
    raises       ValueError   codes out of range, arrays that do not fit together, no probabilities
    source       Northcutt, Jiang & Chuang 2021, "Confident learning", pruned by noise rate, ranked by margin; where
                 what is known is often wrong, many a right label is suspect too
    """
    n_classes = np.shape(probability)[-1] if np.ndim(probability) == 2 else 0
    label = _codes(label, n_classes)
    doubted, summed = np.zeros(len(label), bool), np.zeros((len(label), n_classes))
    told = np.zeros(len(label))
    for source in (probability, model):
        if source is None:
            continue
        rows = np.flatnonzero(_known(source, summed.shape) & (label >= 0))
        given = np.asarray(source, np.float64)[rows]
        doubted[rows[_confidently_wrong(label[rows], given)]] = True
        summed[rows] += given
        told[rows] += 1.0
    tasks = np.flatnonzero(doubted)
    mean = summed[tasks] / told[tasks, None]
    own, other, instead = _rivals(label[tasks], mean)
    return _ranked(tasks, (1.0 + other - own) / 2.0, instead)


def _confidently_wrong(label: Ints, probability: Floats) -> Ints:
    """The tasks to doubt, of those with a label and probabilities."""
    n_classes = probability.shape[1]
    if n_classes < 2 or not len(label):
        return np.zeros(0, np.int64)
    rows = np.arange(len(label))
    sizes = np.bincount(label, minlength=n_classes)
    own, other, rival = _rivals(label, probability)
    usual = np.bincount(label, own, n_classes) / np.maximum(sizes, 1)
    bar = np.where(sizes > 0, np.maximum(usual, 1.0 / n_classes), np.inf)  # nothing to compare an unseen class with
    confident = np.where(probability >= bar - TIE, probability, -1.0)
    confident[rows, label] += TIE  # of equal ones, what it is called
    seems = confident.argmax(axis=1)
    counted = confident[rows, seems] >= 0.0
    joint = np.bincount(label[counted] * n_classes + seems[counted], minlength=n_classes**2).reshape(n_classes, -1)
    expected = np.round(shares(joint.astype(np.float64)) * sizes[:, None]) * (joint > 0)
    margin, cell = np.round(other - own, 9), label * n_classes + rival
    order = np.lexsort((-margin, cell))
    first = np.diff(cell[order], prepend=-1) != 0
    fresh = first | (np.diff(margin[order], prepend=0.0) != 0.0)  # as wrong as each other: all of them or none
    rank = np.maximum.accumulate(np.where(fresh, rows, 0)) - np.maximum.accumulate(np.where(first, rows, 0))
    return order[(rank < expected.ravel()[cell[order]]) & (margin[order] > 0.0)]


def contradictions(group: Ints, label: Ints, n_classes: int, probability: Floats | None = None) -> Suspects:
    """Tasks that are the same thing as others, and labelled otherwise than these together say.

    group        int[T]       which tasks are equal, or nearly; -1 = like no other
    label        int[T]       -1 = none
    probability  float[T, K]  how much each task has to say, nan = nothing but its label; None = all as much
    returns      the score is the share of the group's say that is for other classes; of an even split all are suspect
    raises       ValueError   codes out of range or arrays that do not fit together
    """
    label, group = _codes(label, n_classes), np.asarray(group)
    if group.shape != label.shape or (group.size and group.dtype.kind not in "iu"):
        raise ValueError("group must hold one code, or -1, for each task")
    rows = np.flatnonzero((group >= 0) & (label >= 0))
    says = np.eye(n_classes)[label[rows]]
    if probability is not None:
        known = _known(probability, (len(label), n_classes))[rows]
        says[known] = np.asarray(probability, np.float64)[rows[known]]
    names, of_group = np.unique(group[rows], return_inverse=True)
    columns = [np.bincount(of_group, says[:, one], len(names)) for one in range(n_classes)]
    together = shares(np.stack(columns, axis=1))[of_group]
    named = np.unique(of_group * n_classes + label[rows]) // n_classes
    differ = np.bincount(named, minlength=len(names))[of_group] > 1
    own, other, instead = _rivals(label[rows], together)
    doubted = np.flatnonzero(differ & (other >= own - TIE))
    return _ranked(rows[doubted], 1.0 - own[doubted], instead[doubted])


def _rivals(label: Ints, weight: Floats) -> tuple[Floats, Floats, Ints]:
    """In each row the weight of its label, that of the likeliest other class, and which that is."""
    rows = np.arange(len(label))
    others = weight.copy()
    others[rows, label] = -1.0
    instead = others.argmax(axis=1) if others.size else np.zeros(0, np.int64)
    return weight[rows, label], others[rows, instead], instead.astype(np.int64)


def _ranked(tasks: Ints, score: Floats, instead: Ints) -> Suspects:
    """Those tasks, the highest score first."""
    order = np.lexsort((tasks, -np.round(score, 9)))
    return Suspects(tasks[order], np.clip(score[order], 0.0, 1.0), instead[order])


@dataclass(frozen=True, slots=True)
class Drifts:
    """Classes given more often or less in a period than before it, the surest first.

    label    int[D]
    period   int[D]
    before   float[D]  its share of the labels of all earlier periods
    then     float[D]  its share of the labels of this one
    p        float[D]  chance of a difference as large where nothing changed
    alarms   float[D]  expected share of false ones among those as sure as this: Benjamini & Hochberg's adjusted p
    """

    label: Ints
    period: Ints
    before: Floats
    then: Floats
    p: Floats
    alarms: Floats


def drifts(label: Ints, period: Ints, n_classes: int, n_periods: int) -> Drifts:
    """Where the share of a class moved by more than chance and by enough to matter.

    label   int[N]  -1 = none
    period  int[N]  from 0, in the order of time
    raises  ValueError  codes out of range or arrays that do not fit together
    source  Fisher's exact test, twice the smaller tail: right also of rare classes and small periods;
            Benjamini & Hochberg 1995 over all classes and periods
    """
    label, period = _codes(label, n_classes), np.asarray(period)
    if period.shape != label.shape or (period.size and period.dtype.kind not in "iu"):
        raise ValueError("period must hold one code for each label")
    if period.size and not 0 <= period.min() <= period.max() < n_periods:
        raise ValueError("a period is out of range")
    seen = label >= 0
    cells = period[seen].astype(np.int64) * n_classes + label[seen]
    counts = np.bincount(cells, minlength=n_periods * n_classes).reshape(n_periods, n_classes)
    earlier = np.cumsum(counts, axis=0) - counts
    sizes, past = (np.broadcast_to(table.sum(axis=1, keepdims=True), counts.shape) for table in (counts, earlier))
    at = np.nonzero((sizes > 0) & (past > 0) & (counts + earlier > 0))
    there, size, past_there, past_size = counts[at], sizes[at], earlier[at], past[at]
    chance = hypergeom(past_size + size, past_there + there, size)
    p = np.minimum(1.0, 2.0 * np.minimum(chance.cdf(there), chance.sf(there - 1)))
    alarms, before, then = _adjusted(p), past_there / past_size, there / size
    shift = 2.0 * np.abs(np.arcsin(np.sqrt(then)) - np.arcsin(np.sqrt(before)))
    told = np.flatnonzero((alarms <= FALSE_ALARMS) & (shift >= LEAST_SHIFT))
    told = told[np.lexsort((at[1][told], at[0][told], -shift[told], p[told]))]
    return Drifts(at[1][told], at[0][told], before[told], then[told], p[told], alarms[told])


def _adjusted(p: Floats) -> Floats:
    """Benjamini & Hochberg's adjusted p: the smallest share of false alarms at which each would be told of."""
    order = np.argsort(p, kind="stable")[::-1]
    ranks = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(np.minimum(1.0, p[order] * len(p) / ranks))
    return adjusted


def _codes(label: Ints, n_classes: int) -> Ints:
    """The labels, checked."""
    codes = np.asarray(label)
    if n_classes < 1:
        raise ValueError("there must be a class")
    if codes.ndim != 1 or (codes.size and codes.dtype.kind not in "iu"):
        raise ValueError("label must be an integer array")
    if codes.size and not -1 <= codes.min() <= codes.max() < n_classes:
        raise ValueError("a label is out of range")
    return codes.astype(np.int64)


def _known(probability: Floats, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Which rows are probabilities, checked; the others hold nan."""
    if np.shape(probability) != shape:
        raise ValueError("probability must be one row a task and one column a class")
    known = np.asarray(~np.isnan(np.asarray(probability, np.float64)).any(axis=1))
    rows = np.asarray(probability, np.float64)[known]
    if rows.size and not 0.0 <= rows.min() <= rows.max() <= 1.0:
        raise ValueError("a probability is out of range")
    return known
