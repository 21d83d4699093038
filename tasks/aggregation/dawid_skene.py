"""Dawid-Skene: a worker is what she answers given the true class; a task is what its workers, so weighed, say.

Variational Bayes in log space (Kim & Ghahramani 2012, "Bayesian classifier combination", as iBCC without its Gibbs
sampler; the model is Dawid & Skene 1979). Each row of a worker's confusions has a Dirichlet prior centred on the
confusions of all workers together, moved as far as this worker is right more or less often than they are; so a worker
with few answers is thought to be like the others, and one with many to err alike in classes that she seldom saw.
What an answer says of its worker is held half against the label that it helped to make, half against the one without.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.sparse import csr_array
from scipy.special import digamma, expit, logit

from tasks.aggregation import beliefs
from tasks.aggregation.votes import Floats, Ints, Votes, ordered, shares

VERSION = 2
ONE_COIN, CONFUSIONS = "variational one-coin", "variational dawid-skene"  # the models
# The three below were chosen together on 12 public crowds, two-fold; values beside them lose up to 0.3 points.
STRENGTH = 3.0  # answers the prior of a worker's row is worth
OWN_STRENGTH = 8.0  # answers the crowd's accuracy is worth before a worker's own counts
SHARPNESS = 1.2  # the weight of an answer; expected logarithms make too little of workers with few answers
MAX_ITERATIONS = 10  # going on to convergence loses accuracy on those crowds
TOLERANCE = 1e-4  # no posterior moved by more: done
ONE_COIN_BELOW = 3.0  # answers a worker; with fewer there is nothing to fill a K x K table with
POOLED_ACCURACY = 0.75  # of all workers together, before any answer
POOLED_STRENGTH = 20.0  # answers that guess is worth in each row; 1 to 100 are as accurate on those crowds
LEAST_LOG = -30.0  # no single answer says more than this against a class
SMALLEST = 1e-12  # a confusion given as 0 means "hardly ever"

WITHOUT_OWN_EVERY = 2  # steps; in each of them a worker would be led by small numbers, in none believe herself
BLOCK = 1 << 15  # answers that are looked at together: they stay in the cache, and need no memory for all at once

Model: TypeAlias = Callable[[Floats], tuple[Floats, Floats, Floats]]


@dataclass(frozen=True, slots=True)
class Fit:
    """What the answers say.

    posterior   float[T, K]     probability of each class for each task; a task without answers has the prior
    confusions  float[W, K, K]  probability that worker w answers l where the truth is k, [w, k, l]; rows sum to 1
    pooled      float[K, K]     the same for all workers together: what to think of somebody new
    prior       float[K]        how common each class is
    says        float[W * K, K]  what each thing a worker can say, [(w, l), k], added to the logarithm of each class
    common      float[K]        what every task began with; with `says` it makes the posterior again
    """

    posterior: Floats
    confusions: Floats
    pooled: Floats
    prior: Floats
    says: Floats
    common: Floats
    iterations: int
    method: str
    version: int = VERSION


def fit(
    task: Ints,
    worker: Ints,
    label: Ints,
    n_tasks: int,
    n_workers: int,
    n_classes: int,
    *,
    gold: Ints | None = None,
    one_coin: bool | None = None,
    start: Floats | None = None,
) -> Fit:
    """Weigh every answer by its worker's confusions, learned from the answers themselves.

    task, worker, label  int[N]  codes from 0, in any order; a worker may answer a task twice
    gold      int[T]  known classes, -1 = unknown; they hold in every step
    one_coin  one accuracy a worker instead of K x K confusions; None = where answers a worker are few
    start     float[T, K]  what was thought before, to begin with in place of a vote
    raises    ValueError  codes out of range or arrays that do not fit together
    """
    votes = ordered(task, worker, label, n_tasks, n_workers, n_classes)
    if one_coin is None:
        one_coin = len(votes.task) < ONE_COIN_BELOW * len(np.unique(votes.worker))
    model: Model = _one_coin if one_coin else _confusions
    crowd = _Crowd(votes, beliefs.known(gold, n_tasks, n_classes))
    posterior, counts = crowd.vote() if start is None else crowd.begin(start)
    iteration, moved = 0, np.inf
    while moved > TOLERANCE and iteration < MAX_ITERATIONS:
        log_confusions, confusions, pooled = model(counts)
        tasks = 1.0 + crowd.answered @ posterior
        says, common = (
            SHARPNESS * np.maximum(_by_answer(log_confusions), LEAST_LOG),
            digamma(tasks) - digamma(tasks.sum()),
        )
        before, leaves_out = posterior, iteration % WITHOUT_OWN_EVERY == 1 and iteration + 1 < MAX_ITERATIONS
        posterior, counts = crowd.weigh(says, common, without_own=leaves_out)
        moved = np.abs(posterior - before).max(initial=0.0)
        iteration += 1
    method = ONE_COIN if one_coin else CONFUSIONS
    prior = tasks / tasks.sum()
    return Fit(beliefs.doubted(posterior), confusions, pooled, prior, says, common, iteration, method)


class _Crowd:
    """The answers as the two steps of the fit need them.

    told     float[T]  1 for each task that tells something of its workers: several answered it, or its class is known
    guessed  int[M], int[M], int[M]  task, column of `said` and class of the answers to tasks that several answered
    """

    def __init__(self, votes: Votes, known: tuple[Ints, Ints]) -> None:
        self.votes, self.known, self.said = votes, known, votes.incidence()
        self.answered = (np.diff(self.said.indptr) > 0).astype(np.float64)
        several = votes.workers() > 1
        several[known[0]] = False
        kept = several[votes.task]
        columns = votes.task, self.said.indices, votes.label
        self.guessed = columns if kept.all() else tuple(column[kept] for column in columns)
        self.told = several.astype(np.float64)
        self.told[known[0]] = 1.0
        self.room = np.empty((2, votes.n_classes, _step(self.said)))

    def begin(self, posterior: Floats) -> tuple[Floats, Floats]:
        """What was thought before, and with it the answers of each worker by class."""
        if np.shape(posterior) != (self.votes.n_tasks, self.votes.n_classes):
            raise ValueError("start must hold a distribution over the classes for each task")
        posterior = beliefs.clamped(np.array(posterior, np.float64), self.known)
        return posterior, _answers_by_class(self.said.T @ (posterior * self.told[:, None]))

    def vote(self) -> tuple[Floats, Floats]:
        """The first guess, shares of the answers, and with it the answers of each worker by class."""
        counts = self.votes.counts()
        columns = counts.T.copy()

        def without(task: Ints, _: Ints, label: Ints) -> Floats:
            others = columns.take(task, axis=1)
            others[label, np.arange(len(task))] -= 1.0
            return others

        posterior = beliefs.clamped(shares(counts), self.known)
        return posterior, self._by_class(posterior, without)

    def weigh(self, by_answer: Floats, log_prior: Floats, *, without_own: bool) -> tuple[Floats, Floats]:
        """The next guess, where each answer adds its row of float[W * K, K], and with it the answers by class.

        without_own  hold an answer against what the others alone make of its task
        """
        scores = self.said @ by_answer
        scores += log_prior
        columns = beliefs.normalised(scores.T.copy())
        posterior = beliefs.clamped(columns.T.copy(), self.known)
        if not without_own:
            return posterior, _answers_by_class(self.said.T @ (posterior * self.told[:, None]))
        taken_back = np.exp(-by_answer.T)

        def without(task: Ints, column: Ints, _: Ints) -> Floats:
            others, factors = (room[:, : len(task)] for room in self.room)
            for k in range(len(others)):
                np.take(columns[k], task, out=others[k], mode="clip")
                np.take(taken_back[k], column, out=factors[k], mode="clip")
            others *= factors
            return others

        return posterior, self._by_class(posterior, without)

    def _by_class(self, posterior: Floats, without: Callable[[Ints, Ints, Ints], Floats]) -> Floats:
        """Expected number of tasks of class k that worker w called l, [w, k, l].

        without  weights of the classes of the task of each of these answers if it had not been given, float[K, M]
        """
        size, rows = self.said.shape[1], self.known[0]
        total = self.said[rows].T @ posterior[rows] if len(rows) else np.zeros((size, posterior.shape[1]))
        step = _step(self.said)
        for start in range(0, len(self.guessed[0]), step):
            task, column, label = (values[start : start + step] for values in self.guessed)
            others = without(task, column, label)
            others /= others.sum(axis=0)
            for k, weights in enumerate(others):
                total[:, k] += np.bincount(column, weights, size)
        return _answers_by_class(total)


def posterior_given(task: Ints, worker: Ints, label: Ints, pi: Floats, prior: Floats, n_tasks: int) -> Floats:
    """Probability of each class for each task where the workers' confusions are known, float[T, K]: Bayes' rule.

    Less sure of itself than Fit.posterior where workers gave few answers, so it is the one to stop buying answers by.

    pi     float[W, K, K]  as Fit.confusions
    prior  float[K]        as Fit.prior
    """
    votes = ordered(task, worker, label, n_tasks, *pi.shape[:2])
    answers, classes = np.maximum(pi, SMALLEST), np.maximum(prior, SMALLEST)
    scores = votes.incidence() @ _by_answer(np.log(answers)) + np.log(classes)
    return beliefs.doubted(beliefs.normalised(scores.T.copy()).T)


def _confusions(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Expected logarithm and mean of each worker's confusions, and the mean of all workers, from answers by class."""
    classes = counts.shape[1]
    guess = _spread(np.array([POOLED_ACCURACY]), classes)[0]
    pooled = counts.sum(axis=0) + POOLED_STRENGTH * guess
    pooled /= pooled.sum(axis=1, keepdims=True)
    evidence = counts + STRENGTH * _centres(counts, pooled)
    totals = evidence.sum(axis=2, keepdims=True)
    return digamma(evidence) - digamma(totals), evidence / totals, pooled


