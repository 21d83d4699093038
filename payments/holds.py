"""Holds: while one is in force nothing is paid out to a person. Why, the decision that placed it says."""

from datetime import datetime

from django.db import transaction

from marketplace import audit
from marketplace.core import clock
from marketplace.core.errors import Conflict
from marketplace.models import User
from payments.models import Account, Hold


class PayoutHeld(Conflict):
    title = "Payouts to you are held for now"


@transaction.atomic
def put(user: User, until: datetime) -> Hold:
    """Hold payouts to this person until then; what the provider was asked for before goes through."""
    lock(user)
    hold = Hold.objects.create(user=user, since=clock.now(), until=until)
    audit.record(None, "hold", hold, user=user.pk, until=until.isoformat())
    return hold


@transaction.atomic
def lift(hold: Hold) -> Hold:
    """End a hold before its time; again: nothing changes."""
    lock(hold.user)
    if Hold.objects.filter(pk=hold.pk, lifted_at=None).update(lifted_at=clock.now()):
        audit.record(None, "lift", hold, user=hold.user_id)
    hold.refresh_from_db()
    return hold


def in_force(user: User, at: datetime | None = None) -> Hold | None:
    """Of the holds on this person the one that ends last; None: there is none.

    Only under `lock` the answer stays true.
    """
    at = at or clock.now()
    return user.holds.filter(lifted_at=None, since__lte=at, until__gt=at).order_by("-until", "-pk").first()


def check(user: User) -> None:
    """Raise PayoutHeld while a hold is in force; called under `lock`."""
    if hold := in_force(user):
        raise PayoutHeld(
            f"payouts to you are held until {hold.until:%Y-%m-%d %H:%M} UTC; the decision about it says why",
            until=hold.until.isoformat(),
        )


def lock(user: User) -> None:
    """Lock where this person's earnings stand, in the order of keys: whatever pays them, or holds that up, waits."""
    own = Account.objects.filter(kind=Account.Kind.EARNINGS, user=user).order_by("pk").values_list("pk")
    list(own.select_for_update(no_key=True))
