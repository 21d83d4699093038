"""A requirement in sentences for the worker whom it is about."""

from typing import Any

from workers import codes
from workers.models import Group, Qualification
from workers.requirements.subjects import Condition, condition, conditions, parts

NUMBERS = {
    "LessThan": "less than {}",
    "LessThanOrEqualTo": "at most {}",
    "GreaterThan": "more than {}",
    "GreaterThanOrEqualTo": "at least {}",
    "EqualTo": "{}",
    "NotEqualTo": "not {}",
    "In": "one of {}",
    "NotIn": "none of {}",
}


class Words:
    """Says each condition of one expression; looks up the names it needs once."""

    def __init__(self, expression: dict[str, Any]) -> None:
        ids = [one.id for one in conditions(expression) if one.id]
        self.names = dict(Qualification.objects.filter(public_id__in=ids).values_list("public_id", "name"))
        self.names |= dict(Group.objects.filter(public_id__in=ids).values_list("public_id", "name"))

    def of(self, node: dict[str, Any]) -> str:
        """A node as one sentence, without its stop."""
        if "of" in node:
            return self._condition(condition(node))
        said = [self.of(part) for part in parts(node)]
        if "not" in node:
            return f"Not so: {said[0][:1].lower()}{said[0][1:]}"
        if len(said) == 1:
            return said[0]
        return f"{'All' if 'all' in node else 'At least one'} of these: {'; '.join(_lower(one) for one in said)}"

    def _condition(self, leaf: Condition) -> str:
        return getattr(self, f"_{leaf.subject}")(leaf)

    def _grant(self, leaf: Condition) -> str:
        name = f"“{self.names.get(leaf.id, 'a qualification that is gone')}”"
        if not leaf.values:
            return f"You {_do(leaf)} the qualification {name}"
        return f"Your score in {name} is {_number(leaf)}"

    def _credential(self, leaf: Condition) -> str:
        return f"You {_do(leaf)} the credential “{self.names.get(leaf.id, 'one that is gone')}”, verified by an admin"

    def _group(self, leaf: Condition) -> str:
        belong = "do not belong" if leaf.comparator == "DoesNotExist" else "belong"
        return f"You {belong} to the group “{self.names.get(leaf.id, 'one that is gone')}”"

    def _language(self, leaf: Condition) -> str:
        if not leaf.values:
            return f"You have {'not ' if leaf.comparator == 'DoesNotExist' else ''}said which languages you speak"
        speak = "do not speak" if leaf.comparator in ("NotEqualTo", "NotIn") else "speak"
        return f"You {speak} {_or([_language(value) for value in leaf.values])}"

    def _country(self, leaf: Condition) -> str:
        if not leaf.values:
            return f"You have {'not ' if leaf.comparator == 'DoesNotExist' else ''}said in which country you live"
        live = "do not live" if leaf.comparator in ("NotEqualTo", "NotIn") else "live"
        return f"You {live} in {_or([codes.COUNTRIES[value] for value in leaf.values])}"

    def _answers(self, leaf: Condition) -> str:
        return f"The number of your answers that were accepted {_where(leaf)} is {_number(leaf)}"

    def _approved_share(self, leaf: Condition) -> str:
        shares = Condition(leaf.subject, "", leaf.comparator, tuple(_percent(one) for one in leaf.values), True)
        return f"Of your answers that were decided for good {_where(leaf)}, {_number(shares)} were accepted"

    def _joined_days(self, leaf: Condition) -> str:
        return f"The days since you joined are {_number(leaf)}"

    def _standing(self, leaf: Condition) -> str:
        if leaf.comparator == "Exists":
            return "You have been stopped in this organisation's work before"
        lately = f" in the last {leaf.values[0]} days" if leaf.values else ""
        return f"You were not stopped in this organisation's work{lately}"


def _do(leaf: Condition) -> str:
    return "do not hold" if leaf.comparator == "DoesNotExist" else "hold"


def _where(leaf: Condition) -> str:
    return "on this site" if leaf.is_site else "by this organisation"


def _number(leaf: Condition) -> str:
    said = ", ".join(one if isinstance(one, str) else f"{one:,.6g}" for one in leaf.values)
    return NUMBERS[leaf.comparator].format(said)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _language(value: str) -> str:
    code, _, level = value.partition(":")
    return f"{codes.LANGUAGES[code]}{f' at level {level} or above' if level else ''}"


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
