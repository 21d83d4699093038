"""Rules as their requester writes them: drafted, revised as a new version, switched on after a trial, and off."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import transaction

from marketplace import accounts, audit
from marketplace.core import clock, states
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.labels.errors import Error
from marketplace.labels.reading import text_errors
from marketplace.models import Project, Role, User
from tasks.models import Rule
from tasks.rules import checking

WRITTEN = ("name", "collector", "history", "measure", "conditions", "action")


@transaction.atomic
def draft(
    project: Project,
    by: User,
    name: str,
    collector: str,
    conditions: list[dict[str, Any]],
    action: dict[str, Any],
    history: int = 0,
    measure: dict[str, Any] | None = None,
) -> Rule:
    """Write a rule that does nothing yet: it may be tried on past data. Invalid lists all that is wrong with it.

    history  only the last so many of what it collects; 0: all
    """
    accounts.require(by, project.organisation, Role.MANAGER)
    written = {"name": name, "collector": collector, "conditions": conditions, "action": action}
    rule = _checked(Rule(project=project, created_by=by), {**written, "history": history, "measure": measure or {}})
    rule.save()
    audit.record(by, "draft", rule, project=project.pk)
    return rule


@transaction.atomic
def revise(rule: Rule, by: User, **changes: Any) -> Rule:
    """Write the next version of a rule, to be tried and switched on anew; the one before goes off, and stays as it is.

    changes  any of name, collector, conditions, action, history, measure
    """
    accounts.require(by, rule.project.organisation, Role.MANAGER)
    rule = _locked(rule)
    if Rule.objects.filter(replaces=rule).exists():
        raise IllegalMove("there is a newer version of this rule", state=str(rule.state))
    after = Rule(project=rule.project, created_by=by, version=rule.version + 1, replaces=rule, origin_id=rule.family)
    _checked(after, {**{name: getattr(rule, name) for name in WRITTEN}, **changes})
    after.save()
    if rule.state != Rule.State.OFF:
        states.move(rule, Rule.State.OFF, switched_at=after.created_at)
    audit.record(by, "revise", after, replaces=rule.pk)
    return after


@transaction.atomic
def switch_on(rule: Rule, by: User) -> Rule:
    """Let a rule act on what happens from now on; what it counts may be older.

    raises  IllegalMove (not tried on past data, replaced, or on), Invalid (it fits the project no more, or too many)
    """
    accounts.require(by, rule.project.organisation, Role.MANAGER)
    project = Project.objects.select_for_update(no_key=True).get(pk=rule.project_id)  # rules that are on are counted
    rule = _locked(rule)
    if Rule.objects.filter(replaces=rule).exists():
        raise IllegalMove("there is a newer version of this rule", state=str(rule.state))
    if rule.tried_at is None:
        raise IllegalMove("try it on past data first, to see whom it would hit", state=str(rule.state))
    if project.state == Project.State.CLOSED:
        raise IllegalMove("the project is closed", state=str(project.state))
    if errors := checking.check(project, *_facts(rule)):
        raise _invalid(errors)
    if Rule.objects.filter(project=project, state=Rule.State.ON).count() >= settings.RULES_MOST:
        raise Invalid(f"a project has at most {settings.RULES_MOST} rules that are on")
    at = clock.now()
    states.move(rule, Rule.State.ON, switched_at=at, looked_at=at, looking_at=None, looked_worker=0)
    audit.record(by, "switch_on", rule)
    return rule


@transaction.atomic
def switch_off(rule: Rule, by: User) -> Rule:
    """Let a rule decide no more; what it has decided stands until it ends or is withdrawn."""
    accounts.require(by, rule.project.organisation, Role.MANAGER)
    rule = _locked(rule)
    if rule.state != Rule.State.ON:
        raise IllegalMove("it is not on", state=str(rule.state))
    states.move(rule, Rule.State.OFF, switched_at=clock.now())
    audit.record(by, "switch_off", rule)
    return rule


def _facts(rule: Rule) -> tuple[Any, ...]:
    return rule.collector, rule.conditions, rule.action, rule.history, rule.measure


def _locked(rule: Rule) -> Rule:
    rows = Rule.objects.select_for_update(no_key=True, of=("self",)).select_related("project__organisation")
    return rows.get(pk=rule.pk)


def _checked(rule: Rule, written: dict[str, Any]) -> Rule:
    """The rule with what was written, or Invalid with everything that is wrong."""
    written = {**written, "measure": written["measure"] or {}}
    errors = [Error(name, "unknown", "a rule has no such part") for name in written if name not in WRITTEN]
    errors += text_errors(written["name"], 1, 120, "name")
    parts = ("collector", "conditions", "action", "history", "measure")
    errors += checking.check(rule.project, *(written[name] for name in parts))
    if errors:
        raise _invalid(errors)
    for name in WRITTEN:
        setattr(rule, name, written[name])
    rule.history, rule.action = int(rule.history), checking.clean(rule.action)
    rule.measure = checking.clean(rule.measure)
    rule.created_at = clock.now()
    return rule


def _invalid(errors: list[Error]) -> Invalid:
    return Invalid("the rule cannot be a rule of this project", errors=[asdict(error) for error in errors])
