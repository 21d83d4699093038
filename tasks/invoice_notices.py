"""Owners are told of each invoice and credit note of their organisation, once."""

from django.db import transaction
from django.urls import reverse

from marketplace.core import money
from marketplace.models import Role
from payments.models import Invoice, Progress
from workers import notices

NAME = "invoices told"


@transaction.atomic
def tell(limit: int = 100) -> bool:
    """Tell of the next documents that were issued; True while there may be more.

    They are issued one after the other under a lock, so that none appears behind one that was told of.
    """
    Progress.objects.get_or_create(name=NAME)
    progress = Progress.objects.select_for_update(no_key=True).get(name=NAME)
    issued = Invoice.objects.filter(pk__gt=progress.facts.get("upto", 0)).order_by("pk")
    chosen = list(issued.select_related("organisation", "month")[:limit])
    for invoice in chosen:
        owners = invoice.organisation.memberships.filter(role=Role.OWNER).values_list("user", flat=True)
        amount = money.show(invoice.total_micros, invoice.currency)
        subject = f"{invoice.get_kind_display().capitalize()} {invoice} over {amount}"
        text = f"What {invoice.organisation} spent in {invoice.month}, line by line."
        if invoice.kind == Invoice.Kind.CREDIT_NOTE:
            text = f"What {invoice.organisation} was given back in {invoice.month}, line by line."
        notices.tell_all(owners, "money", subject, text, reverse("invoice", args=[invoice.public_id]))
    if chosen:
        progress.facts["upto"] = chosen[-1].pk
        progress.save(update_fields=["facts"])
    return len(chosen) == limit
