"""Those who must know of a dispute are told once: the owners of its organisation, and the admins."""

from django.db import transaction
from django.urls import reverse

from marketplace.core import clock, money
from marketplace.models import Role, User
from payments.models import Dispute
from workers import notices

OWNERS = (
    "Your organisation is frozen: no more of its work is handed out. Pages that are out are paid as agreed. "
    "An admin decides when it goes on."
)
ADMINS = "It is frozen. Thawing it is an admin's decision, however the dispute ends."


@transaction.atomic
def tell(limit: int = 100) -> bool:
    """Tell of disputes that nobody was told of; True while there may be more."""
    waiting = Dispute.objects.filter(told_at=None, prepayment__isnull=False).order_by("pk")
    chosen = list(waiting.select_for_update(no_key=True, skip_locked=True)[:limit])
    for dispute in chosen:
        _tell(dispute)
        dispute.told_at = clock.now()
        dispute.save(update_fields=["told_at"])
    return len(chosen) == limit


def _tell(dispute: Dispute) -> None:
    assert dispute.prepayment, "only booked ones are told of"
    organisation = dispute.prepayment.organisation
    amount = money.show(dispute.amount_micros, dispute.prepayment.currency)
    owners = organisation.memberships.filter(role=Role.OWNER).values_list("user", flat=True)
    link = reverse("money", args=[organisation.public_id])
    notices.tell_all(owners, "money", f"Your bank has taken {amount} back", OWNERS, link)
    admins = User.objects.filter(is_staff=True, is_active=True).exclude(pk__in=owners).values_list("pk", flat=True)
    here = reverse("admin:payments_dispute_change", args=[dispute.pk])
    notices.tell_all(admins, "money", f"A bank took {amount} back from {organisation}", ADMINS, here)
