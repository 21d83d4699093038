"""What work pays an hour: the arithmetic, on arrays and numbers alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

HOUR_S = 3600
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A median, and where the true one lies."""

    median: float
    low: float
    high: float


def hourly(paid_micros: Any, seconds: Any) -> Array:
    """What an hour pays.

    paid_micros  int[W]    what each worker's time was worth, in micros
    seconds      int[W]    the time, in active seconds, all above 0
    returns      float[W]  micros an hour
    """
    return HOUR_S * np.asarray(paid_micros, float) / np.asarray(seconds, float)


def median(values: Any, level: float = 0.9) -> Interval:
    """The median with an interval that holds the true one with at least this probability, whatever the distribution.

    Half of the values may be anything, and the median stays among the others. Of fewer values than the level needs
    (five for 0.9) the interval is from the least to the most.

    values   float[N]  in any order, N >= 1
    source   order statistics: of N values, Binomial(N, 1/2) lie below the true median; David & Nagaraja 2003, 7.1
    """
    ordered = np.sort(np.asarray(values, float))
    if not len(ordered):
        raise ValueError("no values")
    # The largest rank with P(fewer values than this are below) <= (1 - level) / 2
    rank = int(binom.ppf((1 - level) / 2, len(ordered), 0.5))
    if binom.cdf(rank, len(ordered), 0.5) <= (1 - level) / 2:
        rank += 1
    rank = max(rank, 1)
    return Interval(float(np.median(ordered)), float(ordered[rank - 1]), float(ordered[-rank]))


def below(values: Any, floors: Any) -> int:
    """How many values lie below their own floor.

    values, floors  float[W]  of each worker, micros an hour; a floor of 0 is none
    """
    return int(np.count_nonzero(np.asarray(values, float) < np.asarray(floors, float)))


def spread(values: Any, parts: int = 10) -> list[int]:
    """The quantiles that cut the values into so many equal parts, the least and the most among them.

    values   float[N]         N >= 1
    returns  int[parts + 1]   rising
    """
    return [round(value) for value in np.quantile(np.asarray(values, float), np.linspace(0, 1, parts + 1))]


def counted_s(seconds: int, answers: int, usual_s: float, most_percent: int) -> int:
    """The time that counts of what so many answers took: idling beyond a multiple of the usual time does not.

    seconds       active seconds of all the answers together
    usual_s       the median of what an answer takes, over workers
    most_percent  of that median: what an answer may take, on average, and still count in full
    """
    return min(seconds, int(answers * usual_s * most_percent / 100))


def due_micros(floor_micros: int, seconds: int, paid_micros: int) -> int:
    """What is missing until this time is paid at the floor, rounded up; never below 0.

    floor_micros  an hour
    seconds       that count
    paid_micros   for them so far, top-ups among it
    """
    return max(0, -(-floor_micros * seconds // HOUR_S) - paid_micros)


def cap_micros(paid_micros: int, most_percent: int) -> int:
    """What may be added to these prices without asking anybody."""
    return paid_micros * most_percent // 100
