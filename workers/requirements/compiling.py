"""A requirement as one SQL condition over a worker, with named parameters; no value of it stands in the text.

SQL's logic has three values, as ours: what is unknown is NULL. Every EXISTS compares the worker alone with the outer
row and calls nothing volatile: so the planner probes an index where it asks of one worker, and hashes where of all.
"""

import functools
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from workers import codes
from workers.models import Group, Qualification
from workers.requirements.subjects import Condition, condition, conditions, parts

NOW = "statement_timestamp()"  # the time within a transaction, too
OPERATORS = {
    "LessThan": "<",
    "LessThanOrEqualTo": "<=",
    "GreaterThan": ">",
    "GreaterThanOrEqualTo": ">=",
    "EqualTo": "=",
    "NotEqualTo": "<>",
    "In": "= ANY",
    "NotIn": "<> ALL",
}
KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Compiled:
    """A condition over worker w, the values it names, and each leaf by itself, NULL where it is unknown.

    Beside these values it names `organisation`, whose requirement it is, and `least_decided`.
    """

    sql: str
    leaves: tuple[str, ...]
    values: dict[str, Any]


def compile(expression: dict[str, Any]) -> Compiled:
    """The SQL of a checked expression; true for workers who qualify, false or NULL for others."""
    return of_text(json.dumps(expression, sort_keys=True))


@functools.lru_cache(KEPT)
def of_text(text: str) -> Compiled:
    """The same, of an expression as JSON. The keys it looks up never change."""
    expression = json.loads(text)
    leaves = _Leaves(list(conditions(expression)))
    sql = leaves.joined(expression)
    leaves.number = 0
    return Compiled(sql, tuple(leaves.alone()), leaves.values)


def given(organisation: int) -> dict[str, Any]:
    """What every compiled expression names beside its own values."""
    return {"organisation": organisation, "least_decided": settings.APPROVED_SHARE_LEAST_ANSWERS}


