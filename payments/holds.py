"""Holds: while one is in force nothing is paid out to a person. Why, the decision that placed it says."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from marketplace import audit
from marketplace.core import clock
from marketplace.core.errors import Conflict
from marketplace.models import User
from payments.models import Account, Hold, Payout


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
    """End a hold before its time; again: nothing changes. What waited for its end is sent at once."""
    waiting = Payout.objects.filter(user=hold.user_id, state=Payout.State.REQUESTED, sent_at=None).order_by("pk")
    held = list(waiting.select_for_update(no_key=True).values_list("pk", flat=True))  # as a send: before the accounts
    lock(hold.user)
    at = clock.now()
    if Hold.objects.filter(pk=hold.pk, lifted_at=None).update(lifted_at=at):
        Payout.objects.filter(pk__in=held, due_at__gt=at).update(due_at=at)
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


def lock(user: User, *others: Account) -> None:
    """Lock where this person's earnings stand: whatever pays them, or holds that up, waits.

    others  accounts that are locked too, all in the order of their keys
    """
    own = Q(kind=Account.Kind.EARNINGS, user=user) | Q(pk__in=[account.pk for account in others])
    list(Account.objects.filter(own).order_by("pk").values_list("pk").select_for_update(no_key=True))
