"""Admins are told of money that differs: once each, and again when its figures change."""

from django.db import transaction
from django.urls import reverse

from marketplace.core import clock
from marketplace.models import User
from payments.models import Difference
from workers import notices

TOLD_AT_ONCE = 100
NAMED = 10


@transaction.atomic
def tell(limit: int = TOLD_AT_ONCE) -> bool:
    """Leave every admin one notice of the oldest differences nobody was told of; True while there may be more."""
    untold = Difference.objects.filter(state=Difference.State.OPEN, told_at=None).order_by("pk")
    rows = list(untold.select_for_update(no_key=True, skip_locked=True)[:limit])
    if not rows:
        return False
    subject = "Money differs" if len(rows) == 1 else f"Money differs in {len(rows)} places"
    text = "\n".join(f"{row.subject}: {row.text}" for row in rows[:NAMED])
    link = reverse("admin:payments_difference_changelist") + "?state__exact=open"
    admins = User.objects.filter(is_staff=True, is_active=True).values_list("pk", flat=True)
    notices.tell_all(admins, "money", subject, text, link)
    Difference.objects.filter(pk__in=[row.pk for row in rows]).update(told_at=clock.now())
    return len(rows) == limit
