"""Those who decide are told that proposed top-ups wait: once a day and batch at most, and not while it is looked at."""

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.urls import reverse

from marketplace.core import clock, money
from marketplace.models import Role
from tasks.models import Batch, TopUpProposal
from workers import notices

TEXT = "It is missing to the pay floor, beyond what is added by itself. Grant or decline it; each has its computation."


@transaction.atomic
def tell(limit: int = 100) -> bool:
    """Tell of batches in which top-ups were proposed since; True while there may be more."""
    at = clock.now()
    due = Batch.objects.filter(proposals_tell_at__lte=at).filter(Q(top_up_at=None) | Q(top_up_at__gt=at))
    due = due.select_related("project__organisation").order_by("proposals_tell_at")
    chosen = list(due.select_for_update(no_key=True, skip_locked=True, of=("self",))[:limit])
    for batch in chosen:
        _tell(batch, at)
    return len(chosen) == limit


def _tell(batch: Batch, at: datetime) -> None:
    """The batch is locked, and so are its proposals: to make or move one is to lock the batch."""
    open_now = TopUpProposal.objects.filter(batch=batch, state=TopUpProposal.State.OPEN)
    waiting = open_now.aggregate(count=Count("pk"), micros=Sum("amount_micros"))
    told_at = batch.proposals_told_at
    if waiting["count"]:
        told_at = at
        amount = money.show(waiting["micros"], batch.currency)
        subject = f"Top-ups of {amount} wait for you to decide: {batch.project}"
        members = batch.project.organisation.memberships.filter(role__in=[Role.OWNER, Role.MANAGER])
        link = reverse("top-ups", args=[batch.project.public_id])
        notices.tell_all(members.values_list("user", flat=True), "money", subject, TEXT, link)
    Batch.objects.filter(pk=batch.pk).update(proposals_tell_at=None, proposals_told_at=told_at)
