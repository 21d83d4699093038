"""Scores from comparisons of two items: Bradley-Terry with ties, sides and workers who do not always follow it."""

from dataclasses import dataclass, replace

import numpy as np

from tasks.aggregation.comparisons import crowd
from tasks.aggregation.comparisons.asked import GOLD_SHARPNESS, LEFT, RIGHT, TIE, Asked, ordered
from tasks.aggregation.comparisons.scores import MAX_ITERATIONS, TOLERANCE, Fit, climbed, standard_errors
from tasks.aggregation.votes import Floats, Ints

TIE_SD = 2.0  # of the logarithm of the tie parameter
FLAT = 30.0  # half a gap beyond which nothing changes
SLOPES = np.array([0.5, -0.5, 0.0])[:, None]  # of the logarithm of each outcome's weight by the gap


@dataclass(frozen=True, slots=True)
class State:
    """What is thought so far; the last of side and reliability is the truth's.

    score        float[I]
    reliability  float[W + 1]  signed as in `crowd.trusted`
    common       float         how all workers lean to the left
    side         float[W + 1]  how each does
    log_tie      float         logarithm of the tie parameter; None = nobody ever said so
    """

    score: Floats
    reliability: Floats
    common: float
    side: Floats
    log_tie: float | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the state makes of every outcome K (no third one where there are no ties).

    led      float[K, N]  if the worker follows, or opposes, the scores
    guessed  float[K, N]  if she guesses: as if both items had the same score
    overall  float[K, N]  all in all
    share    float[N]     probability that she does not guess
    turned   float[N]     1 where she follows, -1 where she opposes, GOLD_SHARPNESS where the truth speaks
    """

    led: Floats
    guessed: Floats
    overall: Floats
    share: Floats
    turned: Floats


def fit(
    left: Ints,
    right: Ints,
    worker: Ints,
    outcome: Ints,
    n_items: int,
    n_workers: int,
    *,
    gold: Ints | None = None,
    weighed: bool = True,
    sided: bool = True,
) -> Fit:
    """Scores of the items, with who follows them, which side is preferred as such and how common ties are.

    left, right, worker  int[N]  codes from 0, in any order; a worker may compare a pair twice
    outcome  int[N]  0 = the left is better, 1 = the right, 2 = a tie
    gold     int[N]  the outcome known to be right for this pair, -1 = unknown; it takes the answer's place for the
                     scores, and shows what the worker is worth
    weighed  False: every answer is taken to follow the scores, as in matters of taste
    sided    False: no side is preferred, as where nobody knows which item was shown where
    raises   ValueError  codes out of range or arrays that do not fit together
    source   Bradley & Terry 1952 and for ties Davidson 1970; a side as in Davidson & Beaver 1977, "On extending the
             Bradley-Terry model to incorporate within-pair order effects"; workers as in Chen et al. 2013, "Pairwise
             ranking aggregation in a crowdsourced setting", of whom some guess
    """
    asked = ordered(left, right, worker, outcome, n_items, n_workers, gold)
    links, state, iteration, moved = asked.links(), _start(asked, weighed), 0, np.inf
    while moved > TOLERANCE and iteration < MAX_ITERATIONS:
        before = state
        slope, curve = _by_gap(asked, _expected(asked, state))
        state = replace(state, score=climbed(state.score, _by_item(asked, slope), links.information(curve)))
        state = _crowd(asked, state, weighed, sided)
        moved = _difference(before, state)
        iteration += 1
    _, curve = _by_gap(asked, _expected(asked, state))
    return Fit(
        state.score,
        standard_errors(links.information(curve)),
        state.reliability[:n_workers] + 0.0,
        state.common,
        state.side[:n_workers],
        0.0 if state.log_tie is None else float(np.exp(state.log_tie)),
        iteration,
        "davidson with reliability" if weighed else "davidson",
    )


def _start(asked: Asked, weighed: bool) -> State:
    """What is thought before the first answer is looked at."""
    reliability = np.full(asked.n_workers + 1, crowd.RELIABILITY if weighed else 1.0)
    reliability[-1] = 1.0
    log_tie = 0.0 if (asked.outcome == TIE).any() else None
    return State(np.zeros(asked.n_items), reliability, 0.0, np.zeros(asked.n_workers + 1), log_tie)


def _crowd(asked: Asked, state: State, weighed: bool, sided: bool) -> State:
    """All but the scores, after one step."""
    if not (weighed or sided or state.log_tie is not None):
        return state
    expected = _expected(asked, state)
    after = _trusted(asked, state, expected) if weighed else state
    if sided:
        after = _leaning(asked, after, expected)
    return after if state.log_tie is None else _tied(asked, after, expected)


def _difference(before: State, after: State) -> float:
    """The farthest that a score, the common side or the tie parameter moved."""
    moved = [np.abs(after.score - before.score).max(initial=0.0), abs(after.common - before.common)]
    if before.log_tie is not None and after.log_tie is not None:
        moved.append(abs(after.log_tie - before.log_tie))
    return float(max(moved))


def _expected(asked: Asked, state: State) -> Expected:
    """Each outcome's probability for each answer."""
    turned = np.append(crowd.directions(state.reliability[:-1]), GOLD_SHARPNESS)[asked.worker]
    gap = asked.gap(state.score)
    led = _davidson(turned * gap + state.side[asked.worker], state.log_tie)
    guessed = _davidson(state.side, state.log_tie)[:, asked.worker]
    share = np.abs(state.reliability)[asked.worker]
    return Expected(led, guessed, _mixed(led, guessed, share), share, turned)


