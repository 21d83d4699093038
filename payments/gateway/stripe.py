"""Stripe, through its own client: separate charges and transfers, no application fee.

Whatever moves money is asked for under a key made of our row's random public id, so two databases never share one.
Stripe remembers the first reply to a key for a day; what was first asked for longer ago is looked up before anything is
created again. The client itself retries nothing that moves money: our sweeps do, under the same key.
"""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import stripe
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from marketplace.core import clock, env
from payments.gateway import (
    AccountState,
    Asked,
    Disputed,
    Event,
    Forged,
    Movement,
    Movements,
    NotNow,
    Payment,
    Refused,
    Sent,
)
from payments.gateway import stripe_words as words
from payments.models import Payout, PayoutAccount, Prepayment, Refund

MEMORY = timedelta(hours=23)  # Stripe keeps v1 replies for 24 h
TIMEOUT_S = (5, 25)  # to connect, to answer; no row is asked about more than three times in a row
TOLERANCE_S = 300  # a signature older than this is a replay
KEYS_MOST = 20  # under which one row is tried before its first key is forgotten
WINDOW, SECOND = timedelta(days=1), timedelta(seconds=1)  # of the balance, listed at once; Stripe counts no finer
READ_MOST = 3_000  # movements: thirty pages
NARROWER = 8  # so many times narrower is the next window: six reach a second
INCLUDE: list[Any] = ["configuration.recipient", "requirements"]
T = TypeVar("T")


