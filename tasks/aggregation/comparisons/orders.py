"""Scores from rankings: Plackett-Luce, where a ranking is a choice of the best, then of the best of the rest."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, diags_array

from tasks.aggregation.comparisons import crowd
from tasks.aggregation.comparisons.crowd import Flags
from tasks.aggregation.comparisons.scores import MAX_ITERATIONS, TOLERANCE, Fit, climbed, standard_errors
from tasks.aggregation.votes import Floats, Ints


@dataclass(frozen=True, slots=True)
class Choices:
    """Each choice that the rankings tell of: one of the items that were still open.

    starts   int[C + 1]  where each choice's open items start
    open     int[M]      open items, choice by choice
    choice   int[M]      the choice each belongs to
    chosen   int[C]      where in `open` the chosen item stands
    worker   int[C]
    telling  bool[C]     others ranked all of these items too
    """

    starts: Ints
    open: Ints
    choice: Ints
    chosen: Ints
    worker: Ints
    telling: Flags
    n_items: int
    n_workers: int

    def table(self, values: Floats) -> csr_array:
        """Values of the open items, float[M], as choices by items."""
        return csr_array((values, self.open, self.starts), shape=(len(self.chosen), self.n_items))

    def by_worker(self, values: Floats) -> Floats:
        """Sums of values of choices, float[C], by worker, float[W]."""
        return np.bincount(self.worker, values, self.n_workers).astype(np.float64)


def rankings(
    ranking: Ints, item: Ints, position: Ints, worker: Ints, n_items: int, n_workers: int, *, weighed: bool = True
) -> Fit:
    """Scores of the items that rankings put in order, with who follows them; of two items a ranking is a comparison.

    ranking, item, position  int[N]  an item's place in a ranking, in any order: the smallest is the best, equal places
                                     are a tie; items a ranking does not name were not shown, so it says nothing of them
    worker   int[R]  who gave each ranking
    weighed  False: every ranking is taken to follow the scores, as in matters of taste
    returns  Fit without sides (nobody recorded them) and without a tie parameter
    raises   ValueError  codes out of range, arrays that do not fit together, an item twice in a ranking
    source   Luce 1959, Plackett 1975; ties as Breslow 1974 has them: each is chosen while all of them are open. Memory
             and time grow with the square of a ranking's length.
    """
    choices = _choices(_ordered(ranking, item, position, worker, n_items, n_workers), worker, n_items, n_workers)
    score, reliability = np.zeros(n_items), np.full(n_workers, crowd.RELIABILITY if weighed else 1.0)
    known = np.bincount(choices.worker[choices.telling], minlength=n_workers) > 0
    iteration, moved = 0, np.inf
    while moved > TOLERANCE and iteration < MAX_ITERATIONS:
        before, score = score, climbed(score, *_by_item(choices, score, reliability))
        moved = float(np.abs(score - before).max(initial=0.0))
        if weighed:
            reliability = crowd.trusted(reliability, *_by_worker(choices, score, reliability), known)
        iteration += 1
    _, information = _by_item(choices, score, reliability)
    method = "plackett-luce with reliability" if weighed else "plackett-luce"
    sides = np.zeros(n_workers)
    return Fit(score, standard_errors(information), reliability + 0.0, 0.0, sides, 0.0, iteration, method)


def _ordered(
    ranking: Ints, item: Ints, position: Ints, worker: Ints, n_items: int, n_workers: int
) -> tuple[Ints, Ints, Ints]:
    """Ranking, item and position, checked and sorted by ranking, position and item."""
    columns = [np.asarray(column) for column in (ranking, item, position)]
    who = np.asarray(worker)
    for column in (*columns, who):
        if column.ndim != 1 or (column.size and column.dtype.kind not in "iu"):
            raise ValueError("ranking, item, position and worker must be integer arrays")
    if not columns[0].shape == columns[1].shape == columns[2].shape:
        raise ValueError("ranking, item and position must be of one length")
    for name, codes, size in (
        ("ranking", columns[0], len(who)),
        ("item", columns[1], n_items),
        ("worker", who, n_workers),
    ):
        if codes.size and not 0 <= codes.min() <= codes.max() < size:
            raise ValueError(f"a {name} is out of range")
    rankings_, items, positions = (column.astype(np.int64) for column in columns)
    if len(np.unique(rankings_ * n_items + items)) < len(items):
        raise ValueError("a ranking must not name an item twice")
    order = np.lexsort((items, positions, rankings_))
    return rankings_[order], items[order], positions[order]


def _choices(rows: tuple[Ints, Ints, Ints], worker: Ints, n_items: int, n_workers: int) -> Choices:
    """One choice for each row but those that had nothing else to choose from."""
    ranking, item, position = rows
    n = len(item)
    who = np.asarray(worker, np.int64)[ranking]
    new_place = (np.diff(ranking, prepend=-1) != 0) | (np.diff(position, prepend=0) != 0)
    first = np.maximum.accumulate(np.where(new_place, np.arange(n), 0))  # row of the same place
    end = np.searchsorted(ranking, ranking, side="right")
    real = np.flatnonzero(end - first > 1)
    sizes = (end - first)[real]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    choice = np.repeat(np.arange(len(real)), sizes)
    opened = item[np.arange(starts[-1]) + (first[real] - starts[:-1])[choice]]
    lonely = ~crowd.several(who, item, n_workers, n_items)
    telling = np.bincount(choice, lonely[opened], len(real)) == 0
    chosen = starts[:-1] + real - first[real]
    return Choices(starts, opened, choice, chosen, who[real], telling, n_items, n_workers)


def _expected(choices: Choices, score: Floats, reliability: Floats) -> tuple[Floats, Floats, Floats]:
    """Probability that each open item is chosen, float[M], if she follows or opposes, if she guesses, and overall."""
    if not len(choices.chosen):
        return (np.zeros(0),) * 3
    heights = crowd.directions(reliability)[choices.worker][choices.choice] * score[choices.open]
    tops = np.maximum.reduceat(heights, choices.starts[:-1])
    weights = np.exp(heights - tops[choices.choice])
    led = weights / np.add.reduceat(weights, choices.starts[:-1])[choices.choice]
    guessed = (1.0 / np.diff(choices.starts))[choices.choice]
    share = np.abs(reliability)[choices.worker][choices.choice]
    return led, guessed, share * led + (1.0 - share) * guessed


def _by_item(choices: Choices, score: Floats, reliability: Floats) -> tuple[Floats, csr_array]:
    """Slope and expected curvature of the log likelihood by the scores, float[I] and sparse float[I, I]."""
    led, _, overall = _expected(choices, score, reliability)
    share = (crowd.directions(reliability) * np.abs(reliability))[choices.worker]
    relative = (share[choices.choice] * led / overall)[choices.chosen]
    chances = choices.table(led)
    slope = np.bincount(choices.open[choices.chosen], relative, choices.n_items) - chances.T @ relative
    weights = (share[choices.choice] * led) ** 2 / overall
    mixed = chances.T @ choices.table(weights)
    by_choice = np.bincount(choices.choice, weights, len(choices.chosen)).astype(np.float64)
    own = diags_array(np.bincount(choices.open, weights, choices.n_items).astype(np.float64), shape=mixed.shape)
    around = chances.T @ (diags_array(by_choice, shape=(len(by_choice),) * 2) @ chances)
    return slope, csr_array(own - mixed - mixed.T + around)


def _by_worker(choices: Choices, score: Floats, reliability: Floats) -> tuple[Floats, Floats]:
    """Slope and expected curvature of the log likelihood by the reliabilities, each float[W]."""
    if not len(choices.chosen):
        return np.zeros(choices.n_workers), np.zeros(choices.n_workers)
    led, guessed, overall = _expected(choices, score, reliability)
    derivative = crowd.directions(reliability)[choices.worker][choices.choice] * (led - guessed)
    relative = derivative / overall
    slope, curve = relative[choices.chosen], np.add.reduceat(relative * derivative, choices.starts[:-1])
    telling = choices.telling.astype(np.float64)
    return choices.by_worker(telling * slope), choices.by_worker(telling * curve)