class _Leaves:
    """Writes conditions one after another, and keeps their values."""

    def __init__(self, listed: list[Condition]) -> None:
        self.listed, self.number = listed, 0
        self.values: dict[str, Any] = {}
        ids = [one.id for one in listed if one.id]
        self.keys = dict(Qualification.objects.filter(public_id__in=ids).values_list("public_id", "pk"))
        self.keys |= dict(Group.objects.filter(public_id__in=ids).values_list("public_id", "pk"))

    def joined(self, node: dict[str, Any], is_negated: bool = False) -> str:
        if "of" in node:
            leaf = condition(node)
            # a share that is not known yet speaks for the worker, also where it is denied
            sql = self._written(leaf)
            return f"coalesce({sql}, {'false' if is_negated else 'true'})" if leaf.subject == "approved_share" else sql
        if "not" in node:
            return f"(NOT {self.joined(node['not'], not is_negated)})"
        word = " AND " if "all" in node else " OR "
        return f"({word.join(self.joined(part, is_negated) for part in parts(node))})"

    def alone(self) -> list[str]:
        return [self._written(leaf) for leaf in self.listed]

    def _written(self, leaf: Condition) -> str:
        name = f"p{self.number}"
        self.number += 1
        return getattr(self, f"_{leaf.subject}")(leaf, name)

    def _keep(self, name: str, value: Any) -> str:
        self.values[name] = value
        return f"%({name})s"

    def _compared(self, what: str, leaf: Condition, name: str, kind: str) -> str:
        """`what` compared with the values of the leaf."""
        operator = OPERATORS[leaf.comparator]
        if leaf.comparator in ("In", "NotIn"):
            return f"{what} {operator}({self._keep(name, [float(one) for one in leaf.values])}::{kind}[])"
        return f"{what} {operator} {self._keep(name, float(leaf.values[0]))}::{kind}"

    def _grant(self, leaf: Condition, name: str) -> str:
        key = self._keep(f"{name}k", self.keys.get(leaf.id, -1))
        score = "" if not leaf.values else f" AND {self._compared('g.score', leaf, name, 'float8')}"
        return f"""{_not(leaf)}EXISTS (SELECT FROM workers_grant g WHERE g.worker_id = w.id
            AND g.qualification_id = {key} AND {IN_FORCE}{score})"""

    _credential = _grant

    def _group(self, leaf: Condition, name: str) -> str:
        key = self._keep(name, self.keys.get(leaf.id, -1))
        return f"""{_not(leaf)}EXISTS (SELECT FROM workers_groupmember m WHERE m.worker_id = w.id
            AND m.group_id = {key} AND m.removed_at IS NULL)"""

    def _language(self, leaf: Condition, name: str) -> str:
        if not leaf.values:
            return f"(CASE WHEN {UNSTATED} THEN {_if_unstated(leaf)} ELSE {_if_stated(leaf)} END)"
        spoken, unsure = [], [UNSTATED]
        for number, value in enumerate(leaf.values):
            code, _, level = value.partition(":")
            key = self._keep(f"{name}_{number}", code)
            if level:
                enough = self._keep(f"{name}_{number}l", codes.LEVELS[codes.LEVELS.index(level) :])
                spoken.append(f"w.languages ->> {key}::text = ANY({enough}::text[])")
                unsure.append(f"w.languages ->> {key}::text = ''")
            else:
                spoken.append(f"w.languages ? {key}::text")
        sql = f"(CASE WHEN {' OR '.join(spoken)} THEN true WHEN {' OR '.join(unsure)} THEN NULL ELSE false END)"
        return f"(NOT {sql})" if leaf.comparator in ("NotEqualTo", "NotIn") else sql

    def _country(self, leaf: Condition, name: str) -> str:
        unknown = "w.country = ''"
        if not leaf.values:
            return f"(CASE WHEN {unknown} THEN {_if_unstated(leaf)} ELSE {_if_stated(leaf)} END)"
        word = "<> ALL" if leaf.comparator in ("NotEqualTo", "NotIn") else "= ANY"
        listed = self._keep(name, list(leaf.values))
        return f"(CASE WHEN {unknown} THEN NULL ELSE w.country {word}({listed}::text[]) END)"

    def _answers(self, leaf: Condition, name: str) -> str:
        """Who has no record has 0 answers: where that is enough, a record that is not must not be there."""
        is_enough = _holds(0, leaf)
        compared = self._compared("r.approved", leaf, name, "float8")
        if is_enough:
            return f"NOT EXISTS ({_record(leaf)} AND NOT ({compared}))"
        return f"EXISTS ({_record(leaf)} AND {compared})"

    def _approved_share(self, leaf: Condition, name: str) -> str:
        known = f"{_record(leaf)} AND r.approved + r.rejected >= %(least_decided)s"
        share = "r.approved::float8 / nullif(r.approved + r.rejected, 0)"
        compared = self._compared(share, leaf, name, "float8")
        return f"(CASE WHEN EXISTS ({known}) THEN EXISTS ({known} AND {compared}) END)"

    def _joined_days(self, leaf: Condition, name: str) -> str:
        days = f"floor(extract(epoch FROM {NOW} - w.joined_at) / 86400)::float8"
        return f"({self._compared(days, leaf, name, 'float8')})"

    def _standing(self, leaf: Condition, name: str) -> str:
        lately = ""
        if leaf.values:
            operator = ">=" if leaf.comparator == "GreaterThan" else ">"
            since = f"{NOW} - {self._keep(name, float(leaf.values[0]))}::float8 * interval '1 day'"
            lately = f"AND (s.until IS NULL OR s.until {operator} {since})"
        stopped = f"""EXISTS (SELECT FROM workers_standing s WHERE s.worker_id = w.id AND s.lifted_at IS NULL
            AND s.kind = 'stopped' {lately} AND (s.organisation_id = %(organisation)s
                OR s.project_id IN (SELECT id FROM marketplace_project WHERE organisation_id = %(organisation)s)
                OR s.organisation_id IS NULL AND s.project_id IS NULL))"""
        return stopped if leaf.comparator == "Exists" else f"NOT {stopped}"


IN_FORCE = f"g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > {NOW})"
UNSTATED = "w.languages = '{}'::jsonb"


def _not(leaf: Condition) -> str:
    return "NOT " if leaf.comparator == "DoesNotExist" else ""


def _if_unstated(leaf: Condition) -> str:
    return "true" if leaf.comparator == "DoesNotExist" else "NULL"


def _if_stated(leaf: Condition) -> str:
    return "false" if leaf.comparator == "DoesNotExist" else "true"


def _record(leaf: Condition) -> str:
    where = "IS NULL" if leaf.is_site else "= %(organisation)s"
    return f"SELECT FROM workers_record r WHERE r.worker_id = w.id AND r.organisation_id {where}"


def _holds(number: float, leaf: Condition) -> bool:
    """Whether this number satisfies the leaf."""
    first = leaf.values[0]
    return {
        "LessThan": number < first,
        "LessThanOrEqualTo": number <= first,
        "GreaterThan": number > first,
        "GreaterThanOrEqualTo": number >= first,
        "EqualTo": number == first,
        "NotEqualTo": number != first,
        "In": number in leaf.values,
        "NotIn": number not in leaf.values,
    }[leaf.comparator]
