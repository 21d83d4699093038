"""Offers before and beside their batches: draft, revise, pause."""

from dataclasses import asdict
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from marketplace import accounts, audit, guidelines
from marketplace.core import states
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.core.strictjson import text_error
from marketplace.labels import schema as label_schema
from marketplace.labels.errors import Error
from marketplace.models import Organisation, Project, RedundancyBy, Role, User

DAY_S = 24 * 3600


class Range(NamedTuple):
    kind: type[int] | type[float]
    least: float
    most: float


class Text(NamedTuple):
    least: int
    most: int


TEXTS = {"title": Text(1, 200), "description": Text(0, 20_000), "pick_column": Text(0, 80)}
CHOICES: dict[str, tuple[str | bool, ...]] = {
    "redundancy_by": tuple(RedundancyBy.values),
    "ask_experts": (True, False),
}
RANGES = {
    "price_micros": Range(int, 1, settings.PRICE_MOST_MICROS),
    "redundancy_min": Range(int, 1, settings.REDUNDANCY_MOST),
    "redundancy_max": Range(int, 1, settings.REDUNDANCY_MOST),
    "target_confidence": Range(float, 0.5, 0.9999),
    "page_size": Range(int, 1, settings.PAGE_MOST_TASKS),
    "lease_s": Range(int, 60, DAY_S),
    "accept_after_s": Range(int, 0, 30 * DAY_S),
    "appeal_window_s": Range(int, DAY_S, 90 * DAY_S),
    "gold_share": Range(float, 0, 0.5),
    "practice_size": Range(int, 0, 50),
    "pass_mark": Range(float, 0, 1),
    "exam_size": Range(int, 0, 100),
    "exam_pass_mark": Range(float, 0, 1),
    "exam_s": Range(int, 30, DAY_S),
    "exam_attempts": Range(int, 1, 10),
    "exam_cooldown_s": Range(int, 0, 30 * DAY_S),
    "exam_price_micros": Range(int, 0, settings.PRICE_MOST_MICROS),
    "exam_paid_most": Range(int, 0, 100_000),
    "expected_s": Range(int, 1, 3600),
    "pay_floor_micros": Range(int, 0, settings.PRICE_MOST_MICROS),
    "top_up_most_percent": Range(int, 0, 100),
    "pilot_size": Range(int, 0, 10_000),
    "pilot_agreement": Range(float, 0, 1),
    "review_share": Range(float, 0, 1),
    "review_unsure": Range(float, 0, 1),
    "review_verdicts": Range(int, 1, 2),
    "grant_days": Range(int, 0, 3650),
    "grant_accuracy": Range(float, 0, 1),
}


@transaction.atomic
def draft(
    organisation: Organisation,
    by: User,
    title: str,
    schema: Any,
    price_micros: int,
    *,
    description: str = "",
    guideline: str = "",
    currency: str = "USD",
    **terms: Any,
) -> Project:
    """Make a project that nobody is offered yet; Invalid lists everything that is wrong with it.

    terms  any of the keys of RANGES, TEXTS and CHOICES; the defaults are the model's
    """
    accounts.require(by, organisation, Role.MANAGER)
    project = Project(organisation=organisation, mode=settings.MODE)
    offer = {"title": title, "schema": schema, "price_micros": price_micros, "description": description}
    _apply(project, {**offer, "currency": currency, **terms})
    project.save()
    audit.record(by, "draft", project)
    if guideline.strip():
        guidelines.write(project, by, guideline)
    return project


@transaction.atomic
def revise(project: Project, by: User, **changes: Any) -> Project:
    """Change an offer for the batches to come; those that are published keep what they were published with."""
    accounts.require(by, project.organisation, Role.MANAGER)
    project.lock_unless_closed()
    if changes.get("currency", project.currency) != project.currency and project.state != Project.State.DRAFT:
        raise IllegalMove("the currency stays once a project was published", state=str(project.state))
    schema_before = project.schema
    _apply(project, changes)
    if project.schema != schema_before:
        project.schema_version += 1
    project.save()
    audit.record(by, "revise", project, changed=sorted(changes), schema_version=project.schema_version)
    return project


@transaction.atomic
def pause(project: Project, by: User) -> Project:
    """Stop handing out its work; leases that are out may still be submitted."""
    accounts.require(by, project.organisation, Role.MANAGER)
    states.move(project, Project.State.PAUSED)
    audit.record(by, "pause", project)
    return project


@transaction.atomic
def resume(project: Project, by: User) -> Project:
    """Hand out its work again after a pause."""
    accounts.require(by, project.organisation, Role.MANAGER)
    if project.state != Project.State.PAUSED:
        raise IllegalMove("it is not paused", state=str(project.state))
    states.move(project, Project.State.OPEN)
    audit.record(by, "resume", project)
    return project


def _apply(project: Project, changes: dict[str, Any]) -> None:
    """Set what is valid on the project, or raise Invalid with everything that is not."""
    errors: list[Error] = []
    valid: dict[str, Any] = {}
    for name, value in changes.items():
        if name in TEXTS:
            errors += _text_errors(name, value, TEXTS[name])
        elif name in RANGES:
            errors += _range_errors(name, value, RANGES[name])
        elif name in CHOICES:
            errors += _choice_errors(name, value, CHOICES[name])
        elif name == "currency":
            if value not in settings.CURRENCIES:
                errors.append(Error(name, "option", f"must be one of {', '.join(settings.CURRENCIES)}"))
        elif name == "schema":
            value, wrong = label_schema.check(value)
            errors += [error.under("schema") for error in wrong]
        else:
            errors.append(Error(name, "unknown", "a project has no such term"))
        valid[name] = value
    terms = {name: valid.get(name, getattr(project, name)) for name in ("redundancy_min", "redundancy_max")}
    if not errors and terms["redundancy_max"] < terms["redundancy_min"]:
        errors.append(Error("redundancy_max", "range", "must not be less than redundancy_min"))
    if errors:
        raise _invalid(errors)
    for name, value in valid.items():
        setattr(project, name, value)


def _text_errors(name: str, value: Any, bounds: Text) -> list[Error]:
    if not isinstance(value, str) or text_error(value):
        return [Error(name, "type", "must be a text")]
    if len(value) > bounds.most or len(value.strip()) < bounds.least:
        return [Error(name, "length", f"must have {bounds.least} to {bounds.most} characters")]
    return []


def _range_errors(name: str, value: Any, bounds: Range) -> list[Error]:
    kinds = (int,) if bounds.kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return [Error(name, "type", f"must be a {'whole ' if bounds.kind is int else ''}number")]
    if not bounds.least <= value <= bounds.most:
        return [Error(name, "range", f"must lie between {bounds.least:,} and {bounds.most:,}")]
    return []


def _choice_errors(name: str, value: Any, options: tuple[str | bool, ...]) -> list[Error]:
    if type(value) is not type(options[0]) or value not in options:
        return [Error(name, "option", f"must be one of {', '.join(str(one).lower() for one in options)}")]
    return []


def _invalid(errors: list[Error]) -> Invalid:
    return Invalid("the project is not valid", errors=[asdict(error) for error in errors])
