"""How far two values of an answer are apart: what Krippendorff's alpha needs to know of a scale.

A distance answers with sums over pairs of values, because a table of all pairs may be too large to make.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from scipy.sparse import csr_array

from tasks.aggregation.votes import Floats, Ints

Bools = npt.NDArray[np.bool_]
MOST_VALUES = 4_000  # distinct values of which a table of all pairs is made: 128 MB
CELLS = 4_000_000  # of a table held at once: 32 MB
ROUNDING = 1e-9  # by which a table of distances may miss being symmetric and 0 for equal values


class Distance(Protocol):
    """Distances of values 0 to K - 1.

    is_relative  whether they depend on how often each value was given
    n_values     K; None: any
    """

    @property
    def is_relative(self) -> bool: ...

    @property
    def n_values(self) -> int | None: ...

    def within(self, counts: csr_array, pooled: Floats) -> Floats:
        """Sum of the distances of all ordered pairs of answers in each unit, float[R or 1, U].

        counts  sparse float[U, K]  how often each value was given in each unit; no unit is empty
        pooled  float[R, K]         how often in all units together, in each of R samples
        """
        ...

    def among(self, pooled: Floats) -> Floats:
        """Sum of the distances of all ordered pairs of answers of a sample, whatever their unit, float[R]."""
        ...


@dataclass(frozen=True, slots=True)
class Nominal:
    """Classes without order: 0 for the same, 1 for another."""

    is_relative: bool = False
    n_values: int | None = None

    def within(self, counts: csr_array, pooled: Floats) -> Floats:
        return (counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1))[None, :]

    def among(self, pooled: Floats) -> Floats:
        return pooled.sum(axis=1) ** 2 - (pooled**2).sum(axis=1)


@dataclass(frozen=True, slots=True)
class Positions:
    """The square of how far two values lie from each other on a line.

    places  float[K]  where each value lies; None: at its mean rank among all answers
    """

    places: Floats | None

    @property
    def is_relative(self) -> bool:
        return self.places is None

    @property
    def n_values(self) -> int | None:
        return None if self.places is None else len(self.places)

    def within(self, counts: csr_array, pooled: Floats) -> Floats:
        starts, often = counts.indptr[:-1], counts.data
        if not len(starts):
            return np.zeros((1, 0))
        in_unit, answers = np.repeat(np.arange(len(starts)), np.diff(counts.indptr)), counts.sum(axis=1)
        given = self._places(pooled)[:, counts.indices]
        given = given - given[:, starts][:, in_unit]  # so that equal answers differ by exactly 0
        mean = np.add.reduceat(given * often, starts, axis=1) / answers
        return 2 * answers * np.add.reduceat((given - mean[:, in_unit]) ** 2 * often, starts, axis=1)

    def among(self, pooled: Floats) -> Floats:
        answers = pooled.sum(axis=1)
        if self.places is None:
            ranks = self._places(pooled) - answers[:, None] / 2  # the mean of mean ranks
            return 2 * answers * np.einsum("rk,rk,rk->r", pooled, ranks, ranks)
        given = self.places - (pooled.sum(axis=0) @ self.places) / max(answers.sum(), 1.0)
        return 2 * (answers * (pooled @ given**2) - (pooled @ given) ** 2)

    def _places(self, pooled: Floats) -> Floats:
        return (np.cumsum(pooled, axis=1) - pooled / 2) if self.places is None else self.places[None, :]


@dataclass(frozen=True, slots=True)
class Table:
    """Any distances: float[K, K], symmetric, 0 from each value to itself; made by `table`."""

    apart: Floats
    is_relative: bool = False

    @property
    def n_values(self) -> int | None:
        return len(self.apart)

    def within(self, counts: csr_array, pooled: Floats) -> Floats:
        at_once = max(1, CELLS // max(len(self.apart), 1))
        blocks = (counts[start : start + at_once] for start in range(0, counts.shape[0], at_once))
        sums = [block.multiply(block @ self.apart).sum(axis=1) for block in blocks]
        return np.concatenate([np.zeros(0), *sums])[None, :]

    def among(self, pooled: Floats) -> Floats:
        return ((pooled @ self.apart) * pooled).sum(axis=1)


NOMINAL = Nominal()
ORDINAL = Positions(None)


def interval(values: Floats) -> Positions:
    """Numbers of which differences mean something (degrees, years): (a - b)².

    values  float[K]  the number behind each code, any finite ones
    source  Krippendorff 2011, "Computing Krippendorff's alpha-reliability"; so are the mean ranks of ORDINAL
    """
    numbers = _numbers(values) / 2  # so that no difference overflows
    return Positions(_scaled(numbers - numbers.min(initial=np.inf)))


def ratio(values: Floats) -> Table:
    """Numbers with a true zero of which ratios mean something (counts, lengths): ((a - b) / (a + b))².

    values  float[K]  the number behind each code, from 0, at most MOST_VALUES of them
    """
    numbers = _numbers(values)
    if (numbers < 0).any():
        raise ValueError("values of a ratio scale must not be negative")
    _bounded(len(numbers))
    numbers = _scaled(numbers)
    total = numbers[:, None] + numbers
    apart = np.divide(numbers[:, None] - numbers, total, out=np.zeros_like(total), where=total > 0)
    return Table(apart**2)


def table(apart: Floats) -> Table:
    """Any distances, as 1 - similarity of each two distinct values.

    apart   float[K, K]  symmetric, not negative, 0 from each value to itself, K at most MOST_VALUES
    raises  ValueError   it is not so by more than ROUNDING
    """
    found = np.asarray(apart, np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise ValueError("distances must be a square table of distinct values")
    _bounded(len(found))
    if not np.isfinite(found).all() or (found < -ROUNDING).any():
        raise ValueError("distances must be finite and not negative")
    if (np.abs(found - found.T) > ROUNDING).any() or (np.abs(np.diagonal(found)) > ROUNDING).any():
        raise ValueError("distances must be symmetric, and 0 from each value to itself")
    clean = np.maximum((found + found.T) / 2, 0.0)
    np.fill_diagonal(clean, 0.0)
    return Table(clean)


def coded(chosen: Bools) -> tuple[Ints, Bools]:
    """Sets as codes: int[N], and the distinct sets bool[K, L] they stand for, in an order that they alone decide.

    chosen  bool[N, L]  which of L labels each answer chose; none is a set too
    """
    sets = np.asarray(chosen)
    if sets.ndim != 2 or sets.dtype != np.bool_:
        raise ValueError("chosen must be a table of true and false, a row for each answer")
    if not sets.size:
        return np.zeros(len(sets), np.int64), np.zeros((min(len(sets), 1), sets.shape[1]), np.bool_)
    packed, code = np.unique(np.packbits(sets, axis=1), axis=0, return_inverse=True)
    return code.ravel().astype(np.int64), np.unpackbits(packed, axis=1, count=sets.shape[1]).astype(np.bool_)


def jaccard(distinct: Bools) -> Table:
    """1 - what two sets share over what either has; two empty sets are the same.

    distinct  bool[K, L]  as `coded` gives them, at most MOST_VALUES
    """
    return Table(1.0 - _shared(distinct)[0])


def masi(distinct: Bools) -> Table:
    """As `jaccard`, and a third further apart where one set holds the other, two thirds where they only overlap.

    distinct  bool[K, L]  as `coded` gives them, at most MOST_VALUES
    source    Passonneau 2006, "Measuring agreement on set-valued items (MASI)"
    """
    alike, both = _shared(distinct)
    sizes = np.diagonal(both)
    is_same, is_inside = alike == 1.0, both == np.minimum(sizes[:, None], sizes)
    return Table(1.0 - alike * np.where(is_same, 1.0, np.where(is_inside, 2 / 3, 1 / 3)))


def edits(distinct: Sequence[Sequence[Hashable]]) -> Table:
    """The least part of the longer text's words that must change to make it the other; two empty ones are the same.

    distinct  K texts as words, at most MOST_VALUES; the time grows with the square of all their words
    """
    _bounded(len(distinct))
    return Table(cdist(distinct, distinct, scorer=Levenshtein.normalized_distance, dtype=np.float64))


def _shared(distinct: Bools) -> tuple[Floats, Floats]:
    """What each two sets share: as part of what either has, float[K, K], and how many labels, float[K, K]."""
    _bounded(len(distinct))
    sets = np.asarray(distinct, np.float64)
    both, sizes = sets @ sets.T, sets.sum(axis=1)
    either = sizes[:, None] + sizes - both
    return np.divide(both, either, out=np.ones_like(both), where=either > 0), both


def _numbers(values: Floats) -> Floats:
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError("values must be finite numbers, one for each code")
    return numbers


def _scaled(numbers: Floats) -> Floats:
    """The same numbers over a power of two, which is exact, so that no square overflows; alpha asks for no unit."""
    return np.ldexp(numbers, -np.frexp(np.abs(numbers).max(initial=0.0))[1])


def _bounded(values: int) -> None:
    if values > MOST_VALUES:
        raise ValueError(f"there must be at most {MOST_VALUES} distinct values")
