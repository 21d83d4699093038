"""Whether groups of workers differ in what they answer by more than workers drawn by lot do: a permutation test.

An answer is held against all answers to its task, so that tasks of other kinds make no difference, and counted by its
worker, so that the many answers of one person are one person's.
"""

import numpy as np

from tasks.aggregation.agreement import one_each
from tasks.aggregation.votes import Floats, Ints, ordered

DRAWS = 1999


def group_chance(
    task: Ints,
    worker: Ints,
    label: Ints,
    group: Ints,
    n_tasks: int,
    n_workers: int,
    n_classes: int,
    *,
    groups: Ints,
    classes: Ints,
    seed: int = 0,
    draws: int = DRAWS,
) -> Floats:
    """The chance that any of these groups, drawn by lot, differs in any of these classes as far as each group does.

    So it accounts for all groups and classes looked at; who looks at several reports multiplies it by their number.

    task, worker, label  int[N]  codes from 0, in any order; a worker who answers a task twice counts once there
    group            int[W]  -1 = none of them
    groups, classes  the codes that are looked at
    returns  float[len(groups)]  1 / (draws + 1) to 1
    source   Westfall & Young 1993, the largest of all deviations; (b + 1) / (m + 1) of Phipson & Smyth 2010
    """
    votes = one_each(ordered(task, worker, label, n_tasks, n_workers, n_classes))
    counts = votes.counts()
    usual = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    beyond = np.zeros((n_workers, n_classes))
    np.add.at(beyond, (votes.worker, votes.label), 1.0)
    for one in range(n_classes):
        beyond[:, one] -= np.bincount(votes.worker, usual[votes.task, one], n_workers)
    answered = np.bincount(votes.worker, minlength=n_workers) > 0
    said, beyond = np.asarray(group)[answered], beyond[answered][:, np.asarray(classes, np.int64)]
    is_member = (said[None, :] == np.asarray(groups)[:, None]).astype(np.float64)
    if not is_member.size or not beyond.size:
        return np.ones(len(groups))
    size, spread = is_member.sum(axis=1), beyond.var(axis=0)
    crowd = len(said)
    variance = (size * (crowd - size) / max(crowd - 1, 1))[:, None] * spread[None, :]
    scale = np.where(variance > 1e-12, 1.0 / np.sqrt(np.maximum(variance, 1e-12)), 0.0)
    expected = size[:, None] * beyond.mean(axis=0)[None, :]
    found = (np.abs(is_member @ beyond - expected) * scale).max(axis=1)
    rng = np.random.default_rng(seed)
    reached = np.zeros(len(groups), np.int64)
    for _ in range(draws):
        drawn = np.abs(is_member @ beyond[rng.permutation(crowd)] - expected) * scale
        reached += drawn.max() >= found - 1e-9
    return np.asarray((reached + 1.0) / (draws + 1.0), np.float64)
