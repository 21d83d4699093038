"""Numeric answers as arrays, and the plain median."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tasks.aggregation.votes import Floats, Ints

LARGEST = 1e60  # whose squares and their squares can still be added up


@dataclass(frozen=True, slots=True)
class Numbers:
    """Checked answers, one for each worker and task, sorted by task and worker: the order they came in never shows."""

    task: Ints
    worker: Ints
    value: Floats
    n_tasks: int
    n_workers: int

    def of_tasks(self, kept: np.ndarray) -> "Numbers":
        """The answers to these tasks, bool[T]."""
        if kept.all():
            return self
        rows = kept[self.task]
        return Numbers(self.task[rows], self.worker[rows], self.value[rows], self.n_tasks, self.n_workers)

    def by_task(self, weights: Floats | None = None) -> Floats:
        """Sums over the answers of each task, float[T]."""
        return np.bincount(self.task, weights, self.n_tasks).astype(np.float64)

    def by_worker(self, weights: Floats | None = None) -> Floats:
        """Sums over the answers of each worker, float[W]."""
        return np.bincount(self.worker, weights, self.n_workers).astype(np.float64)


def ordered(task: Ints, worker: Ints, value: Floats, n_tasks: int, n_workers: int) -> Numbers:
    """Check the answers and sort them once; a worker who answers a task twice counts once, with the mean.

    task, worker  int[N]    codes from 0
    value         float[N]  finite, below LARGEST
    raises  ValueError  arrays that do not fit together, a code out of range, a value that is no number
    """
    columns = []
    for name, codes, size in (("task", task, n_tasks), ("worker", worker, n_workers)):
        column = np.asarray(codes)
        if column.shape != np.shape(value) or column.ndim != 1 or (column.size and column.dtype.kind not in "iu"):
            raise ValueError("task and worker must be integer arrays as long as value")
        if column.size and not 0 <= column.min() <= column.max() < size:
            raise ValueError(f"a {name} is out of range")
        columns.append(column.astype(np.int64))
    values = np.asarray(value, np.float64)
    if not (np.abs(values) < LARGEST).all():
        raise ValueError(f"a value must be a finite number below {LARGEST:g}")
    key = columns[0] * n_workers + columns[1]
    order = np.argsort(key)
    sorted_key = key[order]
    first = np.diff(sorted_key, prepend=-1) != 0
    if first.all():
        return Numbers(columns[0][order], columns[1][order], values[order], n_tasks, n_workers)
    order, starts = _by_value(order, sorted_key, values, first), np.flatnonzero(first)
    means = np.add.reduceat(values[order], starts) / np.diff(np.append(starts, len(order)))
    return Numbers(*np.divmod(sorted_key[starts], n_workers), means, n_tasks, n_workers)


def _by_value(order: Ints, sorted_key: Ints, values: Floats, first: np.ndarray) -> Ints:
    """The same order, with answers of one worker to one task in the order of their values."""
    again = np.flatnonzero(~first | ~np.append(first[1:], True))
    order = order.copy()
    order[again] = order[again][np.lexsort((values[order[again]], sorted_key[again]))]
    return order


def medians(numbers: Numbers) -> Floats:
    """The median answer to each task, float[T]; nan where there is none."""
    return _of_sorted(numbers, lambda rows: (rows[:, (rows.shape[1] - 1) // 2] + rows[:, rows.shape[1] // 2]) / 2.0)


def weighted_medians(task: Ints, value: Floats, weight: Floats, n_tasks: int) -> Floats:
    """The weighted median answer to each task, float[T], of two in the middle the lower; nan where there is none.

    task, value, weight  [N]  in any order; weights above 0
    """
    order = np.lexsort((value, task))
    by_task, reached = task[order], np.cumsum(weight[order])
    total = np.bincount(task, weight, n_tasks)
    below = np.cumsum(total) - total
    is_half = reached - below[by_task] >= total[by_task] * (0.5 - 1e-12)
    found = np.full(n_tasks, np.nan)
    tasks, first = np.unique(by_task[is_half], return_index=True)
    found[tasks] = value[order][is_half][first]
    return found


def ranges(numbers: Numbers) -> Floats:
    """How far the answers to each task lie apart at most, float[T]; nan where there is none."""
    return _of_sorted(numbers, lambda rows: rows[:, -1] - rows[:, 0])


def step(values: Floats) -> float:
    """The unit the values are given in: the gap between neighbours, by the smaller ones; 0 where all are the same."""
    gaps = np.diff(np.unique(values))
    return float(np.quantile(gaps, 0.25, method="lower")) if gaps.size else 0.0


def _of_sorted(numbers: Numbers, figure: Callable[[Floats], Floats]) -> Floats:
    """A figure of each task's answers in ascending order, for all tasks of one number of answers at a time."""
    sizes = np.bincount(numbers.task, minlength=numbers.n_tasks)
    starts = np.cumsum(sizes) - sizes
    figures = np.full(numbers.n_tasks, np.nan)
    for size in np.unique(sizes[sizes > 0]):
        tasks = np.flatnonzero(sizes == size)
        figures[tasks] = figure(np.sort(numbers.value[starts[tasks][:, None] + np.arange(size)], axis=1))
    return figures
