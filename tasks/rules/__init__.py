"""What requesters want done about workers, and when: declared, tried on past data, switched on, seen by everybody."""

from tasks.models import Decision, Rule
from tasks.rules import collectors
from tasks.rules.applying import consider, in_force, look, on
from tasks.rules.checking import check
from tasks.rules.pieces import Piece
from tasks.rules.trying import Trial, Tried, replay, try_on_past
from tasks.rules.wording import describe
from tasks.rules.writing import draft, revise, switch_off, switch_on

__all__ = [
    "Rule",
    "Trial",
    "Tried",
    "check",
    "consider",
    "describe",
    "draft",
    "in_force",
    "look",
    "on",
    "replay",
    "revise",
    "still_holds",
    "switch_off",
    "switch_on",
    "try_on_past",
]


def still_holds(decision: Decision) -> bool:
    """Whether the conditions of a decision's rule hold for what it rests on that is not void.

    One that rests on no evidence, but on pages or answers, holds: those cannot be void.
    """
    if decision.rule is None or not decision.grounds.exists():
        return True
    rows = decision.grounds.filter(evidence__void=None).order_by("evidence")
    columns = ("evidence", "evidence__created_at", "evidence__correct")
    left = [Piece(pk, at, correct, pk) for pk, at, correct in rows.values_list(*columns)]
    if not left:
        return False
    return bool(collectors.held(decision.rule, collectors.figures_of(decision.rule, left))[-1])
