"""Background work with money: every one may run twice."""

from payments import maturities
from payments import payouts as outgoing


def send(payout_pk: int) -> None:
    """Send one payout that was just requested."""
    outgoing.send(payout_pk)


def payouts() -> bool:
    """Sweep: send again what a crash or an unknown outcome has left requested."""
    return outgoing.resend()


def mature() -> bool:
    """Sweep: make payable what was earned and is due."""
    return maturities.mature()
