"""What workers have shown they can do, and who may work where because of it."""

from django.db import transaction

from marketplace.core import clock
from marketplace.models import Project
from workers.models import Grant, Qualification, Worker


@transaction.atomic
def grant(worker: Worker, project: Project, score: float) -> Grant:
    """Note that the worker passed the practice of this project; a grant in force is kept."""
    qualification, _ = Qualification.objects.get_or_create(
        project=project, defaults={"name": f"Practice: {project.title}"[:120]}
    )
    return Grant.objects.get_or_create(
        worker=worker,
        qualification=qualification,
        revoked_at=None,
        defaults={"score": score, "granted_at": clock.now()},
    )[0]


def meets(worker: Worker, project: Project) -> bool:
    """Whether the worker may be offered this project's paid work."""
    if worker.state != Worker.State.ACTIVE:
        return False
    return not project.practice_size or Grant.objects.valid(worker, project, clock.now()).exists()
