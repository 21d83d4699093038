"""A user in the role of a worker."""

from django.db import transaction

from marketplace.core import states
from marketplace.core.errors import NotFound
from marketplace.models import Organisation, User
from workers import notices, records
from workers.models import Pseudonym, Worker


def of(user: User) -> Worker:
    """The worker this user is, made at the first call."""
    worker = getattr(user, "worker", None)
    return worker or Worker.objects.get_or_create(user=user)[0]


def introduce(worker: Worker, organisation: Organisation) -> str:
    """The name under which the organisation knows this worker, by which it can find them from now on."""
    name = organisation.pseudonym(worker.public_id)
    Pseudonym.objects.bulk_create(
        [Pseudonym(organisation=organisation, worker=worker, name=name)], ignore_conflicts=True
    )
    return name


def known_as(organisation: Organisation, name: str) -> Worker:
    """The worker whom the organisation has met under this name.

    raises  NotFound
    """
    met = Pseudonym.objects.select_related("worker__user").filter(organisation=organisation, name=name).first()
    if met is None:
        raise NotFound(f"the organisation knows no worker as {name[:20]!r}")
    return met.worker


def suspend(worker: Worker) -> None:
    """Offer this worker nothing anywhere; the decision behind it says why."""
    states.move(worker, Worker.State.SUSPENDED)


def reinstate(worker: Worker) -> None:
    """Let the worker be offered work again; who is gone stays so."""
    if worker.state != Worker.State.ERASED:
        states.move(worker, Worker.State.ACTIVE)


@transaction.atomic
def erase(worker: Worker) -> None:
    """Let nobody work under this key again, and forget what the person was told; for `tasks.erasure`."""
    states.move(worker, Worker.State.ERASED)
    notices.forget(worker.user)
    records.forget(worker)
