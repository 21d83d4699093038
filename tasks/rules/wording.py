"""A rule as people read it."""

from typing import Any

from tasks.models import Rule
from tasks.rules.collectors import COLLECTORS

IS = {
    "LessThan": "is less than",
    "LessThanOrEqualTo": "is at most",
    "GreaterThan": "is more than",
    "GreaterThanOrEqualTo": "is at least",
    "EqualTo": "is",
    "NotEqualTo": "is not",
}
PROPOSED = {
    "deny": "whether to offer them no more work of this requester",
    "reject": "whether to reject their answers that nobody has decided about",
}


def describe(rule: Rule) -> str:
    """What the rule does and when, in one sentence."""
    counts = COLLECTORS[rule.collector]
    those = f"a worker's last {rule.history} {counts.pieces}" if rule.history else f"all of a worker's {counts.pieces}"
    parts = [
        f"{title(rule, wanted['figure'])} {IS[wanted['is']]} {number(rule, wanted['figure'], wanted['to'])}"
        for wanted in rule.conditions
    ]
    return f"When, of {those}, {' and '.join(parts)}, {_action(rule.action)}."


def title(rule: Rule, figure: str) -> str:
    """The name of a figure in this rule."""
    threshold, fast_s = rule.measure.get("threshold", 0), rule.measure.get("fast_s", 0)
    named = COLLECTORS[rule.collector].figures[figure].title
    return named.format(threshold=f"{threshold * 100:g} %", fast_s=f"{fast_s:g}")


def number(rule: Rule, figure: str, value: float) -> str:
    """A figure's value: shares in percent."""
    if COLLECTORS[rule.collector].figures[figure].is_share:
        return f"{value * 100:.4g} %"
    return f"{value:.6g}"


def figures(rule: Rule, found: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value of the figures that the rule's conditions ask for, and of how many they are."""
    wanted = dict.fromkeys(["total", *(one["figure"] for one in rule.conditions)])
    return [(title(rule, name), number(rule, name, found[name])) for name in wanted if name in found]


def because(rule: Rule, found: dict[str, Any]) -> str:
    """Why a rule decided: what it says, and how its figures stood."""
    stood = "; ".join(f"{name}: {value}" for name, value in figures(rule, found))
    return f"The rule “{rule.name}” of this project says: {describe(rule)} It stood at: {stood}."


def _action(action: dict[str, Any]) -> str:
    hours = f" for {_hours(action['hours'])}" if action.get("hours") else ""
    match action["kind"]:
        case "stop":
            return f"they are offered no more work of this project{hours}"
        case "small_pages":
            size = action["page_size"]
            return f"their pages have at most {size} {'task' if size == 1 else 'tasks'}{hours}"
        case "retrain":
            return "they are asked to pass the training again"
        case "notify":
            if action["whom"] == "worker":
                return f"they are told: “{action['text'].strip().rstrip('.')}”"
            return "the requester is told"
        case _:
            return f"a person of the requester is asked {PROPOSED[action['what']]}"


def _hours(hours: int) -> str:
    return "1 hour" if hours == 1 else f"{hours} hours"
