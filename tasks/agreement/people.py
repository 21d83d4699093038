"""Which two workers agree most and least on a field: where to look, never a reason by itself."""

from dataclasses import dataclass

import numpy as np

from tasks.aggregation.distances import Bools
from tasks.aggregation.votes import Floats
from tasks.aggregation.worker_pairs import worker_pairs
from tasks.agreement import alphas
from tasks.agreement.scales import Said, Scale

SHOWN = 10  # of each
COMPARED = (Scale.NOMINAL, Scale.ORDINAL, Scale.SETS)  # of which two may say just the same
WIDTH = 1.96  # standard errors on either side


@dataclass(frozen=True)
class Pair:
    """Two workers on the tasks they share.

    one, other  keys, or names
    agreed      the part of these to which both said just the same
    kappa       that beyond chance, by Cohen
    """

    one: int
    other: int
    shared: int
    agreed: float
    kappa: float


@dataclass(frozen=True)
class Compared:
    """How many pairs share enough tasks, and those at either end, the furthest first; none is at both."""

    pairs: int
    least: list[Pair]
    most: list[Pair]


def compare(said: Said, chosen: Bools, most: int) -> Compared:
    """The workers of the answers chosen, from at most so many pairs of answers.

    Who shares few tasks stands at neither end by luck: pairs are ranked by the bound of what they agree on that is
    nearer to the middle. Two who always say one and the same are left out, which tells agreement from habit no more
    than one answer would.
    """
    chosen = chosen & alphas.newest(said.columns.task, chosen, most)
    columns = said.columns.take(chosen)
    tasks, task = np.unique(columns.task, return_inverse=True)
    workers, worker = np.unique(columns.worker, return_inverse=True)
    codes, label = np.unique(said.code[chosen], return_inverse=True)
    found = worker_pairs(task, worker, label, len(tasks), len(workers), max(len(codes), 2))
    rows = [
        Pair(int(workers[one]), int(workers[other]), int(shared), float(agreed), float(kappa))
        for one, other, shared, agreed, kappa in zip(
            found.one, found.other, found.shared, found.agreed, found.kappa, strict=True
        )
        if np.isfinite(kappa)
    ]
    low, high = _bounds(np.array([row.agreed for row in rows]), np.array([float(row.shared) for row in rows]))
    alike = np.argsort(-low, kind="stable").tolist()[: min(SHOWN, (len(rows) + 1) // 2)]
    apart = [at for at in np.argsort(high, kind="stable").tolist() if at not in alike][:SHOWN]
    return Compared(len(found.one), [rows[at] for at in apart], [rows[at] for at in alike])


def _bounds(share: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Between what a share of n lies, by Wilson's score."""
    z2 = WIDTH**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = WIDTH * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return middle - half, middle + half
