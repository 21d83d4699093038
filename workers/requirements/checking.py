"""Whether an expression says something that can be asked."""

import math
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from marketplace.labels.errors import Error, shown
from marketplace.models import Organisation
from workers import codes
from workers.models import Group, Qualification
from workers.requirements.subjects import COMPARATORS, EXISTENCE, SCOPES, SUBJECTS, Subject

VALUES_MOST = 250
RANGES = {"number": (-1e9, 1e9), "whole": (0, 1e9), "share": (0, 1)}
GROUPINGS = ("all", "any", "not")


def check(expression: Any, organisation: Organisation) -> list[Error]:
    """Everything that is wrong with a requirement of this organisation's, each with its path; empty: it can be kept."""
    named: list[tuple[str, str]] = []
    errors = list(_node(expression, "", 1, named))
    if len(named) > settings.REQUIREMENT_CONDITIONS_MOST:
        errors.append(Error("", "length", f"must have at most {settings.REQUIREMENT_CONDITIONS_MOST} conditions"))
    return errors or list(_not_found(named, organisation))


def _node(node: Any, path: str, depth: int, named: list[tuple[str, str]]) -> Iterator[Error]:
    if not isinstance(node, dict):
        yield Error(path, "type", 'must be an object: {"all": […]}, {"any": […]}, {"not": …} or a condition')
    elif depth > settings.REQUIREMENT_DEPTH_MOST:
        yield Error(path, "depth", f"must not nest deeper than {settings.REQUIREMENT_DEPTH_MOST}")
    elif "of" in node:
        yield from _condition(node, path, named)
    elif len(node) != 1 or (key := next(iter(node))) not in GROUPINGS:
        yield Error(path, "option", 'must have one of the keys "all", "any" and "not", or be a condition with "of"')
    elif key == "not":
        yield from _node(node["not"], _under(path, "not"), depth + 1, named)
    else:
        yield from _list(node[key], _under(path, key), depth, named)


def _list(nodes: Any, path: str, depth: int, named: list[tuple[str, str]]) -> Iterator[Error]:
    most = settings.REQUIREMENT_CONDITIONS_MOST
    if not isinstance(nodes, list) or not 1 <= len(nodes) <= most:
        yield Error(path, "length", f"must be a list of 1 to {most} conditions")
        return
    for number, node in enumerate(nodes):
        yield from _node(node, f"{path}[{number}]", depth + 1, named)


def _condition(leaf: dict[str, Any], path: str, named: list[tuple[str, str]]) -> Iterator[Error]:
    name, has_id, public_id = leaf["of"].partition(":") if isinstance(leaf["of"], str) else ("", "", "")
    subject = SUBJECTS.get(name)
    named.append((f"{name}:{public_id}" if has_id else "", _under(path, "of")))
    if subject is None or bool(has_id) != subject.is_named:
        listed = ", ".join(f"{key}:<id>" if one.is_named else key for key, one in SUBJECTS.items())
        yield Error(_under(path, "of"), "unknown", f"must be one of {listed}")
        return
    if leaf.get("is") not in COMPARATORS:
        yield Error(_under(path, "is"), "option", f"must be one of {', '.join(COMPARATORS)}")
    elif leaf["is"] not in subject.comparators:
        yield Error(_under(path, "is"), "option", f"of {name}, must be one of {', '.join(subject.comparators)}")
    else:
        yield from _value(leaf, subject, path)
    if "in" in leaf and not (subject.is_scoped and leaf["in"] in SCOPES):
        yield Error(_under(path, "in"), "option", 'is for answers and approved_share: "site" or "organisation"')
    for key in sorted(leaf.keys() - {"of", "is", "to", "in"}):
        yield Error(_under(path, shown(key)), "unknown", "a condition has no such part")


def _value(leaf: dict[str, Any], subject: Subject, path: str) -> Iterator[Error]:
    to, place = leaf.get("to"), _under(path, "to")
    if leaf["is"] in EXISTENCE:
        if to is not None:
            yield Error(place, "unknown", f"{leaf['is']} compares with nothing")
        return
    if leaf["is"] not in ("In", "NotIn"):
        to = [to]
    elif not isinstance(to, list) or not 1 <= len(to) <= VALUES_MOST:
        yield Error(place, "length", f"must be a list of 1 to {VALUES_MOST} values")
        return
    for value in to:
        if message := _wrong(value, subject.kind):
            yield Error(place, "value", message)
            return


def _wrong(value: Any, kind: str) -> str:
    """What is wrong with a value of this kind, or nothing."""
    if kind == "country":
        return "" if isinstance(value, str) and value in codes.COUNTRIES else "must be a code of ISO 3166, as DE"
    if kind == "language":
        code, has_level, level = value.partition(":") if isinstance(value, str) else ("", "", "")
        right = code in codes.LANGUAGES and (not has_level or level in codes.LEVELS)
        return "" if right else "must be a code of ISO 639-1, as de, or one with the least level, as de:B2"
    kinds = (int,) if kind == "whole" else (int, float)
    least, most = RANGES[kind]
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
        return f"must be a {'whole ' if kind == 'whole' else ''}number"
    return "" if least <= value <= most else f"must lie between {least:,.0f} and {most:,.0f}"


def _not_found(named: list[tuple[str, str]], organisation: Organisation) -> Iterator[Error]:
    """Conditions about what is not there, or belongs to another organisation: the same to those who ask."""
    wanted = {subject.partition(":")[2] for subject, _ in named if subject}
    seen = Qualification.objects.of_organisation(organisation).filter(public_id__in=wanted)
    there = {
        f"{'credential' if kind == Qualification.Kind.SITE else 'grant'}:{public_id}"
        for public_id, kind in seen.values_list("public_id", "kind")
    }
    groups = Group.objects.of_organisation(organisation).filter(public_id__in=wanted)
    there |= {f"group:{public_id}" for public_id in groups.values_list("public_id", flat=True)}
    for subject, path in named:
        if subject and subject not in there:
            yield Error(path, "not-found", f"there is no such {subject.partition(':')[0]} here")


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
