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
from payments.models.paying import Hold, Payout, PayoutAccount, PayoutSchedule
from payments.models.provider import StripeEvent
from payments.models.statements import (
    BilledTo,
    BillingDetails,
    Counting,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    Month,
    MonthTotal,
    Movement,
    Series,
)

__all__ = [
    "Account",
    "BilledTo",
    "BillingDetails",
    "Correction",
    "Counting",
    "Difference",
    "Dispute",
    "Entry",
    "Hold",
    "Invoice",
    "InvoiceLine",
    "InvoiceTax",
    "Maturity",
    "Month",
    "MonthTotal",
    "Movement",
    "Payout",
    "PayoutAccount",
    "PayoutSchedule",
    "Prepayment",
    "Progress",
    "ProviderMovement",
    "Refund",
    "Reserve",
    "ReserveLine",
    "SealedCheckpoint",
    "SealedTotal",
    "Series",
    "StripeEvent",
    "Transfer",
]
