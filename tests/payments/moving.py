"""A provider in memory: a balance, what moved it, and what it may be made to say wrongly."""

from datetime import timedelta

from django.db import connection

from marketplace.core import clock
from payments.gateway import Movement, Movements
from payments.models import Payout, Prepayment, Refund

ROWS = {"prepayment": Prepayment, "refund": Refund, "payout": Payout}  # those whose metadata hold our key


class Bank:
    """The part of a gateway that reconciling asks."""

    mode = "test"

    at_once = 1000

    def __init__(self):
        self.log, self.asked, self.balance_off = [], [], 0

    def move(self, kind, micros, subject="", *, source="", fee=0, currency="USD", ago=timedelta(hours=3)):
        """Move the balance, some hours ago."""
        facts = {}
        if subject:
            name, _, key = subject.partition(":")
            row = ROWS[name].objects.filter(pk=key).first()
            facts = {name: row.public_id if row else "of_nobody"}
        made = Movement(
            f"txn_{len(self.log)}", kind, source or f"{kind}_{len(self.log)}", micros, fee, currency,
            clock.now() - ago, facts,
        )  # fmt: skip
        self.log.append(made)
        return made

    def movements(self, since, until):
        assert not connection.in_atomic_block
        self.asked.append((since, until))
        chosen = [one for one in self.log if since <= one.created_at < until]
        chosen.sort(key=lambda one: one.created_at)
        times = [one.created_at for one in chosen[self.at_once :] if one.created_at > since]
        end = times[0] if times else until
        return Movements([one for one in chosen if one.created_at < end], end)

    def balance_micros(self, currency):
        net = sum(one.amount_micros - one.fee_micros for one in self.log if one.currency == currency)
        return net + self.balance_off * (currency == "USD")
