"""What the answers say of who gave them: whether she follows the scores, and whether she leans to a side.

A worker of reliability r follows the scores with probability r and otherwise guesses; below 0 she follows them upside
down with probability -r, so that her answer counts against what she chose, never for it.
"""

import numpy as np
import numpy.typing as npt

from tasks.aggregation.votes import Floats, Ints

Flags = npt.NDArray[np.bool_]

RELIABILITY = 0.8  # of somebody of whom nothing is known, in a crowd of which nothing is known
POOLED_STRENGTH = 5.0  # workers that guess is worth against those who are there
RELIABILITY_SD = 0.3  # between workers; half of it is as good on a public set of rankings, and slower to see an enemy
MOST = 0.98  # nobody is thought never to guess, or her first slip would outweigh everybody else
SIDE_SD = 0.5  # of how all workers together lean
SIDE_BY_WORKER_SD = 0.25  # between workers; with 0.5 answers held out of that set are foretold worse than with none
FARTHEST = 0.5  # change at once


def trusted(reliability: Floats, slope: Floats, curve: Floats, known: Flags) -> Floats:
    """The reliabilities after one step of Newton's, each drawn towards the mean of those of whom something is known.

    reliability  float[W]  -1..1; the sign of a 0 says in which direction to go on looking
    slope        float[W]  of the log likelihood
    curve        float[W]  its expected curvature
    known        bool[W]   an answer says something of this worker
    """
    guess = RELIABILITY * POOLED_STRENGTH
    pooled = (reliability[known].sum() + guess) / (np.count_nonzero(known) + POOLED_STRENGTH)
    precision = RELIABILITY_SD**-2
    step = (slope - precision * (reliability - pooled)) / (curve + precision)
    moved = np.clip(reliability + np.clip(step, -FARTHEST, FARTHEST), -MOST, MOST)
    turned = np.signbit(moved) != np.signbit(reliability)  # the likelihood has an edge at 0: stop there
    return np.where(turned, np.copysign(0.0, moved), moved)


def directions(reliability: Floats) -> Floats:
    """1 for who follows the scores and -1 for who follows them upside down, float[W]."""
    return np.where(np.signbit(reliability), -1.0, 1.0)


def leaning(common: float, side: Floats, slope: Floats, curve: Floats) -> tuple[float, Floats]:
    """How all lean and how each does after one step of Newton's, in both at once.

    side          float[W]  how each leans to the left, all in all
    slope, curve  float[W]  as of `trusted`
    """
    precision, precision_by_worker = SIDE_SD**-2, SIDE_BY_WORKER_SD**-2
    own = (slope - precision_by_worker * (side - common)) / (curve + precision_by_worker)
    shared = curve / (curve + precision_by_worker)
    left_over = slope.sum() - precision * common - (curve * own).sum()
    step = left_over / (curve.sum() + precision - (curve * shared).sum())
    moved = np.clip(step + own - shared * step, -FARTHEST, FARTHEST)
    return common + float(np.clip(step, -FARTHEST, FARTHEST)), side + moved


def several(worker: Ints, item: Ints, n_workers: int, n_items: int) -> Flags:
    """Whether two workers or more said something of an item, bool[I]; what only she saw tells nothing of her."""
    key = np.sort(item * n_workers + worker)
    once = key[np.diff(key, prepend=-1) != 0]
    return np.bincount(once // max(n_workers, 1), minlength=n_items) > 1
