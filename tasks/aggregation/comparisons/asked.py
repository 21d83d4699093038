"""Comparisons of two items as arrays: checked, in one order, and with what is known of them."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, diags_array

from tasks.aggregation.comparisons import crowd
from tasks.aggregation.comparisons.crowd import Flags
from tasks.aggregation.votes import Floats, Ints

LEFT, RIGHT, TIE = range(3)
GOLD_GAP = 2.0  # at least, between two items known to differ: who follows the scores is wrong there once in eight
GOLD_SIGNS = np.array([1.0, -1.0, 0.0, 0.0])  # of the gap, by what gold says
GOLD_ANSWERS = 3.0  # that a known outcome is worth for the scores, each of them ...
GOLD_SHARPNESS = 4.0  # ... this many times as strict: it says which is better, not that it is by far


@dataclass(frozen=True, slots=True)
class Asked:
    """Checked comparisons in one order, and after them each known outcome once, as if the truth itself had answered.

    left, right, worker, outcome  int[N]  the worker of a known outcome is n_workers
    known   int[N]    the outcome that gold says, -1 = unknown
    weight  float[N]  answers this one is worth
    telling bool[N]   it says something of its worker: gold is known, or others compared both items too
    """

    left: Ints
    right: Ints
    worker: Ints
    outcome: Ints
    known: Ints
    weight: Floats
    telling: Flags
    n_items: int
    n_workers: int

    def gap(self, score: Floats) -> Floats:
        """How far the left item is above the right one, float[N]; where gold knows which is, at least GOLD_GAP."""
        gap = score[self.left] - score[self.right]
        sign = GOLD_SIGNS[self.known]
        return np.where(self.known < 0, gap, sign * np.maximum(sign * gap, GOLD_GAP))

    def links(self) -> "Links":
        """Which items were compared with each other."""
        forth, back = self.left * self.n_items + self.right, self.right * self.n_items + self.left
        key, cell = np.unique(np.concatenate([forth, back]), return_inverse=True)
        source, target = np.divmod(key, max(self.n_items, 1))
        return Links(target, np.concatenate([[0], np.cumsum(np.bincount(source, minlength=self.n_items))]), cell)


@dataclass(frozen=True, slots=True)
class Links:
    """The pattern of a sparse array over items and items, and the cell of each answer, forth and back, int[2 * N]."""

    columns: Ints
    starts: Ints
    cell: Ints

    def information(self, curve: Floats) -> csr_array:
        """What answers of this curvature by the gap of their items say of all scores, sparse float[I, I]."""
        n_items = len(self.starts) - 1
        values = np.bincount(self.cell, np.tile(curve, 2), len(self.columns)).astype(np.float64)
        links = csr_array((values, self.columns, self.starts), shape=(n_items, n_items))
        own = np.asarray(links.sum(axis=1), np.float64).ravel()
        return csr_array(diags_array(own, shape=links.shape) - links)


def ordered(
    left: Ints, right: Ints, worker: Ints, outcome: Ints, n_items: int, n_workers: int, gold: Ints | None
) -> Asked:
    """Check the comparisons and sort them once; arguments and errors as of `fit`."""
    truth = np.full(np.shape(left), -1) if gold is None else gold
    columns = []
    for name, codes, least, end in (
        ("left item", left, 0, n_items),
        ("right item", right, 0, n_items),
        ("worker", worker, 0, n_workers),
        ("outcome", outcome, 0, 3),
        ("gold", truth, -1, 3),
    ):
        column = np.asarray(codes)
        if column.shape != np.shape(left) or column.ndim != 1 or (column.size and column.dtype.kind not in "iu"):
            raise ValueError("left, right, worker, outcome and gold must be integer arrays of one length")
        if column.size and not least <= column.min() <= column.max() < end:
            raise ValueError(f"a {name} is out of range")
        columns.append(column.astype(np.int64))
    ours = np.stack(columns)[:, np.lexsort(columns)]
    taught = _taught(ours[:, ours[4] >= 0], n_workers)
    known = np.concatenate([ours[4], np.full(taught.shape[1], -1)])
    weight = np.concatenate([np.ones(ours.shape[1]), np.full(taught.shape[1], GOLD_ANSWERS)])
    twice, seen = np.tile(ours[2], 2), np.concatenate([ours[0], ours[1]])
    several = crowd.several(twice, seen, n_workers, n_items)
    telling = np.concatenate([(several[ours[0]] & several[ours[1]]) | (ours[4] >= 0), np.zeros(taught.shape[1], bool)])
    both = np.concatenate([ours[:4], taught], axis=1)
    return Asked(both[0], both[1], both[2], both[3], known, weight, telling, n_items, n_workers)


def _taught(known: Ints, n_workers: int) -> Ints:
    """Each known outcome of a pair once, whichever side its items were shown on, int[4, N] as left to outcome."""
    left, right, truth = known[0], known[1], known[4]
    turned = left > right
    swapped = np.where(truth == TIE, TIE, 1 - truth)
    sides = np.where(turned, [right, left, swapped], [left, right, truth])
    one, other, outcome = np.unique(sides, axis=1)
    return np.stack([one, other, np.full(len(one), n_workers), outcome])
