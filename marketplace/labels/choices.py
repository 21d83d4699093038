"""Multiple choice: a set of the options; an empty list says that none applies."""

import json
from collections.abc import Sequence
from typing import Any

from marketplace.labels import options
from marketplace.labels.errors import Error, refuse
from marketplace.labels.merging import Merged, fair, merged, shares
from marketplace.labels.reading import Reader

Spec = dict[str, Any]


def check(spec: Spec) -> tuple[Spec, list[Error]]:
    """Options, how many may be chosen: `min` (0 allows "none applies") and `max`; and `tolerance`, 0..1.

    Gold counts a set as right that is at least 1 - `tolerance` like it.
    """
    listed, errors = options.check(spec.get("options"), fewest=1)
    read = Reader(spec)
    fewest = read.whole("min", 0, 0, options.MOST)
    most = read.whole("max", max(len(listed), 1), 1, options.MOST)
    if not read.errors and not errors and not fewest <= most <= len(listed):
        read.wrong("max", "range", "must lie between min and the number of options")
    tolerance = read.number("tolerance", 0.0, 0, 1)
    return {"options": listed, "min": fewest, "max": most, "tolerance": tolerance}, errors + read.errors


def validate(value: Any, spec: Spec) -> list[Error]:
    if not isinstance(value, list):
        return [Error("", "type", "expected a list of options")]
    if not spec["min"] <= len(value) <= spec["max"]:
        return [Error("", "length", f"choose {spec['min']} to {spec['max']} options")]
    known, seen, errors = options.values(spec), set(), []
    for index, chosen in enumerate(value):
        if not isinstance(chosen, str):
            errors.append(Error(f"[{index}]", "type", "expected one of the options"))
        elif chosen not in known:
            errors.append(Error(f"[{index}]", "option", "not one of the options"))
        elif chosen in seen:
            errors.append(Error(f"[{index}]", "duplicate", "chosen twice"))
        else:
            seen.add(chosen)
    return errors


def json_schema(spec: Spec) -> dict[str, Any]:
    items = {"type": "string", "enum": options.values(spec)}
    return {"type": "array", "items": items, "uniqueItems": True, "minItems": spec["min"], "maxItems": spec["max"]}


def categories(spec: Spec) -> list[str]:
    return []


def similarity(a: list[str], b: list[str], spec: Spec) -> float:
    """Jaccard: options in both over options in either; two empty sets are the same."""
    either = set(a) | set(b)
    return len(set(a) & set(b)) / len(either) if either else 1.0


def matches(value: list[str], truth: list[str], spec: Spec) -> bool:
    return similarity(value, truth, spec) >= 1.0 - spec.get("tolerance", 0.0)  # older schemas have none


def merge(values: Sequence[list[str]], weights: Sequence[float], spec: Spec) -> Merged:
    """The options more than half of the weight chose, within `min` and `max`.

    The options are voted on one by one: a set that nobody chose has confidence 0 and everybody in dissent.
    """
    behind = soft(values, weights, spec)
    ranked = sorted(behind, key=lambda option: -behind[option])
    wanted = sum(share > 0.5 for share in behind.values())
    chosen = set(ranked[: min(max(wanted, spec["min"]), spec["max"])])
    best = [option for option in behind if option in chosen]
    return merged(best, values, weights, lambda value: set(value) == chosen)


def soft(values: Sequence[list[str]], weights: Sequence[float], spec: Spec) -> dict[str, float]:
    """For each option the share of the weight that chose it; they need not sum to 1."""
    weights = fair(values, weights)
    return {
        option: shares([option in chosen for chosen in values], weights).get(True, 0.0)
        for option in options.values(spec)
    }


def from_text(cell: str, spec: Spec) -> list[str]:
    """From `cat|dog`, or a JSON list; `[]` says that none applies."""
    value = list(dict.fromkeys(options.named(part, spec) for part in _parts(cell)))
    refuse(validate(value, spec))
    return value


def to_text(value: list[str], spec: Spec) -> str:
    plain = "|".join(value)
    ambiguous = not value or plain.startswith("[") or plain.split("|") != value
    return json.dumps(value, ensure_ascii=False) if ambiguous else plain


def _parts(cell: str) -> list[str]:
    if not cell.lstrip().startswith("["):
        return cell.split("|")
    try:
        parts = json.loads(cell)
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError("expected options with | between them, or a JSON list of them")
    return parts
