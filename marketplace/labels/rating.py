"""A rating: points on a scale from 1."""

from collections.abc import Sequence
from typing import Any

from marketplace.labels.errors import Error
from marketplace.labels.merging import Merged, median, merged, shares
from marketplace.labels.reading import Reader, is_whole

Spec = dict[str, Any]


def check(spec: Spec) -> tuple[Spec, list[Error]]:
    """`points` of the scale, 2 to 11, and `tolerance` in points."""
    read = Reader(spec)
    points = read.whole("points", 5, 2, 11)
    return {"points": points, "tolerance": read.whole("tolerance", 0, 0, points - 1)}, read.errors


def validate(value: Any, spec: Spec) -> list[Error]:
    if not is_whole(value):
        return [Error("", "type", "expected a whole number")]
    return [] if 1 <= value <= spec["points"] else [Error("", "range", f"must lie between 1 and {spec['points']}")]


def json_schema(spec: Spec) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": spec["points"]}


def categories(spec: Spec) -> list[str]:
    return [str(point) for point in range(1, spec["points"] + 1)]


def similarity(a: int, b: int, spec: Spec) -> float:
    """1 less the distance over the length of the scale."""
    return 1.0 - abs(a - b) / (spec["points"] - 1)


def matches(value: int, truth: int, spec: Spec) -> bool:
    return abs(value - truth) <= spec["tolerance"]


def merge(values: Sequence[int], weights: Sequence[float], spec: Spec) -> Merged:
    """The weighted median; of two in the middle the lower."""
    best = int(median(values, weights))
    return merged(best, values, weights, lambda value: matches(value, best, spec))


def soft(values: Sequence[int], weights: Sequence[float], spec: Spec) -> dict[str, float]:
    """The share of the weight behind each point: a split scale is not a neutral one."""
    behind = shares([int(value) for value in values], weights)
    return {point: behind.get(int(point), 0.0) for point in categories(spec)}


def from_text(cell: str, spec: Spec) -> int:
    if cell.strip() not in categories(spec):
        raise ValueError(f"expected a whole number from 1 to {spec['points']}")
    return int(cell)


def to_text(value: int, spec: Spec) -> str:
    return str(int(value))
