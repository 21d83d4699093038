"""That workers have read what they work by."""

from marketplace.core import clock, statements
from marketplace.core.errors import Invalid
from marketplace.models import Project
from workers.models import Acknowledgement, Worker

# The latest version of the guideline of project p; null: there is none. An expression, as the next
LATEST = "(SELECT max(version) FROM marketplace_guideline WHERE project_id = p.id)"
# That version where worker w has to read it before working; null: nothing is to be read. `latest` says it
UNREAD = """CASE WHEN NOT EXISTS (SELECT FROM workers_acknowledgement k
    WHERE k.worker_id = w.id AND k.project_id = p.id AND k.version = {latest}) THEN {latest} END"""


def unread(worker: Worker, project: Project) -> int | None:
    """The version this worker has to read before working; None: nothing is to be read."""
    asked = UNREAD.format(latest=LATEST)
    both = "FROM workers_worker w, marketplace_project p WHERE w.id = %(worker)s AND p.id = %(project)s"
    return statements.rows(f"SELECT {asked} {both}", {"worker": worker.pk, "project": project.pk})[0][0]


def last_read(worker: Worker, project: Project) -> int | None:
    """The newest version this worker has acknowledged; None: none yet."""
    mine = Acknowledgement.objects.filter(worker=worker, project=project)
    return mine.order_by("-version").values_list("version", flat=True).first()


def acknowledge(worker: Worker, project: Project, version: int) -> bool:
    """Note that the worker has read this version, and return whether that is new; again: nothing changes.

    raises  Invalid  it is not the latest, which is the one to read
    """
    last = project.guidelines.values_list("version", flat=True).first()
    if version != last:
        raise Invalid(f"version {last} is the one to read", version=last)
    said = {"worker": worker, "project": project, "version": version}
    return Acknowledgement.objects.get_or_create(**said, defaults={"at": clock.now()})[1]
