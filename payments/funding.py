"""Until when what an organisation paid stays here: a bank may still take back what a stranger paid yesterday."""

from datetime import date, datetime, timedelta

from django.conf import settings

from marketplace.models import Mode, Organisation
from payments.models import Prepayment


def payable_from(organisation: Organisation, mode: str, paid_at: datetime) -> datetime:
    """When what a prepayment paid now pays for may leave: at once, or after a while where the organisation is new.

    It is not new where a prepayment of the same mode has stood for that while, and none of it went back.
    """
    if mode == Mode.SANDBOX:
        return paid_at
    held = timedelta(days=settings.FUNDING_HOLD_DAYS)
    proven = organisation.prepayments.filter(
        mode=mode, state=Prepayment.State.PAID, paid_at__lte=paid_at - held, disputed_micros=0, refunded_micros=0
    )
    return paid_at if proven.exists() else paid_at + held


def payable_on(organisation: Organisation, currency: str, mode: str, at: datetime) -> date | None:
    """The day (UTC) from which what is earned from this organisation may be paid out; None: now.

    It is that of its last prepayment, for whose money is spent first nobody can say. A disputed one counts as well:
    work settled after the dispute arrived is payable no sooner than it was before.
    """
    waiting = Prepayment.objects.filter(
        organisation=organisation, currency=currency, mode=mode, state=Prepayment.State.PAID, payable_from__gt=at
    )
    last = waiting.order_by("-payable_from").values_list("payable_from", flat=True).first()
    return _day_after(last) if last else None


def _day_after(moment: datetime) -> date:
    """The first day that does not begin before this moment."""
    begun = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return begun.date() if begun == moment else begun.date() + timedelta(days=1)
