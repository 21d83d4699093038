"""What decisions put in force for a worker: stopped somewhere, or given small pages. Written by `tasks` alone."""

from datetime import datetime

from django.db.models import F, Q

from marketplace.core import clock
from marketplace.models import Organisation, Project
from workers.models import Standing, Worker

# What is in force now for worker w in project p: one row, for statements that ask more at once
HERE = """SELECT max(coalesce(s.until, '9999-12-31')) FILTER (WHERE s.kind = 'stopped') AS stopped_until,
        min(s.page_size) FILTER (WHERE s.kind = 'small_pages') AS page_most
    FROM workers_standing s WHERE s.worker_id = w.id AND s.lifted_at IS NULL
        AND (s.until IS NULL OR s.until > clock_timestamp())
        AND (s.project_id = p.id OR s.organisation_id = p.organisation_id
             OR (s.project_id IS NULL AND s.organisation_id IS NULL))"""


def stopped(worker: Worker, project: Project) -> Standing | None:
    """What keeps the worker from this project now, the longest of it."""
    here = Q(project=project) | Q(organisation=project.organisation_id) | Q(project=None, organisation=None)
    in_force = Standing.objects.filter(here, worker=worker, kind=Standing.Kind.STOPPED, lifted_at=None)
    return in_force.exclude(until__lte=clock.now()).order_by(F("until").desc(nulls_first=True)).first()


def put(
    worker: Worker,
    kind: str,
    *,
    project: Project | None = None,
    organisation: Organisation | None = None,
    until: datetime | None = None,
    page_size: int | None = None,
) -> Standing:
    """Put something in force for a worker in one project, in all of an organisation, or everywhere."""
    return Standing.objects.create(
        worker=worker,
        kind=kind,
        project=project,
        organisation=organisation,
        until=until,
        page_size=page_size,
        since=clock.now(),
    )


def lift(standing: Standing) -> None:
    """Let it be in force no more; again: nothing changes."""
    Standing.objects.filter(pk=standing.pk, lifted_at=None).update(lifted_at=clock.now())
