"""Rules, and what they count, where a test wants them."""

from typing import Any

from marketplace.models import Project
from tasks import evidence, jobs, rules
from tasks.models import Answer, Batch, Evidence, Rule
from tests import make
from tests.tasks import work
from workers.models import Worker

STOP = {"kind": "stop", "hours": 24}


def when(figure: str, comparator: str, to: float) -> dict[str, Any]:
    return {"figure": figure, "is": comparator, "to": to}


MISSED = [when("correct_share", "LessThan", 0.6), when("total", "GreaterThanOrEqualTo", 4)]


def rule(
    project: Project,
    collector: str = "gold",
    conditions: list[dict[str, Any]] | None = None,
    action: dict[str, Any] | None = None,
    *,
    on: bool = True,
    **more: Any,
) -> Rule:
    """A rule of Rita's, tried and on."""
    rita = make.user("rita")
    made = rules.draft(project, rita, "Missed checks", collector, conditions or MISSED, action or STOP, **more)
    if on:
        rules.try_on_past(made, rita)
        rules.switch_on(made, rita)
    return made


def batch(items: int = 12, **terms: Any) -> Batch:
    """One in which rules about gold, practice and pages make sense."""
    return work.published(**{"items": items, "gold": 4, "gold_share": 0.001, "page_size": 3, **terms})


def checked(person: Worker, batch: Batch, *marks: float, kind: str = "gold") -> list[Evidence]:
    """Evidence about answers that this worker has given, in order."""
    if not Answer.objects.filter(worker=person, batch=batch, submitted_at__isnull=False).exists():
        work.work(person, batch)
    answer = Answer.objects.filter(worker=person, batch=batch, submitted_at__isnull=False).select_related(
        "batch__project"
    )[0]
    before = Evidence.objects.count()
    for mark in marks:
        evidence.add(kind, [(answer, mark)])
    return list(Evidence.objects.order_by("pk"))[before:]


def sweep() -> None:
    while jobs.apply_rules():
        pass
