"""Answers as arrays, and the plain vote."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Votes:
    """Checked answers sorted by task, worker and label, so that the order they came in never shows."""

    task: Ints
    worker: Ints
    label: Ints
    n_tasks: int
    n_workers: int
    n_classes: int

    def counts(self) -> Floats:
        """How often each task was given each class, float[T, K]."""
        cells = np.bincount(self.task * self.n_classes + self.label, minlength=self.n_tasks * self.n_classes)
        return cells.reshape(self.n_tasks, self.n_classes).astype(np.float64)

    def incidence(self) -> csr_array:
        """Which worker said which class of which task, sparse float[T, W * K]."""
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.task, minlength=self.n_tasks))])
        columns = self.worker * self.n_classes + self.label
        shape = self.n_tasks, self.n_workers * self.n_classes
        return csr_array((np.ones(len(columns)), columns, starts), shape=shape)

    def workers(self) -> Ints:
        """How many workers answered each task, int[T]."""
        first = (np.diff(self.task, prepend=-1) != 0) | (np.diff(self.worker, prepend=-1) != 0)
        return np.bincount(self.task[first], minlength=self.n_tasks)


def ordered(task: Ints, worker: Ints, label: Ints, n_tasks: int, n_workers: int, n_classes: int) -> Votes:
    """Check the answers and sort them once.

    task, worker, label  int[N]  codes from 0; a worker may answer a task twice
    raises  ValueError  fewer than two classes, arrays that do not fit together, a code out of range
    """
    if n_classes < 2:
        raise ValueError("there must be two classes or more")
    columns = []
    for name, codes, size in (("task", task, n_tasks), ("worker", worker, n_workers), ("label", label, n_classes)):
        column = np.asarray(codes)
        if column.shape != np.shape(task) or column.ndim != 1 or (column.size and column.dtype.kind not in "iu"):
            raise ValueError("task, worker and label must be integer arrays of one length")
        if column.size and not 0 <= column.min() <= column.max() < size:
            raise ValueError(f"a {name} is out of range")
        columns.append(column.astype(np.int64))
    key = np.sort((columns[0] * n_workers + columns[1]) * n_classes + columns[2])
    pair, by_class = np.divmod(key, n_classes)
    by_task, by_worker = np.divmod(pair, max(n_workers, 1))
    return Votes(by_task, by_worker, by_class, n_tasks, n_workers, n_classes)


def majority(task: Ints, worker: Ints, label: Ints, n_tasks: int, n_workers: int, n_classes: int) -> Floats:
    """Each class's share of a task's answers, float[T, K]; a task without answers is uniform."""
    return shares(ordered(task, worker, label, n_tasks, n_workers, n_classes).counts())


def shares(counts: Floats) -> Floats:
    """Rows of counts as rows that sum to 1; an empty row is uniform."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.where(totals > 0, counts / np.maximum(totals, 1.0), 1.0 / counts.shape[1])
