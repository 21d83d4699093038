"""A user in the role of a worker."""

from marketplace.core import states
from marketplace.models import User
from workers.models import Worker


def of(user: User) -> Worker:
    """The worker this user is, made at the first call."""
    worker = getattr(user, "worker", None)
    return worker or Worker.objects.get_or_create(user=user)[0]


def suspend(worker: Worker) -> None:
    """Offer this worker nothing anywhere; the decision behind it says why."""
    states.move(worker, Worker.State.SUSPENDED)


def reinstate(worker: Worker) -> None:
    """Let the worker be offered work again."""
    states.move(worker, Worker.State.ACTIVE)
