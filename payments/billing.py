"""Who an organisation is on its invoices: what it says now, what it said when they were issued, and for how long."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Coalesce

from marketplace import accounts, audit
from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.models import Membership, Organisation, Role, User
from payments.models import BilledTo, BillingDetails

MOST = {"name": 200, "address": 1_000, "tax_id": 40}
COLUMNS = ("name", "address", "country", "tax_id")
BLANK = {"name": "", "address": "", "tax_id": ""}


def details(organisation: Organisation) -> BillingDetails:
    """What the organisation says of itself; empty where it has said nothing."""
    found = BillingDetails.objects.filter(organisation=organisation).first()
    return found or BillingDetails(organisation=organisation)


@transaction.atomic
def state(organisation: Organisation, by: User, **stated: str) -> BillingDetails:
    """Say who is billed from the next invoice on; what is not named stays. Documents that are issued stay as they are.

    raises  Forbidden  not an owner
            Invalid    too long, or not a country
    """
    accounts.require(by, organisation, Role.OWNER)
    given = {name: " ".join(text.split(" ")).strip() for name, text in stated.items()}
    _check(given)
    row, _ = BillingDetails.objects.select_for_update(no_key=True).get_or_create(
        organisation=organisation, defaults={"changed_at": clock.now()}
    )
    BillingDetails.objects.filter(pk=row.pk).update(**given, changed_at=clock.now())
    row.refresh_from_db()
    audit.record(by, "bill", organisation)  # that it was changed, not what it says
    return row


def frozen(organisation: Organisation, at: datetime) -> BilledTo:
    """The copy to which documents that are issued now refer; the same one until something changes."""
    now = details(organisation)
    said = {name: getattr(now, name) for name in COLUMNS}
    if not said["name"]:
        said["name"] = organisation.name
    latest = BilledTo.objects.filter(organisation=organisation, scrubbed_at=None).order_by("-pk").first()
    if latest and all(getattr(latest, name) == said[name] for name in COLUMNS):
        return latest
    return BilledTo.objects.create(organisation=organisation, made_at=at, **said)


def forget(limit: int = 500, at: datetime | None = None) -> bool:
    """Scrub copies whose last document is older than pay records are kept; True while there may be more."""
    now = at or clock.now()
    before = now - timedelta(days=366 * settings.PAY_RECORDS_YEARS)
    kept = BilledTo.objects.filter(scrubbed_at=None, made_at__lt=before)
    over = kept.annotate(last=Coalesce(Max("invoices__issued_at"), "made_at")).filter(last__lt=before)
    chosen = list(over.order_by("pk").values_list("pk", flat=True)[:limit])
    BilledTo.objects.filter(pk__in=chosen, scrubbed_at=None).update(**BLANK, scrubbed_at=now)
    return len(chosen) == limit


def forget_details_of(user: User) -> None:
    """Scrub what organisations say of themselves whose last member is this person, who is about to go."""
    theirs = user.memberships.values("organisation")
    others = Membership.objects.filter(organisation__in=theirs).exclude(user=user)
    alone = BillingDetails.objects.filter(organisation__in=theirs).exclude(
        organisation__in=others.values("organisation")
    )
    alone.update(**BLANK, changed_at=clock.now())


def _check(given: dict[str, Any]) -> None:
    errors = [
        {"path": name, "code": "long", "message": f"at most {most} letters"}
        for name, most in MOST.items()
        if len(given.get(name, "")) > most
    ]
    if given.get("country") and not re.fullmatch("[A-Z]{2}", given["country"]):
        errors.append({"path": "country", "code": "country", "message": "two capital letters, as DE"})
    if errors:
        raise Invalid("the billing details are not valid", errors=errors)
