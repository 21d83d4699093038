"""How far answers agree that are sets of things: labels, spans, boxes."""

from dataclasses import dataclass

import numpy as np

from tasks.aggregation import answer_pairs, bootstrap
from tasks.aggregation.agreement import one_each
from tasks.aggregation.distances import Bools, coded
from tasks.aggregation.votes import Floats, Ints, ordered

AT_ONCE = 4_000_000  # cells of sets that are compared at once


@dataclass(frozen=True, slots=True)
class MeanF1:
    """Mean pairwise F1: of two answers to a task, how much of what either has do both have.

    micro  every thing counts the same: of all pairs of answers together; None: no task has two answers
    macro  every task counts the same: the mean over tasks of the mean over its pairs; None: as micro
    micro_low, micro_high, macro_low, macro_high  95 % of resamples of tasks lie between; None: fewer than
           bootstrap.LEAST_TASKS tasks with a pair, or they are all alike
    tasks  tasks with a pair of answers
    pairs  pairs of answers
    """

    micro: float | None
    micro_low: float | None
    micro_high: float | None
    macro: float | None
    macro_low: float | None
    macro_high: float | None
    tasks: int
    pairs: int


def pairwise_f1(
    task: Ints,
    matched: Floats,
    one: Floats,
    other: Floats,
    n_tasks: int,
    *,
    seed: int = 0,
    resamples: int = bootstrap.RESAMPLES,
) -> MeanF1:
    """Mean F1 of pairs of answers, from how much of them was matched. Two empty answers agree: their F1 is 1.

    task        int[P]    the task of each pair of answers, from 0 to n_tasks - 1
    matched     float[P]  things of the one that were matched with a thing of the other, one to one; or the sum of how
                          well they match
    one, other  float[P]  things each of the two has
    raises      ValueError  a task out of range, more matched than either has, arrays that do not fit together
    source      Hripcsak & Rothschild 2005, "Agreement, the F-measure, and reliability in information retrieval"
    """
    unit = np.asarray(task)
    columns = [np.asarray(column, np.float64) for column in (matched, one, other)]
    if any(column.shape != unit.shape or column.ndim != 1 for column in columns):
        raise ValueError("task, matched, one and other must be arrays of one length")
    if unit.size and (unit.dtype.kind not in "iu" or not 0 <= unit.min() <= unit.max() < n_tasks):
        raise ValueError("a task is out of range")
    both, least, total = columns[0], np.minimum(columns[1], columns[2]), columns[1] + columns[2]
    if not (np.isfinite(total).all() and ((both >= 0) & (both <= least)).all()):
        raise ValueError("matched must lie between 0 and what either answer has")
    unit = unit.astype(np.int64)
    f1 = np.divide(2 * both, total, out=np.ones(len(total)), where=total > 0)
    order = np.lexsort((f1, total, unit))  # so that sums of floats do not depend on the order of the input
    sums = np.stack(
        [np.bincount(unit[order], column[order], n_tasks) for column in (2 * both, total, f1)], axis=1, dtype=np.float64
    )
    return _mean(sums, np.bincount(unit, minlength=n_tasks), seed, resamples)


def pairwise_f1_of_sets(
    task: Ints,
    worker: Ints,
    chosen: Bools,
    n_tasks: int,
    n_workers: int,
    *,
    seed: int = 0,
    resamples: int = bootstrap.RESAMPLES,
) -> MeanF1:
    """Mean pairwise F1 of sets of labels.

    A worker who answers a task twice counts once there (by the first of her sets in the order of distances.coded).

    task, worker  int[N]      codes from 0, in any order
    chosen        bool[N, L]  which labels each answer chose; none is an answer too
    """
    code, sets = coded(chosen)
    votes = one_each(ordered(task, worker, code, n_tasks, n_workers, max(len(sets), 2)))
    order = np.lexsort((votes.label, votes.task))  # so that sums of floats do not depend on who is who
    unit, code = votes.task[order], votes.label[order]
    sizes = sets.sum(axis=1)
    sums, pairs = np.zeros((n_tasks, 3)), np.zeros(n_tasks, np.int64)
    at_once = max(1, AT_ONCE // max(sets.shape[1], 1))
    for ours, theirs in answer_pairs.blocks(unit, np.arange(len(unit)), at_once):
        one, other = code[ours], code[theirs]
        both, total = 2 * (sets[one] & sets[other]).sum(axis=1), sizes[one] + sizes[other]
        f1 = np.divide(both, total, out=np.ones(len(total)), where=total > 0)
        for column, values in enumerate((both, total, f1)):
            sums[:, column] += np.bincount(unit[ours], values, n_tasks)
        pairs += np.bincount(unit[ours], minlength=n_tasks)
    return _mean(sums, pairs, seed, resamples)


def _mean(sums: Floats, pairs: Ints, seed: int, resamples: int) -> MeanF1:
    """From twice what was matched, what both have and F1, summed over the pairs of each task, float[T, 3]."""
    paired = pairs > 0
    if not paired.any():
        return MeanF1(None, None, None, None, None, None, 0, 0)
    sums, per_task = sums[paired], pairs[paired]
    rows: Floats = np.stack([sums[:, 0], sums[:, 1], sums[:, 2] / per_task, np.ones(len(sums))], axis=1)

    def figures(of: Floats) -> Floats:
        micro = np.divide(of[:, 0], of[:, 1], out=np.ones(len(of)), where=of[:, 1] > 0)
        return np.stack([micro, np.divide(of[:, 2], of[:, 3], out=np.ones(len(of)), where=of[:, 3] > 0)], axis=1)

    (micro, macro), low, high = bootstrap.of_sums(rows, figures, seed=seed, resamples=resamples)
    micro_low, macro_low, micro_high, macro_high = (bootstrap.known(value) for value in (*low, *high))
    return MeanF1(float(micro), micro_low, micro_high, float(macro), macro_low, macro_high, len(rows), int(pairs.sum()))
