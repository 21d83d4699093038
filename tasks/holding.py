"""Holding payouts where fraud is suspected: a decision with a reason, an end and a way to contest it."""

from datetime import timedelta

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.models import User
from payments import holds
from tasks import decisions
from tasks.models import Decision
from workers.models import Worker

RESTS_ON_MOST = 5_000


def place(worker: Worker, by: User, *, days: int, reason_code: str, reason: str, rests_on: str = "") -> Decision:
    """Hold what is paid out to this person for so many days; they are told at once, and may contest it.

    rests_on  the payments, payouts or answers that it rests on; the worker reads that too
    raises    Forbidden (not an admin, or about oneself), Invalid (too long, no reason)
    """
    if len(rests_on) > RESTS_ON_MOST:
        raise Invalid(f"say what it rests on in {RESTS_ON_MOST} characters")
    facts = {"rests_on": rests_on.strip()} if rests_on.strip() else {}
    until = clock.now() + timedelta(days=days) - timedelta(seconds=1)  # so that the most is not exceeded
    return decisions.decide(
        Decision.Kind.HOLD, worker, by=by, reason_code=reason_code, reason=reason, until=until, facts=facts
    )


def in_force(user: User) -> Decision | None:
    """The decision behind the hold on this person that ends last; None: nothing is held."""
    hold = holds.in_force(user)
    return Decision.objects.filter(hold=hold).select_related("appeal").first() if hold else None
