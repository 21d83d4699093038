"""Arithmetic that several annotation types share: weighing the answers to one task against each other."""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeVar

Value = TypeVar("Value", bound=Hashable)


class Merged(NamedTuple):
    """One value out of many.

    confidence  share of the weight whose answers agree with the value, 0..1; one answer alone agrees with itself
    dissent     indices of the answers that do not agree
    """

    value: Any
    confidence: float
    dissent: list[int]


def merged(value: Any, values: Sequence[Any], weights: Sequence[float], agrees: Callable[[Any], bool]) -> Merged:
    """How far the answers stand behind this value."""
    dissent = [index for index, given in enumerate(values) if not agrees(given)]
    behind = set(range(len(values))).difference(dissent)
    weights = fair(values, weights)
    return Merged(value, math.fsum(weights[index] for index in behind) / math.fsum(weights), dissent)


def fair(values: Sequence[Any], weights: Sequence[float]) -> list[float]:
    """The weights, what is not positive as 0; all equal where nobody would count.

    raises  ValueError  no answers, or not one weight each
    """
    if not values or len(values) != len(weights):
        raise ValueError("there must be answers, with a weight each")
    positive = [float(weight) if 0.0 < weight < math.inf else 0.0 for weight in weights]
    return positive if any(positive) else [1.0] * len(positive)


def shares(values: Sequence[Value], weights: Sequence[float]) -> dict[Value, float]:
    """The share of the weight behind each value that occurs."""
    behind: dict[Value, list[float]] = {}
    for value, weight in zip(values, fair(values, weights), strict=True):
        behind.setdefault(value, []).append(weight)
    sums = {value: math.fsum(group) for value, group in behind.items()}
    total = math.fsum(sums.values())
    return {value: part / total for value, part in sums.items()}


def median(values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted median; of two in the middle the lower, so that somebody said it."""
    behind = shares(values, weights)
    reached = 0.0
    for value in sorted(behind):
        reached += behind[value]
        if reached >= 0.5 - 1e-12:
            return value
    return max(behind)


def trimmed_mean(values: Sequence[float], weights: Sequence[float], cut: float) -> float:
    """The weighted mean without this share of the weight at either end."""
    behind = shares(values, weights)
    below, total, kept = 0.0, [], []
    for value in sorted(behind):
        above = below + behind[value]
        part = max(min(above, 1.0 - cut) - max(below, cut), 0.0)
        total.append(value * part)
        kept.append(part)
        below = above
    return min(max(math.fsum(total) / math.fsum(kept), min(behind)), max(behind))
