"""Dawid-Skene: a worker is what she answers given the true class; a task is what its workers, so weighed, say.

Variational Bayes in log space (Kim & Ghahramani 2012, "Bayesian classifier combination", as iBCC without its Gibbs
sampler; the model is Dawid & Skene 1979). Each row of a worker's confusions has a Dirichlet prior centred on the
confusions of all workers together, so a worker with few answers is thought to be like the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.sparse import csr_array
from scipy.special import digamma

from tasks.aggregation.votes import Floats, Ints, Votes, ordered, shares

VERSION = 1
STRENGTH = 2.0  # answers the pooled confusions are worth in each row; on 12 public crowds 1 and 2 K lose up to 2 points
MAX_ITERATIONS = 10  # going on to convergence loses accuracy on those crowds
TOLERANCE = 1e-4  # no posterior moved by more: done
ONE_COIN_BELOW = 3.0  # answers a worker; with fewer there is nothing to fill a K x K table with
POOLED_ACCURACY = 0.75  # of all workers together, before any answer
POOLED_STRENGTH = 20.0  # answers that guess is worth in each row; 1 to 100 are as accurate on those crowds
DOUBT = 1e-6  # mass spread over all classes: no posterior is ever exactly 1
SMALLEST = 1e-12  # a confusion given as 0 means "hardly ever"

Model: TypeAlias = Callable[[Floats], tuple[Floats, Floats, Floats]]


@dataclass(frozen=True, slots=True)
class Fit:
    """What the answers say.

    posterior   float[T, K]     probability of each class for each task; a task without answers has the prior
    confusions  float[W, K, K]  probability that worker w answers l where the truth is k, [w, k, l]; rows sum to 1
    pooled      float[K, K]     the same for all workers together: what to think of somebody new
    prior       float[K]        how common each class is
    """

    posterior: Floats
    confusions: Floats
    pooled: Floats
    prior: Floats
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
) -> Fit:
    """Weigh every answer by its worker's confusions, learned from the answers themselves.

    task, worker, label  int[N]  codes from 0, in any order; a worker may answer a task twice
    gold      int[T]  known classes, -1 = unknown; they hold in every step
    one_coin  one accuracy a worker instead of K x K confusions; None = where answers a worker are few
    raises    ValueError  codes out of range or arrays that do not fit together
    """
    votes = ordered(task, worker, label, n_tasks, n_workers, n_classes)
    if one_coin is None:
        one_coin = len(votes.task) < ONE_COIN_BELOW * len(np.unique(votes.worker))
    model: Model = _one_coin if one_coin else _confusions
    said, known, counts = _incidence(votes), _known(gold, n_tasks, n_classes), votes.counts()
    answered, telling = counts.sum(axis=1) > 0, votes.workers() > 1  # an answer alone says nothing of its worker
    telling[known[0]] = True
    compared = said[telling].T
    posterior, iteration, moved = _clamped(shares(counts), known), 0, np.inf
    while moved > TOLERANCE and iteration < MAX_ITERATIONS:
        log_confusions, confusions, pooled = model(_answers_by_class(compared @ posterior[telling]))
        common = 1.0 + posterior[answered].sum(axis=0)
        scores = said @ _by_answer(log_confusions) + digamma(common) - digamma(common.sum())
        before, posterior = posterior, _clamped(_normalised(scores), known)
        moved = np.abs(posterior - before).max(initial=0.0)
        iteration += 1
    prior = common / common.sum()
    method = "variational one-coin" if one_coin else "variational dawid-skene"
    return Fit(_doubted(posterior), confusions, pooled, prior, iteration, method)


def posterior_given(task: Ints, worker: Ints, label: Ints, pi: Floats, prior: Floats, n_tasks: int) -> Floats:
    """Probability of each class for each task where the workers' confusions are known, float[T, K]: Bayes' rule.

    Less sure of itself than Fit.posterior where workers gave few answers, so it is the one to stop buying answers by.

    pi     float[W, K, K]  as Fit.confusions
    prior  float[K]        as Fit.prior
    """
    votes = ordered(task, worker, label, n_tasks, *pi.shape[:2])
    answers, classes = np.maximum(pi, SMALLEST), np.maximum(prior, SMALLEST)
    return _doubted(_normalised(_incidence(votes) @ _by_answer(np.log(answers)) + np.log(classes)))


def _confusions(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Expected logarithm and mean of each worker's confusions, and the mean of all workers, from answers by class."""
    classes = counts.shape[1]
    guess = _spread(np.array([POOLED_ACCURACY]), classes)[0]
    pooled = counts.sum(axis=0) + POOLED_STRENGTH * guess
    pooled /= pooled.sum(axis=1, keepdims=True)
    evidence = counts + STRENGTH * pooled
    totals = evidence.sum(axis=2, keepdims=True)
    return digamma(evidence) - digamma(totals), evidence / totals, pooled


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


def _incidence(votes: Votes) -> csr_array:
    """Which worker said which class of which task, sparse float[T, W * K]."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(votes.task, minlength=votes.n_tasks))])
    columns = votes.worker * votes.n_classes + votes.label
    shape = votes.n_tasks, votes.n_workers * votes.n_classes
    return csr_array((np.ones(len(columns)), columns, starts), shape=shape)


def _answers_by_class(by_answer: Floats) -> Floats:
    """Expected number of tasks of class k that worker w called l, [w, k, l], from float[W * K, K] as [(w, l), k]."""
    classes = by_answer.shape[1]
    return by_answer.reshape(-1, classes, classes).transpose(0, 2, 1)


def _by_answer(confusions: Floats) -> Floats:
    """Confusions [w, k, l] as float[W * K, K], a row for each thing a worker can say."""
    return confusions.transpose(0, 2, 1).reshape(-1, confusions.shape[1])


def _known(gold: Ints | None, n_tasks: int, n_classes: int) -> tuple[Ints, Ints]:
    """The tasks of known class, and those classes."""
    if gold is None:
        gold = np.full(n_tasks, -1)
    if np.shape(gold) != (n_tasks,) or (n_tasks and not -1 <= np.min(gold) <= np.max(gold) < n_classes):
        raise ValueError("gold must hold one class, or -1, for each task")
    rows = np.flatnonzero(np.asarray(gold) >= 0)
    return rows, np.asarray(gold)[rows]


def _clamped(posterior: Floats, known: tuple[Ints, Ints]) -> Floats:
    """The same rows, in place, with the known classes certain."""
    posterior[known[0]] = 0.0
    posterior[known] = 1.0
    return posterior


def _normalised(scores: Floats) -> Floats:
    """Rows of log weights as rows that sum to 1."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _doubted(posterior: Floats) -> Floats:
    """The same rows, none of them certain."""
    return posterior * (1.0 - DOUBT) + DOUBT / posterior.shape[1]
