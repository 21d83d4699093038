"""Play money: says yes to everything at once, remembers nothing, reaches no network."""

import hashlib
from datetime import datetime

from django.core.exceptions import ImproperlyConfigured

from marketplace.models import Mode
from payments.gateway import AccountState, Asked, Disputed, Event, Forged, Movements, Payment, Sent
from payments.models import Payout, PayoutAccount, Prepayment, Refund


class Sandbox:
    """The built-in gateway."""

    mode: str = Mode.SANDBOX

    def ask(self, prepayment: Prepayment) -> Asked:
        return Asked(derived_id(prepayment.mode, f"prepayment:{prepayment.pk}"))

    def refund(self, refund: Refund) -> str:
        return derived_id(refund.prepayment.mode, f"refund:{refund.pk}")

    def pay_out(self, payout: Payout) -> str:
        return derived_id(payout.mode, f"payout:{payout.pk}")

    def open_account(self, account: PayoutAccount, email: str) -> str:
        return derived_id(account.mode, f"account:{account.pk}")

    def onboarding_url(self, account: PayoutAccount, back_url: str, again_url: str) -> str:
        return back_url

    def look_at(self, account: PayoutAccount) -> AccountState:
        return AccountState(PayoutAccount.State.READY)

    def payment(self, provider_id: str) -> Payment:
        return Payment("", "paid")

    def sent(self, provider_id: str) -> Sent:
        return Sent("", "paid")

    def disputed(self, provider_id: str) -> Disputed:
        raise LookupError("nobody disputes play money")

    def verify(self, body: bytes, signature: str) -> Event:
        raise Forged("play money has no provider that could send anything")

    def movements(self, since: datetime, until: datetime) -> Movements:
        return Movements([], until)

    def balance_micros(self, currency: str) -> int:
        return 0


def derived_id(mode: str, key: str) -> str:
    """The id that this key always gets; money of another mode is no refusal, for it may have moved elsewhere."""
    if mode != Mode.SANDBOX:
        raise ImproperlyConfigured(f"{key} is {mode} money; this gateway moves play money only")
    return f"sandbox_{hashlib.sha256(key.encode()).hexdigest()[:24]}"
