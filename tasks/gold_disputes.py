"""Gold that may be wrong: contested, put in quarantine, found right after all, or overturned. It only ever restores.

Locks are taken in one order: the batch, its gold, reliability.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.urls import reverse

from marketplace import accounts, audit, labels
from marketplace.core import clock, jobs, states
from marketplace.core.errors import Invalid, NotFound
from marketplace.models import Item, Role, User
from tasks import effects, evidence, gold
from tasks.models import Answer, Batch, Decision, DecisionEvidence, Evidence, Gold, GoldChange, GoldContest
from tasks.models.work import AnswerQuerySet
from workers import notices, scoring
from workers.models import Reliability, Worker

FREE_CLASSES = 10  # answers one may expect where they cannot be listed
ANSWERS_READ = 1000  # to one gold item; more would say no more
STATEMENT_MOST = 5000
DOUBTS_STEP = 50


@transaction.atomic
def contest(worker: Worker, answer: Answer, statement: str) -> GoldContest:
    """Say that the truth of the gold behind an answer is wrong; once for each worker, and again: the same one.

    raises  NotFound (not theirs, or they were not told that it is gold), Invalid (no statement)
    """
    row = Gold.objects.filter(task=answer.task_id).select_for_update(no_key=True).first()
    if row is None or not contestable(worker).filter(pk=answer.pk).exists():
        raise NotFound()
    if begun := row.contests.filter(worker=worker).first():
        return begun
    if not statement.strip() or len(statement) > STATEMENT_MOST:
        raise Invalid(f"say in 1 to {STATEMENT_MOST} characters why the known answer is wrong")
    made = GoldContest.objects.create(
        gold=row, worker=worker, answer=answer, statement=statement.strip(), at=clock.now()
    )
    Gold.objects.filter(pk=row.pk).update(contested=F("contested") + 1, to_look=True)
    if row.source_id:  # made of a label
        jobs.enqueue("tasks.jobs.contest_label", row.source_id)
    audit.record(worker.user, "contest", row)
    return made


def contestable(worker: Worker) -> AnswerQuerySet:
    """Answers to gold of which this worker was told that they are: in practice, and as the grounds of a decision.

    Nobody may find out by contesting which of their answers were to hidden gold.
    """
    mine = Answer.objects.filter(worker=worker, submitted_at__isnull=False, task__gold__isnull=False)
    grounds = DecisionEvidence.objects.filter(
        evidence__kind=Evidence.Kind.GOLD, decision__in=Decision.objects.told().filter(worker=worker)
    )
    return mine.filter(Q(attempt__gt=0) | Q(pk__in=grounds.values("evidence__answer")))


def shown(worker: Worker, answer: str) -> Answer:
    """The answer with this public id, where the worker may contest its gold; otherwise NotFound."""
    seen = contestable(worker).select_related("assignment__project", "batch", "task__item", "task__gold")
    for found in seen.named([answer]):
        return found
    raise NotFound()


@transaction.atomic
def quarantine(row: Gold, reason: str, by: User | None = None) -> Gold:
    """Serve it no more and let what it said of anybody be void; a person decides what is true.

    by  a member who doubts it; None: the sweep, and then the one who published the batch is told
    """
    moved = _move(row, Gold.State.QUARANTINED, by, reason)
    _void(moved, "gold quarantined")
    if by is None:
        batch = moved.batch
        notices.tell(
            batch.published_by_id,
            "gold.quarantined",
            f"A known answer in {batch.project.title} may be wrong"[:200],
            f"{reason} Missed by {moved.missed} of {moved.served}, contested by {moved.contested}. It is not served "
            "meanwhile, and nobody's accuracy rests on it. Please say whether it is right.",
            reverse("gold", args=[batch.project.public_id]),
        )
    return moved


@transaction.atomic
def reinstate(row: Gold, by: User, reason: str) -> Gold:
    """Its truth was right after all: serve it to those who have not seen it. What was void stays void."""
    return _move(row, Gold.State.ACTIVE, by, reason, contested=0, wrong=0.0, trusted_at=clock.now())


@transaction.atomic
def overturn(row: Gold, by: User, reason: str, truth: dict[str, Any] | None = None) -> Gold:
    """Its truth was wrong: what it said of anybody is void for good, and the item has another truth or none.

    truth   what is right; None: nobody knows, and the next batch asks it like any other item
    raises  Invalid (a truth that does not fit the schema), IllegalMove, Forbidden
    """
    if truth is not None:
        gold.check_truth(truth, row.batch.schema)
    was = row.truth
    moved = _move(row, Gold.State.OVERTURNED, by, reason, truth=was if truth is None else truth)
    Item.objects.filter(pk=moved.task.item_id, truth=was).update(truth=truth)
    _void(moved, "gold overturned")
    if moved.source_id:
        jobs.enqueue("tasks.jobs.doubt_verdict", moved.source_id)
    return moved


def doubted(limit: int = DOUBTS_STEP) -> list[int]:
    """Gold of which something was said since its doubt was last computed."""
    return list(Gold.objects.filter(to_look=True).order_by("pk").values_list("pk", flat=True)[:limit])


def look(pk: int) -> None:
    """Compute how likely this gold is wrong, and quarantine it when that is too much or too many contest it."""
    row = Gold.objects.select_related("batch__project").get(pk=pk)
    row.wrong, count = doubt(row)
    Gold.objects.filter(pk=pk).update(wrong=row.wrong)
    reasons = []
    if count >= settings.GOLD_WRONG_SERVES and row.wrong > settings.GOLD_WRONG_MOST:
        reasons.append(f"By the answers of good workers it is wrong with a probability of {row.wrong:.0%}.")
    if row.contested >= settings.GOLD_CONTESTED_MOST:
        reasons.append(f"{row.contested} workers say it is wrong.")
    if reasons and row.state in Gold.BELIEVED:
        quarantine(row, " ".join(reasons))
    # unless more was said meanwhile
    Gold.objects.filter(pk=pk, served=row.served, contested=row.contested).update(to_look=False)


def doubt(row: Gold) -> tuple[float, int]:
    """How likely its truth is wrong, of its least certain field, and on how many answers that rests.

    Each worker's first answer counts, at the accuracy they have without this item.
    """
    given = _answers(row)
    accuracy = _accuracies(row, {answer.worker_id for answer in given})
    found = [0.0]
    for spec in row.batch.schema["fields"]:
        if spec["name"] in row.truth and spec["truth"] != "perspective":
            said = [(a.worker_id, a.value[spec["name"]]) for a in given if a.value and spec["name"] in a.value]
            groups = _grouped([value for _, value in said], row.truth[spec["name"]], spec)
            classes = len(labels.TYPES[spec["type"]].categories(spec)) or FREE_CLASSES
            found.append(
                scoring.wrong_gold(groups, [accuracy[worker] for worker, _ in said], classes, settings.GOLD_WRONG_PRIOR)
            )
    return max(found), len(given)


def _answers(row: Gold) -> list[Answer]:
    handed_in = Answer.objects.filter(task=row.task_id, submitted_at__isnull=False).order_by("pk")
    if row.trusted_at:
        handed_in = handed_in.filter(submitted_at__gt=row.trusted_at)
    first: dict[int, Answer] = {}
    for answer in handed_in[:ANSWERS_READ]:
        first.setdefault(answer.worker_id, answer)
    return list(first.values())


def _accuracies(row: Gold, workers: Collection[int]) -> dict[int, float]:
    """The accuracy of each worker in the project, of the evidence that is not about this item."""
    everyone = Reliability.objects.filter(project=row.batch.project_id)
    total = everyone.aggregate(correct=Sum("correct"), judged=Sum("judged"))
    mean = scoring.prior(min(total["correct"] or 0, total["judged"] or 0), total["judged"] or 0)
    known = {score.worker_id: score for score in everyone.filter(worker__in=workers)}
    here: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    about = Evidence.objects.filter(answer__task=row.task_id, void=None).exclude(kind=Evidence.Kind.SPEED)
    for piece in about.filter(worker__in=workers):
        score = known[piece.worker_id]
        worth = scoring.weight(piece.created_at, score.half_life_days or settings.RELIABILITY_HALF_LIFE_DAYS)
        worth /= scoring.weight(score.scored_at, score.half_life_days or settings.RELIABILITY_HALF_LIFE_DAYS)
        here[piece.worker_id][0] += worth * piece.correct
        here[piece.worker_id][1] += worth
    order = sorted(workers)
    judged = [max(0.0, known[w].judged - here[w][1]) if w in known else 0.0 for w in order]
    correct = [
        min(max(0.0, known[w].correct - here[w][0]), most) if w in known else 0.0
        for w, most in zip(order, judged, strict=True)
    ]
    means = scoring.posterior_accuracy(correct, judged, mean).mean
    return {worker: float(middle) for worker, middle in zip(order, means, strict=True)}


def _grouped(values: list[Any], truth: Any, spec: dict[str, Any]) -> list[int]:
    """For each value 1 where it is the truth, 2 where it is the most popular other, 0 where it is yet another."""
    kind = labels.TYPES[spec["type"]]
    others: list[list[int]] = []
    said = [1 if kind.matches(value, truth, spec) else 0 for value in values]
    for place, value in enumerate(values):
        if said[place]:
            continue
        for group in others:
            if kind.matches(value, values[group[0]], spec):
                group.append(place)
                break
        else:
            others.append([place])
    for place in max(others, key=len, default=[]):
        said[place] = 2
    return said


def _move(row: Gold, to: str, by: User | None, reason: str, **fields: Any) -> Gold:
    """Move it under the locks, with a row of its history; its labels are wanted again."""
    batch = Batch.objects.select_related("project__organisation").get(pk=row.batch_id)
    if by is not None:
        accounts.require(by, batch.project.organisation, Role.MANAGER, Role.REVIEWER)
    if not reason.strip():
        raise Invalid("say why; it stays in the history of this item")
    effects.wants_consensus(batch)
    locked = Gold.objects.select_for_update(no_key=True, of=("self",)).select_related("task").get(pk=row.pk)
    locked.batch = batch
    was, truth = locked.state, locked.truth
    figures = {name: getattr(locked, name) for name in ("served", "missed", "contested", "wrong")}
    states.move(locked, to, **fields)
    GoldChange.objects.create(
        gold=locked, was=was, now=to, truth=truth, by=by, reason=reason.strip(), at=clock.now(), **figures
    )
    audit.record(by, to, locked)
    return locked


def _void(row: Gold, reason: str) -> None:
    """What this gold said of anybody counts no more, and what was decided on it is looked at again."""
    said: QuerySet[Evidence] = Evidence.objects.filter(answer__task=row.task_id, kind=Evidence.Kind.GOLD, void=None)
    told = dict(said.values_list("pk", "worker"))
    workers = set(told.values())
    evidence.void(said, reason)
    jobs.enqueue("tasks.jobs.reconsider", sorted(told), row.task_id)
    project = row.batch.project
    transaction.on_commit(lambda: gold.follow([(worker, project.pk) for worker in workers]))
