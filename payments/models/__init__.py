"""Money: the ledger, what comes in, what goes out, and what the provider said of it."""

from payments.models.funding import Dispute, Maturity, Prepayment, Refund
from payments.models.ledger import Account, Entry, Reserve, ReserveLine, Transfer
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
    "Counting",
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
    "Refund",
    "Reserve",
    "ReserveLine",
    "Series",
    "StripeEvent",
    "Transfer",
]
