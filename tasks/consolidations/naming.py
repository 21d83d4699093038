"""Which program a project's labels are asked of, and the secret by which it knows us."""

from django.conf import settings
from django.db import transaction

from marketplace import accounts, audit
from marketplace.core import clock, outgoing, signing
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.models import Project, Role, User
from tasks.models import Aggregator, Batch, Consolidation, Look

AGAIN_STEP = 10_000


class NoAggregator(NotFound):
    title = "This project has no aggregator of its own"


class SameAggregator(Conflict):
    title = "This address is the aggregator already"


def of_project(project: Project) -> Aggregator:
    """The one that is asked now.

    raises  NoAggregator
    """
    found = Aggregator.objects.live().filter(project=project).select_related("project__organisation").first()
    if found is None:
        raise NoAggregator
    return found


@transaction.atomic
def name(project: Project, by: User, url: str) -> tuple[Aggregator, str]:
    """Have labels asked of this address from now on; its secret is returned here and nowhere else.

    Another address is another aggregator: what the one before said is believed no more.

    raises  Invalid (the address), SameAggregator, IllegalMove (the project is closed), Forbidden
    """
    accounts.require(by, project.organisation, Role.MANAGER)
    project.lock_unless_closed()
    url = url.strip()
    try:
        outgoing.address(url)
    except ValueError as error:
        raise Invalid(f"the address {error}", errors=[_wrong("url", str(error))]) from error
    before = Aggregator.objects.live().filter(project=project).first()
    if before and before.url == url:
        raise SameAggregator
    if before:
        _retire(before)
    made = Aggregator.objects.create(project=project, url=url, created_by=by, created_at=clock.now())
    audit.record(by, "name_aggregator", made, project=project.pk)
    return made, secret_of(made)


@transaction.atomic
def renew(aggregator: Aggregator, by: User) -> str:
    """Another secret in the place of the one it has, from the next request on; returned here and nowhere else."""
    _lock(aggregator, by)
    aggregator.generation += 1
    aggregator.misses, aggregator.rest_until = 0, None  # it may have been the secret
    aggregator.save(update_fields=["generation", "misses", "rest_until"])
    audit.record(by, "renew_aggregator_secret", aggregator)
    return secret_of(aggregator)


@transaction.atomic
def drop(aggregator: Aggregator, by: User) -> None:
    """Ask it no more: batches that still go on have labels of ours again."""
    _lock(aggregator, by)
    _retire(aggregator)
    audit.record(by, "drop_aggregator", aggregator)


@transaction.atomic
def send_again(aggregator: Aggregator, by: User, limit: int = AGAIN_STEP) -> int:
    """Ask once more, and at once, about what it failed to answer, newest first; returns about how many tasks."""
    _lock(aggregator, by)
    State = Consolidation.State
    failed = Consolidation.objects.filter(aggregator=aggregator, state__in=[State.REFUSED, State.FAILED])
    chosen = list(failed.order_by("-at").values_list("pk", flat=True)[:limit])
    at = clock.now()
    again = Consolidation.objects.filter(pk__in=chosen, state__in=[State.REFUSED, State.FAILED])
    count = again.update(state=State.WAITING, tries=0, why="", due_at=at, at=at)
    Aggregator.objects.filter(pk=aggregator.pk).update(misses=0, rest_until=None, told_at=None)
    audit.record(by, "send_again", aggregator, tasks=count)
    return count


def secret_of(aggregator: Aggregator) -> str:
    """What its requests are signed with. It stands in no table: a copy of the database does not hold it."""
    return signing.shared_secret(settings.SECRET_KEY, f"{aggregator.public_id} {aggregator.generation}")


def _lock(aggregator: Aggregator, by: User) -> None:
    accounts.require(by, aggregator.project.organisation, Role.MANAGER)
    aggregator.refresh_from_db(from_queryset=Aggregator.objects.select_for_update(no_key=True))
    if aggregator.retired_at:
        raise NoAggregator


def _retire(aggregator: Aggregator) -> None:
    Aggregator.objects.filter(pk=aggregator.pk, retired_at=None).update(retired_at=clock.now())
    for batch in Look.objects.filter(aggregator=aggregator).order_by("batch").values_list("batch", flat=True):
        Batch.objects.filter(pk=batch, returned_at=None).update(consensus_at=None)


def _wrong(path: str, message: str) -> dict[str, str]:
    return {"path": path, "code": "text", "message": message}
