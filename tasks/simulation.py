"""What a policy would have cost, and how right its labels would have been: a recorded or drawn crowd asked again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.aggregation import buying, dawid_skene
from tasks.aggregation.buying import Policy
from tasks.aggregation.votes import Floats, Ints
from tasks.demo.recorded import Record


@dataclass(frozen=True)
class Crowd:
    """Answers as arrays, and what is right.

    task, worker, label  int[N]
    truth                int[T]  -1: not known
    """

    task: Ints
    worker: Ints
    label: Ints
    n_tasks: int
    n_workers: int
    n_classes: int
    truth: Ints

    @property
    def answers(self) -> tuple[Ints, Ints, Ints, int, int, int]:
        """As the models take them."""
        return self.task, self.worker, self.label, self.n_tasks, self.n_workers, self.n_classes


@dataclass(frozen=True)
class Trial:
    """What a policy comes to, over all seeds.

    answers  bought of each task, the mean
    share    of all recorded answers
    right    share of labels that are right
    """

    policy: Policy
    answers: float
    share: float
    right: float


def recorded(record: Record) -> Crowd:
    """The answers of a record. Where no truth is known, what all of the answers say stands for it."""
    tasks = {name: code for code, name in enumerate(record.tasks)}
    workers = {name: code for code, name in enumerate(record.answers)}
    classes = {name: code for code, name in enumerate(sorted({*record.labels, *record.truth.values()}))}
    rows = [
        (tasks[task], workers[worker], classes[label])
        for worker, given in record.answers.items()
        for task, label in given.items()
    ]
    task, worker, label = np.array(rows, np.int64).T
    truth = np.full(len(tasks), -1)
    for name, right in record.truth.items():
        if name in tasks:
            truth[tasks[name]] = classes[right]
    crowd = Crowd(task, worker, label, len(tasks), len(workers), len(classes), truth)
    if record.truth:
        return crowd
    return replace(crowd, truth=dawid_skene.fit(*crowd.answers).posterior.argmax(axis=1))


def drawn(n_tasks: int, seed: int, *, n_classes: int = 3, answers: int = 9) -> Crowd:
    """A crowd of many skills, a tenth of it guessing, where some tasks are harder than others."""
    luck = np.random.default_rng(seed)
    n_workers = max(12, n_tasks // 20)
    skill = np.where(luck.random(n_workers) < 0.1, 0.0, luck.beta(6, 2, n_workers))
    ease, truth = luck.beta(6, 2, n_tasks), luck.integers(0, n_classes, n_tasks)
    task = np.repeat(np.arange(n_tasks), answers)
    worker = np.argsort(luck.random((n_tasks, n_workers)), axis=1)[:, :answers].ravel()
    knows = luck.random(len(task)) < skill[worker] * ease[task]
    label = np.where(knows, truth[task], luck.integers(0, n_classes, len(task)))
    return Crowd(task, worker, label, n_tasks, n_workers, n_classes, truth)


def trial(crowd: Crowd, policy: Policy, seeds: Sequence[int]) -> Trial:
    """Ask the crowd as the policy says, with each seed another answer first."""
    known = np.flatnonzero(crowd.truth >= 0)
    bought, right = [], []
    for seed in seeds:
        run = buying.replay(*crowd.answers, policy=policy, seed=seed)
        bought.append(run.bought.sum())
        right.append(share_right(run.posterior[known], crowd.truth[known]))
    mean = float(np.mean(bought))
    return Trial(policy, mean / crowd.n_tasks, mean / len(crowd.task), float(np.mean(right)))


def as_fixed(fixed: Sequence[tuple[float, float]], right: float) -> float | None:
    """How many answers of every task would be as right, between the numbers that were tried; None: more than those.

    fixed  answers of every task, and the share of labels that were right with them
    """
    amounts, shares = np.array(sorted(fixed), np.float64).reshape(-1, 2).T
    reached = np.maximum.accumulate(shares)  # more answers are no worse: what falls is chance
    if not len(reached) or right > reached[-1]:
        return None
    place = int(np.searchsorted(reached, right))
    if place == 0:
        return float(amounts[0])
    step = (right - reached[place - 1]) / (reached[place] - reached[place - 1])
    return float(amounts[place - 1] + step * (amounts[place] - amounts[place - 1]))


def share_right(posterior: Floats, truth: Ints) -> float:
    """How many labels are right; classes as likely as each other share the credit."""
    best = posterior >= posterior.max(axis=1, keepdims=True) - 1e-12
    return float((best[np.arange(len(truth)), truth] / best.sum(axis=1)).mean())
