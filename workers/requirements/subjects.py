"""What a condition may be about, how it may compare, and the condition itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

EXISTENCE = ("Exists", "DoesNotExist")
EQUALITY = ("EqualTo", "NotEqualTo", "In", "NotIn")
ORDER = ("LessThan", "LessThanOrEqualTo", "GreaterThan", "GreaterThanOrEqualTo")
COMPARATORS = (*ORDER, "EqualTo", "NotEqualTo", *EXISTENCE, "In", "NotIn")
SCOPES = ("site", "organisation")


@dataclass(frozen=True, slots=True)
class Subject:
    """What may be asked of it.

    is_named   an id follows, as in `grant:qua_7m2k…`
    is_scoped  the condition may say `in`: of the whole site (which it is otherwise) or of this organisation
    """

    comparators: tuple[str, ...]
    kind: str = ""  # of values: number, whole, share, language, country
    is_named: bool = False
    is_scoped: bool = False


SUBJECTS = {
    "grant": Subject((*ORDER, *EQUALITY, *EXISTENCE), "number", is_named=True),
    "credential": Subject(EXISTENCE, is_named=True),
    "group": Subject(EXISTENCE, is_named=True),
    "language": Subject((*EQUALITY, *EXISTENCE), "language"),
    "country": Subject((*EQUALITY, *EXISTENCE), "country"),
    "answers": Subject((*ORDER, *EQUALITY), "whole", is_scoped=True),
    "approved_share": Subject((*ORDER, *EQUALITY), "share", is_scoped=True),
    "joined_days": Subject((*ORDER, *EQUALITY), "whole"),
    # days since the last stop in this organisation that no appeal has lifted; without any, more than any number
    "standing": Subject(("GreaterThan", "GreaterThanOrEqualTo", *EXISTENCE), "whole"),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One leaf of an expression, taken apart."""

    subject: str
    id: str  # of the qualification or group, if it is about one
    comparator: str
    values: tuple[Any, ...]
    is_site: bool


def condition(leaf: dict[str, Any]) -> Condition:
    """The leaf of a checked expression."""
    subject, _, public_id = leaf["of"].partition(":")
    to = leaf.get("to")
    values = tuple(to) if isinstance(to, list) else () if to is None else (to,)
    return Condition(subject, public_id, leaf["is"], values, leaf.get("in", "site") == "site")


def conditions(expression: dict[str, Any]) -> Iterator[Condition]:
    """Every condition of a checked expression, from left to right."""
    if "of" in expression:
        yield condition(expression)
    for part in parts(expression):
        yield from conditions(part)


def parts(expression: dict[str, Any]) -> list[dict[str, Any]]:
    """What `all`, `any` or `not` holds; of a leaf: nothing."""
    if "not" in expression:
        return [expression["not"]]
    return expression.get("all") or expression.get("any") or []
