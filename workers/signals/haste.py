"""Who takes far less time than others take for the same kind of task."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from workers.signals import Floats, Ints

PAGES_LEAST = 5  # of a worker, to say anything of their pace
WORKERS_LEAST = 5  # of a kind, to say what others take
QUICK = -1.6449  # the 5 % quantile, in spreads of the logarithm
MAD = 1.4826  # spreads of a normal distribution in its median absolute deviation
SPREAD_LEAST = 0.25  # of the logarithm: a fifth faster or slower is never odd


@dataclass(frozen=True, slots=True)
class Pace:
    """One worker each, in order, those with too few pages left out.

    pages    int[W]
    quick    float[W]  share of the pages that took less than 95 % of the others' do
    speed    float[W]  how many times as fast as others in the middle
    p        float[W]  the chance that somebody is as fast, or faster, by nature
    """

    worker: Ints
    pages: Ints
    quick: Floats
    speed: Floats
    p: Floats


def pace(worker: Ints, kind: Ints, seconds: Floats) -> Pace:
    """How fast each worker is, beside the others at the same kinds of task.

    worker, kind  int[N]    codes from 0, one page each
    seconds       float[N]  for one task of the page, above 0
    """
    odd = np.full(len(worker), np.nan)
    spreads = np.full(len(worker), np.nan)
    for one in np.unique(kind):
        here = np.flatnonzero(kind == one)
        names, pages = np.unique(worker[here], return_inverse=True)
        if len(names) < WORKERS_LEAST:
            continue
        weight = 1.0 / np.bincount(pages)[pages]  # each worker counts the same
        time = np.log(seconds[here])
        middle = _median(time, weight)
        spreads[here] = max(MAD * _median(np.abs(time - middle), weight), SPREAD_LEAST)
        odd[here] = time - middle
    return _paces(worker, odd, spreads)


def _paces(worker: Ints, odd: Floats, spreads: Floats) -> Pace:
    known = ~np.isnan(odd)
    worker, odd, spreads = worker[known], odd[known], spreads[known]
    names, pages = np.unique(worker, return_counts=True)
    names, pages = names[pages >= PAGES_LEAST], pages[pages >= PAGES_LEAST]
    mine = [np.flatnonzero(worker == name) for name in names]
    middle = np.array([np.median(odd[rows]) for rows in mine])
    quick = np.array([np.mean(odd[rows] < QUICK * spreads[rows]) for rows in mine])
    within = np.array([MAD * np.median(np.abs(odd[rows] - np.median(odd[rows]))) for rows in mine])
    if len(names) < WORKERS_LEAST:
        return Pace(names, pages, quick, np.exp(-middle), np.ones(len(names)))
    between = max(MAD * float(np.median(np.abs(middle - np.median(middle)))), SPREAD_LEAST)
    spread = np.sqrt(between**2 + np.pi / 2 * within**2 / pages)  # people differ, and a median of few pages is rough
    return Pace(names, pages, quick, np.exp(-middle), ndtr((middle - np.median(middle)) / spread))


def _median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    upto = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(upto, upto[-1] / 2)])
