"""Two workers who make the same mistakes more often than their accuracies and the tasks explain.

Whether a worker gives a certain wrong answer to a task depends on how many others give it there (so that on an
ambiguous task a minority agrees for a good reason), and on how this worker follows others into such answers: a
logistic regression for each worker. Given both, honest workers are independent, and how often two of them make the
same mistake is a sum of independent events.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammainc, logit

from workers.signals import Floats, Ints

COMMON_LEAST = 10  # tasks that two must have in common
OTHERS_LEAST = 3  # answers of others that a task needs to tell what is ambiguous about it
SMOOTHING = 1.0  # answers that the crowd's own confusions are worth in how others answered a task
CAUTION = 4.0  # observations that a worker like all others is worth in the regression
STEPS, LONGEST = 15, 0.5  # of Newton; longer ones run away
CHUNK = 100_000  # pairs of answers at a time
SMALLEST = 1e-12
IMPOSSIBLE = 30.0  # less than the class of gold, in nats


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers to one question, and what they were weighed to.

    task, worker, label  int[N]  codes from 0, one answer a worker and task
    scores      float[T, K]     logarithm of how likely each class is of each task, up to a constant, by all answers
                                (nothing may be rounded up in it: answers are taken out again); gold: certain
    confusions  float[W, K, K]  probability that worker w answers l where the truth is k, [w, k, l]
    pooled      float[K, K]     the same for all workers together
    known       bool[T]         the class of this task is not derived from these answers
    """

    task: Ints
    worker: Ints
    label: Ints
    scores: Floats
    confusions: Floats
    pooled: Floats
    known: np.ndarray


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of workers with enough tasks in common, in order.

    first, second  int[P]
    common         int[P]    tasks that both answered
    same           float[P]  expected number of them with the same wrong answer from both
    expected       float[P]  what chance would give two honest ones
    p              float[P]  the chance of as many or more
    """

    first: Ints
    second: Ints
    common: Ints
    same: Floats
    expected: Floats
    p: Floats


def weighed(
    task: Ints, worker: Ints, label: Ints, gold: Ints, confusions: Floats, pooled: Floats, prior: Floats
) -> Answered:
    """Answers with what they come to by Bayes' rule where the confusions are known.

    gold   int[T]    the class of each task that is known, -1 = unknown
    prior  float[K]  how common each class is
    """
    scores = np.tile(np.log(np.maximum(prior, SMALLEST)), (len(gold), 1))
    np.add.at(scores, task, np.log(np.maximum(confusions[worker, :, label], SMALLEST)))
    known = gold >= 0
    scores[known] = -IMPOSSIBLE
    scores[known, gold[known]] = 0.0
    return Answered(task, worker, label, scores, confusions, pooled, known)


def pairs(answered: Answered, common_least: int = COMMON_LEAST) -> Pairs:
    """How often each two workers made the same mistake, beside how often they should have."""
    n_tasks, n_classes = answered.scores.shape
    counts = np.zeros((n_tasks, n_classes))
    np.add.at(counts, (answered.task, answered.label), 1.0)
    follows = _regression(answered, counts)
    n_workers = len(answered.confusions)
    found = [
        (answered.worker[a] * n_workers + answered.worker[b], *_compared(answered, counts, follows, a, b))
        for a, b in _together(answered, counts, common_least)
    ]
    if not found:
        none, nothing = np.zeros(0, np.int64), np.zeros(0)
        return Pairs(none, none, none, nothing, nothing, nothing)
    key, *sums = (np.concatenate(part) for part in zip(*found, strict=True))
    keys, place = np.unique(key, return_inverse=True)
    same, expected, spread = (np.bincount(place, part).astype(np.float64) for part in sums)
    everywhere = (same.sum() + 1.0) / (expected.sum() + 1.0)  # what tasks have in them that others do not show
    spread, expected = spread * everywhere, expected * everywhere
    narrow = np.clip(spread / np.maximum(expected, SMALLEST), 0.5, 1.0)
    p = np.where(same > 0, gammainc(np.maximum(same, SMALLEST) / narrow, expected / narrow), 1.0)
    return Pairs(keys // n_workers, keys % n_workers, np.bincount(place), same, expected, p)


def shared_mistakes(answered: Answered, first: int, second: int) -> Ints:
    """The tasks to which both gave the same answer, which is more likely wrong than right by all that others say."""
    a, b = (np.flatnonzero(answered.worker == one) for one in (first, second))
    task, at_a, at_b = np.intersect1d(answered.task[a], answered.task[b], return_indices=True)
    a, b = a[at_a], b[at_b]
    truth = _without(answered, task, a, b)
    said = answered.label[a]
    return task[(said == answered.label[b]) & (truth[np.arange(len(task)), said] < 0.5)]


def likely(answered: Answered, rows: Ints) -> Floats:
    """How likely each answer was from somebody like the crowd, by what all others say of the task; float[R, K]."""
    return _without(answered, answered.task[rows], rows) @ answered.pooled


def _together(answered: Answered, counts: Floats, common_least: int) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of answers to one task, by the place of each, the lower worker first, of pairs with enough in common."""
    order = np.lexsort((answered.worker, answered.task))
    enough = counts.sum(axis=1)[answered.task[order]] >= OTHERS_LEAST + 2
    order = order[enough]
    task = answered.task[order]
    ends = np.searchsorted(task, task, side="right")
    later = ends - np.arange(len(order)) - 1
    n_workers = len(answered.confusions)
    first = np.repeat(np.arange(len(order)), later)
    starts = np.cumsum(later) - later
    second = first + 1 + np.arange(len(first)) - np.repeat(starts, later)
    a, b = order[first], order[second]
    key = answered.worker[a] * n_workers + answered.worker[b]
    _, place, size = np.unique(key, return_inverse=True, return_counts=True)
    kept = size[place] >= common_least
    a, b = a[kept], b[kept]
    for at in range(0, len(a), CHUNK):
        yield a[at : at + CHUNK], b[at : at + CHUNK]


