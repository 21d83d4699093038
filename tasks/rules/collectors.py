"""What rules may count, with the figures of each; and where in a sequence of pieces a rule's conditions hold."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from tasks.models import Decision, Evidence, Rule
from tasks.rules import figures, pieces
from tasks.rules.figures import Figures, Floats
from tasks.rules.pieces import Active, Piece, Read

IS: dict[str, Callable[[Any, Any], Any]] = {
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "EqualTo": operator.eq,
    "NotEqualTo": operator.ne,
}
FIRES_ON_ARRIVAL = ("notify",)  # what lasts no time: it is done when the conditions begin to hold, not while they do


@dataclass(frozen=True)
class Figure:
    """A figure's name for people, and what it can be."""

    title: str
    is_share: bool = False
    is_whole: bool = True


@dataclass(frozen=True)
class Collector:
    """One kind of thing that rules count.

    pieces   how people call what is counted
    measure  the keys its figures want to know
    """

    title: str
    pieces: str
    figures: dict[str, Figure]
    maths: Callable[[Floats, int, dict[str, Any]], Figures]
    read: Read
    active: Active
    reason_code: str
    measure: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hit:
    """Where a rule's conditions hold: at which piece, with which figures, and what was counted for them."""

    key: int
    at: datetime
    figures: dict[str, float]
    counted: list[Piece]


def figures_of(rule: Rule, found: Sequence[Piece]) -> Figures:
    """The figures of a rule after each of these pieces."""
    values = np.array([piece.value for piece in found], np.float64)
    return COLLECTORS[rule.collector].maths(values, rule.history, rule.measure)


def held(rule: Rule, after: Figures) -> Any:
    """bool[N]: after which pieces all conditions hold."""
    marks = [IS[wanted["is"]](after[wanted["figure"]], wanted["to"]) for wanted in rule.conditions]
    return np.logical_and.reduce(marks)


def first_hit(rule: Rule, found: Sequence[Piece], seen: int = -1, since: datetime | None = None) -> Hit | None:
    """The first piece at which the rule acts: in life among those that are new, in a trial among all.

    seen, since  pieces up to this key or moment are counted, and are none to act on
    """
    if not found:
        return None
    after = figures_of(rule, found)
    holds = held(rule, after)
    if rule.action["kind"] in FIRES_ON_ARRIVAL:
        holds = holds & ~np.concatenate([[False], holds[:-1]])
    for index in np.flatnonzero(holds).tolist():
        piece = found[index]
        if piece.key > seen and (since is None or piece.at > since):
            first = max(0, index + 1 - rule.history) if rule.history else 0
            figures_then = {name: float(column[index]) for name, column in after.items()}
            return Hit(piece.key, piece.at, figures_then, list(found[first : index + 1]))
    return None


CHECKED = {
    "total": Figure("the number of checks"),
    "correct": Figure("the number of right ones", is_whole=False),
    "correct_share": Figure("the share that is right", is_share=True),
    "wrong_in_row": Figure("the number of wrong ones in a row"),
    "p_below": Figure("the probability that the accuracy is below {threshold}", is_share=True),
}

TRIED = {"total": Figure("the number of attempts"), "failed": Figure("the number of failed attempts")}

COLLECTORS: dict[str, Collector] = {
    "gold": Collector(
        title="Known answers",
        pieces="answers to tasks whose right answer is known",
        figures=CHECKED,
        maths=figures.checks,
        read=pieces.evidence(Evidence.Kind.GOLD),
        active=pieces.judged(Evidence.Kind.GOLD),
        reason_code=Decision.Reason.INACCURATE,
        measure=("threshold",),
    ),
    "consensus": Collector(
        title="Agreement with the labels",
        pieces="answers compared with the label that all answers came to",
        figures=CHECKED,
        maths=figures.checks,
        read=pieces.evidence(Evidence.Kind.CONSENSUS),
        active=pieces.judged(Evidence.Kind.CONSENSUS),
        reason_code=Decision.Reason.INACCURATE,
        measure=("threshold",),
    ),
    "review": Collector(
        title="Reviews",
        pieces="answers that a person reviewed",
        figures={"total": Figure("the number of reviews"), "wrong": Figure("the number of wrong ones")},
        maths=figures.reviews,
        read=pieces.evidence(Evidence.Kind.REVIEW),
        active=pieces.judged(Evidence.Kind.REVIEW),
        reason_code=Decision.Reason.INACCURATE,
    ),
    "acceptance": Collector(
        title="Accepted and rejected answers",
        pieces="answers decided about for good",
        figures={
            "total": Figure("the number of decisions"),
            "accepted": Figure("the number of accepted answers"),
            "rejected": Figure("the number of rejected answers"),
            "rejected_share": Figure("the share that is rejected", is_share=True),
        },
        maths=figures.acceptance,
        read=pieces.acceptance,
        active=pieces.decided,
        reason_code=Decision.Reason.INACCURATE,
    ),
    "answers": Collector(
        title="Number of answers",
        pieces="answers",
        figures={"total": Figure("the number of answers")},
        maths=figures.answers,
        read=pieces.answers,
        active=pieces.handed_in,
        reason_code=Decision.Reason.RULE,
    ),
    "speed": Collector(
        title="Speed",
        pieces="pages",
        figures={
            "total": Figure("the number of pages"),
            "fast": Figure("the number of pages with less than {fast_s} s a task"),
            "fast_share": Figure("the share of pages with less than {fast_s} s a task", is_share=True),
        },
        maths=figures.speed,
        read=pieces.pages,
        active=pieces.handed_in,
        reason_code=Decision.Reason.HASTY,
        measure=("fast_s",),
    ),
    "skips": Collector(
        title="Skipped tasks",
        pieces="tasks",
        figures={"total": Figure("the number of tasks"), "in_row": Figure("the number of tasks skipped in a row")},
        maths=figures.skips,
        read=pieces.skips,
        active=pieces.going_on,
        reason_code=Decision.Reason.RULE,
    ),
    "practice": Collector(
        title="Practice",
        pieces="attempts at the practice",
        figures=TRIED,
        maths=figures.attempts,
        read=pieces.attempts("practice"),
        active=pieces.handed_in,
        reason_code=Decision.Reason.INACCURATE,
    ),
    "exam": Collector(
        title="Exam",
        pieces="attempts at the exam",
        figures=TRIED,
        maths=figures.attempts,
        read=pieces.attempts("exam"),
        active=pieces.handed_in,
        reason_code=Decision.Reason.INACCURATE,
    ),
}
