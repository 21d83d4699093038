"""What workers have shown they can do, and who may work where because of it."""

from django.db import transaction

from marketplace.core import clock, statements
from marketplace.models import Project
from workers.models import Grant, Qualification, Worker

# Whether worker w may be offered the paid work of project p: an expression, for statements that ask more at once
MEETS = """(w.state = 'active' AND (p.practice_size = 0 OR EXISTS (
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
