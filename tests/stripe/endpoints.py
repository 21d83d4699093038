"""The part of Stripe's API that Manyhands speaks to; an endpoint names the client library's type of its parameters."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe.params as v1
from stripe.params import checkout
from stripe.params.v2 import core as v2
from tests.stripe.ledger import LEAST_CHARGED, Books, Object, new, not_found
from tests.stripe.params import Problem, invalid

WANTED = ["identity.individual.given_name", "identity.individual.address", "configuration.recipient.bank_account"]


@dataclass
class Endpoints:
    books: Books
    url: Callable[[], str]
    accounts: dict[str, Object] = field(default_factory=dict)

    def route(self, method: str, path: str) -> tuple[Any, Callable[[Object], Object]]:
        """The type of the parameters, and what answers them."""
        for wanted, pattern, shape, name in ROUTES:
            if method == wanted and (found := re.fullmatch(pattern, path)):
                call = getattr(self, name)
                return shape, lambda said: call(said, *found.groups())  # noqa: B023
        raise not_found(path)

    # what organisations pay

    def create_session(self, said: Object) -> Object:
        if said.get("mode") != "payment":
            raise invalid("The stand-in knows mode=payment only.", "parameter_invalid", "mode")
        if not said.get("success_url"):
            raise invalid("Missing required param: success_url.", "parameter_missing", "success_url")
        if not said.get("line_items"):
            raise invalid("Missing required param: line_items.", "parameter_missing", "line_items")
        amount, currency = 0, ""
        for line in said["line_items"]:
            price = line.get("price_data") or {}
            if price.get("unit_amount") is None or not (price.get("product_data") or {}).get("name"):
                raise invalid("Name a unit_amount and a product.", "parameter_missing", "line_items[0][price_data]")
            currency = price["currency"]
            amount += price["unit_amount"] * line.get("quantity", 1)
        self.books.check_amount(amount, currency, LEAST_CHARGED.get(currency, 50))
        now = self.books.now()
        if said.get("expires_at") and not now + 1790 <= said["expires_at"] <= now + 24 * 3600 + 10:
            raise invalid("expires_at must be from 30 minutes to 24 hours from now.", "parameter_invalid", "expires_at")
        key = new("cs_live" if self.books.live else "cs_test")
        return self.books.put(
            "session",
            {
                "id": key,
                "object": "checkout.session",
                "amount_subtotal": amount,
                "amount_total": amount,
                "cancel_url": said.get("cancel_url"),
                "client_reference_id": said.get("client_reference_id"),
                "created": now,
                "currency": currency,
                "customer_details": None,
                "expires_at": said.get("expires_at") or now + 24 * 3600,
                "livemode": self.books.live,
                "metadata": dict(said.get("metadata") or {}),
                "mode": "payment",
                "payment_intent": None,  # made when it is paid
                "payment_status": "unpaid",
                "status": "open",
                "success_url": said["success_url"],
                "url": f"{self.url()}/_pay/{key}",
                "_intent": said.get("payment_intent_data") or {},
            },
        )

    def session(self, said: Object, key: str) -> Object:
        row = self.books.find("session", key, what="checkout.session")
        if row["status"] == "open" and row["expires_at"] <= self.books.now():
            self.expire(row)
        return row

    def expire_session(self, said: Object, key: str) -> Object:
        row = self.session(said, key)
        if row["status"] != "open":
            raise invalid(f"Only Checkout Sessions with a status in [open] can be expired: {row['status']}")
        self.expire(row)
        return row

    def expire(self, row: Object) -> None:
        row.update(status="expired", url=None)
        self.books.emit("checkout.session.expired", row)

    def sessions(self, said: Object) -> Object:
        rows = [self.session({}, row["id"]) for row in self.books.tables["session"].values()]
        wanted = {name: said[name] for name in ("payment_intent", "status") if name in said}
        return self._page("/v1/checkout/sessions", rows, said, wanted)

    def create_intent(self, said: Object) -> Object:
        currency = said["currency"]
        self.books.check_amount(said["amount"], currency, LEAST_CHARGED.get(currency, 50))
        if "application_fee_amount" in said:
            raise invalid("application_fee_amount needs a destination or a connected account.", "parameter_invalid")
        key = new("pi")
        row = {
            "id": key,
            "object": "payment_intent",
            "amount": said["amount"],
            "amount_received": 0,
            "client_secret": f"{key}_secret_{new('x')[2:]}",
            "created": self.books.now(),
            "currency": currency,
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": self.books.live,
            "metadata": dict(said.get("metadata") or {}),
            "payment_method_types": ["card"],
            "status": "requires_payment_method",
            "transfer_group": said.get("transfer_group"),
        }
        self.books.put("payment_intent", row)
        self.books.emit("payment_intent.created", row)
        return row

    def intent(self, said: Object, key: str) -> Object:
        return self.books.find("payment_intent", key)

    def cancel_intent(self, said: Object, key: str) -> Object:
        row = self.books.find("payment_intent", key)
        if row["status"] in ("succeeded", "canceled", "processing"):
            raise invalid(f"It is {row['status']}.", "payment_intent_unexpected_state")
        row["status"] = "canceled"
        self.books.emit("payment_intent.canceled", row)
        return row

    def charge(self, said: Object, key: str) -> Object:
        return self.books.find("charge", key)

    def dispute(self, said: Object, key: str) -> Object:
        return self.books.find("dispute", key)

    def create_refund(self, said: Object) -> Object:
        return self.books.refund(said)

    def refund(self, said: Object, key: str) -> Object:
        return self.books.find("refund", key)

    def refunds(self, said: Object) -> Object:
        wanted = {name: said[name] for name in ("charge", "payment_intent") if name in said}
        return self._page("/v1/refunds", list(self.books.tables["refund"].values()), said, wanted)

    # what workers are paid

    def create_transfer(self, said: Object) -> Object:
        return self.books.transfer(said, self.accounts.get(said["destination"]))

    def transfer(self, said: Object, key: str) -> Object:
        return self.books.find("transfer", key)

    def transfers(self, said: Object) -> Object:
        wanted = {name: said[name] for name in ("transfer_group", "destination") if name in said}
        return self._page("/v1/transfers", list(self.books.tables["transfer"].values()), said, wanted)

    def create_account(self, said: Object) -> Object:
        if (responsible := (said.get("defaults") or {}).get("responsibilities")) is None and said.get("dashboard"):
            raise Problem(400, "invalid_request_error", "defaults.responsibilities is needed.", "parameter_missing")
        identity = said.get("identity") or {}
        recipient = ((said.get("configuration") or {}).get("recipient") or {}).get("capabilities") or {}
        wants = ((recipient.get("stripe_balance") or {}).get("stripe_transfers") or {}).get("requested")
        row = {
            "id": new("acct"),
            "object": "v2.core.account",
            "applied_configurations": ["recipient"] if wants else [],
            "closed": False,
            "contact_email": said.get("contact_email"),
            "created": _written(self.books.now()),
            "dashboard": said.get("dashboard", "none"),
            "livemode": self.books.live,
            "metadata": dict(said.get("metadata") or {}),
            "_country": identity.get("country"),
            "_responsible": responsible,
            "_transfers": "restricted" if wants else "",
            "_why": "requirements_past_due",
            "_wanted": list(WANTED),
            "_bank": "",
        }
        self.accounts[row["id"]] = row
        self.books.emit("v2.core.account.created", row)
        return self._account(row, said)

    def account(self, said: Object, key: str) -> Object:
        if key not in self.accounts:
            raise invalid(f"No such account: '{key}'", "not_found", status=404)
        return self._account(self.accounts[key], said)

    def _account(self, row: Object, said: Object) -> Object:
        """As v2 answers: what was not asked for by `include` is null."""
        shown = {name: value for name, value in row.items() if not name.startswith("_")}
        shown |= {"configuration": None, "defaults": None, "identity": None, "requirements": None}
        include = set(said.get("include") or ())
        if "configuration.recipient" in include and row["_transfers"]:
            fine = row["_transfers"] == "active"
            resolution = "no_resolution" if row["_why"].startswith("rejected") else "provide_info"
            details = [] if fine else [{"code": row["_why"], "resolution": resolution}]
            status = {"status": row["_transfers"], "status_details": details}
            balance = {"stripe_transfers": status, "payouts": status}
            recipient = {"applied": True, "capabilities": {"stripe_balance": balance}}
            shown["configuration"] = {"recipient": recipient, "customer": None, "merchant": None}
        if "identity" in include:
            shown["identity"] = {"country": row["_country"], "entity_type": "individual"}
        if "requirements" in include:
            due = {"awaiting_action_from": "user", "errors": [], "minimum_deadline": {"status": "currently_due"}}
            shown["requirements"] = {"entries": [{"description": wanted, **due} for wanted in row["_wanted"]]}
        return shown

    def external_accounts(self, said: Object, key: str) -> Object:
        if key not in self.accounts:
            raise invalid(f"No such account: '{key}'", "resource_missing", status=404)
        row = self.accounts[key]
        bank = {
            "id": f"ba_{key[5:]}",
            "object": "bank_account",
            "account_holder_name": "Private Person",
            "country": row["_country"],
            "created": 0,
            "default_for_currency": True,
            "fingerprint": row["_bank"],
            "last4": "6789",
        }
        return self._page(f"/v1/accounts/{key}/external_accounts", [bank] if row["_bank"] else [], said, {})

    def create_link(self, said: Object) -> Object:
        key = said["account"]
        if key not in self.accounts:
            raise invalid(f"No such account: '{key}'", "not_found", "account", 404)
        use = said["use_case"]
        flow = use.get(use["type"])
        if not flow:
            raise invalid("Missing required param: use_case.account_onboarding.", "parameter_missing", "use_case")
        link = self.books.put(
            "link", {"id": new("link"), "account": key, "used": False, "back": flow.get("return_url")}
        )
        return {
            "object": "v2.core.account_link",
            "account": key,
            "created": _written(self.books.now()),
            "expires_at": _written(self.books.now() + 300),
            "livemode": self.books.live,
            "url": f"{self.url()}/_onboard/{link['id']}",
            "use_case": use,
        }

    # the balance

    def balance(self, said: Object) -> Object:
        currencies = sorted({row["currency"] for row in self.books.tables["balance_transaction"].values()} | {"usd"})

        def of(pending: bool) -> list[Object]:
            return [{"amount": self.books.balance(one, pending=pending), "currency": one} for one in currencies]

        return {"object": "balance", "available": of(False), "pending": of(True), "livemode": self.books.live}

    def balance_transactions(self, said: Object) -> Object:
        rows = list(self.books.tables["balance_transaction"].values())
        wanted = {name: said[name] for name in ("currency", "source", "type") if name in said}
        page = self._page("/v1/balance_transactions", rows, said, wanted)
        if "data.source" in (said.get("expand") or ()):
            page["data"] = [row | {"source": self._source(row["source"])} for row in page["data"]]
        return page

    def _source(self, key: str) -> Object:
        found = [table[key] for table in self.books.tables.values() if key in table]
        return found[0]

    def _page(self, url: str, rows: list[Object], said: Object, wanted: Object) -> Object:
        """The newest first, as many as asked for, after or before the one that is named."""
        limit = said.get("limit", 10)
        if not 1 <= limit <= 100:
            raise invalid("limit must be from 1 to 100.", "parameter_invalid_integer", "limit")
        rows = [row for row in reversed(rows) if all(row.get(name) == value for name, value in wanted.items())]
        created = said.get("created") or {}
        if isinstance(created, int):
            created = {"gte": created, "lte": created}
        tests = {"gt": int.__gt__, "gte": int.__ge__, "lt": int.__lt__, "lte": int.__le__}
        rows = [row for row in rows if all(tests[name](row["created"], bound) for name, bound in created.items())]
        keys = [row["id"] for row in rows]
        for name in ("starting_after", "ending_before"):
            if said.get(name) and said[name] not in keys:
                raise invalid(f"No such object: '{said[name]}'", "resource_missing", name)
        if after := said.get("starting_after"):
            rows = rows[keys.index(after) + 1 :]
        if before := said.get("ending_before"):
            rows = rows[: keys.index(before)]
            return _listed(url, rows[-limit:], len(rows) > limit)
        return _listed(url, rows[:limit], len(rows) > limit)


def _listed(url: str, rows: list[Object], more: bool) -> Object:
    return {"object": "list", "data": rows, "has_more": more, "url": url}


def _written(at: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)).isoformat().replace("+00:00", "Z")


ROUTES: list[tuple[str, str, Any, str]] = [
    ("POST", r"/v1/checkout/sessions", checkout.SessionCreateParams, "create_session"),
    ("GET", r"/v1/checkout/sessions", checkout.SessionListParams, "sessions"),
    ("GET", r"/v1/checkout/sessions/(\w+)", checkout.SessionRetrieveParams, "session"),
    ("POST", r"/v1/checkout/sessions/(\w+)/expire", checkout.SessionExpireParams, "expire_session"),
    ("POST", r"/v1/payment_intents", v1.PaymentIntentCreateParams, "create_intent"),
    ("GET", r"/v1/payment_intents/(\w+)", v1.PaymentIntentRetrieveParams, "intent"),
    ("POST", r"/v1/payment_intents/(\w+)/cancel", v1.PaymentIntentCancelParams, "cancel_intent"),
    ("GET", r"/v1/charges/(\w+)", v1.ChargeRetrieveParams, "charge"),
    ("GET", r"/v1/disputes/(\w+)", v1.DisputeRetrieveParams, "dispute"),
    ("POST", r"/v1/refunds", v1.RefundCreateParams, "create_refund"),
    ("GET", r"/v1/refunds", v1.RefundListParams, "refunds"),
    ("GET", r"/v1/refunds/(\w+)", v1.RefundRetrieveParams, "refund"),
    ("POST", r"/v1/transfers", v1.TransferCreateParams, "create_transfer"),
    ("GET", r"/v1/transfers", v1.TransferListParams, "transfers"),
    ("GET", r"/v1/transfers/(\w+)", v1.TransferRetrieveParams, "transfer"),
    ("GET", r"/v1/balance", v1.BalanceRetrieveParams, "balance"),
    ("GET", r"/v1/balance_transactions", v1.BalanceTransactionListParams, "balance_transactions"),
    ("GET", r"/v1/accounts/(\w+)/external_accounts", v1.AccountExternalAccountListParams, "external_accounts"),
    ("POST", r"/v2/core/accounts", v2.AccountCreateParams, "create_account"),
    ("GET", r"/v2/core/accounts/(\w+)", v2.AccountRetrieveParams, "account"),
    ("POST", r"/v2/core/account_links", v2.AccountLinkCreateParams, "create_link"),
]
