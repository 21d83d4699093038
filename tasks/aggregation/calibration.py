"""As sure as it is right: one temperature for all posteriors of a crowd, learned from tasks whose truth is known.

Workers of one crowd share their mistakes, so a posterior that counts them as strangers is too sure of itself.

Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", with a prior for the temperature.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from tasks.aggregation.votes import Floats, Ints

USUAL = 4.0  # the temperature where nothing is known: the median of 12 public crowds, which have 1.3 to 8
SPREAD = 0.7  # of its logarithm among those crowds
LARGEST = 3.5  # its logarithm, either way
BINS = 10
SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class Bins:
    """How sure and how often right, for tasks that are about as sure.

    tasks  int[B]    how many lie in each of B equal steps of confidence from 0 to 1
    sure   float[B]  their mean confidence; nan: none
    right  float[B]  the share that is right; nan: none
    """

    tasks: Ints
    sure: Floats
    right: Floats

    def error(self) -> float | None:
        """Expected calibration error: the mean distance of sure and right, by tasks; None: there are none."""
        total = self.tasks.sum()
        return float(np.nansum(self.tasks * np.abs(self.sure - self.right)) / total) if total else None


def temperature(posterior: Floats, truth: Ints, weight: Floats | None = None) -> float:
    """What to divide log posteriors by, so that these tasks are as often right as they are sure.

    posterior  float[T, K]  of the tasks whose truth is known, from a fit that did not know it
    truth      int[T]       their classes; without any the usual temperature
    weight     float[T]     how many others each stands for, 1 in the mean; None: all for as many
    """
    logs, rows = np.log(np.maximum(posterior, SMALLEST)), np.arange(len(truth))

    def doubt(log_temperature: float) -> float:
        scores = logs / np.exp(log_temperature)
        scores -= scores.max(axis=1, keepdims=True)
        likely = scores[rows, truth] - np.log(np.exp(scores).sum(axis=1))
        return float(
            -(likely if weight is None else weight * likely).sum()
            + ((log_temperature - np.log(USUAL)) / SPREAD) ** 2 / 2
        )

    return float(np.exp(minimize_scalar(doubt, bounds=(-LARGEST, LARGEST), method="bounded").x))


def calibrated(posterior: Floats, temperature: float) -> Floats:
    """The same classes in the same order, as sure as this temperature makes them, float[T, K]."""
    scores = np.log(np.maximum(posterior, SMALLEST)) / temperature
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def bins(posterior: Floats, truth: Ints, n_bins: int = BINS) -> Bins:
    """Sort tasks of known class by how sure their likeliest class is; the first of several counts."""
    sure, right = posterior.max(axis=1, initial=0.0), posterior.argmax(axis=1) == truth
    place = np.minimum((sure * n_bins).astype(np.int64), n_bins - 1)
    tasks = np.bincount(place, minlength=n_bins)
    sums = (np.bincount(place, weights, n_bins) for weights in (sure, right))
    means = [np.divide(one, tasks, out=np.full(n_bins, np.nan), where=tasks > 0) for one in sums]
    return Bins(tasks, *means)
