"""A worker's own record: what they did, how accurate it was, what was decided, and what it paid.

A look costs the same at any length of history: it reads the newest READ answers, decisions and transfers, and says
where there are more. The download (`exports.person`) has all of them.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Q

from marketplace.core import clock
from marketplace.models import Organisation, Project
from payments import balances
from tasks.models import Decision
from workers import documents, scoring
from workers.models import ForeignRecord, Grant, Measured, OverallReliability, Reliability, Worker

READ = 10_000
LISTED = 100

WORK = """
SELECT b.project_id, count(*), count(*) FILTER (WHERE a.state = 'submitted'),
       count(*) FILTER (WHERE a.state = 'accepted'), count(*) FILTER (WHERE a.state = 'rejected'),
       count(*) FILTER (WHERE a.state = 'excluded')
FROM (SELECT batch_id, state, attempt FROM tasks_answer
      WHERE worker_id = %s AND submitted_at IS NOT NULL ORDER BY id DESC LIMIT %s) a
JOIN tasks_batch b ON b.id = a.batch_id
WHERE a.attempt = 0 GROUP BY b.project_id ORDER BY b.project_id DESC
"""
DECISIONS = """
SELECT d.kind, d.state, coalesce(p.state, ''),
       coalesce(p.state <> 'open', d.state <> 'standing' OR coalesce(d.contestable_until <= clock_timestamp(), true)),
       count(*)
FROM (SELECT id, kind, state, contestable_until FROM tasks_decision
      WHERE worker_id = %s AND state NOT IN ('proposed', 'declined') ORDER BY id DESC LIMIT %s) d
LEFT JOIN tasks_appeal p ON p.decision_id = d.id GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


@dataclass(frozen=True)
class Work:
    """Answers handed in, and what became of them."""

    handed_in: int = 0
    waiting: int = 0
    accepted: int = 0
    rejected: int = 0
    excluded: int = 0


@dataclass(frozen=True)
class Accuracy:
    """How often answers were right, with the 90 % interval, and how many were judged."""

    accuracy: float
    accuracy_p05: float
    accuracy_p95: float
    judged: float
    correct: float  # expected number of right ones


@dataclass(frozen=True)
class ProjectRecord:
    project: Project
    work: Work
    accuracy: Accuracy | None


@dataclass(frozen=True)
class Outcome:
    """How many decisions of a kind there are, and how they ended."""

    kind: str
    state: str  # standing, overturned
    appeal: str  # open, upheld, dismissed; "": not contested
    is_final: bool  # the appeal is decided, or the time to contest is over
    count: int

    @property
    def words(self) -> str:
        return str(dict(Decision.Kind.choices).get(self.kind, self.kind))


@dataclass(frozen=True)
class Record:
    worker: Worker
    work: Work
    is_whole: bool  # no older answers than those counted here
    projects: list[ProjectRecord]
    overall: Accuracy | None
    decisions: list[Outcome]
    months: list[balances.Month]
    grants: list[Grant]
    foreign: list[ForeignRecord] = field(default_factory=list)


def of(worker: Worker) -> Record:
    """The record as it is now."""
    work, is_whole = _work(worker)
    measured = list(_reliabilities(worker).select_related("project__organisation").order_by("-pk")[:LISTED])
    return Record(
        worker=worker,
        work=Work(*map(sum, zip(*work.values(), strict=True))) if work else Work(),
        is_whole=is_whole,
        projects=_by_project(work, measured),
        overall=_overall(worker),
        decisions=_decisions(worker),
        months=balances.months(worker.user, READ),
        grants=list(_grants(worker)[:LISTED]),
        foreign=list(worker.foreign_records.order_by("-pk")[:LISTED]),
    )


def organisations(worker: Worker) -> list[Organisation]:
    """Those the worker was measured by, which a signed record may name."""
    here = _reliabilities(worker).order_by("-pk")[:LISTED].values_list("project__organisation", flat=True)
    return list(Organisation.objects.filter(pk__in=list(here)).order_by("name", "pk"))


def portable(worker: Worker, named: Iterable[Organisation] = (), holder: str = "") -> str:
    """The record as a signed document that another site can verify; it names no organisation but these.

    raises  NoSigningKey, Invalid
    """
    shown = {one.pk: one.name for one in organisations(worker) if one in list(named)}
    return documents.sign(worker, _facts(of(worker), shown), holder)


