"""How far workers agree beyond chance, and about which classes."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array, csr_matrix, hstack

from tasks.aggregation import bootstrap
from tasks.aggregation.distances import NOMINAL, Distance
from tasks.aggregation.votes import Floats, Ints, Votes, ordered


@dataclass(frozen=True, slots=True)
class Alpha:
    """Krippendorff's alpha, and how far it could be another.

    value      1 = all agree, 0 = as if by chance, below 0 = they oppose; None: no task has answers of two workers
    low, high  95 % of resamples of tasks lie between; None: fewer than bootstrap.LEAST_TASKS tasks have two answers,
               or they are all alike (as where everybody agrees), so that nothing says how sure the value is
    tasks      tasks with answers of two workers or more: the others say nothing of agreement
    answers    answers to these, one for each worker
    """

    value: float | None
    low: float | None
    high: float | None
    tasks: int
    answers: int


def krippendorff_alpha(
    task: Ints, worker: Ints, label: Ints, n_tasks: int, n_classes: int, distance: Distance = NOMINAL
) -> float | None:
    """Krippendorff's alpha: 1 = all agree, 0 = as if by chance, below 0 = they oppose.

    A worker who answers a task twice counts once there (by the smaller class); unanimity is 1, also in one class only.

    task, worker, label  int[N]  codes from 0, in any order; for numbers and sets the label is the code of a value
    distance             how far classes are apart: NOMINAL, ORDINAL (in the order of their codes), or one made from
                         the values behind the codes by distances.interval, ratio, jaccard, masi or table
    returns  None where no task has answers of two workers
    source   Krippendorff 2011, "Computing Krippendorff's alpha-reliability", from the count matrix
    """
    found = _units(task, worker, label, n_tasks, n_classes, distance)
    return _value(found, distance) if found.n_tasks else None


def alpha(
    task: Ints,
    worker: Ints,
    label: Ints,
    n_tasks: int,
    n_classes: int,
    distance: Distance = NOMINAL,
    *,
    seed: int = 0,
    resamples: int = bootstrap.RESAMPLES,
) -> Alpha:
    """The same with its 95 % interval; everything as in krippendorff_alpha.

    The interval depends on what the tasks were answered, not on their order, nor on who answered.
    """
    return _alpha(_units(task, worker, label, n_tasks, n_classes, distance), distance, seed, resamples)


def alpha_by(
    part: Ints,
    n_parts: int,
    task: Ints,
    worker: Ints,
    label: Ints,
    n_tasks: int,
    n_classes: int,
    distance: Distance = NOMINAL,
    *,
    seed: int = 0,
    resamples: int = bootstrap.RESAMPLES,
) -> list[Alpha]:
    """Alpha of each part of the answers by itself: of a period, a version of the guideline, a kind of item.

    Two answers to a task are compared where they are of the same part; what is expected by chance is that part's.

    part     int[N]  the part each answer belongs to, from 0 to n_parts - 1
    returns  one for each part, in the order of their codes
    """
    columns = [np.asarray(column) for column in (part, task, worker, label)]
    for column, size in zip(columns[:2], (n_parts, n_tasks), strict=True):
        if any(column.shape != other.shape for other in columns) or (column.size and column.dtype.kind not in "iu"):
            raise ValueError("part, task, worker and label must be integer arrays of one length")
        if column.size and not 0 <= column.min() <= column.max() < size:
            raise ValueError("a part or a task is out of range")
    order = np.argsort(columns[0], kind="stable")
    parts, tasks, workers, labels = (column[order] for column in columns)
    found = []
    for start, end in pairwise(np.searchsorted(parts, np.arange(n_parts + 1))):
        there, unit = np.unique(tasks[start:end], return_inverse=True)
        who, what = workers[start:end], labels[start:end]
        found.append(alpha(unit, who, what, len(there), n_classes, distance, seed=seed, resamples=resamples))
    return found


def one_each(votes: Votes) -> Votes:
    """The first answer of each worker to each task."""
    again = (np.diff(votes.task, prepend=-1) == 0) & (np.diff(votes.worker, prepend=-1) == 0)
    kept = ~again
    return Votes(
        votes.task[kept], votes.worker[kept], votes.label[kept], votes.n_tasks, votes.n_workers, votes.n_classes
    )


def _units(task: Ints, worker: Ints, label: Ints, n_tasks: int, n_classes: int, distance: Distance) -> bootstrap.Rows:
    """How often each class was given in each task that two workers answered, rows of float[K]."""
    if distance.n_values not in (None, n_classes):
        raise ValueError("the distance must be made of one value for each class")
    if np.max(label, initial=-1) >= n_classes:
        raise ValueError("a label is out of range")
    n_workers = int(np.max(worker, initial=-1)) + 1
    votes = one_each(ordered(task, worker, label, n_tasks, n_workers, max(n_classes, 2)))
    ones = np.ones(len(votes.task))
    counts = csr_array((ones, (votes.task, votes.label)), shape=(n_tasks, n_classes))
    counts.sum_duplicates()
    return bootstrap.distinct(counts[np.flatnonzero(counts.sum(axis=1) > 1)])


def _value(found: bootstrap.Rows, distance: Distance) -> float:
    often = found.often[None, :].astype(np.float64)
    pooled = often @ found.rows
    return float(_from_sums(found.rows, often, pooled, distance.within(found.rows, pooled), distance)[0])


def _from_sums(counts: csr_array, often: Floats, pooled: Floats, within: Floats, distance: Distance) -> Floats:
    """Alpha of each sample, float[R], in which each unit occurs so often, float[R, U]."""
    n, each = pooled.sum(axis=1), within / (counts.sum(axis=1) - 1)
    observed = often @ each[0] if len(each) == 1 else (often * each).sum(axis=1)
    expected = distance.among(pooled) / (n - 1)
    return 1.0 - np.divide(observed, expected, out=np.zeros(len(n)), where=expected > 0)


def _alpha(found: bootstrap.Rows, distance: Distance, seed: int, resamples: int) -> Alpha:
    tasks, answers = found.n_tasks, int(found.often @ found.rows.sum(axis=1))
    if not tasks:
        return Alpha(None, None, None, 0, 0)
    low, high = np.full(1, np.nan), np.full(1, np.nan)
    if tasks >= bootstrap.LEAST_TASKS:
        low, high = bootstrap.bounds(_resampled(found, distance, seed, resamples)[:, None], tasks)
    return Alpha(_value(found, distance), bootstrap.known(low[0]), bootstrap.known(high[0]), tasks, answers)


def _resampled(found: bootstrap.Rows, distance: Distance, seed: int, resamples: int) -> Floats:
    """Alpha of each resample, float[R]."""
    counts, values = found.rows, []
    fixed = None if distance.is_relative else distance.within(counts, np.zeros((1, counts.shape[1])))
    width = counts.nnz if fixed is None else 0
    for often in bootstrap.draws(found, seed=seed, resamples=resamples, width=width):
        pooled = often @ counts
        within = distance.within(counts, pooled) if fixed is None else fixed
        values.append(_from_sums(counts, often, pooled, within, distance))
    return np.concatenate(values)


@dataclass(frozen=True)
class Pairs:
    """How pairs of answers to the same unit fall on the classes.

    agreeing   int[K]     pairs that both say this class
    differing  int[K, K]  pairs of which one says the one class and one the other; symmetric, 0 on the diagonal
    units      int[K]     units in which somebody says this class and there is a pair
    """

    agreeing: Ints
    differing: Ints
    units: Ints

    def specific(self) -> Floats:
        """Specific agreement of each class: of those who say it, how often another says it too; nan: no pair has it.

        returns  float[K]  2 x agreeing pairs / (2 x agreeing + differing pairs that involve the class)
        source   Cicchetti & Feinstein 1990, "High agreement but low kappa: II", for any number of raters by pairs
        """
        ours = 2 * self.agreeing
        involved = ours + self.differing.sum(axis=1)
        return np.divide(ours, involved, out=np.full(len(ours), np.nan), where=involved > 0)


def pairs(unit: Ints, label: Ints, n_units: int, n_classes: int) -> Pairs:
    """Count the pairs of answers within each unit.

    unit   int[N]  which unit each answer belongs to, from 0 to n_units - 1
    label  int[N]  its class, from 0 to n_classes - 1
    """
    ones = np.ones(len(unit), np.int64)
    counts = csr_matrix((ones, (unit, label)), shape=(n_units, n_classes), dtype=np.int64)
    counts.sum_duplicates()
    is_paired = np.asarray(counts.sum(axis=1)).ravel() > 1
    counts = counts[is_paired]
    together = (counts.T @ counts).toarray()
    answers = np.asarray(counts.sum(axis=0)).ravel()
    agreeing = (np.diagonal(together) - answers) // 2
    differing = together.copy()
    np.fill_diagonal(differing, 0)
    return Pairs(agreeing, differing, np.asarray((counts > 0).sum(axis=0)).ravel().astype(np.int64))


def specific_bounds(
    unit: Ints, label: Ints, n_units: int, n_classes: int, *, seed: int = 0, resamples: int = bootstrap.RESAMPLES
) -> tuple[Floats, Floats]:
    """Between what Pairs.specific lies for each class, low float[K] and high float[K], resampling units.

    nan where fewer than bootstrap.LEAST_TASKS units with a pair have the class, or they are all alike.

    unit, label  as in pairs
    """
    counts = csr_array((np.ones(len(unit)), (unit, label)), shape=(n_units, n_classes))
    counts.sum_duplicates()
    counts = counts[np.flatnonzero(counts.sum(axis=1) > 1)]
    others = counts.copy()
    others.data = np.repeat(counts.sum(axis=1), np.diff(counts.indptr)) - 1.0
    alike = counts.copy()
    alike.data = counts.data - 1.0
    sums = hstack([counts.multiply(alike), counts.multiply(others)], format="csr")

    def figure(rows: Floats) -> Floats:
        agreeing, involved = rows[:, :n_classes], rows[:, n_classes:]
        return np.divide(agreeing, involved, out=np.full(agreeing.shape, np.nan), where=involved > 0)

    _, low, high = bootstrap.of_sums(sums, figure, seed=seed, resamples=resamples)
    rare = (counts > 0).sum(axis=0) < bootstrap.LEAST_TASKS
    low[rare], high[rare] = np.nan, np.nan
    return low, high
