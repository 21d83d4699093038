"""Idempotency as Stripe defines it: the first reply under a key is the reply, for a day."""

import time
from dataclasses import dataclass, field
from typing import Any

from tests.stripe.params import Problem

REMEMBERED_S = 24 * 3600


@dataclass
class Kept:
    request: Any  # what was asked: method, path, parameters
    since: float
    status: int = 0  # 0: still at work
    body: bytes = b""


@dataclass
class Replies:
    kept: dict[str, Kept] = field(default_factory=dict)

    def begin(self, key: str, request: Any) -> Kept | None:
        """The first reply to this request; None where it is the first, which is then at work."""
        if len(key) > 255:
            raise Problem(400, "idempotency_error", "Idempotency keys are at most 255 characters long.")
        first = self.kept.get(key)
        if first is None or time.time() - first.since >= REMEMBERED_S:
            self.kept[key] = Kept(request, time.time())
            return None
        if first.request != request:
            raise Problem(
                400,
                "idempotency_error",
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
            )
        if not first.status:
            raise Problem(
                409,
                "idempotency_error",
                "There is currently another in-progress request using this Idempotent Key.",
                "idempotency_key_in_use",
            )
        return first

    def keep(self, key: str, status: int, body: bytes) -> None:
        self.kept[key].status = status
        self.kept[key].body = body

    def forget(self, key: str) -> None:
        """As if it had not been asked: no endpoint began to work on it."""
        self.kept.pop(key, None)

    def age(self, seconds: float) -> None:
        """All keys are this much older at once."""
        for first in self.kept.values():
            first.since -= seconds
