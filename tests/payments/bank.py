"""A provider in a few lines: it remembers what it did under which key, and fails on command."""

from typing import Any

from django.db import connection

from payments.gateway import Asked, Refused
from payments.gateway.sandbox import Sandbox
from payments.models import Prepayment, Refund


class Bank(Sandbox):
    """Of test money. Each fault is for one call: "before" and "after" lose the line, "refused" says no."""

    mode = "test"

    def __init__(self, *faults: str) -> None:
        self.faults, self.calls = list(faults), 0
        self.done: dict[str, int] = {}  # amount by key

    def _once(self, key: str, amount_micros: int) -> None:
        assert not connection.in_atomic_block, "no transaction is open while the provider is asked"
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "before":
            raise ConnectionError
        if fault == "refused":
            raise Refused("the provider said no")
        self.done[key] = amount_micros
        if fault == "after":
            raise ConnectionError

    def ask(self, prepayment: Prepayment) -> Asked:
        key = f"prepayment:{prepayment.pk}"
        self._once(key, prepayment.amount_micros)
        if prepayment.way == Prepayment.Way.INTENT:
            return Asked(f"pi_{prepayment.pk}", client_secret=f"pi_{prepayment.pk}_secret_xyz")
        return Asked(f"cs_{prepayment.pk}", pay_url=f"https://pay.example.org/cs_{prepayment.pk}")

    def refund(self, refund: Refund) -> Any:
        self._once(f"refund:{refund.pk}", refund.amount_micros)
        return f"re_{refund.pk}"