def _centres(counts: Floats, pooled: Floats) -> Floats:
    """Prior confusions of each worker: the pooled ones, with the odds of being right moved as her own accuracy is."""
    right = np.diagonal(pooled)
    total, expected = counts.sum(axis=(1, 2)), counts.sum(axis=2) @ right
    expected = np.divide(expected, total, out=np.full(len(total), right.mean()), where=total > 0)
    own = (np.trace(counts, axis1=1, axis2=2) + OWN_STRENGTH * expected) / (total + OWN_STRENGTH)
    moved = expit(logit(right) + (logit(own) - logit(expected))[:, None])
    wrong = pooled * ((1.0 - moved) / (1.0 - right))[:, :, None]
    return np.where(np.eye(len(right), dtype=bool), moved[:, :, None], wrong)


def _one_coin(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """The same where a worker is right with one probability and every mistake is as likely as any other."""
    classes = counts.shape[1]
    right = np.trace(counts, axis1=1, axis2=2)
    wrong = np.maximum(counts.sum(axis=(1, 2)) - right, 0.0)
    accuracy = (right.sum() + POOLED_STRENGTH * POOLED_ACCURACY) / (right.sum() + wrong.sum() + POOLED_STRENGTH)
    right, wrong = right + STRENGTH * accuracy, wrong + STRENGTH * (1.0 - accuracy)
    log_right, log_wrong = digamma(right) - digamma(right + wrong), digamma(wrong) - digamma(right + wrong)
    diagonal = np.eye(classes, dtype=bool)
    logs = np.where(diagonal, log_right[:, None, None], log_wrong[:, None, None] - np.log(classes - 1))
    return logs, _spread(right / (right + wrong), classes), _spread(np.array([accuracy]), classes)[0]


def _spread(accuracy: Floats, classes: int) -> Floats:
    """Confusions float[W, K, K] of workers right with these probabilities and otherwise wrong at random."""
    right, wrong = accuracy[:, None, None], (1.0 - accuracy)[:, None, None] / (classes - 1)
    return np.where(np.eye(classes, dtype=bool), right, wrong)


def _step(said: csr_array) -> int:
    """How many answers are looked at together: each look has the cost of so many columns, too."""
    return max(BLOCK, said.shape[1] // 8)


def _answers_by_class(by_answer: Floats) -> Floats:
    """Expected number of tasks of class k that worker w called l, [w, k, l], from float[W * K, K] as [(w, l), k]."""
    classes = by_answer.shape[1]
    return by_answer.reshape(-1, classes, classes).transpose(0, 2, 1)


def _by_answer(confusions: Floats) -> Floats:
    """Confusions [w, k, l] as float[W * K, K], a row for each thing a worker can say."""
    return confusions.transpose(0, 2, 1).reshape(-1, confusions.shape[1])
