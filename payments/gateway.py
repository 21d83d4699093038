"""The gateway: how money enters and leaves; the only place that may know a provider."""

import hashlib
from typing import Protocol

from django.core.exceptions import ImproperlyConfigured

from marketplace.models import Mode
from payments.models import Payout, Prepayment


class Refused(Exception):
    """The provider said no, for good and before moving anything; every other error leaves the outcome unknown."""


class Gateway(Protocol):
    """Both verbs return the provider's id, may be called again with the same row, and move the money once."""

    def charge(self, prepayment: Prepayment) -> str: ...

    def pay_out(self, payout: Payout) -> str: ...


class Sandbox:
    """Play money: says yes to everything at once, remembers nothing, reaches no network."""

    def charge(self, prepayment: Prepayment) -> str:
        return self._id(prepayment.mode, f"prepayment:{prepayment.pk}")

    def pay_out(self, payout: Payout) -> str:
        return self._id(payout.mode, f"payout:{payout.pk}")

    def _id(self, mode: str, key: str) -> str:
        """The id that this key always gets; money of another mode is no refusal, for it may have moved elsewhere."""
        if mode != Mode.SANDBOX:
            raise ImproperlyConfigured(f"{key} is {mode} money; this gateway moves play money only")
        return f"sandbox_{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def current() -> Gateway:
    """The gateway of this installation."""
    return Sandbox()
