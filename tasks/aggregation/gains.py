"""What one more answer to each task is worth: how much likelier it makes a right label."""

from math import comb

import numpy as np

from tasks.aggregation.votes import Floats, Ints

AHEAD = 9  # answers; one or two more seldom turn a label that is nearly sure, and would seem worth nothing
BLOCK = 1 << 15  # tasks looked at together: what is worked out of them stays in the cache


def gains(posterior: Floats, confusions: Floats) -> Floats:
    """The most that the chance of a right label grows by, for each answer more, float[T].

    The label turns between its two likeliest classes or not at all, so an answer is one of these or not. The gain is
    that of the best of 1 to AHEAD more answers, shared out among them.

    posterior   float[T, K]  what is thought now
    confusions  float[K, K]  of whoever answers next, as Fit.pooled
    raises      ValueError   shapes that do not fit together
    """
    if posterior.ndim != 2 or posterior.shape[1] < 2 or confusions.shape != (posterior.shape[1],) * 2:
        raise ValueError("posterior must be [T, K] and confusions [K, K], for two classes or more")
    found = np.zeros(len(posterior))
    for start in range(0, len(posterior), BLOCK):
        rows = slice(start, start + BLOCK)
        found[rows] = _gains(posterior[rows], confusions)
    return found


def likeliest(posterior: Floats) -> tuple[Ints, Ints]:
    """The likeliest class of each task and the next, int[T] each; of equals the first."""
    rows = np.arange(len(posterior))
    first = posterior.argmax(axis=1)
    others = posterior.copy()
    others[rows, first] = -1.0
    return first, others.argmax(axis=1)


def _gains(posterior: Floats, confusions: Floats) -> Floats:
    first, second = likeliest(posterior)
    rows = np.arange(len(posterior))
    one, other = posterior[rows, first], posterior[rows, second]
    # an answer that is neither says nothing here
    right = _share(confusions[first, first], confusions[first, second])
    wrong = _share(confusions[second, first], confusions[second, second])
    of_one = [_powers(right), _powers(1.0 - right)]
    of_other = [_powers(wrong), _powers(1.0 - wrong)]
    now, best = np.maximum(one, other), np.zeros(len(posterior))
    for answers in range(1, AHEAD + 1):
        then = np.zeros(len(posterior))
        for said in range(answers + 1):
            either = np.maximum(
                one * of_one[0][said] * of_one[1][answers - said],
                other * of_other[0][said] * of_other[1][answers - said],
            )
            then += comb(answers, said) * either
        np.maximum(best, (then - now) / answers, out=best)
    return best


def _share(one: Floats, other: Floats) -> Floats:
    return np.divide(one, one + other, out=np.full(len(one), 0.5), where=one + other > 0)


def _powers(base: Floats) -> list[Floats]:
    powers = [np.ones(len(base))]
    for _ in range(AHEAD):
        powers.append(powers[-1] * base)
    return powers
