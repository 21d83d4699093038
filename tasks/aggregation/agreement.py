"""How far workers agree beyond chance."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tasks.aggregation.votes import Ints, Votes, ordered


def krippendorff_alpha(task: Ints, worker: Ints, label: Ints, n_tasks: int, n_classes: int) -> float | None:
    """Krippendorff's alpha of classes without order: 1 = all agree, 0 = as if by chance, below 0 = they oppose.

    A worker who answers a task twice counts once there (by the smaller class); unanimity is 1, also in one class only.
    returns  None where no task has answers of two workers
    source   Krippendorff 2011, "Computing Krippendorff's alpha-reliability", nominal, from the count matrix
    """
    votes = ordered(task, worker, label, n_tasks, int(np.max(worker, initial=-1)) + 1, n_classes)
    counts = _one_each(votes).counts()
    answers = counts.sum(axis=1)
    counts, answers = counts[answers > 1], answers[answers > 1]
    n = answers.sum()
    if not n:
        return None
    differing = ((answers**2 - (counts**2).sum(axis=1)) / (answers - 1)).sum() / n
    by_chance = (n**2 - (counts.sum(axis=0) ** 2).sum()) / (n * (n - 1))
    return float(1.0 - differing / by_chance) if by_chance else 1.0


def _one_each(votes: Votes) -> Votes:
    """The first answer of each worker to each task."""
    again = (np.diff(votes.task, prepend=-1) == 0) & (np.diff(votes.worker, prepend=-1) == 0)
    kept = ~again
    return Votes(
        votes.task[kept], votes.worker[kept], votes.label[kept], votes.n_tasks, votes.n_workers, votes.n_classes
    )


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

    def specific(self) -> np.ndarray:
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
    counts = sparse.csr_matrix((ones, (unit, label)), shape=(n_units, n_classes), dtype=np.int64)
    counts.sum_duplicates()
    is_paired = np.asarray(counts.sum(axis=1)).ravel() > 1
    counts = counts[is_paired]
    together = (counts.T @ counts).toarray()
    answers = np.asarray(counts.sum(axis=0)).ravel()
    agreeing = (np.diagonal(together) - answers) // 2
    differing = together.copy()
    np.fill_diagonal(differing, 0)
    return Pairs(agreeing, differing, np.asarray((counts > 0).sum(axis=0)).ravel().astype(np.int64))
