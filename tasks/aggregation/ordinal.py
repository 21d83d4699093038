"""Points on a scale: a worker reads high or low, scatters, sometimes guesses; a near miss is likelier than a far one.

Variational Bayes as in dawid_skene, but a worker's confusions follow from three figures instead of K x K: a point is
the truth plus bias plus normal noise of the worker's spread, rounded onto the scale, or with some probability a guess
among all points. The figures lie on a grid; what is thought of a worker is a distribution over it, whose prior is that
of all workers together, so a worker with few answers is thought to be like the others. Steps that all workers find
wider or narrower than the rest are so for every reader, and a worker with many answers has confusions of her own.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, ndtr

from tasks.aggregation import beliefs
from tasks.aggregation.votes import Floats, Ints, ordered, shares

Bools = npt.NDArray[np.bool_]

VERSION = 1
METHOD = "ordinal rater model"
BIASES = np.array([-1.5, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 1.5])  # points
SPREADS = np.array([0.3, 0.45, 0.65, 0.9, 1.3, 2.0])  # points; .3 is right nine times in ten
GUESSES = np.array([0.02, 0.1, 0.3, 0.9])  # never 0: a split scale must not look like its middle
USUAL_BIAS, USUAL_SPREAD, USUAL_GUESSES = 0.5, 0.65, 0.05  # where the workers are looked for before any answer
POOLED_STRENGTH = 10.0  # workers that first guess is worth
STRENGTH = 30.0  # answers at one true point that the reading is worth against the confusions seen; 20 to 50 are alike
UNEVEN = 200.0  # answers at one true point that even steps are worth against what all workers together make of it
MAX_ITERATIONS = 7  # going on gains nothing on drawn crowds nor on s_adult
TOLERANCE = 1e-4  # no posterior moved by more: done
CAMP = 0.25  # of the answers, and more, are on either side of a split
VALLEY = 0.5  # of the lower peak at most, in between
LEAST_ANSWERS = 4  # two camps of two


@dataclass(frozen=True, slots=True)
class Fit:
    """What the answers say; points count from 0.

    posterior  float[T, K]  probability of each point for each task; a task without answers has the prior
    opinions   float[T, K]  share of the answers at each point, guessers counting less; without answers uniform
    bias       float[W]     how many points a worker reads high
    spread     float[W]     standard deviation of a worker's reading, in points
    guessing   float[W]     share of a worker's answers that say nothing
    prior      float[K]     how common each point is
    confusions, says, common  as dawid_skene.Fit has them
    """

    posterior: Floats
    opinions: Floats
    bias: Floats
    spread: Floats
    guessing: Floats
    prior: Floats
    confusions: Floats
    says: Floats
    common: Floats
    iterations: int
    method: str = METHOD
    version: int = VERSION


def fit(
    task: Ints,
    worker: Ints,
    point: Ints,
    n_tasks: int,
    n_workers: int,
    n_points: int,
    *,
    gold: Ints | None = None,
) -> Fit:
    """Weigh every answer by how its worker reads the scale, learned from the answers themselves.

    task, worker, point  int[N]  codes from 0, in any order; a worker may answer a task twice
    gold    int[T]  known points, -1 = unknown; they hold in every step
    raises  ValueError  codes out of range or arrays that do not fit together
    """
    votes = ordered(task, worker, point, n_tasks, n_workers, n_points)
    known, counts = beliefs.known(gold, n_tasks, n_points), votes.counts()
    means, pooled = _readings(n_points)
    base, cells = pooled, (n_workers, n_points, n_points)
    said, answered, telling = votes.incidence(), counts.sum(axis=1) > 0, votes.workers() > 1
    telling[known[0]] = True  # an answer alone says nothing of its worker
    compared = said[telling].T.tocsr()
    posterior, iteration, moved = beliefs.clamped(shares(counts), known), 0, np.inf
    while moved > TOLERANCE and iteration < MAX_ITERATIONS:
        seen = (compared @ posterior[telling]).reshape(cells)  # answer l of worker w where the truth is k, [w, l, k]
        steps = _steps(means, pooled, seen.sum(axis=0)).reshape(len(means), -1)
        likely = seen.reshape(n_workers, n_points**2) @ np.log(steps).T + np.log(pooled)
        readers = beliefs.normalised(likely.T.copy()).T
        pooled = POOLED_STRENGTH * base + readers[seen.sum(axis=(1, 2)) > 0].sum(axis=0)
        pooled /= pooled.sum()
        evidence = seen + STRENGTH * (readers @ steps).reshape(cells)
        logs = digamma(evidence) - digamma(evidence.sum(axis=1, keepdims=True))
        tasks = 1.0 + posterior[answered].sum(axis=0)
        says, common = logs.reshape(-1, n_points), digamma(tasks) - digamma(tasks.sum())
        scores = said @ says + common
        before, posterior = posterior, beliefs.clamped(beliefs.normalised(scores.T.copy()).T.copy(), known)
        moved = np.abs(posterior - before).max(initial=0.0)
        iteration += 1
    bias, spread, guessing = (readers @ figure for figure in _grid())
    heed = (1.0 - guessing) / (1.0 - GUESSES[-1])  # at least 1: shares knows no less than an answer
    heard = np.bincount(votes.task * n_points + votes.label, heed[votes.worker], n_tasks * n_points)
    opinions = shares(heard.reshape(n_tasks, n_points).astype(np.float64))
    confusions = (evidence / evidence.sum(axis=1, keepdims=True)).transpose(0, 2, 1)
    prior, reader = tasks / tasks.sum(), (bias, spread, guessing)
    return Fit(beliefs.doubted(posterior), opinions, *reader, prior, confusions, says, common, iteration)


def expected(distribution: Floats) -> Floats:
    """The mean point of each row, float[T]; say also whether it is_split before showing it."""
    return distribution @ np.arange(distribution.shape[1])


def middle(distribution: Floats) -> Ints:
    """The median point of each row, int[T]; the lower one where the mass is halved between two."""
    return (np.cumsum(distribution, axis=1) < 0.5 - 1e-9).sum(axis=1)


def polarisation(distribution: Floats) -> Floats:
    """How far apart each row lies, float[T]: 0 = all at one point, 1 = half at each end of the scale.

    Twice the mean distance of two draws over the length of the scale.
    """
    below = np.cumsum(distribution, axis=1)[:, :-1]
    return 4.0 * (below * (1.0 - below)).mean(axis=1)


def is_split(distribution: Floats, answers: Ints) -> Bools:
    """Whether each row has two camps with a valley in between, bool[T]: nobody holds their mean.

    distribution  float[T, K]  best the opinions: a posterior looks for the one truth behind them
    answers       int[T]       how many there are; few are never split
    """
    points = distribution.shape[1]
    split = np.zeros(len(distribution), bool)
    for low in range(points - 2):
        for high in range(low + 2, points):
            camp = np.minimum(distribution[:, : low + 1].sum(axis=1), distribution[:, high:].sum(axis=1))
            peak = np.minimum(distribution[:, low], distribution[:, high])
            valley = distribution[:, low + 1 : high].min(axis=1)
            split |= (camp > CAMP) & (peak > 0) & (valley <= VALLEY * peak)
    return split & (np.asarray(answers) >= LEAST_ANSWERS)


def _steps(means: Floats, pooled: Floats, seen: Floats) -> Floats:
    """The readings on a scale whose steps are as wide as all workers together find them, float[G, l, k]."""
    crowd = np.tensordot(pooled, means, 1)
    found = (seen + UNEVEN * crowd) / (seen.sum(axis=0) + UNEVEN)
    uneven = means * (found / crowd)
    return uneven / uneven.sum(axis=1, keepdims=True)


def _grid() -> tuple[Floats, Floats, Floats]:
    """Bias, spread and guessing of each reader there can be, float[G] each."""
    bias, spread, guessing = np.meshgrid(BIASES, SPREADS, GUESSES, indexing="ij")
    return bias.ravel(), spread.ravel(), guessing.ravel()


def _readings(points: int) -> tuple[Floats, Floats]:
    """What each reader makes of each point, and how common such readers are before any answer.

    returns  probability of answer l where the truth is k, float[G, l, k]; float[G], summing to 1
    """
    bias, spread, guessing = _grid()
    edges = np.concatenate([[-np.inf], np.arange(points - 1) + 0.5, [np.inf]])
    below = ndtr((edges[None, :, None] - np.arange(points) - bias[:, None, None]) / spread[:, None, None])
    guessed = guessing[:, None, None]
    read = (1.0 - guessed) * np.diff(below, axis=1) + guessed / points
    away = (bias / USUAL_BIAS) ** 2 + np.log(spread / USUAL_SPREAD) ** 2 + np.log(guessing / USUAL_GUESSES) ** 2
    return read, np.exp(-away / 2.0) / np.exp(-away / 2.0).sum()
