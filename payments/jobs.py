"""Background work with money: every one may run twice."""

from payments import payout_accounts as accounts
from payments import payouts as outgoing
from payments import schedules


def send(payout_pk: int) -> None:
    """Send one payout that was just requested."""
    outgoing.send(payout_pk)


def payouts() -> bool:
    """Sweep: send again what a crash or an unknown outcome has left requested."""
    return outgoing.resend()


def make_payout_account(pk: int) -> None:
    """Have the provider make the account of somebody who just asked for it."""
    accounts.make(pk)


def payout_accounts() -> bool:
    """Sweep: make accounts that a crash left unmade, and look at those of which nothing was heard."""
    return accounts.look_again()


def scheduled_payouts() -> bool:
    """Sweep: request the payouts of those who are paid every week or month."""
    return schedules.pay_due()
