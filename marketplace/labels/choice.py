"""Single choice: one of the options."""

from collections.abc import Sequence
from typing import Any

from marketplace.labels import options
from marketplace.labels.errors import Error
from marketplace.labels.merging import Merged, merged, shares

Spec = dict[str, Any]


def check(spec: Spec) -> tuple[Spec, list[Error]]:
    listed, errors = options.check(spec.get("options"), fewest=2)
    return {"options": listed}, errors


def validate(value: Any, spec: Spec) -> list[Error]:
    if not isinstance(value, str):
        return [Error("", "type", "expected one of the options")]
    return [] if value in options.values(spec) else [Error("", "option", "not one of the options")]


def json_schema(spec: Spec) -> dict[str, Any]:
    return {"type": "string", "enum": options.values(spec)}


def categories(spec: Spec) -> list[str]:
    return options.values(spec)


def similarity(a: str, b: str, spec: Spec) -> float:
    """1 for the same option, else 0; where options are ordered, less the further apart they are."""
    if a == b or spec["truth"] != "ordinal":
        return float(a == b)
    values = options.values(spec)
    return 1.0 - abs(values.index(a) - values.index(b)) / (len(values) - 1)


def matches(value: str, truth: str, spec: Spec) -> bool:
    return value == truth


def merge(values: Sequence[str], weights: Sequence[float], spec: Spec) -> Merged:
    """The option with the most weight; of several the first in the list."""
    behind = soft(values, weights, spec)
    best = max(behind, key=behind.__getitem__)
    return merged(best, values, weights, lambda value: value == best)


def soft(values: Sequence[str], weights: Sequence[float], spec: Spec) -> dict[str, float]:
    """The share of the weight behind each option."""
    behind = shares(values, weights)
    return {option: behind.get(option, 0.0) for option in options.values(spec)}


def from_text(cell: str, spec: Spec) -> str:
    return options.named(cell, spec)


def to_text(value: str, spec: Spec) -> str:
    return value
