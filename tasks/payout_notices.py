"""Who asked for a payout is told how it ended, once for each end: one that was paid may still come back."""

from django.db import transaction
from django.urls import reverse

from marketplace.core import money
from payments.models import Payout
from payments.models.paying import UNTOLD
from workers import notices

SAID = {  # the state: subject, text
    Payout.State.PAID: ("{amount} left for your bank", "Banks take some days until it is in your account."),
    Payout.State.FAILED: ("Your payout of {amount} failed", "{why}The money is back in your earnings."),
    Payout.State.REVERSED: ("Your payout of {amount} came back", "{why}The money is back in your earnings."),
}


@transaction.atomic
def tell(limit: int = 100) -> bool:
    """Tell of payouts that ended since; True while there may be more."""
    ended = Payout.objects.filter(UNTOLD).order_by("pk")
    chosen = list(ended.select_for_update(no_key=True, skip_locked=True)[:limit])
    for payout in chosen:
        subject, text = SAID[Payout.State(payout.state)]
        amount = money.show(payout.amount_micros, payout.currency)
        why = f"{payout.failure.rstrip('.')}. " if payout.failure else ""
        notices.tell(payout.user_id, "money", subject.format(amount=amount), text.format(why=why), reverse("earnings"))
        payout.told = payout.state
    Payout.objects.bulk_update(chosen, ["told"])
    return len(chosen) == limit
