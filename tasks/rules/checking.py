"""Whether a rule can be a rule of this project: everything that is wrong with it, each with its place and reason."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from django.conf import settings

from marketplace.labels import TYPES
from marketplace.labels.errors import Error
from marketplace.labels.reading import Reader, is_number, is_whole
from marketplace.models import Project
from tasks import pace
from tasks.models import Gold
from tasks.rules.collectors import COLLECTORS, IS, Collector, Figure

CONDITIONS_MOST = 5
TEXT_MOST = 1_000
FAST_LEAST_S, FAST_MOST_S = 0.5, 600.0  # nobody answers faster than the first; nothing is fast beyond the second
ACTIONS = ("stop", "small_pages", "retrain", "notify", "propose")
PERSPECTIVE = "every question of this project asks for a perspective, where no answer is wrong"


def check(
    project: Project,
    collector: Any,
    conditions: Any,
    action: Any,
    history: Any = 0,
    measure: Any = None,
) -> list[Error]:
    """Everything that keeps this from being a rule of the project.

    measure  what its figures want to know: `threshold` for p_below, `fast_s` for speed
    """
    if not isinstance(collector, str) or collector not in COLLECTORS:
        return [Error("collector", "option", f"must be one of {', '.join(COLLECTORS)}")]
    counts, errors = COLLECTORS[collector], []
    if reason := APPLIES.get(collector, lambda project: "")(project):
        errors.append(Error("collector", "unfit", reason))
    if not is_whole(history) or not 0 <= history <= settings.RULE_PIECES_MOST:
        errors.append(Error("history", "range", f"must be a whole number from 0 (all) to {settings.RULE_PIECES_MOST}"))
        history = 0
    measure = {} if measure is None else measure
    errors += _measure_errors(project, counts, measure)
    errors += _condition_errors(counts, conditions, int(history), measure)
    errors += [error.under("action") for error in _action_errors(project, action)]
    return errors


def clean(action: dict[str, Any]) -> dict[str, Any]:
    """The action without what was left empty."""
    return {name: value for name, value in action.items() if value is not None}


def _no_gold(project: Project) -> str:
    if _only_perspectives(project):
        return PERSPECTIVE
    hidden = Gold.objects.filter(batch__project=project, purpose=Gold.Purpose.HIDDEN)
    if project.gold_share or hidden.exists():
        return ""
    return "no task with a known answer is shown in this project: its share of gold is 0"


def _no_consensus(project: Project) -> str:
    if _only_perspectives(project):
        return PERSPECTIVE
    judged = [field for field in project.schema["fields"] if field["truth"] != "perspective"]
    if any(TYPES[field["type"]].categories(field) for field in judged):
        return ""
    return "no question of this project has answers that can be compared: all are free text or numbers"


def _no_practice(project: Project) -> str:
    if project.exam_size:
        return "practice has no mark here: the exam decides"
    return "" if project.practice_size else "this project has no practice"


def _no_exam(project: Project) -> str:
    return "" if project.exam_size else "this project has no exam"


def _no_training(project: Project) -> str:
    return "" if project.practice_size or project.exam_size else "this project has neither practice nor exam"


def _only_perspectives(project: Project) -> bool:
    return all(field["truth"] == "perspective" for field in project.schema["fields"])


APPLIES: dict[str, Callable[[Project], str]] = {
    "gold": _no_gold,
    "consensus": _no_consensus,
    "practice": _no_practice,
    "exam": _no_exam,
}


def _measure_errors(project: Project, counts: Collector, measure: Any) -> list[Error]:
    if not isinstance(measure, dict):
        return [Error("measure", "type", "expected an object")]
    read = Reader(measure)
    read.refuse_others(counts.measure)
    errors = [error.under("measure") for error in read.errors]
    threshold, fast_s = measure.get("threshold"), measure.get("fast_s")
    if "threshold" in counts.measure and threshold is not None and not (is_number(threshold) and 0 < threshold < 1):
        errors.append(Error("measure.threshold", "range", "must lie between 0 and 1"))
    if "fast_s" in counts.measure:
        if not (is_number(fast_s) and FAST_LEAST_S <= fast_s <= FAST_MOST_S):  # type: ignore[operator]
            errors.append(Error("measure.fast_s", "range", f"must lie between {FAST_LEAST_S} and {FAST_MOST_S:.0f} s"))
        elif (median := pace.medians([project.pk]).get(project.pk)) and fast_s >= median:  # type: ignore[operator]
            message = f"half of all pages take less: a task takes {median:.1f} s here"
            errors.append(Error("measure.fast_s", "range", message))
    return errors


def _condition_errors(counts: Collector, conditions: Any, history: int, measure: dict[str, Any]) -> list[Error]:
    if not isinstance(conditions, list) or not 1 <= len(conditions) <= CONDITIONS_MOST:
        return [Error("conditions", "length", f"expected 1 to {CONDITIONS_MOST} conditions")]
    errors: list[Error] = []
    for index, wanted in enumerate(conditions):
        found = _shape_errors(counts, wanted, measure) if isinstance(wanted, dict) else [Error("", "type", "no object")]
        errors += [error.under(f"conditions[{index}]") for error in found]
    return errors or _sense_errors(counts, conditions, history)


def _shape_errors(counts: Collector, wanted: dict[str, Any], measure: dict[str, Any]) -> list[Error]:
    read = Reader(wanted)
    figure = read.one_of("figure", counts.figures, None)
    read.one_of("is", IS, None)
    if wanted.get("to") is None or not is_number(wanted["to"]):
        read.wrong("to", "type", "expected a number")
    read.refuse_others(("figure", "is", "to"))
    if figure == "p_below" and (not isinstance(measure, dict) or measure.get("threshold") is None):
        read.wrong("figure", "missing", "say which accuracy it is to be below: the threshold")
    return read.errors


def _sense_errors(counts: Collector, conditions: list[dict[str, Any]], history: int) -> list[Error]:
    """A condition that always or never holds says something else than was meant; so do two that exclude each other."""
    errors = []
    for index, wanted in enumerate(conditions):
        least, most = bounds(wanted["figure"], counts.figures[wanted["figure"]], history)
        outcomes = _outcomes(counts, [wanted], history)
        if outcomes != {True, False}:
            word = "always" if True in outcomes else "never"
            said = f"this {word} holds: it lies between {least:g} and {most:g}"
            errors.append(Error(f"conditions[{index}].to", "range", said))
    if errors:
        return errors
    for name in dict.fromkeys(wanted["figure"] for wanted in conditions):
        if True not in _outcomes(counts, [wanted for wanted in conditions if wanted["figure"] == name], history):
            errors.append(Error("conditions", "range", f"they exclude each other about {counts.figures[name].title}"))
    return errors


def bounds(name: str, figure: Figure, history: int) -> tuple[float, float]:
    """The least and the most a figure can be when a rule looks: after at least one piece."""
    if figure.is_share:
        return 0.0, 1.0
    return float(name == "total"), float(history or settings.RULE_PIECES_MOST)


def _outcomes(counts: Collector, conditions: list[dict[str, Any]], history: int) -> set[bool]:
    """Whether they hold together, for values on and between all that is compared with."""
    name = conditions[0]["figure"]
    figure = counts.figures[name]
    least, most = bounds(name, figure, history)
    points = sorted({least, most, *(min(max(wanted["to"], least), most) for wanted in conditions)})
    values = {*points, *((low + high) / 2 for low, high in pairwise(points))}
    if figure.is_whole and not figure.is_share:
        near = {float(int(value) + step) for value in values for step in (-1, 0, 1)}
        values = {value for value in near if least <= value <= most}
    return {all(IS[wanted["is"]](value, wanted["to"]) for wanted in conditions) for value in values}


def _action_errors(project: Project, action: Any) -> list[Error]:
    if not isinstance(action, dict):
        return [Error("", "type", "expected an object with its kind")]
    read = Reader(clean(action))
    kind = read.one_of("kind", ACTIONS, None)
    known = {"kind"}
    if kind in ("stop", "small_pages"):
        known.add("hours")
        if "hours" in read.raw or kind == "stop":
            _whole(read, "hours", 1, settings.PAUSE_MOST_H, "hours: what is heavier, a person signs")
    if kind == "small_pages":
        known.add("page_size")
        _whole(read, "page_size", 1, max(1, project.page_size - 1), "tasks, fewer than a page has")
    if kind == "retrain" and (reason := _no_training(project)):
        read.wrong("kind", "unfit", reason)
    if kind == "notify":
        known |= {"whom", "text"}
        read.one_of("whom", ("worker", "requester"), None)
        read.text("text", None, TEXT_MOST)
    if kind == "propose":
        known.add("what")
        read.one_of("what", ("deny", "reject"), None)
    if kind:
        read.refuse_others(known)
    return read.errors


def _whole(read: Reader, key: str, least: int, most: int, of: str) -> None:
    value = read.raw.get(key)
    if not is_whole(value) or not least <= value <= most:  # type: ignore[operator]
        read.wrong(key, "range" if is_whole(value) else "type", f"expected {least} to {most} {of}")
