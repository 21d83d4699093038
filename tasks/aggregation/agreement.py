"""How far workers agree beyond chance."""

import numpy as np

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
