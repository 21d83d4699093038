"""The fake's own books: what was charged, given back, moved and disputed, to the minor unit, and the balance it leaves.

Objects are in the shape of Stripe's JSON. `log` is what tests compare with: one row for each effect, never changed.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.stripe.params import Problem, invalid

Object = dict[str, Any]
DECIMALS = {"usd": 2, "eur": 2, "gbp": 2, "chf": 2, "sek": 2, "jpy": 0, "krw": 0, "bhd": 3, "kwd": 3}
LEAST_CHARGED = {"jpy": 50, "krw": 100, "bhd": 200, "kwd": 200}  # 50 minor units elsewhere
MOST = 99_999_999
DISPUTE_FEE = 1500


def new(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass
class Books:
    emit: Callable[..., None]  # type, object
    live: bool = False
    fee_bp: int = 290
    fee_fixed: int = 30
    clock_ahead_s: float = 0
    holding_funds: bool = False  # charges stay pending
    slow_refunds: bool = False  # refunds stay pending
    tables: dict[str, dict[str, Object]] = field(default_factory=lambda: defaultdict(dict))
    log: list[Object] = field(default_factory=list)

    def now(self) -> int:
        return int(time.time() + self.clock_ahead_s)

    # what there is

    def find(self, kind: str, key: str, *, what: str = "") -> Object:
        if found := self.tables[kind].get(key):
            return found
        name = what or kind.replace("_", " ")
        raise invalid(f"No such {name}: '{key}'", "resource_missing", "id", 404)

    def put(self, kind: str, row: Object) -> Object:
        self.tables[kind][row["id"]] = row
        return row

    def balance(self, currency: str, *, pending: bool = False) -> int:
        """What of a currency is available, or on its way."""
        state = "pending" if pending else "available"
        return sum(
            row["net"]
            for row in self.tables["balance_transaction"].values()
            if row["currency"] == currency and row["status"] == state
        )

    def totals(self) -> dict[str, dict[str, int]]:
        """The sum of each kind of effect, per currency, and the balance; `reversal` and `dispute_won` come back."""
        sums: dict[str, dict[str, int]] = {}
        for row in self.log:
            of = sums.setdefault(row["currency"], defaultdict(int))
            of[row["kind"]] += row["amount"]
        for currency, of in sums.items():
            of["balance"] = self.balance(currency) + self.balance(currency, pending=True)
        return {currency: dict(of) for currency, of in sums.items()}

    # effects

    def _effect(self, kind: str, row: Object, amount: int, **facts: Any) -> None:
        self.log.append(
            {"kind": kind, "id": row["id"], "amount": amount, "currency": row["currency"], "at": self.now()}
            | {"metadata": dict(row.get("metadata") or {})}
            | facts
        )

    def _move(self, kind: str, source: Object, amount: int, fee: int = 0, *, pending: bool = False) -> str:
        row = {
            "id": new("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": self.now(),
            "balance_type": "payments",
            "created": self.now(),
            "currency": source["currency"],
            "description": None,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [],
            "net": amount - fee,
            "reporting_category": {"adjustment": "dispute", "transfer_refund": "transfer_reversal"}.get(kind, kind),
            "source": source["id"],
            "status": "pending" if pending else "available",
            "type": kind,
        }
        self.put("balance_transaction", row)
        if amount > 0 and not pending:
            self._finish_waiting_refunds()
        return row["id"]

    def check_amount(self, amount: Any, currency: str, least: int = 1) -> None:
        if currency != currency.lower() or currency not in DECIMALS:
            raise invalid(f"Invalid currency: {currency}.", "invalid_currency", "currency")
        if amount is None:
            raise invalid("Missing required param: amount.", "parameter_missing", "amount")
        if amount < 1:
            raise invalid("This value must be greater than or equal to 1.", "parameter_invalid_integer", "amount")
        if amount > MOST:
            raise invalid("Amount must be no more than 999,999.99.", "amount_too_large", "amount")
        if amount < least:
            raise invalid(f"Amount must be at least {least} {currency}.", "amount_too_small", "amount")
        if DECIMALS[currency] == 3 and amount % 10:
            raise invalid("Three-decimal amounts must end in 0.", "parameter_invalid_integer", "amount")

    def charge(self, intent: Object, *, state: str = "succeeded", failure: str = "") -> Object:
        """A charge of a payment intent; only one that succeeded moves anything."""
        amount, currency = intent["amount"], intent["currency"]
        row = {
            "id": new("ch"),
            "object": "charge",
            "amount": amount,
            "amount_captured": amount if state == "succeeded" else 0,
            "amount_refunded": 0,
            "balance_transaction": None,
            "billing_details": {"name": "Private Person", "email": "private@example.org", "address": {"country": "DE"}},
            "captured": state == "succeeded",
            "created": self.now(),
            "currency": currency,
            "disputed": False,
            "failure_code": failure or None,
            "failure_message": "Your card was declined." if failure else None,
            "livemode": self.live,
            "metadata": dict(intent["metadata"]),
            "paid": state == "succeeded",
            "payment_intent": intent["id"],
            "refunded": False,
            "status": state,
            "transfer_group": intent["transfer_group"],
        }
        self.put("charge", row)
        if state == "succeeded":
            self._collect(row)
        return row

    def _collect(self, charge: Object) -> None:
        fee = charge["amount"] * self.fee_bp // 10_000 + (self.fee_fixed if self.fee_bp else 0)
        charge["balance_transaction"] = self._move("charge", charge, charge["amount"], fee, pending=self.holding_funds)
        charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"])
        self._effect("charge", charge, charge["amount"], fee=fee, transfer_group=charge["transfer_group"])

    def settle_charge(self, charge: Object, ok: bool) -> None:
        """A slow payment came, or did not."""
        if ok:
            self._collect(charge)
        else:
            charge.update(status="failed", failure_code="payment_failed", failure_message="It was returned.")

    def refund(self, said: Object) -> Object:
        charge = self._charge_of(said)
        left = charge["amount"] - charge["amount_refunded"]
        amount = said.get("amount", left)
        if not charge["paid"]:
            raise invalid("This charge has not been paid.", "charge_not_paid", "charge")
        if charge["disputed"]:
            raise invalid(f"Charge {charge['id']} has been charged back.", "charge_disputed", "charge")
        if not left:
            raise invalid(f"Charge {charge['id']} has already been refunded.", "charge_already_refunded")
        self.check_amount(amount, charge["currency"])
        if amount > left:
            raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount ({left})", "", "amount")
        row = {
            "id": new("re"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "created": self.now(),
            "currency": charge["currency"],
            "failure_reason": None,
            "metadata": dict(said.get("metadata") or {}),
            "payment_intent": charge["payment_intent"],
            "pending_reason": None,
            "reason": said.get("reason"),
            "status": "pending",
        }
        self.put("refund", row)
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        if not self.slow_refunds:
            self.finish_refund(row, quietly=True)
        self.emit("refund.created", row)
        self.emit("charge.refunded", charge)
        return row

    def _charge_of(self, said: Object) -> Object:
        if key := said.get("charge"):
            return self.find("charge", key)
        key = said.get("payment_intent")
        if key and (latest := self.find("payment_intent", key)["latest_charge"]):
            return self.find("charge", latest)
        raise invalid("One of the following params should be provided: payment_intent or charge.", "parameter_missing")

    def finish_refund(self, row: Object, *, quietly: bool = False) -> None:
        """Have a refund go out, if the balance has what it needs; otherwise it waits."""
        if row["status"] != "pending":
            return
        if self.balance(row["currency"]) < row["amount"]:
            row["pending_reason"] = "insufficient_funds"
            return
        row["balance_transaction"] = self._move("refund", row, -row["amount"])
        row.update(status="succeeded", pending_reason=None)
        self._effect("refund", row, row["amount"], charge=row["charge"])
        if not quietly:
            self.emit("refund.updated", row)
            self.emit("charge.refund.updated", row)

    def _finish_waiting_refunds(self) -> None:
        for row in list(self.tables["refund"].values()):
            if row["pending_reason"] == "insufficient_funds":
                self.finish_refund(row)

    def fail_refund(self, row: Object, reason: str) -> None:
        """The bank sends a refund back, before or after it went out."""
        went_out = row["status"] == "succeeded"
        row.update(status="failed", failure_reason=reason)
        charge = self.tables["charge"][row["charge"]]
        charge["amount_refunded"] -= row["amount"]
        charge["refunded"] = False
        if went_out:
            row["failure_balance_transaction"] = self._move("refund_failure", row, row["amount"])
            self._effect("refund_failed", row, row["amount"], charge=row["charge"])
        for kind in ("refund.updated", "charge.refund.updated", "refund.failed"):
            self.emit(kind, row)

    def transfer(self, said: Object, account: Object | None) -> Object:
        self.check_amount(said.get("amount"), said["currency"])
        if account is None:
            raise invalid(f"No such destination: '{said['destination']}'", "resource_missing", "destination")
        if account["closed"] or account["_transfers"] != "active":
            raise invalid(
                "Your destination account needs to have at least one of the following capabilities enabled: "
                "transfers, crypto_transfers, legacy_payments",
                "insufficient_capabilities_for_transfer",
            )
        if self.balance(said["currency"]) < said["amount"]:
            raise invalid(
                "You have insufficient available funds in your Stripe account.", "balance_insufficient", "amount"
            )
        row = {
            "id": new("tr"),
            "object": "transfer",
            "amount": said["amount"],
            "amount_reversed": 0,
            "balance_transaction": None,
            "created": self.now(),
            "currency": said["currency"],
            "description": said.get("description"),
            "destination": account["id"],
            "destination_payment": new("py"),
            "livemode": self.live,
            "metadata": dict(said.get("metadata") or {}),
            "reversals": {"object": "list", "data": [], "has_more": False, "url": ""},
            "reversed": False,
            "source_transaction": said.get("source_transaction"),
            "source_type": "card",
            "transfer_group": said.get("transfer_group"),
        }
        row["balance_transaction"] = self._move("transfer", row, -row["amount"])
        self.put("transfer", row)
        self._effect("transfer", row, row["amount"], to=account["id"], transfer_group=row["transfer_group"])
        self.emit("transfer.created", row)
        return row

    def reverse(self, transfer: Object, said: Object) -> Object:
        left = transfer["amount"] - transfer["amount_reversed"]
        amount = said.get("amount", left)
        if not left:
            raise invalid(f"Transfer {transfer['id']} is already fully reversed.", "transfer_already_reversed")
        self.check_amount(amount, transfer["currency"])
        if amount > left:
            raise invalid(f"Amount {amount} is more than the {left} left to reverse.", "", "amount")
        row = {
            "id": new("trr"),
            "object": "transfer_reversal",
            "amount": amount,
            "balance_transaction": None,
            "created": self.now(),
            "currency": transfer["currency"],
            "destination_payment_refund": None,
            "metadata": dict(said.get("metadata") or {}),
            "source_refund": None,
            "transfer": transfer["id"],
        }
        row["balance_transaction"] = self._move("transfer_refund", row, amount)
        self.put("transfer_reversal", row)
        transfer["reversals"]["data"].insert(0, row)
        transfer["amount_reversed"] += amount
        transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
        self._effect("reversal", row, amount, transfer=transfer["id"])
        self.emit("transfer.reversed", transfer)
        return row

    def dispute(self, charge: Object, amount: int, reason: str) -> Object:
        """The payer's bank takes money back at once, and a fee with it."""
        row = {
            "id": new("du"),
            "object": "dispute",
            "amount": amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "created": self.now(),
            "currency": charge["currency"],
            "evidence": {"customer_name": "Private Person"},
            "is_charge_refundable": False,
            "livemode": self.live,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "status": "needs_response",
        }
        self.put("dispute", row)
        charge["disputed"] = True
        row["balance_transactions"].append(self._move("adjustment", row, -amount, DISPUTE_FEE))
        self._effect("dispute", row, amount, charge=charge["id"], fee=DISPUTE_FEE)
        self.emit("charge.dispute.created", row)
        self.emit("charge.dispute.funds_withdrawn", row)
        return row

    def end_dispute(self, row: Object, won: bool) -> None:
        row["status"] = "won" if won else "lost"
        if won:
            row["balance_transactions"].append(self._move("adjustment", row, row["amount"]))
            self._effect("dispute_won", row, row["amount"], charge=row["charge"])
            self.emit("charge.dispute.funds_reinstated", row)
        self.emit("charge.dispute.closed", row)

    def fund(self, amount: int, currency: str) -> None:
        """Money of the operator's own comes into the balance."""
        row = {"id": new("tu"), "object": "topup", "amount": amount, "currency": currency, "status": "succeeded"}
        self.put("topup", row)
        self._move("topup", row, amount)
        self._effect("topup", row, amount)

    def drain(self, amount: int, currency: str) -> None:
        """A payout of the platform's own takes money out of the balance."""
        row = {"id": new("po"), "object": "payout", "amount": amount, "currency": currency, "status": "paid"}
        self.put("payout", row)
        self._move("payout", row, -amount)
        self._effect("platform_payout", row, amount)

    def release_funds(self) -> None:
        """What was pending is available."""
        self.holding_funds = False
        for row in self.tables["balance_transaction"].values():
            row["status"] = "available"
        self._finish_waiting_refunds()


def not_found(path: str) -> Problem:
    return invalid(f"Unrecognized request URL ({path}).", "", "", 404)
