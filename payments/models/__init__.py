"""Money: the ledger, what comes in, what goes out, and what the provider said of it."""

from payments.models.funding import Dispute, Maturity, Prepayment, Refund
from payments.models.ledger import Account, Entry, Reserve, ReserveLine, Transfer
from payments.models.oversight import (
    Correction,
    Difference,
    Progress,
    ProviderMovement,
    SealedCheckpoint,
    SealedTotal,
)
from payments.models.paying import Hold, Payout, PayoutAccount
from payments.models.provider import StripeEvent

__all__ = [
    "Account",
    "Correction",
    "Difference",
    "Dispute",
    "Entry",
    "Hold",
    "Maturity",
    "Payout",
    "PayoutAccount",
    "Prepayment",
    "Progress",
    "ProviderMovement",
    "Refund",
    "Reserve",
    "ReserveLine",
    "SealedCheckpoint",
    "SealedTotal",
    "StripeEvent",
    "Transfer",
]
