"""Evidence about answers: added, voided, never changed; reliability follows in the same transaction."""

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Count, QuerySet, Sum

from marketplace.models import Project
from tasks.models import Answer, Decision, Evidence, EvidenceVoid
from workers import reliability


def add(kind: str, judged: Iterable[tuple[Answer, float]]) -> None:
    """Note how likely each answer was right (0 to 1). Needs `batch.project` loaded."""
    rows = [
        Evidence(kind=kind, worker_id=a.worker_id, project=a.batch.project, answer=a, correct=correct)
        for a, correct in judged
    ]
    Evidence.objects.bulk_create(rows, batch_size=2000)
    _tell(rows, +1)


def void(rows: QuerySet[Evidence], reason: str, decision: Decision | None = None) -> None:
    """Let these pieces of evidence count no more."""
    still = list(rows.filter(void=None).select_related("project"))
    EvidenceVoid.objects.bulk_create(
        [EvidenceVoid(evidence=row, decision=decision, reason=reason) for row in still], batch_size=2000
    )
    _tell(still, -1)


def recount(project: Project) -> None:
    """Compute every reliability of a project again from its evidence alone."""
    reliability.replace(project, sums(project))


def sums(project: Project) -> reliability.Sums:
    """What the evidence in force comes to for each worker of a project."""
    in_force = Evidence.objects.filter(project=project, void=None).values("worker")
    return {
        row["worker"]: (row["correct"], float(row["judged"]))
        for row in in_force.annotate(correct=Sum("correct"), judged=Count("id"))
    }


def _tell(rows: list[Evidence], sign: int) -> None:
    by_project: dict[Project, dict[int, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
    for row in rows:
        total = by_project[row.project][row.worker_id]
        total[0] += sign * row.correct
        total[1] += sign
    for project, workers in sorted(by_project.items(), key=lambda pair: pair[0].pk):
        reliability.add(project, {worker: (total[0], total[1]) for worker, total in workers.items()})
