"""Money: the ledger, what comes in, what goes out, and what the provider said of it."""

from payments.models.funding import Dispute, Maturity, Prepayment, Refund
from payments.models.ledger import Account, Entry, Reserve, ReserveLine, Transfer
from payments.models.paying import Hold, Payout, PayoutAccount, PayoutSchedule
from payments.models.provider import StripeEvent

__all__ = [
    "Account",
    "Dispute",
    "Entry",
    "Hold",
    "Maturity",
    "Payout",
    "PayoutAccount",
    "PayoutSchedule",
    "Prepayment",
    "Refund",
    "Reserve",
    "ReserveLine",
    "StripeEvent",
    "Transfer",
]
