"""A rule tried on what has happened: whom it would have hit, when, and how good they are."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from marketplace import accounts, audit
from marketplace.core import clock
from marketplace.models import Role, User
from tasks.models import Answer, Assignment, Rule
from tasks.rules import applying, collectors, pieces
from tasks.rules.collectors import Hit
from workers.models import Reliability, Worker

SHOWN_MOST = 200  # of those hit, and of the others
PAGES_STEP = 5_000  # of a batch, read at a time to find who worked


@dataclass(frozen=True)
class Tried:
    """A worker in a trial; shares are None where nothing is measured."""

    worker: str  # the organisation's name for them
    accuracy: float | None
    accuracy_p05: float | None
    accuracy_p95: float | None
    first: str = ""  # when the rule would have hit them, as ISO 8601; empty: it would not
    figures: dict[str, float] = field(default_factory=dict)
    answers_after: int = 0


@dataclass(frozen=True)
class Trial:
    """What a rule would have done: to so many of the workers it looked at; some of both are named."""

    workers: int
    pieces: int
    would_have: int
    hit: list[Tried]
    others: list[Tried]


@transaction.atomic
def try_on_past(rule: Rule, by: User) -> Trial:
    """Replay the newest of what the rule counts, worker by worker, through the same figures as in life; and keep it."""
    accounts.require(by, rule.project.organisation, Role.MANAGER)
    trial = replay(rule)
    rule.tried_at, rule.tried = clock.now(), asdict(trial)
    rule.save(update_fields=["tried_at", "tried"])
    audit.record(by, "try", rule, workers=trial.workers, would_have=trial.would_have)
    return trial


def replay(rule: Rule) -> Trial:
    """What the rule would have done, without keeping it."""
    read, looked, hits = 0, [], {}
    for worker in _workers(rule):
        found = applying.counted(rule, worker)
        if not found:
            continue
        looked.append(worker)
        read += len(found)
        if hit := collectors.first_hit(rule, found):
            hits[worker] = hit
        if read >= settings.RULE_TRIAL_PIECES_MOST:
            break
    rest = [worker for worker in looked if worker not in hits]
    named = _named(rule, [*list(hits)[:SHOWN_MOST], *rest[:SHOWN_MOST]])
    return Trial(
        workers=len(looked),
        pieces=read,
        would_have=len(hits),
        hit=[_hit(rule, worker, hits[worker], named[worker]) for worker in list(hits)[:SHOWN_MOST]],
        others=[Tried(**named[worker]) for worker in rest[:SHOWN_MOST]],
    )


def _workers(rule: Rule) -> list[int]:
    """Who handed in the newest pages of the project, the last first; members of the organisation left out."""
    found: dict[int, None] = {}
    left = settings.RULE_TRIAL_PIECES_MOST
    for batch in pieces.batches(rule.project):
        handed_in = Assignment.objects.filter(batch=batch, submitted_at__isnull=False).order_by("-submitted_at")
        workers = list(handed_in.values_list("worker", flat=True)[:left])
        found |= dict.fromkeys(workers)
        left -= len(workers)
        if left <= 0:
            break
    members = Worker.objects.filter(user__memberships__organisation=rule.project.organisation, pk__in=list(found))
    excluded = set(members.values_list("pk", flat=True))
    return [worker for worker in found if worker not in excluded]


def _named(rule: Rule, workers: list[int]) -> dict[int, dict[str, Any]]:
    """The organisation's name for each, and how accurate they are now."""
    names = dict(Worker.objects.filter(pk__in=workers).values_list("pk", "public_id"))
    measured = Reliability.objects.filter(project=rule.project, worker__in=workers, judged__gt=0)
    known = {row.worker_id: row for row in measured}
    columns = ("accuracy", "accuracy_p05", "accuracy_p95")
    return {
        worker: {
            "worker": rule.project.organisation.pseudonym(names[worker]),
            **{name: getattr(known.get(worker), name, None) for name in columns},
        }
        for worker in workers
    }


def _hit(rule: Rule, worker: int, hit: Hit, named: dict[str, Any]) -> Tried:
    return Tried(
        **named, first=hit.at.isoformat(), figures=hit.figures, answers_after=_answers_after(rule, worker, hit.at)
    )


def _answers_after(rule: Rule, worker: int, at: datetime) -> int:
    """How many answers the worker gave in the project after the rule would have hit."""
    newest = Answer.objects.filter(worker=worker, submitted_at__gt=at).order_by("-pk")[: settings.RULE_PIECES_MOST]
    given = Answer.objects.filter(pk__in=newest.values("pk"), attempt=0, batch__in=pieces.batches(rule.project))
    return given.count()
