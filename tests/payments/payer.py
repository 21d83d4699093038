"""A provider that moves money, for tests of what we do when it does not answer."""

from django.db import connection

from payments.gateway import AccountState, Refused
from payments.gateway.sandbox import Sandbox


class Bank(Sandbox):
    """It has a memory: what it moved, by key; it may lose its line before or after moving."""

    def __init__(self, *faults):
        self.moved, self.calls, self.faults = {}, 0, list(faults)
        self.accounts, self.emails = {}, []
        self.now = AccountState("incomplete", ["external_account"])

    def pay_out(self, payout):
        self._fault()
        self.moved[f"payout:{payout.pk}"] = payout.amount_micros
        self._fault("after")
        return f"tr_{payout.pk}"

    def open_account(self, account, email):
        self._fault()
        self.accounts[f"account:{account.pk}"] = f"acct_{account.pk}"
        self.emails.append(email)
        self._fault("after")
        return f"acct_{account.pk}"

    def onboarding_url(self, account, back_url, again_url):
        assert account.provider_id
        self._fault()
        return f"https://provider.example/{account.provider_id}/{self.calls}?back={back_url}&again={again_url}"

    def look_at(self, account):
        self._fault()
        return self.now

    def _fault(self, after=""):
        assert not connection.in_atomic_block, "a transaction is open while the provider is asked"
        if not after:
            self.calls += 1
            self.fault = self.faults.pop(0) if self.faults else ""
        if self.fault == "refused":
            raise Refused("the account is closed")
        if self.fault == (after or "before"):
            raise ConnectionError