def _compared(
    answered: Answered, counts: Floats, follows: tuple[Floats, Floats], a: Ints, b: Ints
) -> tuple[Floats, Floats, Floats]:
    """Of each pair of answers to a task: whether it is the same mistake, how likely that was, and its variance."""
    rows, task = np.arange(len(a)), answered.task[a]
    others = counts[task]
    others[rows, answered.label[a]] -= 1.0
    others[rows, answered.label[b]] -= 1.0
    truth = _without(answered, task, a, b)
    wrong = np.where(truth < 0.5, 1.0 - truth, 0.0)
    lean = _lean(answered, others, truth)
    likely = _given(follows, answered.worker[a], lean) * _given(follows, answered.worker[b], lean)
    is_same = answered.label[a] == answered.label[b]
    same = np.where(is_same, wrong[rows, answered.label[a]], 0.0)
    expected = (likely * wrong).sum(axis=1)
    return same, expected, (likely * wrong**2).sum(axis=1) - expected**2


def _without(answered: Answered, task: Ints, *left_out: Ints) -> Floats:
    """What each class of these tasks is as likely as without certain answers to them."""
    scores = answered.scores[task]
    for answer in left_out:
        said = np.log(np.maximum(answered.confusions[answered.worker[answer], :, answered.label[answer]], SMALLEST))
        scores = scores - np.where(answered.known[task][:, None], 0.0, said)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _lean(answered: Answered, others: Floats, truth: Floats) -> Floats:
    """The log odds of each answer as the others gave it, a few of the crowd's own confusions added."""
    likely = (others + SMOOTHING * (truth @ answered.pooled)) / (others.sum(axis=1, keepdims=True) + SMOOTHING)
    return logit(np.clip(likely, 1e-4, 1.0 - 1e-4))


def _given(follows: tuple[Floats, Floats], worker: Ints, lean: Floats) -> Floats:
    return expit(follows[0][worker][:, None] + follows[1][worker][:, None] * lean)


def _regression(answered: Answered, counts: Floats) -> tuple[Floats, Floats]:
    """For each worker, intercept and slope of the log odds of a wrong answer on those that the others give it."""
    rows = np.arange(len(answered.task))
    others = counts[answered.task]
    others[rows, answered.label] -= 1.0
    truth = _without(answered, answered.task, rows)
    weight, lean = np.where(truth < 0.5, 1.0 - truth, 0.0), _lean(answered, others, truth)
    said = np.zeros_like(lean)
    said[rows, answered.label] = 1.0
    n_workers = len(answered.confusions)
    at: Floats = np.zeros(n_workers)
    slope: Floats = np.ones(n_workers)
    for _ in range(STEPS):
        chance = _given((at, slope), answered.worker, lean)
        spread = weight * chance * (1.0 - chance)
        off = weight * (said - chance)
        g0, g1, h00, h01, h11 = (
            np.bincount(answered.worker, term.sum(axis=1), n_workers).astype(np.float64)
            for term in (off, off * lean, spread, spread * lean, spread * lean**2)
        )
        g0, g1 = g0 - CAUTION * at, g1 - CAUTION * (slope - 1.0)
        h00, h11 = h00 + CAUTION, h11 + CAUTION
        size = h00 * h11 - h01**2
        at = at + np.clip((h11 * g0 - h01 * g1) / size, -LONGEST, LONGEST)
        slope = slope + np.clip((h00 * g1 - h01 * g0) / size, -LONGEST, LONGEST)
    return at, slope
