"""What the fake tells: events signed as Stripe signs them, delivered when and as often as a test says.

Events wait until `deliver` is called, unless `automatic` is on: then each goes out at once, again until it is taken.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import stripe
from tests.stripe.ledger import new

Post = Callable[[str, str], int]  # body, signature -> status


@dataclass
class Told:
    """One event; its body never changes, however often it is sent."""

    event_id: str
    type: str
    body: str
    tries: int = 0
    taken: bool = False


@dataclass
class Webhooks:
    secret: str
    live: bool = False
    post: Post | None = None  # where to; None: nobody listens yet
    automatic: bool = False
    told: list[Told] = field(default_factory=list)
    _wake: threading.Event = field(default_factory=threading.Event)

    def emit(self, kind: str, row: dict[str, Any], account: str = "") -> None:
        """Tell of an object as it is now: a snapshot, or for the v2 types a thin note that names it.

        account  whose object it is, where it is a connected account's
        """
        event_id = new("evt")
        said: dict[str, Any]
        if kind.startswith("v2."):
            said = {
                "id": event_id,
                "object": "v2.core.event",
                "type": kind,
                "created": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                "livemode": self.live,
                "context": None,
                "reason": None,
                "related_object": {
                    "id": row["id"],
                    "type": "v2.core.account",
                    "url": f"/v2/core/accounts/{row['id']}",
                },
            }
        else:
            said = {
                "id": event_id,
                "object": "event",
                "api_version": "2026-10-28.endive",
                "created": int(time.time()),
                "data": {"object": {name: value for name, value in row.items() if not name.startswith("_")}},
                "livemode": self.live,
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
                "type": kind,
            }
            if account:
                said["account"] = account
        self.told.append(Told(event_id, kind, json.dumps(said, indent=2)))
        self._wake.set()

    def waiting(self, kind: str = "") -> list[Told]:
        """The events that nobody has taken yet, oldest first."""
        return [event for event in list(self.told) if not event.taken and event.type.startswith(kind)]

    def signed(self, event: Told, *, secret: str = "", late_s: float = 0) -> str:
        """The signature header; `late_s`: as if it had been signed that long ago."""
        at = int(time.time() - late_s)
        return stripe.WebhookSignature.generate_signature_header(event.body, secret or self.secret, at)

    def deliver(
        self,
        events: Sequence[Told] | None = None,
        *,
        post: Post | None = None,
        times: int = 1,
        reverse: bool = False,
        secret: str = "",
        late_s: float = 0,
    ) -> list[int]:
        """Send these events, or all that wait, each so many times; the statuses that came back.

        secret   another one: forged
        late_s   signed that long ago: replayed by a thief. Stripe itself signs each try anew
        """
        to = post or self.post
        assert to, "nobody listens"
        chosen = list(self.waiting() if events is None else events)
        answers = []
        for event in reversed(chosen) if reverse else chosen:
            for _ in range(times):
                answers.append(to(event.body, self.signed(event, secret=secret, late_s=late_s)))
                event.tries += 1
                event.taken = event.taken or 200 <= answers[-1] < 300
        return answers

    def deliver_forever(self, stopped: threading.Event) -> None:
        """Send what waits as soon as it waits, and again a second later where it was not taken."""
        while not stopped.is_set():
            self._wake.wait(1)
            self._wake.clear()
            if self.automatic and self.post:
                for event in self.waiting():
                    self.deliver([event])


def to_address(url: str) -> Post:
    """Sends to a server at this address; a server that does not answer counts as a failure."""
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(body: str, signature: str) -> int:
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
        try:
            with straight.open(urllib.request.Request(url, body.encode(), headers), timeout=10) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    return post