def _mixed(led: Floats, guessed: Floats, share: Floats) -> Floats:
    """The two in these proportions."""
    both = led * share
    both += guessed * (1.0 - share)
    return both


def _davidson(gap: Floats, log_tie: float | None) -> Floats:
    """Probability of each outcome given the gap between left and right, sides included, float[K, N]."""
    left = np.exp(np.clip(gap / 2, -FLAT, FLAT))
    ties = [] if log_tie is None else [np.full(len(left), np.exp(log_tie))]
    chance = np.stack([left, 1.0 / left, *ties])
    chance /= chance.sum(axis=0)
    return chance


def _bent(chance: Floats) -> Floats:
    """Derivative of _davidson by the gap."""
    mean = 0.5 * (chance[LEFT] - chance[RIGHT])
    return chance * (SLOPES[: len(chance)] - mean)


def _by_gap(asked: Asked, expected: Expected) -> tuple[Floats, Floats]:
    """Slope and expected curvature of the log likelihood by the gap of the scores, each float[N]."""
    slope, curve = _likelihood(asked, expected, expected.turned * expected.share * _bent(expected.led))
    free = asked.known < 0
    return free * slope, free * curve


def _likelihood(asked: Asked, expected: Expected, derivative: Floats) -> tuple[Floats, Floats]:
    """Slope and expected curvature of each answer's log likelihood, given the outcomes' derivatives float[K, N]."""
    relative = derivative / expected.overall
    slope = np.take_along_axis(relative, asked.outcome[None], axis=0)[0]
    return asked.weight * slope, asked.weight * (relative * derivative).sum(axis=0)


def _by_item(asked: Asked, slope: Floats) -> Floats:
    """The slope by the gap as one by each score, float[I]."""
    up, down = (np.bincount(items, slope, asked.n_items) for items in (asked.left, asked.right))
    return np.asarray(up - down, np.float64)


def _by_worker(asked: Asked, values: Floats) -> Floats:
    """Sums by worker, without the truth, float[W]."""
    return np.bincount(asked.worker, values, asked.n_workers + 1)[:-1].astype(np.float64)


def _trusted(asked: Asked, state: State, expected: Expected) -> State:
    """The same with other reliabilities, after one step."""
    slope, curve = _likelihood(asked, expected, expected.turned * (expected.led - expected.guessed))
    telling = asked.telling.astype(np.float64)
    slope, curve, answers = (_by_worker(asked, telling * values) for values in (slope, curve, telling))
    reliability = crowd.trusted(state.reliability[:-1], slope, curve, answers > 0)
    return replace(state, reliability=np.append(reliability, 1.0))


def _leaning(asked: Asked, state: State, expected: Expected) -> State:
    """The same with other sides, after one step."""
    derivative = _mixed(_bent(expected.led), _bent(expected.guessed), expected.share)
    slope, curve = (_by_worker(asked, values) for values in _likelihood(asked, expected, derivative))
    common, side = crowd.leaning(state.common, state.side[:-1], slope, curve)
    return replace(state, common=common, side=np.append(side, 0.0))


def _tied(asked: Asked, state: State, expected: Expected) -> State:
    """The same with another tie parameter, after one step."""
    derivative = _mixed(_evened(expected.led), _evened(expected.guessed), expected.share)
    slope, curve = (_by_worker(asked, values).sum() for values in _likelihood(asked, expected, derivative))
    log_tie = state.log_tie or 0.0
    step = (slope - log_tie / TIE_SD**2) / (curve + TIE_SD**-2)
    return replace(state, log_tie=log_tie + float(np.clip(step, -1.0, 1.0)))


def _evened(chance: Floats) -> Floats:
    """Derivative of _davidson by the logarithm of the tie parameter."""
    derivative = -chance * chance[TIE]
    derivative[TIE] += chance[TIE]
    return derivative
