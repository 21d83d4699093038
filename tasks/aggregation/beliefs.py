"""What is thought of tasks: distributions over classes, some of them known."""

import numpy as np

from tasks.aggregation.votes import Floats, Ints

DOUBT = 1e-6  # mass spread over all classes: no posterior is ever exactly 1


def known(gold: Ints | None, n_tasks: int, n_classes: int) -> tuple[Ints, Ints]:
    """The tasks of known class, and those classes."""
    if gold is None:
        gold = np.full(n_tasks, -1)
    if np.shape(gold) != (n_tasks,) or (n_tasks and not -1 <= np.min(gold) <= np.max(gold) < n_classes):
        raise ValueError("gold must hold one class, or -1, for each task")
    rows = np.flatnonzero(np.asarray(gold) >= 0)
    return rows, np.asarray(gold)[rows]


def clamped(posterior: Floats, known: tuple[Ints, Ints]) -> Floats:
    """The same rows, in place, with the known classes certain."""
    posterior[known[0]] = 0.0
    posterior[known] = 1.0
    return posterior


def normalised(columns: Floats) -> Floats:
    """Log weights float[K, N] as columns that sum to 1, in place."""
    columns -= columns.max(axis=0)
    np.exp(columns, out=columns)
    columns /= columns.sum(axis=0)
    return columns


def doubted(posterior: Floats) -> Floats:
    """The same rows, none of them certain."""
    return posterior * (1.0 - DOUBT) + DOUBT / posterior.shape[1]