class Stripe:
    """The gateway to Stripe for test or live money."""

    def __init__(self, mode: str) -> None:
        key = settings.STRIPE_SECRET_KEY
        if not key or env.mode_of(key) != mode:
            raise ImproperlyConfigured(f"STRIPE_SECRET_KEY moves no {mode} money")
        self.mode = mode
        self.secrets = re.split(r"[,\s]+", settings.STRIPE_WEBHOOK_SECRET.strip())
        self.client = stripe.StripeClient(
            key,
            base_addresses={"api": settings.STRIPE_URL} if settings.STRIPE_URL else None,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S),
            max_network_retries=0,
        )

    # what organisations pay

    def ask(self, prepayment: Prepayment) -> Asked:
        """As the protocol says; of an intent that was asked for, its secret again.

        Nothing is looked up when the first reply was lost: nobody ever saw its address or secret, so nobody pays it.
        """
        self._check_mode(prepayment.mode)
        if prepayment.way == Prepayment.Way.INTENT:
            return self._ask_by_intent(prepayment)
        session = _created(
            f"prepayment:{prepayment.public_id}",
            lambda options: self.client.v1.checkout.sessions.create(_session(prepayment), options),
        )
        return Asked(session.id, pay_url=session.url or "")

    def _ask_by_intent(self, prepayment: Prepayment) -> Asked:
        if prepayment.provider_id:
            intent = self.client.v1.payment_intents.retrieve(prepayment.provider_id)
        else:
            intent = _created(
                f"prepayment:{prepayment.public_id}",
                lambda options: self.client.v1.payment_intents.create(_intent(prepayment), options),
            )
        if intent.status == "canceled":
            raise Refused("it was cancelled")
        return Asked(intent.id, client_secret=intent.client_secret or "")

    def payment(self, provider_id: str) -> Payment:
        if not provider_id.startswith("cs_"):
            return self._payment_of(self.client.v1.payment_intents.retrieve(provider_id))
        session = self.client.v1.checkout.sessions.retrieve(provider_id)
        subject = _ours(session).get("prepayment", "")
        if session.status == "expired":
            return Payment(subject, "failed", failure="the time to pay it ran out")
        if session.status == "open" or not session.payment_intent:
            return Payment(subject, "waiting")
        payment = self._payment_of(self.client.v1.payment_intents.retrieve(_id_of(session.payment_intent)))
        if payment.state == "waiting" and payment.failure:  # the page is over: nobody tries again
            return Payment(subject, "failed", failure=payment.failure)
        return payment

    def _payment_of(self, intent: stripe.PaymentIntent) -> Payment:
        subject, currency = _ours(intent).get("prepayment", ""), intent.currency.upper()
        if intent.status == "succeeded" and intent.latest_charge:
            amount = words.micros(intent.amount_received, currency)
            return Payment(subject, "paid", _id_of(intent.latest_charge), amount, currency)
        if intent.status == "canceled":
            return Payment(subject, "failed", failure="it was cancelled")
        failed = intent.status == "requires_payment_method" and intent.last_payment_error
        return Payment(subject, "waiting", failure=words.failure(intent.last_payment_error) if failed else "")

    def refund(self, refund: Refund) -> str:
        prepayment = refund.prepayment
        self._check_mode(prepayment.mode)
        if not prepayment.charge_id:
            raise ValueError(f"{prepayment} has no charge to refund")
        params = _refund(refund)

        def find() -> str:
            listed = self.client.v1.refunds.list({"charge": prepayment.charge_id, "limit": 100})
            return _found(listed, "refund", refund.public_id)

        # the first time Stripe may take it on and wait for the balance itself; where it does not, each try costs a key
        if refund.tries > 1 and self._available(prepayment.currency) < params["amount"]:
            if earlier := find():
                return earlier
            raise NotNow(f"our balance at Stripe does not cover {refund} now")
        return self._once(
            f"refund:{refund.public_id}",
            refund.sent_at or refund.created_at,
            lambda options: self.client.v1.refunds.create(params, options).id,
            find,
        )

    def disputed(self, provider_id: str) -> Disputed:
        dispute = self.client.v1.disputes.retrieve(provider_id)
        state = {"won": "won", "lost": "lost", "needs_response": "open", "under_review": "open"}
        amount = words.micros(dispute.amount, dispute.currency.upper())
        payment = _id_of(dispute.payment_intent) if dispute.payment_intent else ""
        return Disputed(
            _id_of(dispute.charge), amount, dispute.reason, state.get(dispute.status, "asked"), payment_id=payment
        )

    # what workers are paid

    def pay_out(self, payout: Payout) -> str:
        """As the protocol says; NotNow where our balance does not cover it."""
        self._check_mode(payout.mode)
        if payout.account is None or not payout.account.provider_id:
            raise Refused("there is no account to pay it to")
        self._check_mode(payout.account.mode)
        params = _transfer(payout)

        def find() -> str:
            listed = self.client.v1.transfers.list({"transfer_group": payout.public_id, "limit": 100})
            return _found(listed, "payout", payout.public_id)

        if self._available(payout.currency) < params["amount"]:
            if earlier := payout.tries > 1 and find():
                return earlier
            raise NotNow(f"our balance at Stripe does not cover {payout} now")
        return self._once(
            f"payout:{payout.public_id}",
            payout.sent_at or payout.created_at,
            lambda options: self.client.v1.transfers.create(params, options).id,
            find,
        )

    def sent(self, provider_id: str) -> Sent:
        if provider_id.startswith("tr_"):
            transfer = self.client.v1.transfers.retrieve(provider_id)
            return Sent(_ours(transfer).get("payout", ""), "reversed" if transfer.reversed else "paid")
        refund = self.client.v1.refunds.retrieve(provider_id)
        state = {"succeeded": "paid", "failed": "failed", "canceled": "failed"}.get(refund.status or "", "waiting")
        failure = words.REFUND_FAILURES.get(refund.failure_reason or "", words.REFUND_FAILED)
        return Sent(_ours(refund).get("refund", ""), state, failure if state == "failed" else "")

    def open_account(self, account: PayoutAccount, email: str) -> str:
        """As the protocol says; a second one made after a month, when the key is forgotten, is empty and harmless."""
        self._check_mode(account.mode)
        params = _account(account, email)
        told = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:16]  # they may correct it
        key = f"account:{account.user.public_id}:{account.pk}:{told}"
        return _created(key, lambda options: self.client.v2.core.accounts.create(params, options)).id

    def onboarding_url(self, account: PayoutAccount, back_url: str, again_url: str) -> str:
        self._check_mode(account.mode)
        flow: Any = {"return_url": back_url, "refresh_url": again_url}
        use: Any = {"type": "account_onboarding", "account_onboarding": flow}
        options: stripe.RequestOptions = {"max_network_retries": 2}  # a person waits
        with words.refusals():
            link = self.client.v2.core.account_links.create({"account": account.provider_id, "use_case": use}, options)
        return link.url

    def look_at(self, account: PayoutAccount) -> AccountState:
        self._check_mode(account.mode)
        seen = self.client.v2.core.accounts.retrieve(account.provider_id, {"include": INCLUDE})
        state, missing = words.account_state(seen)
        return AccountState(state, missing, self._identity(account) if state == PayoutAccount.State.READY else "")

    def _identity(self, account: PayoutAccount) -> str:
        """A digest of where Stripe pays this account to; its bank numbers never reach us."""
        listed = self.client.v1.accounts.external_accounts.list(account.provider_id, {"limit": 100})
        places = sorted(listed.data, key=lambda place: not getattr(place, "default_for_currency", False))
        fingerprint = next((place.fingerprint for place in places if place.fingerprint), "")
        return hashlib.sha256(fingerprint.encode()).hexdigest() if fingerprint else ""

    # what Stripe tells

    def verify(self, body: bytes, signature: str) -> Event:
        """As the protocol says; several secrets may be set, for Stripe gives each of its destinations another."""
        for secret in self.secrets:
            try:
                stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_S)
                said = json.loads(body)
                return Event(
                    str(said["id"]), str(said["type"]), "live" if said["livemode"] else "test", words.kept(said)
                )
            except stripe.SignatureVerificationError:
                continue
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise Forged("it is no event") from error
        raise Forged("Stripe did not sign it, or too long ago")

    def movements(self, since: datetime, until: datetime) -> Movements:
        """As the protocol says; Stripe lists the newest first, so a window is read whole and turned round.

        One that holds too much is left, and a shorter one is read, down to a second.
        """
        rows: list[Movement] = []
        began, window, read = since, WINDOW, 0
        while since < until and (read < READ_MOST or since == began):
            end = min((since + window).replace(microsecond=0), until)
            listed = self._listed(since, end, most=None if end - since <= SECOND else READ_MOST)
            read += len(listed)
            if len(listed) > READ_MOST and end - since > SECOND:
                window = max((end - since) / NARROWER, SECOND)
                continue
            rows += [words.movement(row) for row in reversed(listed)]
            since, window = end, min(window * NARROWER, WINDOW)
        return Movements(rows, since)

    def _listed(self, since: datetime, until: datetime, most: int | None) -> list[Any]:
        """The newest balance transactions of a span; more than so many are not read to their end."""
        within: Any = {"gte": _seconds(since), "lt": _seconds(until)}
        listed = self.client.v1.balance_transactions.list({"created": within, "limit": 100, "expand": ["data.source"]})
        return list(islice(listed.auto_paging_iter(), None if most is None else most + 1))

    def balance_micros(self, currency: str) -> int:
        balance = self.client.v1.balance.retrieve()
        held: list[Any] = [*balance.available, *balance.pending]
        return words.micros(sum(part.amount for part in held if part.currency == currency.lower()), currency)

    def _available(self, currency: str) -> int:
        """What we could move now, in minor units."""
        available = self.client.v1.balance.retrieve().available
        return sum(part.amount for part in available if part.currency == currency.lower())

    # how it is asked

    def _check_mode(self, mode: str) -> None:
        """Money of another mode is no refusal, for it may have moved elsewhere."""
        if mode != self.mode:
            raise ImproperlyConfigured(f"this gateway moves {self.mode} money, not {mode} money")

    def _once(
        self, key: str, asked_at: datetime, create: Callable[[stripe.RequestOptions], str], find: Callable[[], str]
    ) -> str:
        """The id of what was created once for this key.

        Looked up first where Stripe may have forgotten the key, and where the reply it keeps is a failure of its own,
        which says nothing about what was done.
        """
        is_old = clock.now() - asked_at > MEMORY
        if is_old and (found := find()):
            return found
        try:
            return _through_keys(key, create)
        except stripe.APIError as error:
            if not is_old and _is_replay(error) and (found := find()):
                return found
            raise


