"""Days from which earnings may be paid out: until then they are pending, for what paid for them may be taken back.

Whoever credits a pending account, and whoever moves it on, holds the row of its day: neither passes the other by.
"""

from datetime import date, datetime

from django.db import transaction
from django.db.models import F, QuerySet

from marketplace.core import clock, states
from payments import funding, ledger
from payments.models import Account, Dispute, Maturity

STEP = 2_000  # accounts moved in one transaction
LOOKED_AT = 100  # days of organisations, of which some wait for a dispute


def expect(reserve_account: Account, at: datetime) -> date | None:
    """The day from which what this reserve pays is payable, which waits from now on; None: it is payable now.

    Inside the transaction that then credits the pending accounts: the row of the day stays locked to its end.
    """
    home = reserve_account.organisation
    assert home, "a reserve is an organisation's"
    day = funding.payable_on(home, reserve_account.currency, reserve_account.mode, at)
    if day is None:
        return None
    same = {"organisation": home, "currency": reserve_account.currency, "mode": reserve_account.mode, "day": day}
    Maturity.objects.bulk_create([Maturity(**same)], ignore_conflicts=True)
    row = Maturity.objects.select_for_update(no_key=True).get(**same)
    if row.state == Maturity.State.DONE:
        states.move(row, Maturity.State.WAITING)
    return day


def mature(limit: int = LOOKED_AT, *, at: datetime | None = None) -> bool:
    """Make payable what is due by now; True while there may be more.

    What comes from an organisation of which a payment is disputed waits until that is over.
    """
    today = (at or clock.now()).date()
    waiting = Maturity.objects.filter(state=Maturity.State.WAITING, day__lte=today)
    due = list(waiting.exclude(organisation__in=_disputed()).order_by("day", "pk").values_list("pk", flat=True)[:limit])
    more = [_step(pk) for pk in due]
    return any(more) or len(due) == limit


def _disputed() -> "QuerySet[Dispute, int]":
    """Organisations of which a payment is disputed."""
    open_ones = Dispute.objects.filter(state=Dispute.State.OPEN, prepayment__isnull=False)
    return open_ones.values_list("prepayment__organisation", flat=True)


@transaction.atomic
def _step(pk: int) -> bool:
    """Move the pending accounts of one day to the earnings, so many at most; True while there may be more."""
    row = Maturity.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=pk, state="waiting").first()
    if row is None:  # another sweeper, or a settlement into it: the next sweep sees
        return False
    if _disputed().filter(prepayment__organisation=row.organisation_id).exists():  # booked since the sweep looked
        return False
    of_day = {"organisation": row.organisation_id, "currency": row.currency, "mode": row.mode}
    pending = Account.objects.filter(kind=Account.Kind.PENDING, subject=row.day.isoformat(), **of_day)
    found = list(pending.filter(credits_micros__gt=F("debits_micros")).order_by("pk")[:STEP])
    if found:
        first = found[0]  # what went out of it so far names this step: it only ever grows
        facts = {"payable_from": row.day.isoformat()}
        key = f"mature:{first.pk}:{first.debits_micros}"
        ledger.post_maturing(key, found, facts=facts)
    if len(found) == STEP:
        return True
    states.move(row, Maturity.State.DONE)
    return False
