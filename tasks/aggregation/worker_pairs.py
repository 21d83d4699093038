"""How far each two workers agree on the tasks they share."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from tasks.aggregation import answer_pairs
from tasks.aggregation.agreement import one_each
from tasks.aggregation.votes import Floats, Ints, Votes, ordered

LEAST_SHARED = 10  # tasks; the standard error of a kappa of .5 from ten is about .27 already
MOST_PAIRS = 100_000  # of workers, that are kept: 4 MB
AT_ONCE = 4_000_000  # pairs of answers that are held at once: about 300 MB


@dataclass(frozen=True, slots=True)
class WorkerPairs:
    """Each two workers who share enough tasks, once, by their codes: one < other.

    one, other     int[P]    the two workers
    shared         int[P]    tasks that both answered
    agreed         float[P]  part of these to which both said the same, 0..1
    kappa          float[P]  Cohen's kappa on these; nan where both said one and the same class to all of them, which
                             tells agreement from habit no more than one answer would
    left_out       pairs that share enough tasks and are not here, because there are too many
    complete_from  every pair that shares at least so many tasks is here; of those that share fewer, the ones that
                   share most and, among these, have the lowest codes
    """

    one: Ints
    other: Ints
    shared: Ints
    agreed: Floats
    kappa: Floats
    left_out: int
    complete_from: int


def worker_pairs(
    task: Ints,
    worker: Ints,
    label: Ints,
    n_tasks: int,
    n_workers: int,
    n_classes: int,
    *,
    least_shared: int = LEAST_SHARED,
    most: int = MOST_PAIRS,
) -> WorkerPairs:
    """Compare each two workers who share at least so many tasks; those who share most, where there are too many pairs.

    A worker who answers a task twice counts once there (by the smaller class). The time grows with the pairs of
    answers to the same task (a million in about half a second), the memory does not.

    task, worker, label  int[N]  codes from 0, in any order
    source  Cohen 1960, "A coefficient of agreement for nominal scales"; each worker's habits are those on the tasks
            that the two share
    """
    if least_shared < 1 or most < 1:
        raise ValueError("least_shared and most must be 1 or more")
    votes = one_each(ordered(task, worker, label, n_tasks, n_workers, n_classes))
    kept, found, dropped_shared = np.zeros((5, 0)), 0, 0
    for ours, theirs in answer_pairs.blocks(votes.task, votes.worker, AT_ONCE):
        pairs = _compared(votes, ours, theirs, least_shared)
        found += pairs.shape[1]
        kept = np.concatenate([kept, pairs], axis=1)
        if kept.shape[1] > most:
            best = np.lexsort((kept[1], kept[0], -kept[2]))
            dropped_shared = max(dropped_shared, int(kept[2, best[most]]))
            kept = kept[:, best[:most]]
    kept = kept[:, np.lexsort((kept[1], kept[0]))]
    one, other, shared = kept[:3].astype(np.int64)
    complete_from = max(least_shared, dropped_shared + 1)
    return WorkerPairs(one, other, shared, kept[3], kept[4], found - len(one), complete_from)


def _compared(votes: Votes, ours: Ints, theirs: Ints, least_shared: int) -> Floats:
    """One, other, shared, agreed and kappa of the pairs of workers in these pairs of answers, float[5, P]."""
    keys, pair = np.unique(votes.worker[ours] * votes.n_workers + votes.worker[theirs], return_inverse=True)
    shared = np.bincount(pair, minlength=len(keys))
    enough = shared >= least_shared
    rows = enough[pair]
    ours, theirs, pair = ours[rows], theirs[rows], (np.cumsum(enough) - 1)[pair[rows]]
    keys, shared = keys[enough], shared[enough]
    agreed = np.bincount(pair, votes.label[ours] == votes.label[theirs], len(keys)) / shared
    habits = [
        csr_array((np.ones(len(pair)), (pair, votes.label[answers])), shape=(len(keys), votes.n_classes))
        for answers in (ours, theirs)
    ]
    alike = habits[0].multiply(habits[1]).sum(axis=1)  # of shared x shared draws of an answer from each
    by_chance = alike / shared.astype(np.float64) ** 2
    is_known = alike < shared**2
    kappa = np.divide(agreed - by_chance, 1 - by_chance, out=np.full(len(keys), np.nan), where=is_known)
    one, other = np.divmod(keys, max(votes.n_workers, 1))
    return np.stack([one, other, shared, agreed, kappa])
