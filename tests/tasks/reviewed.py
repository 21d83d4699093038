"""Labels that reviewers look at, where a test wants them."""

from marketplace import accounts
from marketplace.models import User
from tasks import reviews
from tasks.models import Batch, Review
from tests import make
from tests.tasks import work


def labelled(*animals: tuple[str, ...], **terms) -> Batch:
    """A batch of one item for each tuple, labelled by as many workers as it is long: these animals in order."""
    count = len(animals[0])
    terms = {"redundancy_min": count, "redundancy_max": count, "page_size": len(animals), **terms}
    batch = work.published(items=len(animals), accept_after_s=3600, **terms)
    for n in range(count):
        lease = work.assignments.claim(work.worker(f"worker{n}"), batch.project)
        tasks = list(batch.tasks.order_by("pk").values_list("pk", flat=True))
        given = {answer.position: {"animal": animals[tasks.index(answer.task_id)][n]} for answer in lease.answers.all()}
        work.assignments.submit(lease, given)
    work.jobs.update_consensus()
    batch.refresh_from_db()
    return batch


def tasks_of(batch: Batch) -> list[int]:
    return list(batch.tasks.order_by("pk").values_list("pk", flat=True))


def member(batch: Batch, name: str, role: str = "reviewer") -> User:
    user = make.user(name)
    accounts.add_member(batch.project.organisation, user.email, role, make.user("rita"))
    return user


def asked(batch: Batch, reason: str = "suspected") -> int:
    return reviews.ask(batch, tasks_of(batch), reason, make.user("rita"))


def taken(batch: Batch, name: str = "rita") -> Review:
    return reviews.next_for(batch.project, make.user(name))


def decided(batch: Batch, name: str = "rita", verdict: str = "accept", animal: str | None = None) -> Review:
    """The next label of this reviewer, decided so."""
    value = {"animal": animal} if animal else None
    return reviews.decide(taken(batch, name), make.user(name), verdict, value)


def weighed(batch: Batch) -> dict[int, str]:
    """The labels after consensus."""
    work.jobs.update_consensus()
    rows = work.Batch.objects.get(pk=batch.pk).tasks.values_list("pk", "consensus__value")
    return dict(rows)
