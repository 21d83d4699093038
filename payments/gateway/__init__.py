"""The gateway: how money enters and leaves; the only place that may know a provider.

Every verb that moves money may be called again with the same row, and moves it once. None is called while a transaction
is open. What was refused moved nothing; after any other error the outcome is unknown, and the same call is made again.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from django.conf import settings

from marketplace.models import Mode
from payments.models import Payout, PayoutAccount, Prepayment, Refund


class Refused(Exception):
    """The provider said no, for good and before moving anything; every other error leaves the outcome unknown."""


class NotNow(Exception):
    """Nothing was moved, and it can be later: what the provider holds for us does not cover it now."""


class Forged(Exception):
    """A message that the provider did not sign, or signed too long ago."""


@dataclass(frozen=True)
class Asked:
    """A prepayment as the provider knows it, to be paid on a page or with a secret."""

    provider_id: str
    pay_url: str = ""
    client_secret: str = ""  # for the program that pays; never kept


@dataclass(frozen=True)
class AccountState:
    """Where a person is paid, as the provider sees it now."""

    state: str  # PayoutAccount.State
    missing: list[str] = field(default_factory=list)
    identity: str = ""  # the same for accounts that pay to the same place; empty: not known


@dataclass(frozen=True)
class Payment:
    """What was asked of a payer, as it stands now."""

    subject: str  # the prepayment it is for, by public id; empty: none of ours
    state: str  # waiting, paid, failed
    charge_id: str = ""
    amount_micros: int = 0  # that was paid
    currency: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Sent:
    """What went to a payer or a worker, as it stands now."""

    subject: str  # the refund or payout it is for, by public id; empty: none of ours
    state: str  # waiting, paid, failed; reversed: it came back as a whole
    failure: str = ""


@dataclass(frozen=True)
class Disputed:
    """A charge that the payer's bank takes back, as it stands now."""

    charge_id: str
    amount_micros: int
    reason: str
    state: str  # open, won, lost; asked: nothing was taken yet
    payment_id: str = ""  # of the payment that the charge belongs to


@dataclass(frozen=True)
class Event:
    """A verified message of the provider: what it is about, in keys, amounts, states and our own metadata."""

    event_id: str
    type: str
    mode: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Movement:
    """One movement of the provider's own balance, in its own words where ours have none."""

    provider_id: str  # of the balance transaction
    kind: str  # charge, refund, dispute, transfer, reversal, fee, payout, topup, other
    source_id: str  # of what moved: the charge, refund, dispute, transfer
    amount_micros: int  # positive: into our balance
    fee_micros: int
    currency: str
    created_at: datetime
    facts: dict[str, str] = field(default_factory=dict)  # our keys, from its metadata
    units: int | None = None  # in a currency that we do not know, the amount as the provider counts; ours is 0 then


@dataclass(frozen=True)
class Movements:
    """The movements of a span of time that begins where it was asked to, oldest first."""

    rows: list[Movement]
    until: datetime  # where it ends; what moved later was not read


class Gateway(Protocol):
    """What a provider can do. `mode` is the only kind of money it touches."""

    mode: str

    def ask(self, prepayment: Prepayment) -> Asked:
        """Have a prepayment paid; raises Refused."""

    def refund(self, refund: Refund) -> str:
        """Give a part of a charge back; returns the provider's id, raises Refused or NotNow."""

    def pay_out(self, payout: Payout) -> str:
        """Move a payout to its account; returns the provider's id, raises Refused or NotNow."""

    def open_account(self, account: PayoutAccount, email: str) -> str:
        """Make the provider's account for a person; returns its id, raises Refused."""

    def onboarding_url(self, account: PayoutAccount, back_url: str, again_url: str) -> str:
        """Where a person gives the provider their details; it works once and for some minutes."""

    def look_at(self, account: PayoutAccount) -> AccountState:
        """How the provider sees a person's account now."""

    def payment(self, provider_id: str) -> Payment:
        """How what `ask` made stands now, or the payment behind it."""

    def sent(self, provider_id: str) -> Sent:
        """How a refund or payout stands now."""

    def disputed(self, provider_id: str) -> Disputed:
        """How a dispute stands now."""

    def verify(self, body: bytes, signature: str) -> Event:
        """The event in a message; raises Forged."""

    def movements(self, since: datetime, until: datetime) -> Movements:
        """What moved in the provider's balance from a moment on, as much as is read at once; asked on, all until then.

        It comes further each time, whatever moved.
        """

    def balance_micros(self, currency: str) -> int:
        """What the provider holds for us: available and on its way."""


def current() -> Gateway:
    """The gateway of this installation."""
    return _of(settings.MODE)


@cache
def _of(mode: str) -> Gateway:
    if mode == Mode.SANDBOX:
        from payments.gateway.sandbox import Sandbox

        return Sandbox()
    from payments.gateway.stripe import Stripe  # only where there is a key: it is heavy

    return Stripe(mode)
