"""The scene of a walk: an organisation, its workers, a provider that does as told, and the books of their money."""

from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any

import pytest
from django.db.models import F, Q
from hypothesis.stateful import RuleBasedStateMachine

from marketplace.core import clock
from marketplace.models import Mode
from payments.gateway import Refused
from payments.gateway.sandbox import Sandbox
from payments.models import Account, Payout, Refund
from tasks import earning
from tests import make
from tests.machine.books import FLOOR_MICROS, PRICE_MICROS, TOP_UP_PERCENT, Books
from tests.payments import made
from tests.tasks import work
from workers.models import Worker

NUMBERS = count(1)
ITEMS, REDUNDANCY, PAGE, WORKERS = 4, 2, 2, 3
CENT = 10_000
HELD_DAYS = 7  # what a new organisation pays
BALANCE = F("credits_micros") - F("debits_micros")
TERMS = {
    **{"price_micros": PRICE_MICROS, "redundancy_min": REDUNDANCY, "redundancy_max": REDUNDANCY, "page_size": PAGE},
    **{"gold_share": 0.0, "practice_size": 0, "accept_after_s": 3600},
    **{"pay_floor_micros": FLOOR_MICROS, "top_up_most_percent": TOP_UP_PERCENT},
}


class Scripted(Sandbox):
    """A provider of test money that does what the walk says: pays, refuses, or is not heard."""

    mode = Mode.TEST

    def __init__(self, says: str = "pays") -> None:
        self.says = says

    def pay_out(self, payout: Payout) -> str:
        self._answer()
        return f"tr_{payout.pk}"

    def refund(self, refund: Refund) -> str:
        self._answer()
        return f"re_{refund.pk}"

    def _answer(self) -> None:
        if self.says == "refuses":
            raise Refused("the account is closed")
        if self.says == "silent":
            raise TimeoutError


def earner(name: str) -> Worker:
    """Somebody who may earn money that is not of play, and is paid where they live."""
    worker = work.worker(name)
    made.paid_to(worker.user)
    earning.state(worker, worker.languages, "US", of_age=True)
    return worker


class Scene(RuleBasedStateMachine):
    """One organisation and a few workers, what their books say, and what the database holds."""

    def __init__(self) -> None:
        super().__init__()
        name = f"{next(NUMBERS)}-{clock.now():%H%M%S%f}"
        self.rita, self.ada, self.bob = make.user(f"rita{name}"), *(make.user(n, staff=True) for n in ("ada", "bob"))
        self.home = make.organisation(self.rita)
        self.workers = [earner(f"worker{n}.{name}") for n in range(WORKERS)]
        self.project = make.project(self.home, **TERMS)
        self.data = make.dataset([{"text": f"item {n}"} for n in range(ITEMS)], self.home, project=self.project)
        self.batches: set[int] = set()
        self.books = Books()
        self.is_frozen, self.uncovered = False, dict[str, int]()  # of each dispute, what we lose
        self.out: dict[str, list[int]] = {"payouts": [], "refunds": []}  # that were sent and did not come back
        self.before = self._shared()

    def found(self) -> dict[str, int]:
        """The balances that are not zero; of places that all share, what this walk has changed."""
        now = self._shared()
        here = {place: now[place] - self.before.get(place, 0) for place in now}
        own = Q(organisation=self.home) | Q(user__in=[worker.user_id for worker in self.workers])
        for kind, user, subject, micros in Account.objects.filter(own).values_list("kind", "user", "subject", BALANCE):
            place = f"{kind}:{user}" if user else subject.replace("batch", "reserve") or kind
            here[place] = here.get(place, 0) + micros  # what is pending, over all days
        return {place: micros for place, micros in here.items() if micros}

    def _shared(self) -> dict[str, int]:
        return dict(Account.objects.filter(organisation=None, user=None, mode="test").values_list("kind", BALANCE))

    def refused_if(self, expected: type[Exception] | bool) -> AbstractContextManager[Any]:
        return pytest.raises(expected) if isinstance(expected, type) else nullcontext()
