"""Background work with money: every one may run twice."""

from payments import billing, months
from payments import invoices as documents
from payments import payouts as outgoing


def send(payout_pk: int) -> None:
    """Send one payout that was just requested."""
    outgoing.send(payout_pk)


def payouts() -> bool:
    """Sweep: send again what a crash or an unknown outcome has left requested."""
    return outgoing.resend()


def count_months() -> bool:
    """Sweep: count what was booked by months, and close those that are over."""
    return months.count()


def invoices() -> bool:
    """Sweep: issue what is to be issued for months that are closed."""
    return documents.issue()


def forget_billed() -> bool:
    """Sweep: scrub who was billed when it need not be kept any longer."""
    return billing.forget()
