"""What a sequence of pieces comes to after each of them: numpy only, the same for life and for a trial."""

from typing import Any

import numpy as np
import numpy.typing as npt

from workers import scoring

Floats = npt.NDArray[np.float64]
Figures = dict[str, Floats]

DIGITS = 9  # a sum over a window is a difference of two sums; what is left of that is no figure
WRONG = 0.5  # a check of which less than half is right is wrong


def checks(values: Floats, history: int, measure: dict[str, Any]) -> Figures:
    """Of answers that were checked, each 0 to 1 right."""
    total, correct = _windowed(np.ones_like(values), history), _windowed(values, history)
    found = {
        "total": total,
        "correct": correct,
        "correct_share": _share(correct, total),
        "wrong_in_row": np.minimum(_in_row(values < WRONG), total),
    }
    if "threshold" in measure:
        # the guess before any check is fixed, so that a figure depends on nothing but the checks it counts
        found["p_below"] = scoring.p_below(correct, total, measure["threshold"], scoring.CROWD_ACCURACY)
    return found


def reviews(values: Floats, history: int, measure: dict[str, Any]) -> Figures:
    """The same, of which only what was wrong is asked."""
    return {
        "total": _windowed(np.ones_like(values), history),
        "wrong": _windowed((values < WRONG).astype(np.float64), history),
    }


def acceptance(values: Floats, history: int, measure: dict[str, Any]) -> Figures:
    """Of final decisions, 1 for accepted and 0 for rejected."""
    total, accepted = _windowed(np.ones_like(values), history), _windowed(values, history)
    rejected = total - accepted
    return {"total": total, "accepted": accepted, "rejected": rejected, "rejected_share": _share(rejected, total)}


def answers(values: Floats, history: int, measure: dict[str, Any]) -> Figures:
    """How many there are."""
    return {"total": _windowed(np.ones_like(values), history)}


def speed(values: Floats, history: int, measure: dict[str, Any]) -> Figures:
    """Of pages, the seconds each of their tasks took."""
    total = _windowed(np.ones_like(values), history)
    fast = _windowed((values < measure["fast_s"]).astype(np.float64), history)
    return {"total": total, "fast": fast, "fast_share": _share(fast, total)}


def skips(values: Floats, history: int, measure: dict[str, Any]) -> Figures:
    """Of tasks, 1 for skipped."""
    total = _windowed(np.ones_like(values), history)
    return {"total": total, "in_row": np.minimum(_in_row(values > 0), total)}


def attempts(values: Floats, history: int, measure: dict[str, Any]) -> Figures:
    """Of attempts, 1 for failed."""
    return {"total": _windowed(np.ones_like(values), history), "failed": _windowed(values, history)}


def _windowed(values: Floats, history: int) -> Floats:
    """The sum of the last `history` values up to each of them; 0: of all."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - history, 0) if history else np.zeros_like(ends)
    return np.round(sums[ends] - sums[starts], DIGITS)


def _in_row(marks: npt.NDArray[np.bool_]) -> Floats:
    """How many in a row up to each place are marked."""
    places = np.arange(len(marks))
    last_without = np.maximum.accumulate(np.where(marks, -1, places)) if len(marks) else places
    return (places - last_without).astype(np.float64)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.round(part / np.maximum(whole, 1.0), DIGITS)