def _through_keys(key: str, create: Callable[[stripe.RequestOptions], str]) -> str:
    """Create under the first key whose kept reply is not that our balance was short.

    That reply is kept for a day and moved nothing, so the next key is as safe; all who try take the same steps.
    """
    for place in range(KEYS_MOST):
        try:
            return _created(f"{key}:{place}" if place else key, create)
        except NotNow as error:
            if not _is_replay(error.__cause__):
                raise
    raise NotNow("our balance at Stripe was short too often today")


def _created(key: str, create: Callable[[stripe.RequestOptions], T]) -> T:
    with words.refusals():
        return create({"idempotency_key": key})


def _is_replay(error: BaseException | None) -> bool:
    headers = getattr(error, "headers", None) or {}
    return {name.lower(): value for name, value in headers.items()}.get("idempotent-replayed") == "true"


def _found(listed: Any, name: str, public_id: str) -> str:
    """The id of the one that names our row; empty: none."""
    for row in listed.auto_paging_iter():
        if _ours(row).get(name) == public_id:
            return str(row.id)
    return ""


def _ours(row: Any) -> dict[str, str]:
    return words.ours(getattr(row, "metadata", None))


def _id_of(row: Any) -> str:
    return row if isinstance(row, str) else str(row.id)


def _seconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp())


