"""Background work with money: every one may run twice."""

from django.conf import settings

from payments import differences, ledger, reconciliation, seals
from payments import payouts as outgoing


def send(payout_pk: int) -> None:
    """Send one payout that was just requested."""
    outgoing.send(payout_pk)


def payouts() -> bool:
    """Sweep: send again what a crash or an unknown outcome has left requested."""
    return outgoing.resend()


def reconcile() -> bool:
    """Sweep: compare our books with the provider's, a step at a time."""
    return reconciliation.step()


def seal() -> bool:
    """Sweep: audit what came since the last seal, keep what is wrong as differences, and seal what can be sealed."""
    problems = ledger.audit()
    differences.note_broken(settings.MODE, problems)
    return not problems and seals.seal()
