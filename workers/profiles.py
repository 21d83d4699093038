"""A user in the role of a worker."""

from django.db import transaction

from marketplace import audit
from marketplace.core import states
from marketplace.models import User
from workers.models import Worker


def of(user: User) -> Worker:
    """The worker this user is, made at the first call."""
    worker = getattr(user, "worker", None)
    return worker or Worker.objects.get_or_create(user=user)[0]


@transaction.atomic
def suspend(worker: Worker, by: User, reason: str) -> None:
    states.move(worker, Worker.State.SUSPENDED)
    audit.record(by, "suspend", worker, reason=reason)


@transaction.atomic
def reinstate(worker: Worker, by: User, reason: str) -> None:
    states.move(worker, Worker.State.ACTIVE)
    audit.record(by, "reinstate", worker, reason=reason)
