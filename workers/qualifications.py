"""What workers have shown they can do, and who may work where because of it."""

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from marketplace.core import clock, statements
from marketplace.models import Project
from workers.models import Grant, Qualification, Worker

# Whether worker w may be offered the paid work of project p: an expression, for statements that ask more at once
MEETS = """(w.state = 'active' AND (p.practice_size = 0 AND p.exam_size = 0 OR EXISTS (
    SELECT FROM workers_grant g JOIN workers_qualification q ON q.id = g.qualification_id
    WHERE g.worker_id = w.id AND q.project_id = p.id AND g.revoked_at IS NULL
        AND (g.expires_at IS NULL OR g.expires_at > clock_timestamp()))))"""


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
    both = "FROM workers_worker w, marketplace_project p WHERE w.id = %(worker)s AND p.id = %(project)s"
    return statements.rows(f"SELECT {MEETS} {both}", {"worker": worker.pk, "project": project.pk})[0][0]


def in_force(worker: Worker, project: Project) -> Grant | None:
    """What this worker showed in the project, if it still counts."""
    return Grant.objects.filter(worker=worker, qualification__project=project, revoked_at=None).first()


def end(grant: Grant) -> None:
    """Let a grant count no more; again: nothing changes."""
    Grant.objects.filter(pk=grant.pk, revoked_at=None).update(revoked_at=clock.now())


def restore(grant: Grant) -> None:
    """Let a grant that was ended count again, unless the worker has earned another one since."""
    others = Grant.objects.filter(worker=grant.worker_id, qualification=grant.qualification_id, revoked_at=None)
    if not others.exists():
        Grant.objects.filter(pk=grant.pk).update(revoked_at=None)


def ended_at(worker: int, project: int) -> datetime | None:
    """When what this worker had shown in a project was last ended."""
    ended = Grant.objects.filter(worker=worker, qualification__project=project, revoked_at__isnull=False)
    return ended.aggregate(last=Max("revoked_at"))["last"]
