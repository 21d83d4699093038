"""Answers that follow from the answers before them, or are always the same, where the tasks do not ask for it."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, xlogy
from scipy.stats import chi2

from workers.signals import Floats, Ints

ANSWERS_LEAST = 20  # of a worker, to see a pattern in them
LAGS = (1, 2, 3, 4)  # how far back an answer may repeat: cycles of up to four, and any in which one leads to the next
WINDOW = 20  # answers in a row that may be exchanged: trends and sorted data stay as they are
SHUFFLES = 200
WORTH_SHUFFLING = 0.05  # at a lag; where the quick test finds less, nothing will be shown anyway
ALWAYS = 0.9  # the share of one answer from which on it is "always the same"
GUESSED = 0.02  # of honest answers, the share that may be anything


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is regular in a sequence.

    lag     how far back the answer stands that tells this one best
    told    the share of answers guessed right from the one so far back
    p       the chance of as much regularity in the same answers in any order that fits the tasks
    """

    lag: int
    told: float
    p: float


def pattern(label: Ints, asked: Ints, rng: np.random.Generator) -> Pattern:
    """Whether the answers, in the order they were given, follow from those before them.

    Chance is the same answers, exchanged among near ones of tasks of which others say the same: data that comes sorted
    makes runs in everybody's answers.

    label   int[N]  as given, in order
    asked   int[N]  what the others say of each task
    source  likelihood ratio of a first-order chain against independent draws (Anderson & Goodman 1957), at lags 1 to
            4; its chance by shuffling, beyond what that shows by a gamma distribution of the same mean and spread
    """
    given, label = np.unique(label, return_inverse=True)
    n_classes = len(given)
    found = np.array([ratios(label[None], lag, n_classes)[0] for lag in LAGS])
    p = chi2.sf(found, max((n_classes - 1) ** 2, 1))
    if p.min() < WORTH_SHUFFLING:
        p = _by_shuffling(label, asked, n_classes, found, rng)
    lag = LAGS[int(p.argmin())]
    return Pattern(lag, _told(label, lag, n_classes), float(min(1.0, p.min() * len(LAGS))))


def _by_shuffling(label: Ints, asked: Ints, n_classes: int, found: Floats, rng: np.random.Generator) -> Floats:
    among = np.arange(len(label)) // WINDOW * (int(asked.max()) + 1) + asked
    order = np.argsort(among, kind="stable")
    mixed = np.argsort(among + rng.random((SHUFFLES, len(label))), axis=1)
    shuffled = np.empty((SHUFFLES, len(label)), label.dtype)
    shuffled[:, order] = label[mixed]
    p = np.empty(len(LAGS))
    for at, lag in enumerate(LAGS):
        drawn = ratios(shuffled, lag, n_classes)
        as_high = int((drawn >= found[at] - 1e-9).sum())
        mean, variance = float(drawn.mean()), float(drawn.var())
        if as_high >= 10 or variance < 1e-12:
            p[at] = (1 + as_high) / (1 + SHUFFLES)
        else:
            p[at] = gammaincc(mean**2 / variance, found[at] * mean / variance)
    return p


def ratios(labels: Ints, lag: int, n_classes: int) -> Floats:
    """Twice the logarithm of how much likelier each row is as a chain at this lag than as independent draws."""
    rows = np.arange(len(labels))[:, None]
    cell = (rows * n_classes + labels[:, :-lag]) * n_classes + labels[:, lag:]
    counts = np.bincount(cell.ravel(), minlength=len(labels) * n_classes**2)
    counts = counts.reshape(len(labels), n_classes, n_classes).astype(float)
    before, after, n = counts.sum(axis=2), counts.sum(axis=1), labels.shape[1] - lag
    chained = xlogy(counts, counts).sum(axis=(1, 2)) - xlogy(before, before).sum(axis=1)
    return np.asarray(2.0 * (chained - xlogy(after, after).sum(axis=1) + n * np.log(n)), np.float64)


def _told(label: Ints, lag: int, n_classes: int) -> float:
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (label[:-lag], label[lag:]), 1)
    return float(counts.max(axis=1).sum() / counts.sum())


@dataclass(frozen=True, slots=True)
class Monotony:
    """The answer that was given most.

    share     of all this worker's answers
    expected  that others would have given to the same tasks
    p         the chance of so many, where each answer is as others would give it
    """

    label: int
    share: float
    expected: float
    p: float


def monotony(label: Ints, likely: Floats) -> Monotony:
    """Whether nearly all answers are the same where the tasks are not.

    likely  float[N, K]  how likely each answer is from others, on each task
    source  Chernoff's bound for a sum of independent events
    """
    counts = np.bincount(label, minlength=likely.shape[1])
    most = int(counts.argmax())
    n, share = len(label), float(counts[most] / len(label))
    chance = (1.0 - GUESSED) * likely[:, most] + GUESSED
    expected = float(np.mean(chance))
    if share < ALWAYS or share <= expected:
        return Monotony(most, share, expected, 1.0)
    kept = min(share, 1.0 - 1e-12)
    bound = n * (kept * np.log(kept / expected) + (1.0 - kept) * np.log((1.0 - kept) / (1.0 - expected)))
    return Monotony(most, share, expected, float(np.exp(-bound)))
