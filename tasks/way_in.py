"""What stands between a worker and the paid work of a project, in the order in which a claim asks for it."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from marketplace.models import Project
from tasks import earning, training
from tasks.models import Assignment, Decision
from workers import guidelines, profiles, requirements, standings
from workers.models import Worker


@dataclass(frozen=True)
class Step:
    """What to do next; `kind` names its template, facts are what that shows."""

    # own, begun, away, suspended, stopped, payable, requirement, read, lessons, practise, exam, wait, failed, start
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def template(self) -> str:
        return f"tasks/steps/{self.kind}.html"


def next_step(worker: Worker, project: Project) -> Step:
    """The one thing this worker does next in this project, or why there is none."""
    if profiles.is_own(worker, project.organisation):
        return Step("own", {"by_kin": not project.organisation.memberships.filter(user=worker.user_id).exists()})
    if begun := worker.assignments.filter(project=project, state=Assignment.State.OPEN).first():
        return Step("begun", {"begun": begun})
    if project.state != Project.State.OPEN:
        return Step("away")
    if worker.state != Worker.State.ACTIVE:
        return Step("suspended")
    if standing := standings.stopped(worker, project):
        return Step("stopped", {"standing": standing, "decision": Decision.objects.filter(standing=standing).first()})
    if missing := earning.missing(worker, project):
        return Step("payable", {"missing": missing, "least_age": settings.LEAST_AGE})
    if missing := requirements.missing(worker, project):
        return Step("requirement", {"missing": missing})
    if version := guidelines.unread(worker, project):
        return Step("read", {"version": version, "last_read": guidelines.last_read(worker, project)})
    return _taught(worker, project)


def _taught(worker: Worker, project: Project) -> Step:
    """What is still to be learnt or shown: lessons, then the practice, then the exam."""
    practice, exam = training.status(worker, project), training.stand(worker, project)
    facts = {
        "last_practice": _last(worker, project, Assignment.Purpose.PRACTICE),
        "last_exam": _last(worker, project, Assignment.Purpose.EXAM),
        "exam": exam,
        "efforts": {effort.kind: effort for effort in training.efforts(project)},
    }
    if "failed" in (practice, exam.state):
        return Step("failed", facts)
    if "passed" not in (practice, exam.state) and (lesson := training.unread(worker, project).first()):
        return Step("lessons", {"lesson": lesson, **facts})
    if practice == "needed":
        return Step("practise", facts)
    kinds = {"needed": "exam", "wait": "wait"}
    return Step(kinds.get(exam.state, "start"), facts)


def _last(worker: Worker, project: Project, purpose: str) -> Assignment | None:
    """The last one that was graded."""
    mine = worker.assignments.filter(project=project, purpose=purpose, score__isnull=False)
    return mine.order_by("pk").last()
