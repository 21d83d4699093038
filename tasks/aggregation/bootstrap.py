"""How far a figure could be another: the same figure of tasks drawn again, with putting back, many times over.

Tasks are drawn, never answers: the answers to one task hang together. Tasks with the same row are one row that is drawn
more often, so that neither the order of the tasks nor their number shows, in the result or in the time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr, stdtrit

from tasks.aggregation.votes import Floats, Ints

RESAMPLES = 1000
LEVEL = 0.95
LEAST_TASKS = 10  # with fewer there is no interval; from here on it held the truth in 90 to 99 % of drawn crowds
CELLS = 4_000_000  # of a table held at once: 32 MB


@dataclass(frozen=True, slots=True)
class Rows:
    """What each task adds to a figure, equal rows once.

    rows   sparse float[G, J]  distinct rows, in an order that depends on what they say alone
    often  int[G]              how many tasks have this row
    """

    rows: csr_array
    often: Ints

    @property
    def n_tasks(self) -> int:
        return int(self.often.sum())


def distinct(rows: Floats | csr_array) -> Rows:
    """Put equal rows together.

    Rows are told apart by two random weighings of their columns: two that differ weigh the same by a chance below
    1e-20.

    rows  float[T, J]  dense or sparse, a row for each task
    """
    rows = csr_array(rows, copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    scales = np.random.default_rng(0).random((2, rows.shape[1]))
    weighed = (rows @ scales[0]) + 1j * (rows @ scales[1])
    _, first, often = np.unique(weighed, return_index=True, return_counts=True)
    return Rows(rows[first], often.astype(np.int64))


def draws(found: Rows, *, seed: int = 0, resamples: int = RESAMPLES, width: int = 0) -> Iterator[Floats]:
    """How often each row is in each resample, float[R, G], some resamples at a time.

    width  of the widest table the caller makes for each resample, to bound memory
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, CELLS // max(len(found.often), found.rows.shape[1], width, 1))
    for start in range(0, resamples, at_once):
        yield _drawn(found, rng, min(at_once, resamples - start)).astype(np.float64)


def _drawn(found: Rows, rng: np.random.Generator, resamples: int) -> Ints:
    rows, tasks = len(found.often), found.n_tasks
    if rows * 4 < tasks:
        return rng.multinomial(tasks, found.often / tasks, size=resamples)
    row_of = np.repeat(np.arange(rows), found.often)  # where few rows are equal, drawing tasks is twice as fast
    drawn = (np.bincount(row_of[rng.integers(0, tasks, tasks)], minlength=rows) for _ in range(resamples))
    return np.stack(list(drawn))


def of_sums(
    rows: Floats | csr_array,
    figure: Callable[[Floats], Floats],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[Floats, Floats, Floats]:
    """A figure that is made from sums over tasks, and the bounds of it.

    rows    float[T, J]                 what each task adds to each sum
    figure  float[R, J] -> float[R, M]  the figure from the sums; nan where it is not defined
    returns value, low and high, float[M] each; the last two as `bounds` gives them
    """
    found = distinct(rows)
    value = figure((found.often @ found.rows)[None, :])[0]
    if found.n_tasks < LEAST_TASKS:
        return value, np.full(len(value), np.nan), np.full(len(value), np.nan)
    drawn = draws(found, seed=seed, resamples=resamples)
    return value, *bounds(np.concatenate([figure(weights @ found.rows) for weights in drawn]), found.n_tasks)


def bounds(values: Floats, n_tasks: int) -> tuple[Floats, Floats]:
    """The middle 95 % of resampled values, a little wider where tasks are few.

    values   float[R, M]  of each resample; nan where it is not defined
    returns  float[M] twice; nan where tasks are fewer than LEAST_TASKS, or all resamples say the same (then nothing
             differs between tasks, and drawing them again cannot say how sure that is)
    source   Hesterberg 2015, "What teachers should know about the bootstrap": expanded percentiles
    """
    low, high = np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    known = np.isfinite(values).any(axis=0)
    if n_tasks < LEAST_TASKS or not known.any():
        return low, high
    tail = ndtr(np.sqrt(n_tasks / (n_tasks - 1)) * stdtrit(n_tasks - 1, (1 - LEVEL) / 2))
    low[known], high[known] = np.nanquantile(values[:, known], [tail, 1 - tail], axis=0)
    low[known & ~(high > low)] = np.nan
    high[np.isnan(low)] = np.nan
    return low, high


def known(value: float) -> float | None:
    """The number, or None for nan."""
    return None if np.isnan(value) else float(value)
