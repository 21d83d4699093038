"""Which payouts a person looks at before they are sent: the first ones over a limit, and too much in a day."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet, Sum

from marketplace.core import clock, money
from marketplace.models import Mode, User
from payments.models import Payout, PayoutAccount

DAY = timedelta(days=1)
LEFT = [Payout.State.REVIEW, Payout.State.REQUESTED, Payout.State.PAID]  # what failed or came back is not out


def why(user: User, amount_micros: int, currency: str, mode: str, *, at: datetime | None = None) -> str:
    """Why an admin sees this payout before it is sent, in a sentence; empty: no need.

    Asked in the transaction that then writes the payout, and before it is written: whoever pays to the same place
    waits there for their turn, so that two at once are counted together. Limits are in units of each currency, not
    converted; what a person has reviewed counts towards the day only. Play money is never reviewed.
    """
    if mode == Mode.SANDBOX:
        return ""
    people = _lock_same_place(user, mode)
    now = at or clock.now()
    return _first(user, amount_micros, currency, mode, now) or _in_a_day(
        user, people, amount_micros, currency, mode, now
    )


def _lock_same_place(user: User, mode: str) -> list[int]:
    """The users who are paid where this one is, themselves among them; their accounts are locked in one order."""
    own = PayoutAccount.objects.filter(user=user, mode=mode)
    identities = own.exclude(identity="").values("identity")
    same = PayoutAccount.objects.filter(Q(pk__in=own.values("pk")) | Q(identity__in=identities), mode=mode)
    locked = same.order_by("pk").select_for_update(no_key=True)
    return sorted({user.pk, *(account.user_id for account in locked)})


def _first(user: User, amount_micros: int, currency: str, mode: str, now: datetime) -> str:
    """The reason of one who was first paid a short while ago, or never."""
    mine = Payout.objects.filter(user=user, mode=mode)
    first = mine.filter(state=Payout.State.PAID).order_by("id").first()
    if first and (first.ended_at or first.created_at) <= now - timedelta(days=settings.NEW_PAYEE_DAYS):
        return ""
    unseen = mine.filter(currency=currency, state__in=LEFT, reviewed_by=None)
    together = amount_micros + _sum(unseen)
    most = settings.FIRST_PAYOUT_MOST_MICROS
    if together <= most:
        return ""
    return (
        f"the first payouts of a new payee: {money.show(together, currency)} together, "
        f"more than {money.show(most, currency)}"
    )


def _in_a_day(user: User, people: list[int], amount_micros: int, currency: str, mode: str, now: datetime) -> str:
    """The reason of one who, or whose payout identity, is paid much within a day."""
    most = settings.PAYOUTS_A_DAY_MOST_MICROS
    lately = Payout.objects.filter(mode=mode, currency=currency, state__in=LEFT, created_at__gt=now - DAY)
    for whom, words in (([user.pk], "to one person"), (people, f"to {len(people)} people who are paid at one place")):
        together = amount_micros + _sum(lately.filter(user__in=whom))
        if together > most:
            return f"{money.show(together, currency)} within a day {words}, more than {money.show(most, currency)}"
    return ""


def _sum(payouts: QuerySet[Payout]) -> int:
    return payouts.aggregate(sum=Sum("amount_micros"))["sum"] or 0
