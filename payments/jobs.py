"""Background work with money: every one may run twice."""

from payments import maturities, webhooks
from payments import payouts as outgoing


def send(payout_pk: int) -> None:
    """Send one payout that was just requested."""
    outgoing.send(payout_pk)


def payouts() -> bool:
    """Sweep: send again what a crash or an unknown outcome has left requested."""
    return outgoing.resend()


def handle_event(event_pk: int) -> None:
    """Act on one message of the provider."""
    webhooks.handle(event_pk)


def events() -> bool:
    """Sweep: act again on messages that could not be acted on, or that a crash has left."""
    return webhooks.retry()


def mature() -> bool:
    """Sweep: make payable what was earned and is due."""
    return maturities.mature()
