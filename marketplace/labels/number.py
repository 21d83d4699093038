"""A number: a count, a measure, an estimate."""

import math
import re
from collections.abc import Sequence
from typing import Any

from marketplace.labels.errors import Error, refuse
from marketplace.labels.merging import Merged, median, merged, trimmed_mean
from marketplace.labels.reading import LARGEST, Reader, is_number, is_whole

Spec = dict[str, Any]

CUT = 0.1  # trimmed at either end; on 700 emotion scores an error of 11.9, where the median has 13.5
TOLERANCE = 0.05  # of the range, or with no range of the truth, where a fraction's field names none
WRITTEN = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")


def check(spec: Spec) -> tuple[Spec, list[Error]]:
    """Bounds, `integer`, the `unit` to show, and `tolerance` in that unit: null = none for counts, else 5 %."""
    read = Reader(spec)
    low, high = read.number("min", None), read.number("max", None)
    whole = read.flag("integer", False)
    unit = read.text("unit", "", 40)
    tolerance = read.number("tolerance", None, 0)
    floor, ceiling = bounds({"min": low, "max": high})
    if floor >= ceiling or (whole and math.ceil(floor) > math.floor(ceiling)):
        read.wrong("max", "range", "must leave room above min")
    return {"min": low, "max": high, "integer": whole, "unit": unit, "tolerance": tolerance}, read.errors


def validate(value: Any, spec: Spec) -> list[Error]:
    low, high = bounds(spec)
    if not is_number(value) or (spec["integer"] and not is_whole(value)):
        return [Error("", "type", "expected a whole number" if spec["integer"] else "expected a number")]
    return [] if low <= value <= high else [Error("", "range", f"must lie between {low} and {high}")]


def json_schema(spec: Spec) -> dict[str, Any]:
    low, high = bounds(spec)
    return {"type": "integer" if spec["integer"] else "number", "minimum": low, "maximum": high}


def categories(spec: Spec) -> list[str]:
    return []


def similarity(a: float, b: float, spec: Spec) -> float:
    """1 less the distance over the range, or with no range over the sum of the sizes."""
    span = abs(a) + abs(b) if _open(spec) else spec["max"] - spec["min"]
    return max(0.0, 1.0 - abs(a - b) / span) if a != b else 1.0


def matches(value: float, truth: float, spec: Spec) -> bool:
    """Whether the value lies in the tolerance band around the truth."""
    rounding = 4 * math.ulp(max(abs(value), abs(truth)))
    return abs(value - truth) <= band(truth, spec) + rounding


def band(truth: float, spec: Spec) -> float:
    """How far from this truth a value may lie and still count as right."""
    if spec["tolerance"] is not None:
        return float(spec["tolerance"])
    return 0.0 if spec["integer"] else TOLERANCE * (abs(truth) if _open(spec) else spec["max"] - spec["min"])


def merge(values: Sequence[float], weights: Sequence[float], spec: Spec) -> Merged:
    """The weighted median of whole numbers, the weighted trimmed mean of others."""
    best = int(median(values, weights)) if spec["integer"] else trimmed_mean(values, weights, CUT)
    return merged(best, values, weights, lambda value: matches(value, best, spec))


def soft(values: Sequence[float], weights: Sequence[float], spec: Spec) -> None:
    return None


def from_text(cell: str, spec: Spec) -> float:
    if not WRITTEN.fullmatch(cell.strip()):
        raise ValueError("expected a number such as 12 or 3.5")
    value = float(cell)
    refuse(validate(value, spec))
    return int(value) if is_whole(value) else value


def to_text(value: float, spec: Spec) -> str:
    return repr(int(value) if is_whole(value) else value)


def bounds(spec: Spec) -> tuple[float, float]:
    """The least and the most a value may be."""
    return -LARGEST if spec["min"] is None else spec["min"], LARGEST if spec["max"] is None else spec["max"]


def _open(spec: Spec) -> bool:
    return spec["min"] is None or spec["max"] is None
