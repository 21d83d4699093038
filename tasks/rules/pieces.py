"""The rows that rules count: of one worker, bounded and by index; and which workers have new ones."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Q

from marketplace.core import clock
from marketplace.models import Project
from tasks.models import Answer, Appeal, Assignment, Batch, Decision, Evidence

BATCHES_READ = 200  # of a project, the newest
MARKS = {"practice": "batch__pass_mark", "exam": "batch__exam_pass_mark"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that is counted.

    key       grows from one to the next
    evidence  the row it is, where it is evidence
    """

    key: int
    at: datetime
    value: float
    evidence: int | None = None


Read = Callable[[Project, int], list[Piece]]  # the newest of a worker that are in force, oldest first
Active = Callable[[Project, datetime, datetime], set[int]]  # workers of whom there may be new ones between two moments


def evidence(kind: str) -> Read:
    def read(project: Project, worker: int) -> list[Piece]:
        rows = Evidence.objects.filter(worker=worker, project=project, kind=kind, void=None).order_by("-pk")
        found = rows.values_list("pk", "created_at", "correct")[: settings.RULE_PIECES_MOST]
        return [Piece(pk, at, correct, pk) for pk, at, correct in reversed(found)]

    return read


def judged(kind: str) -> Active:
    def active(project: Project, since: datetime, until: datetime) -> set[int]:
        fresh = Evidence.objects.filter(project=project, created_at__gt=since, kind=kind)
        return set(fresh.order_by().values_list("worker", flat=True).distinct())

    return active


def answers(project: Project, worker: int) -> list[Piece]:
    rows = _newest_answers(worker).filter(batch__in=batches(project), attempt=0).order_by("pk")
    return [Piece(pk, at, 1.0) for pk, at in rows.values_list("pk", "submitted_at")]


def acceptance(project: Project, worker: int) -> list[Piece]:
    """What is decided for good: accepted where the time to decide is over, rejected where that to contest it is.

    Told apart by that moment, for an old answer may be decided after a new one.
    """
    now = clock.now()
    rows = _newest_answers(worker).filter(batch__in=batches(project), attempt=0)
    kept = rows.filter(state=Answer.State.ACCEPTED, accept_at__lte=now).values_list("accept_at", flat=True)
    final = [(at, 1.0) for at in kept]
    refused = Decision.objects.filter(
        answer__in=rows.filter(state=Answer.State.REJECTED).values("pk"),
        kind=Decision.Kind.REJECT,
        state=Decision.State.STANDING,
    )
    columns = ("contestable_until", "appeal__state", "appeal__decided_at")
    for ends_at, appeal, settled_at in refused.values_list(*columns):
        if appeal == Appeal.State.DISMISSED:
            final.append((settled_at, 0.0))
        elif appeal is None and ends_at <= now:
            final.append((ends_at, 0.0))
    # of one moment the rejected come last, or two looks could see them in two orders
    ordered = sorted(final, key=lambda one: (one[0], -one[1]))
    return [Piece(int(at.timestamp() * 1e6), at, value) for at, value in ordered]


def pages(project: Project, worker: int) -> list[Piece]:
    """The seconds a task of each page: those told by heartbeats, or where none came, all from claim to submit."""
    newest = Assignment.objects.filter(
        worker=worker, project=project, purpose=Assignment.Purpose.WORK, state=Assignment.State.SUBMITTED
    ).order_by("-pk")[: settings.RULE_PIECES_MOST]
    counted = Assignment.objects.filter(pk__in=newest.values("pk")).annotate(
        given=Count("answers", filter=Q(answers__submitted_at__isnull=False))
    )
    columns = ("pk", "submitted_at", "claimed_at", "active_s", "given")
    found = []
    for pk, submitted_at, claimed_at, active_s, given in counted.order_by("pk").values_list(*columns):
        seconds = active_s or (submitted_at - claimed_at).total_seconds()
        if given:
            found.append(Piece(pk, submitted_at, seconds / given))
    return found