# What is asked for follows from the row alone: the same key goes with the same words


def _session(prepayment: Prepayment) -> Any:
    back = settings.SITE_URL + reverse("prepayment", args=[prepayment.organisation.public_id, prepayment.public_id])
    return {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": prepayment.currency.lower(),
                    "unit_amount": words.minor(prepayment.amount_micros, prepayment.currency),
                    "product_data": {"name": "Prepaid work"},
                },
            }
        ],
        "success_url": back,
        "cancel_url": back,
        "client_reference_id": prepayment.public_id,
        "metadata": {"prepayment": prepayment.public_id},
        "payment_intent_data": {
            "description": f"Prepaid work {prepayment.public_id}",
            "metadata": {"prepayment": prepayment.public_id},
            "transfer_group": prepayment.public_id,
        },
    }


def _intent(prepayment: Prepayment) -> Any:
    return {
        "amount": words.minor(prepayment.amount_micros, prepayment.currency),
        "currency": prepayment.currency.lower(),
        "automatic_payment_methods": {"enabled": True},
        "description": f"Prepaid work {prepayment.public_id}",
        "metadata": {"prepayment": prepayment.public_id},
        "transfer_group": prepayment.public_id,
    }


def _refund(refund: Refund) -> Any:
    return {
        "charge": refund.prepayment.charge_id,
        "amount": words.minor(refund.amount_micros, refund.prepayment.currency),
        "metadata": {"refund": refund.public_id},
    }


def _transfer(payout: Payout) -> Any:
    assert payout.account
    return {
        "amount": words.minor(payout.amount_micros, payout.currency),
        "currency": payout.currency.lower(),
        "destination": payout.account.provider_id,
        "metadata": {"payout": payout.public_id},
        "transfer_group": payout.public_id,
    }


def _account(account: PayoutAccount, email: str) -> Any:
    transfers = {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
    return {
        "contact_email": email,
        "dashboard": "express",
        "identity": {"country": account.country, "entity_type": "individual"},
        "configuration": {"recipient": transfers},
        "defaults": {"responsibilities": {"fees_collector": "application", "losses_collector": "application"}},
    }
