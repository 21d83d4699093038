"""The fake over HTTP, and the commands that make things happen to it."""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.stripe.endpoints import Endpoints
from tests.stripe.ledger import Books, Object
from tests.stripe.params import Problem, checked, from_form
from tests.stripe.replies import REMEMBERED_S, Replies
from tests.stripe.webhooks import Post, Webhooks, to_address

KEY = "sk_test_fakefakefake"
SECRET = "whsec_fakefakefake"
HOW = {
    "drop_before": "the connection breaks; nothing was done",
    "drop_after": "it is done, and the reply never comes: a timeout after success, a lost reply",
    "hang": "as drop_after, but only after `seconds`",
    "slow": "it takes `seconds`, while its key is in use",
    "500": "nothing was done; the 500 is kept under the key",
    "500_after": "it is done, and a 500 is kept under the key",
    "429": "too many requests; nothing is kept",
    "409": "the key is in use; nothing is kept",
    "401": "the key is not known",
    "card_declined": "402; kept under the key",
}


@dataclass
class Planned:
    how: str
    method: str
    path: str
    times: int
    seconds: float
    code: str


class Drop(Exception):
    """The connection ends here."""


class Fake:
    """The stand-in, served while it is entered: `with Fake() as stripe: ...`.

    Everything is done under one lock, but for the time that a planned "slow" or "hang" takes.
    """

    def __init__(
        self, port: int = 0, *, live: bool = False, secret: str = SECRET, fee_bp: int = 290, fee_fixed: int = 30
    ) -> None:
        self.lock = threading.RLock()
        self.webhooks = Webhooks(secret, live)
        self.books = Books(self.webhooks.emit, live, fee_bp, fee_fixed)
        self.replies = Replies()
        self.endpoints = Endpoints(self.books, lambda: self.url)
        self.planned: list[Planned] = []
        self.requests: list[tuple[str, str, str]] = []  # method, path, idempotency key
        self.live = live
        self.server = _Server(("127.0.0.1", port), type("Answer", (_Answer,), {"fake": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._stopped = threading.Event()

    def start(self) -> Self:
        for work in (self.server.serve_forever, lambda: self.webhooks.deliver_forever(self._stopped)):
            threading.Thread(target=work, daemon=True).start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    # what tests compare with

    def log(self) -> list[Object]:
        """Every effect so far: charge, refund, refund_failed, transfer, reversal, dispute, dispute_won, topup..."""
        with self.lock:
            return [dict(row) for row in self.books.log]

    def totals(self) -> dict[str, dict[str, int]]:
        """The sums of `log` in minor units, by currency and kind, and each `balance`."""
        with self.lock:
            return self.books.totals()

    def events(self) -> list[str]:
        """The types of the events that nobody has taken, oldest first."""
        return [event.type for event in self.webhooks.waiting()]

    def calls(self) -> list[tuple[str, str, str]]:
        """Method, path and idempotency key of every request so far."""
        with self.lock:
            return list(self.requests)

    # what payers and their banks do

    def pay(self, key: str, outcome: str = "succeeds") -> str:
        """Pay a session or an intent; `fails`: the card is declined, `async`: it takes days. The charge's id."""
        with self.lock:
            session = self.endpoints.session({}, key) if key.startswith("cs_") else None
            if session and session["status"] != "open":
                raise ValueError(f"the session is {session['status']}")
            intent = self._intent_of(session) if session else self.books.find("payment_intent", key)
            if not session and intent["status"] not in ("requires_payment_method",):
                raise ValueError(f"the intent is {intent['status']}")
            return self._pay(intent, session, outcome)

    def _intent_of(self, session: Object) -> Object:
        if not session["payment_intent"]:
            said = {"amount": session["amount_total"], "currency": session["currency"], **session["_intent"]}
            session["payment_intent"] = self.endpoints.create_intent(said)["id"]
        return self.books.find("payment_intent", session["payment_intent"])

    def _pay(self, intent: Object, session: Object | None, outcome: str) -> str:
        emit = self.books.emit
        if outcome == "fails":
            charge = self.books.charge(intent, state="failed", failure="card_declined")
            intent["last_payment_error"] = {"code": "card_declined", "message": "Your card was declined."}
            emit("charge.failed", charge)
            emit("payment_intent.payment_failed", intent)
            return str(charge["id"])
        charge = self.books.charge(intent, state="pending" if outcome == "async" else "succeeded")
        intent["latest_charge"] = charge["id"]
        intent["status"] = "processing" if outcome == "async" else "succeeded"
        if outcome != "async":
            intent["amount_received"] = intent["amount"]
            emit("charge.succeeded", charge)
            emit("payment_intent.succeeded", intent)
        else:
            emit("payment_intent.processing", intent)
        if session:
            paid = "unpaid" if outcome == "async" else "paid"
            session.update(status="complete", url=None, payment_status=paid)
            session["customer_details"] = {"email": "private@example.org", "name": "Private Person"}
            emit("checkout.session.completed", session)
        return str(charge["id"])

    def end_async(self, key: str, ok: bool = True) -> None:
        """A payment that took days came in, or did not."""
        with self.lock:
            session = self.books.tables["session"].get(key)
            intent = self.books.find("payment_intent", session["payment_intent"] if session else key)
            charge = self.books.find("charge", intent["latest_charge"])
            self.books.settle_charge(charge, ok)
            if ok:
                intent.update(status="succeeded", amount_received=intent["amount"])
            else:
                error = {"code": "payment_failed", "message": "The payment was returned."}
                intent.update(status="requires_payment_method", last_payment_error=error)
            self.books.emit("charge.succeeded" if ok else "charge.failed", charge)
            self.books.emit("payment_intent.succeeded" if ok else "payment_intent.payment_failed", intent)
            if session:
                session["payment_status"] = "paid" if ok else "unpaid"
                self.books.emit(f"checkout.session.async_payment_{'succeeded' if ok else 'failed'}", session)

    def expire(self, session: str) -> None:
        with self.lock:
            row = self.endpoints.session({}, session)
            if row["status"] == "open":
                self.endpoints.expire(row)

    def dispute(self, charge: str, amount: int | None = None, reason: str = "fraudulent") -> str:
        """The payer's bank takes a charge back; the dispute's id."""
        with self.lock:
            row = self.books.find("charge", charge)
            return str(self.books.dispute(row, amount or row["amount"], reason)["id"])

    def end_dispute(self, dispute: str, won: bool) -> None:
        with self.lock:
            self.books.end_dispute(self.books.find("dispute", dispute), won)

    def slow_refunds(self, slow: bool = True) -> None:
        """Refunds stay pending until `finish_refund`."""
        self.books.slow_refunds = slow

    def finish_refund(self, refund: str) -> None:
        with self.lock:
            self.books.finish_refund(self.books.find("refund", refund))

    def fail_refund(self, refund: str, reason: str = "lost_or_stolen_card") -> None:
        with self.lock:
            self.books.fail_refund(self.books.find("refund", refund), reason)

    def reverse(self, transfer: str, amount: int | None = None) -> str:
        """The operator, or Stripe, takes a transfer back."""
        with self.lock:
            said = {"amount": amount} if amount else {}
            return str(self.books.reverse(self.books.find("transfer", transfer), said)["id"])

    # the platform's balance

    def fund(self, amount: int, currency: str = "usd") -> None:
        """Money of the operator's own comes into the balance."""
        with self.lock:
            self.books.fund(amount, currency)

    def drain(self, amount: int, currency: str = "usd") -> None:
        """An automatic payout empties the balance."""
        with self.lock:
            self.books.drain(amount, currency)

    def hold_funds(self) -> None:
        """Charges stay pending until `release_funds`."""
        self.books.holding_funds = True

    def release_funds(self) -> None:
        with self.lock:
            self.books.release_funds()

    # recipients

    def onboard(self, account: str, identity: str = "", country: str = "") -> None:
        """A person gives all that was asked for; the same identity: paid to the same place."""
        with self.lock:
            row = self.endpoints.accounts[account]
            row.update(_transfers="active", _wanted=[], _bank=identity or f"bank of {account}")
            row["_country"] = country or row["_country"]
            self._tell_of(row)

    def restrict(self, account: str, why: str = "requirements_past_due") -> None:
        """Stripe pays nothing to it for now; `rejected_fraud` and the like: for good."""
        with self.lock:
            state = "rejected" if why.startswith("rejected") else "restricted"
            wanted = [] if state == "rejected" else ["identity.individual.documents"]
            row = self.endpoints.accounts[account]
            row.update(_transfers=state, _why=why, _wanted=wanted)
            self._tell_of(row)

    def close(self, account: str) -> None:
        with self.lock:
            row = self.endpoints.accounts[account]
            row.update(closed=True, _transfers="restricted", _why="restricted_other", _wanted=[])
            self.books.emit("v2.core.account.closed", row)

    def move_bank(self, account: str, bank: str) -> None:
        """A person gives another bank account: v1 tells of it, for what is paid to is a v1 object."""
        with self.lock:
            row = self.endpoints.accounts[account]
            row["_bank"] = bank
            place = {"id": f"ba_{account[5:]}", "object": "bank_account", "account": account, "last4": "6789"}
            self.webhooks.emit("account.external_account.updated", place, account)

    def tell_in_v1(self, kind: str, account: str) -> None:
        """What Connect's own webhook says of an account; the object is the account, or something of it."""
        id_ = {"account.updated": account, "capability.updated": "transfers"}.get(kind, "ca_of_the_platform")
        with self.lock:
            row = {"id": id_, "object": kind.split(".")[-2], "email": "private@example.org"}
            self.webhooks.emit(kind, row, account)

    def accounts(self) -> list[str]:
        return list(self.endpoints.accounts)

    def _tell_of(self, row: Object) -> None:
        self.books.emit("v2.core.account[requirements].updated", row)
        self.books.emit("v2.core.account[configuration.recipient].capability_status_updated", row)

    # what goes wrong

    def fail_next(
        self, how: str, path: str = "", *, times: int = 1, method: str = "POST", seconds: float = 1, code: str = ""
    ) -> None:
        """The next requests whose path contains this go wrong so (see HOW); `refuse`: 400 with this code."""
        if how not in HOW and how != "refuse":
            raise ValueError(f"{how}: expected one of refuse, {', '.join(HOW)}")
        with self.lock:
            self.planned.append(Planned(how, method, path, times, seconds, code))

    def age_keys(self, seconds: float = REMEMBERED_S) -> None:
        """All idempotency keys are that much older: after a day Stripe has forgotten them."""
        with self.lock:
            self.replies.age(seconds)

    def advance(self, seconds: float) -> None:
        """Its clock moves on, keys age, and what is too old expires."""
        with self.lock:
            self.books.clock_ahead_s += seconds
            self.replies.age(seconds)
            self.endpoints.sessions({})

    # events

    def listen(self, to: Post | str, *, automatic: bool = False) -> None:
        """Where events go: an address, or a function of body and signature that returns a status."""
        self.webhooks.post = to_address(to) if isinstance(to, str) else to
        self.webhooks.automatic = automatic

    def deliver(self, kind: str = "", **options: Any) -> list[int]:
        """Send the events that wait (of types that begin so); see `Webhooks.deliver` for times, reverse, secret..."""
        return self.webhooks.deliver(self.webhooks.waiting(kind), **options)

    def deliver_again(self, kind: str = "", **options: Any) -> list[int]:
        """Send every event there ever was (of types that begin so)."""
        return self.webhooks.deliver([told for told in self.webhooks.told if told.type.startswith(kind)], **options)

    # requests

    def answer(self, method: str, path: str, said: Object, form: bool, key: str) -> tuple[int, bytes, bool]:
        """Status, body, and whether it is the reply to an earlier request; raises Drop."""
        plan = self._plan(method, path)
        if plan and plan.how in ("drop_before", "429", "409", "401"):
            raise _before(plan)
        with self.lock:
            shape, call = self.endpoints.route(method, path)
            params = checked(said, shape, form=form)
            if method == "POST" and key and (kept := self.replies.begin(key, (method, path, params))):
                return kept.status, kept.body, True
        if plan and plan.how == "slow":
            time.sleep(plan.seconds)
        with self.lock:
            status, body = self._done(plan, call, params)
            if method == "POST" and key:
                self.replies.keep(key, status, body)
        if plan and plan.how in ("drop_after", "hang"):
            time.sleep(plan.seconds if plan.how == "hang" else 0)
            raise Drop
        return status, body, False

    def _done(self, plan: Planned | None, call: Callable[[Object], Object], params: Object) -> tuple[int, bytes]:
        how = plan.how if plan else ""
        try:
            if how == "500":
                raise _broken()
            if how == "card_declined":
                raise Problem(402, "card_error", "Your card was declined.", "card_declined")
            if how == "refuse" and plan:
                raise Problem(400, "invalid_request_error", f"Refused: {plan.code}.", plan.code)
            body = encoded(call(params))
            if how == "500_after":
                raise _broken()
            return 200, body
        except Problem as problem:
            return problem.status, encoded({"error": problem.said})

    def _plan(self, method: str, path: str) -> Planned | None:
        with self.lock:
            for plan in self.planned:
                if plan.path in path and plan.method == method:
                    plan.times -= 1
                    if plan.times == 0:
                        self.planned.remove(plan)
                    return plan
        return None

    def command(self, said: Object) -> Any:
        """A command from another process."""
        name = str(said["command"])
        if name.startswith("_") or name in ("answer", "command", "start", "stop", "deliver_forever"):
            raise ValueError(name)
        return getattr(self, name)(*said.get("args", ()), **said.get("options", {}))


def _before(plan: Planned) -> Exception:
    if plan.how == "429":
        return Problem(429, "invalid_request_error", "Request rate limit exceeded.", "rate_limit")
    if plan.how == "409":
        message = "There is currently another in-progress request using this Idempotent Key."
        return Problem(409, "idempotency_error", message, "idempotency_key_in_use")
    if plan.how == "401":
        return Problem(401, "invalid_request_error", "Invalid API Key provided.")
    return Drop()


def _broken() -> Problem:
    return Problem(500, "api_error", "An unknown error occurred.")


def encoded(row: Any) -> bytes:
    return json.dumps(_shown(row)).encode()


def _shown(row: Any) -> Any:
    """Without what the fake keeps for itself."""
    if isinstance(row, dict):
        return {name: _shown(value) for name, value in row.items() if not str(name).startswith("_")}
    return [_shown(value) for value in row] if isinstance(row, list) else row


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks may die meanwhile; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Answer(BaseHTTPRequestHandler):
    fake: Fake
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        url = urlsplit(self.path)
        if url.path.startswith("/_"):
            return self._command(method, url.path, body)
        key = self.headers.get("Idempotency-Key", "")
        with self.fake.lock:
            self.fake.requests.append((method, url.path, key))
        try:
            self._check_key()
            form = method == "GET" or url.path.startswith("/v1/")
            said = from_form(url.query if method == "GET" else body) if form else json.loads(body or "{}")
            status, reply, replayed = self.fake.answer(method, url.path, said, form, key)
        except Problem as problem:
            status, reply, replayed = problem.status, encoded({"error": problem.said}), False
        except Drop:
            self.close_connection = True
            return None
        headers = {"Idempotent-Replayed": "true"} if replayed else {}
        if status >= 500:
            headers["Stripe-Should-Retry"] = "false"
        return self._send(status, reply, headers)

    def _check_key(self) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not given.startswith(("sk_live_", "rk_live_") if self.fake.live else ("sk_test_", "rk_test_")):
            raise Problem(401, "invalid_request_error", "Invalid API Key provided.")

    def _send(self, status: int, reply: bytes, headers: dict[str, str], kind: str = "application/json") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(reply))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply)

    def _command(self, method: str, path: str, body: str) -> None:
        """`/_control` for programs; `/_pay/<session>` and `/_onboard/<link>` stand in for Stripe's own pages."""
        try:
            if path == "/_control":
                return self._send(200, encoded(self.fake.command(json.loads(body))), {})
            _, page, key = path.strip("/").rpartition("/")[0], *path.strip("/").split("/", 1)
            if page == "_pay":
                return self._pay_page(method, key, from_form(body).get("outcome", "succeeds"))
            if page == "_onboard":
                return self._onboard_page(method, key)
        except Exception as error:
            return self._send(400, encoded({"error": f"{type(error).__name__}: {error}"}), {})
        return self._send(404, b"{}", {})

    def _pay_page(self, method: str, key: str, outcome: str) -> None:
        row = self.fake.endpoints.session({}, key)
        if method == "POST":
            if outcome != "cancel":
                self.fake.pay(key, outcome)
            if outcome != "fails":
                return self._go(row["cancel_url"] if outcome == "cancel" else row["success_url"])
        about = f"Pay {row['amount_total']} {row['currency']} (minor units)"
        return self._page(about, [("succeeds", "Pay"), ("async", "Pay by a slow way"), ("fails", "Decline"),
                                  ("cancel", "Go back")])  # fmt: skip

    def _onboard_page(self, method: str, key: str) -> None:
        link = self.fake.books.find("link", key)
        if method == "POST":
            if link["used"]:
                raise ValueError("the link was used")
            link["used"] = True
            self.fake.onboard(link["account"])
            return self._go(link["back"] or "/")
        return self._page(f"Give the details of {link['account']}", [("done", "Done")])

    def _page(self, title: str, buttons: list[tuple[str, str]]) -> None:
        forms = "".join(f'<p><button name="outcome" value="{value}">{text}</button></p>' for value, text in buttons)
        head = f"<!doctype html><html lang='en'><title>Stand-in for Stripe</title><h1>{escape(title)}</h1>"
        self._send(200, f"{head}<form method='post'>{forms}</form></html>".encode(), {}, "text/html; charset=utf-8")

    def _go(self, to: str) -> None:
        self._send(303, b"", {"Location": to})
