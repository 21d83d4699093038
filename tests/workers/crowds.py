"""Simulated crowds: who is right how often, who copies, and who sees ambiguous tasks otherwise."""

import numpy as np

from tasks.aggregation import dawid_skene
from workers.signals import pairs

TASKS, WORKERS, CLASSES = 600, 60, 4


def crowd(rng, *, answers_a_task=20, colluding=0, ambiguous=0.0, minority=0.0, classes=CLASSES):
    """Answers of workers who are right between 70 and 95 %, as task, worker and label.

    colluding  the first so many share an answer to each task, half of them wrong, and give it nine times in ten
    ambiguous  share of tasks that can be seen in two ways: three in ten people see the other one
    minority   share of people, the last ones, who nearly always see the other one
    """
    truth = rng.integers(0, classes, TASKS)
    task = np.repeat(np.arange(TASKS), answers_a_task)
    worker = np.concatenate([rng.choice(WORKERS, answers_a_task, replace=False) for _ in range(TASKS)])
    is_right = rng.random(len(task)) < rng.uniform(0.7, 0.95, WORKERS)[worker]
    label = np.where(is_right, truth[task], (truth[task] + rng.integers(1, classes, len(task))) % classes)
    sees_other = rng.random(len(task)) < np.where(worker >= WORKERS * (1 - minority), 0.9, 0.3)
    seen = np.where(sees_other, _mistake(rng, truth, classes)[task], truth[task])
    label = np.where((rng.random(TASKS) < ambiguous)[task], seen, label)
    agreed = np.where(rng.random(TASKS) < 0.5, truth, _mistake(rng, truth, classes))
    copies = (worker < colluding) & (rng.random(len(task)) < 0.9)
    return task, worker, np.where(copies, agreed[task], label)


def weighed(task, worker, label, classes=CLASSES):
    """The same with what consensus makes of it, as signals want it."""
    fit = dawid_skene.fit(task, worker, label, TASKS, WORKERS, classes)
    unknown = np.full(TASKS, -1)
    return pairs.weighed(task, worker, label, unknown, fit.confusions, fit.pooled, fit.prior)


def _mistake(rng, truth, classes):
    return (truth + rng.integers(1, classes, len(truth))) % classes
