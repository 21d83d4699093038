"""Scores of items: what is promised of them, the step towards them, how sure they are, and what they say of a pair."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import cg
from scipy.special import ndtr

from tasks.aggregation.votes import Floats, Ints

VERSION = 1
PRIOR_SD = 2.0  # of a score before any answer: one item in twenty is preferred 50 : 1 to the mean one, or 1 : 50
MAX_ITERATIONS = 40  # drawn crowds of 100,000 answers take 20, very thin ones get here
TOLERANCE = 0.01  # no score moved by more: done; the order is settled long before
LONGEST = 2.0  # step of a score; an item that always wins would otherwise overshoot where the curve is flat
SOLVED = 1e-6  # relative error of a step ...
SOLVING = 500  # ... or so many products with the information, which only a long chain of comparisons takes
DENSE = 1000  # items whose information is inverted as a whole, 0.1 s
SWEEPS = 100  # of messages, where there are more items


@dataclass(frozen=True, slots=True)
class Fit:
    """What the answers say.

    score           float[I]  logarithm of the strength, mean 0; an item never compared has 0
    standard_error  float[I]  of the score; an item never compared has nearly PRIOR_SD
    reliability     float[W]  probability that the worker follows the scores rather than guesses; below 0, that she
                              follows them upside down
    side            float     how much the left is preferred as such, in units of the score; 0 = not at all
    side_by_worker  float[W]  the same for each worker, drawn towards all of them; somebody without answers has `side`
    tie             float     Davidson's tie parameter: at equal scores a tie is this times as likely as the left
    """

    score: Floats
    standard_error: Floats
    reliability: Floats
    side: float
    side_by_worker: Floats
    tie: float
    iterations: int
    method: str
    version: int = VERSION


def better(fit: Fit, one: Ints, other: Ints) -> Floats:
    """Probability that the score of one is above that of the other, as far as the answers can tell, float[N].

    One half where nothing is known, and for an item and itself. The errors of the two are taken to be as in a balanced
    design (exact with two items): too large for items compared with each other more than with the rest, too small, by
    at most the root of 2, for items of parts that hardly anybody compared.

    one, other  int[N]  item codes
    """
    errors = fit.standard_error[one] ** 2 + fit.standard_error[other] ** 2
    deviation = np.sqrt(errors * len(fit.score) / max(len(fit.score) - 1, 1))
    gap = fit.score[one] - fit.score[other]
    return ndtr(np.divide(gap, deviation, out=np.zeros(np.shape(gap)), where=deviation > 0))


def preferred(fit: Fit, one: Ints, other: Ints) -> Floats:
    """Probabilities that who follows the scores, blind to sides, calls one better, or the other, or a tie: float[N, 3].

    one, other  int[N]  item codes
    source  Davidson 1970, "On extending the Bradley-Terry model to accommodate ties in paired comparison experiments"
    """
    half = (fit.score[one] - fit.score[other]) / 2
    weights = np.stack([np.exp(half), np.exp(-half), np.full(np.shape(half), fit.tie)], axis=-1)
    return weights / weights.sum(axis=-1, keepdims=True)


def climbed(score: Floats, slope: Floats, information: csr_array) -> Floats:
    """The scores after one step of Fisher scoring, under the prior of PRIOR_SD around 0.

    slope        float[I]     of the log likelihood
    information  float[I, I]  its expected curvature, rows sum to 0
    """
    precision = PRIOR_SD**-2
    curvature = information + precision * diags_array(np.ones(len(score)))
    diagonal = diags_array(1.0 / curvature.diagonal())
    step, _ = cg(curvature, slope - precision * score, rtol=SOLVED, maxiter=SOLVING, M=diagonal)
    step -= step.sum() / max(len(step), 1)
    return score + step * min(1.0, LONGEST / max(np.abs(step).max(initial=0.0), LONGEST))


def standard_errors(information: csr_array) -> Floats:
    """How far each score may be off, float[I]: from the inverse of the information and the prior.

    As if everything but the scores were known. Exact up to DENSE items; with more by belief propagation, which came
    within a tenth of that on drawn designs of two answers an item, within a hundredth where there were ten.

    information  float[I, I]  as of `climbed`
    source  Weiss & Freeman 2001, "Correctness of belief propagation in Gaussian graphical models of arbitrary topology"
    """
    n_items, precision = information.shape[0], PRIOR_SD**-2
    if n_items > DENSE:
        return np.asarray(1.0 / np.sqrt(_propagated(information, precision)))
    curvature = information.toarray() + precision * np.eye(n_items)
    covariance = cho_solve(cho_factor(curvature), np.eye(n_items)) if n_items else curvature
    common = 1.0 / (n_items * precision) if n_items else 0.0  # of all scores together; their mean is 0
    return np.sqrt(np.maximum(np.diagonal(covariance) - common, 0.0))


def _propagated(information: csr_array, precision: float) -> Floats:
    """Precision of each score, the others not known, float[I]."""
    links = information.tocoo()
    apart = (links.row != links.col) & (links.data != 0)
    source, target, square = links.row[apart], links.col[apart], links.data[apart] ** 2
    order = np.lexsort((source, target))  # the link back, as links are sorted by source and target
    alone = information.diagonal() + precision
    message, total = np.zeros(len(source)), alone
    for _ in range(SWEEPS):
        message = square / (total[source] - message[order])
        before, total = total, alone - np.bincount(target, message, len(alone))
        if np.abs(total / before - 1.0).max(initial=0.0) < TOLERANCE:
            break
    return total