def skips(project: Project, worker: int) -> list[Piece]:
    """Tasks of pages that are over, handed in or given back, in the order of the pages."""
    over = [Assignment.State.SUBMITTED, Assignment.State.RETURNED]
    newest = Assignment.objects.filter(
        worker=worker, project=project, purpose=Assignment.Purpose.WORK, state__in=over
    ).order_by("-pk")[: settings.RULE_PIECES_MOST]
    rows = Answer.objects.filter(assignment__in=newest.values("pk")).filter(
        Q(state=Answer.State.SKIPPED) | Q(submitted_at__isnull=False)
    )
    columns = ("pk", "state", "assignment__submitted_at", "assignment__claimed_at")
    found = rows.order_by("-pk").values_list(*columns)[: settings.RULE_PIECES_MOST]
    return [
        Piece(pk, submitted_at or claimed_at, float(state == Answer.State.SKIPPED))
        for pk, state, submitted_at, claimed_at in reversed(found)
    ]


def attempts(purpose: str) -> Read:
    def read(project: Project, worker: int) -> list[Piece]:
        tried = Assignment.objects.filter(
            worker=worker, project=project, purpose=purpose, state=Assignment.State.SUBMITTED, score__isnull=False
        )
        columns = ("pk", "submitted_at", "passed", "score", MARKS[purpose])  # an exam that was passed stays so
        newest = tried.order_by("-pk").values_list(*columns)[: settings.RULE_PIECES_MOST]
        return [Piece(pk, at, float(not passed and score < mark)) for pk, at, passed, score, mark in reversed(newest)]

    return read


def handed_in(project: Project, since: datetime, until: datetime) -> set[int]:
    pages = Assignment.objects.filter(batch__in=batches(project), submitted_at__gt=since)
    return set(pages.order_by().values_list("worker", flat=True).distinct())


def going_on(project: Project, since: datetime, until: datetime) -> set[int]:
    """Who skips all of a page hands nothing in; whoever is to skip more has claimed more."""
    leases = Assignment.objects.filter(
        batch__in=batches(project), state=Assignment.State.OPEN, purpose=Assignment.Purpose.WORK, claimed_at__gt=since
    )
    return handed_in(project, since, until) | set(leases.order_by().values_list("worker", flat=True))


def decided(project: Project, since: datetime, until: datetime) -> set[int]:
    found: set[int] = set()
    here = Batch.objects.filter(pk__in=batches(project))
    for delay_s in here.order_by().values_list("accept_after_s", flat=True).distinct():
        alike, delay = here.filter(accept_after_s=delay_s), timedelta(seconds=delay_s)
        pages = Assignment.objects.filter(
            batch__in=list(alike.values_list("pk", flat=True)),
            submitted_at__gt=since - delay,
            submitted_at__lte=until - delay,
        )
        found |= set(pages.order_by().values_list("worker", flat=True).distinct())
    refused = Decision.objects.filter(project=project, kind=Decision.Kind.REJECT, state=Decision.State.STANDING)
    ended = Q(contestable_until__gt=since, contestable_until__lte=until)
    settled = Q(appeal__state=Appeal.State.DISMISSED, appeal__decided_at__gt=since)
    return found | set(refused.filter(ended | settled).order_by().values_list("worker", flat=True).distinct())


def batches(project: Project) -> list[int]:
    """Keys of a project's newest batches."""
    newest = Batch.objects.filter(project=project).order_by("-pk")
    return list(newest.values_list("pk", flat=True)[:BATCHES_READ])


def _newest_answers(worker: int) -> Any:
    """Work of whatever project: a bound on what is read, also of those who do a thousand times as much elsewhere."""
    handed_in = Answer.objects.filter(worker=worker, submitted_at__isnull=False).order_by("-pk")
    return Answer.objects.filter(pk__in=handed_in.values("pk")[: settings.RULE_PIECES_MOST])
