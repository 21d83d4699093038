"""Stripe's words in ours: errors, amounts, states, movements, and what of a message is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import stripe

from marketplace.core.money import DECIMALS, unit_micros
from payments.gateway import Movement, NotNow, Refused
from payments.models import PayoutAccount

OURS = ("prepayment", "refund", "payout")  # the names of our metadata

# Errors: what Stripe refused for good and before moving anything; every other error leaves the outcome unknown
SHORT = {"balance_insufficient", "insufficient_funds"}
UNKNOWN = {  # refusals of the key, of the moment or of its use, not of what was asked
    "account_invalid",
    "api_key_expired",
    "livemode_mismatch",
    "lock_timeout",
    "platform_api_key_expired",
    "rate_limit",
    "secret_key_required",
    "testmode_charges_only",
    "tls_version_unsupported",
}
REFUSALS = {
    "amount_too_large": "it is more than Stripe takes at once",
    "amount_too_small": "it is less than Stripe takes",
    "charge_already_refunded": "all of it has been refunded",
    "charge_disputed": "the payer's bank has taken it back",
    "insufficient_capabilities_for_transfer": "the account it goes to is not ready: Stripe needs details",
    "resource_missing": "Stripe does not know what it is about",
}
REFUND_FAILED = "the bank sent it back"
REFUND_FAILURES = {
    "expired_or_canceled_card": "the card it goes back to has expired or was cancelled",
    "lost_or_stolen_card": "the card it goes back to was lost or stolen",
}


@contextmanager
def refusals() -> Iterator[None]:
    """Raise Refused or NotNow for what Stripe says no to; any other error passes."""
    try:
        yield
    except (stripe.InsufficientFundsError, stripe.InvalidRequestError) as error:
        if isinstance(error, stripe.InsufficientFundsError) or error.code in SHORT:
            raise NotNow("our balance at Stripe does not cover it now") from error
        if error.code in UNKNOWN:
            raise
        raise Refused(
            REFUSALS.get(error.code or "", f"Stripe refused it ({error.code or 'invalid request'})")
        ) from error
    except stripe.CardError as error:
        raise Refused(f"it was declined ({error.code or 'card error'})") from error
    except (stripe.BlockedByStripeError, stripe.CannotProceedError) as error:
        raise Refused("Stripe does not work with this account") from error


def failure(error: Any) -> str:
    """Why a payment did not go through, by its code: the rest of the error is about a person."""
    code = getattr(error, "code", None) or "payment failed"
    return f"it was declined ({code})"


# Amounts: Stripe counts in minor units


def minor(amount_micros: int, currency: str) -> int:
    """An amount in minor units; refused where Stripe cannot move so fine a sum."""
    units, rest = divmod(amount_micros, unit_micros(currency))
    if rest:
        raise ValueError(f"{amount_micros} micros are no whole minor units of {currency}")
    if DECIMALS[currency] == 3 and units % 10:
        raise Refused(f"Stripe moves {currency} in hundredths")
    return units


def micros(units: int, currency: str) -> int:
    """An amount in micros; 0 in a currency whose minor unit nobody here knows, in which nothing is ours."""
    return units * unit_micros(currency) if currency in DECIMALS else 0


# States of recipients


def account_state(seen: Any) -> tuple[str, list[str]]:
    """PayoutAccount.State of a recipient, and what Stripe still wants of the person."""
    state = PayoutAccount.State
    if seen.closed:
        return state.CLOSED, []
    recipient = seen.configuration.recipient if seen.configuration else None
    balance = recipient.capabilities.stripe_balance if recipient and recipient.capabilities else None
    transfers = balance.stripe_transfers if balance else None
    missing = _missing(seen)
    if transfers and transfers.status == "active":
        return state.READY, missing
    if transfers is None or transfers.status == "pending" or missing:
        return state.INCOMPLETE, missing
    return state.RESTRICTED, missing


def _missing(seen: Any) -> list[str]:
    """What the person owes now; what Stripe works on, or wants one day, is not theirs to do."""
    entries = (seen.requirements.entries if seen.requirements else None) or []
    due = [
        entry.description[:120]
        for entry in entries
        if entry.awaiting_action_from == "user" and entry.minimum_deadline.status != "eventually_due"
    ]
    return list(dict.fromkeys(due))


# The balance

KINDS = {
    "charge": "charge",
    "payment": "charge",
    "refund": "refund",
    "payment_refund": "refund",
    "refund_failure": "refund",
    "payment_failure_refund": "refund",
    "transfer": "transfer",
    "transfer_refund": "reversal",
    "transfer_cancel": "reversal",
    "transfer_failure": "reversal",
    "stripe_fee": "fee",
    "network_cost": "fee",
    "tax_fee": "fee",
    "payout": "payout",
    "payout_cancel": "payout",
    "payout_failure": "payout",
    "topup": "topup",
    "topup_reversal": "topup",
}


def movement(row: Any) -> Movement:
    """One of Stripe's balance transactions, its source expanded."""
    source = row.source
    source_id = source if isinstance(source, str) else getattr(source, "id", "") or ""
    kind = KINDS.get(row.type, "other")
    if kind == "reversal":  # made by somebody else, it has none of our keys; the transfer is ours
        source_id = getattr(source, "transfer", "") or source_id
    if row.type == "adjustment" and source_id.startswith(("du_", "dp_")):
        kind = "dispute"
    currency = row.currency.upper()
    return Movement(
        row.id,
        kind,
        source_id,
        micros(row.amount, currency),
        micros(row.fee, currency),
        currency,
        datetime.fromtimestamp(row.created, UTC),
        ours(getattr(source, "metadata", None)),
        None if currency in DECIMALS else row.amount,
    )


# Messages: keys, amounts, states and our metadata are kept; names, addresses and cards never

KEPT = (
    *("id", "object", "amount", "amount_received", "amount_refunded", "amount_reversed", "amount_total", "currency"),
    *("status", "payment_status", "reversed", "reason", "failure_reason", "failure_code", "charge", "payment_intent"),
    *("latest_charge", "destination", "transfer_group", "created"),
)


def ours(metadata: Any) -> dict[str, str]:
    """Our own of an object's metadata."""
    said = metadata.to_dict() if hasattr(metadata, "to_dict") else metadata or {}
    return {name: str(said[name])[:120] for name in OURS if name in said}


def kept(said: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a message: of a snapshot's object, or the name of the object that a thin note is about."""
    if said.get("object") == "v2.core.event":
        about = said.get("related_object") or {}
        return {"id": str(about.get("id", "")), "object": str(about.get("type", ""))}
    about = said["data"]["object"]
    plain = {name: about[name] for name in KEPT if isinstance(about.get(name), str | int)}
    account = {"account": said["account"]} if isinstance(said.get("account"), str) else {}
    return {**plain, **account, "metadata": ours(about.get("metadata"))}
