"""Higher prices for workers who hold a qualification."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import transaction

from marketplace import accounts, audit
from marketplace.core import statements
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.labels.errors import Error
from marketplace.models import Project, Role, User
from workers.models import Qualification, Worker

HELD = """SELECT q.public_id FROM workers_qualification q WHERE q.public_id = ANY(%(qualifications)s) AND EXISTS (
    SELECT FROM workers_grant g WHERE g.worker_id = %(worker)s AND g.qualification_id = q.id AND g.revoked_at IS NULL
        AND (g.expires_at IS NULL OR g.expires_at > clock_timestamp()))"""


@transaction.atomic
def offer(project: Project, by: User, tiers: Any) -> Project:
    """Set the tiers of the batches to come: [{"qualification": id, "price_micros": n}], each above the project's price.

    raises  Invalid with each error and its path, Forbidden
    """
    accounts.require(by, project.organisation, Role.MANAGER)
    project.refresh_from_db(from_queryset=Project.objects.select_for_update(no_key=True))
    if project.state == Project.State.CLOSED:
        raise IllegalMove("a closed project stays as it is", state=str(project.state))
    if errors := check(tiers, project):
        raise Invalid("the tiers are not valid", errors=[asdict(error) for error in errors])
    project.tiers = tiers
    project.save(update_fields=["tiers"])
    audit.record(by, "offer", project, tiers=tiers)
    return project


def check(tiers: Any, project: Project) -> list[Error]:
    """Everything that is wrong with these tiers of a project, as its price is now."""
    if not isinstance(tiers, list) or len(tiers) > settings.TIERS_MOST:
        return [Error("tiers", "length", f"must be a list of at most {settings.TIERS_MOST}")]
    errors: list[Error] = []
    for number, tier in enumerate(tiers):
        errors += [error.under(f"tiers[{number}]") for error in _wrong(tier, project)]
    if errors:
        return errors
    wanted = [tier["qualification"] for tier in tiers]
    seen = Qualification.objects.of_organisation(project.organisation).filter(public_id__in=wanted)
    there = set(seen.values_list("public_id", flat=True))
    for number, public_id in enumerate(wanted):
        place = f"tiers[{number}].qualification"
        if public_id not in there:
            errors.append(Error(place, "not-found", "there is no such qualification here"))
        elif public_id in wanted[:number]:
            errors.append(Error(place, "duplicate", "has a price already"))
    return errors


def price_micros(worker: int, base_micros: int, tiers: Sequence[dict[str, Any]]) -> int:
    """What one answer of this worker pays: the highest price of a tier they hold, or the base price."""
    if not tiers:
        return base_micros
    prices = {tier["qualification"]: tier["price_micros"] for tier in tiers}
    held = statements.rows(HELD, {"qualifications": list(prices), "worker": worker})
    return max([base_micros, *(prices[public_id] for (public_id,) in held)])


def of(worker: Worker, project: Project) -> int:
    """What an answer of this worker to a project pays, as it is offered now."""
    return price_micros(worker.pk, project.price_micros, project.tiers)


def shown(project: Project) -> list[tuple[str, int]]:
    """The tiers of a project for people, the cheapest first: name of the qualification, price."""
    prices = {tier["qualification"]: tier["price_micros"] for tier in project.tiers}
    named = Qualification.objects.filter(public_id__in=prices).values_list("public_id", "name")
    return sorted(((name, prices[public_id]) for public_id, name in named), key=lambda pair: pair[1])


def _wrong(tier: Any, project: Project) -> list[Error]:
    if not isinstance(tier, dict) or tier.keys() != {"qualification", "price_micros"}:
        return [Error("", "type", 'must be an object with "qualification" and "price_micros"')]
    errors, price = [], tier["price_micros"]
    if not isinstance(tier["qualification"], str):
        errors.append(Error("qualification", "type", "must be the id of a qualification"))
    if isinstance(price, bool) or not isinstance(price, int):
        errors.append(Error("price_micros", "type", "must be a whole number"))
    elif not project.price_micros < price <= settings.PRICE_MOST_MICROS:
        most = settings.PRICE_MOST_MICROS
        errors.append(Error("price_micros", "range", f"must be above the project's price and at most {most:,}"))
    return errors