def _facts(record: Record, shown: dict[int, str]) -> dict[str, Any]:
    """What a signed record says: totals, by kind of work, without names of projects and people."""
    accuracy: dict[str, Any] = {kind: _said(found) for kind, found in by_kind(record.projects).items()}
    return {
        "working_since": record.worker.joined_at.date().isoformat(),
        "work": {**vars(record.work), "is_whole": record.is_whole},
        "accuracy": {"overall": _said(record.overall), "by_kind_of_work": accuracy},
        "decisions": [
            {"kind": row.kind, "state": row.state, "appeal": row.appeal or None, "count": row.count}
            for row in record.decisions
            if row.is_final
        ],
        "grants": [_grant(row, shown) for row in record.grants],
        "organisations": sorted(shown.values()),
    }


def by_kind(projects: Iterable[ProjectRecord]) -> dict[str, Accuracy]:
    """Accuracy by kind of work: the types of a project's fields, as "choice" or "number, text"."""
    sums: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in projects:
        if row.accuracy:
            sums[kind_of(row.project)].append((row.accuracy.correct, row.accuracy.judged))
    return {kind: _pooled(rows) for kind, rows in sorted(sums.items())}


def kind_of(project: Project) -> str:
    return ", ".join(sorted({spec["type"] for spec in project.schema.get("fields", [])})) or "none"


def _work(worker: Worker) -> tuple[dict[int, tuple[int, ...]], bool]:
    """By project the counts of `Work`, in its order; and whether these are all."""
    with connection.cursor() as sql:
        sql.execute(WORK, [worker.pk, READ])
        found = {project: tuple(counts) for project, *counts in sql.fetchall()}
        sql.execute(
            "SELECT count(*) FROM (SELECT FROM tasks_answer WHERE worker_id = %s AND submitted_at IS NOT NULL "
            "LIMIT %s) a",
            [worker.pk, READ + 1],
        )
        return found, sql.fetchone()[0] <= READ


def _by_project(work: dict[int, tuple[int, ...]], measured: list[Reliability]) -> list[ProjectRecord]:
    accuracies = {row.project_id: row for row in measured}
    newest = sorted({*work, *accuracies}, reverse=True)[:LISTED]
    projects = Project.objects.select_related("organisation").in_bulk(newest)
    return [
        ProjectRecord(projects[pk], Work(*work.get(pk, ())), _accuracy(accuracies[pk]) if pk in accuracies else None)
        for pk in newest
    ]


def _overall(worker: Worker) -> Accuracy | None:
    row = OverallReliability.objects.filter(worker=worker, judged__gt=0).first()
    return _accuracy(row) if row else None


def _reliabilities(worker: Worker) -> Any:
    """One for each project in which something was judged."""
    return Reliability.objects.filter(worker=worker, judged__gt=0)


def _pooled(sums: list[tuple[float, float]]) -> Accuracy:
    right, judged = (sum(column) for column in zip(*sums, strict=True))
    score = scoring.posterior_accuracy(min(right, judged), judged, scoring.CROWD_ACCURACY)
    return Accuracy(float(score.mean), float(score.p05), float(score.p95), judged, right)


def _accuracy(row: Measured) -> Accuracy:
    return Accuracy(row.accuracy, row.accuracy_p05, row.accuracy_p95, row.judged, row.correct)


def _decisions(worker: Worker) -> list[Outcome]:
    with connection.cursor() as sql:
        sql.execute(DECISIONS, [worker.pk, READ])
        return [Outcome(*row) for row in sql.fetchall()]


def _grants(worker: Worker) -> Any:
    """Those in force."""
    in_force = worker.grants.filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()), revoked_at=None)
    return in_force.select_related("qualification__project__organisation").order_by("-pk")


def _said(found: Accuracy | None) -> dict[str, float] | None:
    """Without the number of right ones, from which single answers could be told."""
    return {name: round(value, 4) for name, value in vars(found).items() if name != "correct"} if found else None


def _grant(row: Grant, shown: dict[int, str]) -> dict[str, Any]:
    """A name may tell whose it is, and is said only where the worker chose to tell that."""
    project = row.qualification.project
    home = project.organisation_id if project else row.qualification.organisation_id
    may_name = home is None or home in shown
    return {
        "qualification": row.qualification.name if may_name else None,
        "kind_of_work": kind_of(project) if project else None,
        "score": round(row.score, 4),
        "granted_on": row.granted_at.date().isoformat(),
        "expires_on": row.expires_at.date().isoformat() if row.expires_at else None,
    }
