"""Answers in words: what was said, and how that differs from what is right."""

import json
from typing import Any

Spec = dict[str, Any]
NOTHING = "no answer"


def said(value: Any, spec: Spec) -> str:
    """A value of this field as people read it."""
    if value is None:
        return NOTHING
    if isinstance(value, list):
        return ", ".join(_title(one, spec) for one in value) or "none"
    return _title(value, spec) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def difference(value: Any, truth: Any, spec: Spec) -> str:
    """What an answer would have to change to be right, in one sentence; both fit the field."""
    if value is None:
        return f"It was left out; right is {_quoted(truth, spec)}."
    if isinstance(truth, list) and isinstance(value, list):
        return _of_sets(value, truth, spec)
    plain = f"You said {_quoted(value, spec)}; right is {_quoted(truth, spec)}"
    if _is_number(value) and _is_number(truth):
        return f"{plain}: {_amount(abs(truth - value))} {'more' if truth > value else 'less'}."
    return f"{plain}."


def _of_sets(value: list[Any], truth: list[Any], spec: Spec) -> str:
    missing = [_quoted(one, spec) for one in truth if one not in value]
    extra = [_quoted(one, spec) for one in value if one not in truth]
    parts = [f"{', '.join(missing)} {_is_or_are(missing)} missing"] if missing else []
    parts += [f"{', '.join(extra)} {'does' if len(extra) == 1 else 'do'} not belong"] if extra else []
    return "; ".join(parts) + "." if parts else ""


def _is_or_are(named: list[str]) -> str:
    return "is" if len(named) == 1 else "are"


def _quoted(value: Any, spec: Spec) -> str:
    return said(value, spec) if _is_number(value) else f"“{said(value, spec)}”"


def _title(value: Any, spec: Spec) -> str:
    return {option["value"]: option["title"] for option in spec.get("options", [])}.get(value, str(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _amount(number: float) -> str:
    return f"{number:.6g}"
