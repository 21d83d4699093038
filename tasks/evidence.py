"""Evidence about answers: added, voided, never changed; reliability and confusions follow in the same transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet

from marketplace.core import clock
from marketplace.labels import schema as label_schema
from marketplace.models import Project
from tasks import terms
from tasks.models import Answer, Decision, Evidence, EvidenceVoid
from workers import confusions, reliability, scoring
from workers.models import Pseudonym, Reliability, Worker

Truths = dict[str, dict[str, float]]  # field -> class number -> how likely that class is the right one

READ_STEP = 5_000
DAYS_SHOWN = 400


class Piece(NamedTuple):
    """A piece of evidence with what the sums need of its answer."""

    project: int
    worker: int
    correct: float
    created_at: datetime
    truths: Truths | None
    codes: list[int] | None
    batch: int


def add(kind: str, judged: Iterable[tuple[Answer, float]], truths: dict[int, Truths] | None = None) -> None:
    """Note how likely each answer was right (0 to 1). Needs `batch.project` loaded.

    truths  by answer: how likely each class is the right one, for the confusions
    """
    at = clock.now()
    rows = [
        Evidence(
            kind=kind,
            worker_id=a.worker_id,
            project=a.batch.project,
            answer=a,
            correct=correct,
            truths=(truths or {}).get(a.pk),
            created_at=at,
        )
        for a, correct in judged
    ]
    Evidence.objects.bulk_create(rows, batch_size=2000)
    if kind != Evidence.Kind.SPEED:
        pieces = [
            Piece(e.project_id, e.worker_id, e.correct, at, e.truths, e.answer.codes, e.answer.batch_id) for e in rows
        ]
        _tell(pieces, +1)


def void(rows: QuerySet[Evidence], reason: str, decision: Decision | None = None) -> None:
    """Let these pieces of evidence count no more."""
    still = list(_pieces(rows.filter(void=None)))
    EvidenceVoid.objects.bulk_create(
        [EvidenceVoid(evidence_id=pk, decision=decision, reason=reason) for pk, *_ in still], batch_size=2000
    )
    _tell([piece for _, kind, piece in still if kind != Evidence.Kind.SPEED], -1)


@transaction.atomic
def recount(project: Project, workers: Collection[int] | None = None) -> None:
    """Compute every reliability of a project, or of these workers there, again from its evidence alone."""
    reliability.lock()
    pieces = list(_counted(project, workers))
    reliability.replace(project, _sums(pieces), workers, at=scoring.EPOCH)
    confusions.replace(project, _counts(pieces), workers, at=scoring.EPOCH)


def recount_workers(workers: Collection[int]) -> None:
    """Compute all that is known of these workers again, in every project."""
    projects = Evidence.objects.filter(worker__in=workers).values("project")
    for project in Project.objects.filter(pk__in=projects).order_by("pk"):
        recount(project, workers)


def sums(project: Project) -> reliability.Sums:
    """What the evidence in force comes to for each worker of a project, as of now."""
    worth = scoring.weight(clock.now(), settings.RELIABILITY_HALF_LIFE_DAYS)
    found = _sums(_counted(project, None))
    return {worker: (correct / worth, judged / worth) for worker, (correct, judged) in found.items()}


def behind(worker: Worker, project: Project) -> QuerySet[Evidence]:
    """Every piece that a worker's figure in a project rests on, or rested on before it was void."""
    told = Evidence.objects.filter(worker=worker, project=project)
    return told.select_related("answer__assignment", "answer__batch", "void")


def measured(project: Project, pseudonym: str) -> Worker | None:
    """The worker whom the project's organisation knows under this name, if anything was measured of them there."""
    met = Pseudonym.objects.filter(organisation=project.organisation_id, name=pseudonym).values("worker")
    known = Reliability.objects.filter(project=project, worker__in=met).select_related("worker").first()
    return known.worker if known else None


class Day(NamedTuple):
    """What of one kind was told on one day."""

    day: date
    kind: str
    judged: int
    right: float
    void: int


def days(worker: Worker, project: Project, most: int = DAYS_SHOWN) -> list[Day]:
    """What a worker's figure in a project rests on, by kind and day, the latest first; today is left out.

    Told at once, after a page of one task, it would say which task was hidden gold.
    """
    with connection.cursor() as sql:
        sql.execute(
            """SELECT (e.created_at AT TIME ZONE 'UTC')::date AS day, e.kind, count(*) FILTER (WHERE v.id IS NULL),
                   coalesce(sum(e.correct) FILTER (WHERE v.id IS NULL), 0), count(v.id)
               FROM tasks_evidence e LEFT JOIN tasks_evidencevoid v ON v.evidence_id = e.id
               WHERE e.worker_id = %s AND e.project_id = %s
                   AND e.created_at < date_trunc('day', clock_timestamp(), 'UTC')
               GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT %s""",
            [worker.pk, project.pk, most],
        )
        return [Day(*row) for row in sql.fetchall()]


def _counted(project: Project, workers: Collection[int] | None) -> Iterator[Piece]:
    there = Evidence.objects.filter(project=project, void=None).exclude(kind=Evidence.Kind.SPEED)
    return (piece for *_, piece in _pieces(there if workers is None else there.filter(worker__in=workers)))


def _pieces(rows: QuerySet[Evidence]) -> Iterator[tuple[int, str, Piece]]:
    """Key, kind and what counts of each."""
    named = rows.annotate(codes=F("answer__codes"), batch=F("answer__batch")).order_by("pk")
    columns = ("pk", "kind", "project", "worker", "correct", "created_at", "truths", "codes", "batch")
    for pk, kind, *rest in named.values_list(*columns).iterator(READ_STEP):
        yield pk, kind, Piece(*rest)


def _tell(pieces: list[Piece], sign: int) -> None:
    by_project: dict[int, list[Piece]] = defaultdict(list)
    for piece in pieces:
        by_project[piece.project].append(piece)
    projects = Project.objects.in_bulk(by_project)
    for pk in sorted(by_project):
        project, here = projects[pk], by_project[pk]
        stale = reliability.add(project, _sums(here, sign), at=scoring.EPOCH)
        fresh = [piece for piece in here if piece.worker not in stale] if stale else here
        confusions.add(project, _counts(fresh, sign), at=scoring.EPOCH)
        recount_workers(stale)


def _sums(pieces: Iterable[Piece], sign: int = 1) -> reliability.Sums:
    """What these pieces come to, weighed from EPOCH."""
    totals: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for piece in pieces:
        weight, total = sign * _weight(piece), totals[piece.worker]
        total[0] += weight * piece.correct
        total[1] += weight
    return {worker: (correct, judged) for worker, (correct, judged) in totals.items()}


def _counts(pieces: Iterable[Piece], sign: int = 1) -> confusions.Counts:
    """The same for what was answered to what was right."""
    found: confusions.Counts = defaultdict(lambda: defaultdict(float))
    for piece in pieces:
        if not piece.truths:
            continue
        for number, (name, classes) in enumerate(label_schema.categorical(terms.of(piece.batch).schema)):
            answered = piece.codes[number] if piece.codes else -1
            if answered < 0 or name not in piece.truths or len(classes) > confusions.CLASSES_MOST:
                continue
            cells = found[piece.worker, name]
            for code, share in piece.truths[name].items():
                cells[classes[int(code)], classes[answered]] += sign * _weight(piece) * share
    return found


def _weight(piece: Any) -> float:
    return scoring.weight(piece.created_at, settings.RELIABILITY_HALF_LIFE_DAYS)
