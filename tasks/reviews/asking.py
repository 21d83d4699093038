"""Which labels are looked at: by whom somebody asks, by chance, and because answers leave doubt."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from marketplace import accounts, audit
from marketplace.core.errors import Invalid
from marketplace.labels import schema as label_schema
from marketplace.models import ItemAlias, Role, User
from tasks import effects
from tasks.models import Answer, Batch, Consensus, Review, Task
from tasks.reviews import rows, sampling
from tasks.reviews.rows import Wanted
from workers.models import Reliability

ASK_MOST = 1_000  # tasks that one call names
STEP = 5_000


@transaction.atomic
def ask(batch: Batch, tasks: Sequence[int], reason: str, by: User | None = None) -> int:
    """Have the labels of these closed tasks looked at; how many of them wait now that did not wait before.

    One with a verdict is looked at again only where a person asks, and by another person. Gold, tasks that still want
    answers, and matters of opinion are left out.

    by      who asks; None: it happens by itself
    raises  Invalid (no such reason, or too many at once), Forbidden
    """
    if by:
        accounts.require(by, batch.project.organisation, Role.MANAGER, Role.REVIEWER)
    if reason not in Review.Reason.values:
        raise Invalid(f"{reason!r} is no reason for a review", expected=Review.Reason.values)
    if len(tasks) > ASK_MOST:
        raise Invalid(f"ask for {ASK_MOST:,} at once at most")
    if not rows.fields(batch.schema):
        return 0
    closed = Task.objects.filter(pk__in=tasks, batch=batch).filter(_is_done(batch))
    decided = _decided(tasks)
    wanted = [
        Wanted(task, reason, tier=2 if task in decided else 1)
        for task in closed.order_by("pk").values_list("pk", flat=True)
        if by or task not in decided
    ]
    made = rows.add(batch, wanted, by)
    if by and made:
        audit.record(by, "ask_reviews", batch, reason=reason, tasks=made)
    return made


def named(batch: Batch, keys: Sequence[str]) -> list[int]:
    """The tasks of the items with these keys of the requester's own."""
    items = ItemAlias.objects.filter(dataset=batch.dataset_id, key__in=keys).values("item")
    return list(Task.objects.filter(batch=batch, item__in=items, is_copy=False).values_list("pk", flat=True)[:ASK_MOST])


def after_settling(batch: Batch, closed: Collection[int]) -> int:
    """Send to review what of these tasks, just closed, is drawn, unsure or split; how many.

    For consensus, in its transaction. A task that is closed a second time has the same number drawn as the first time.
    """
    if not (batch.review_share or batch.review_unsure) or not rows.fields(batch.schema):
        return 0
    listed, made = sorted(closed), 0
    for start in range(0, len(listed), STEP):
        made += rows.add(batch, _chosen(batch, listed[start : start + STEP]))
    return made


@transaction.atomic
def contest(task: int) -> int:
    """Have a label looked at because somebody contests what was decided on it, where its batch is reviewed at all."""
    batch = Batch.objects.get(tasks=task)
    if not (batch.review_share or batch.review_unsure):
        return 0
    return ask(batch, [task], Review.Reason.CONTESTED)


@transaction.atomic
def doubt(task: int) -> int:
    """Let the final verdict on a label, if it has one, count no more, and have another person look: it may be wrong."""
    batch = rows.lock(Batch.objects.get(tasks=task).pk)
    if not rows.void([task], "verdict in doubt"):
        return 0
    effects.touch(batch, [task])
    return rows.add(batch, [Wanted(task, Review.Reason.CONTESTED, tier=2)])


def supersede(tasks: Iterable[int]) -> None:
    """Let the verdicts on these tasks count no more: they are asked anew under another guideline.

    For whoever holds the batch.
    """
    rows.void(tasks, "guideline changed")


class _Answers(NamedTuple):
    """Who answered a task, and what in the categorical fields."""

    workers: list[int]
    codes: list[list[int]]


def _chosen(batch: Batch, tasks: list[int]) -> list[Wanted]:
    given = _given(tasks)
    workers = {worker for answers in given.values() for worker in answers.workers}
    known = dict(
        Reliability.objects.filter(project=batch.project_id, worker__in=workers).values_list("worker", "accuracy_p05")
    )
    decided, unsure, wanted = _decided(tasks), _unsure(batch, tasks), []
    columns = _columns(batch)
    for task in tasks:
        answers = given[task]
        if task in decided or not answers.workers:
            continue
        rate = sampling.rate(batch.review_share, [known.get(worker) for worker in answers.workers])
        is_drawn = _number(batch, task) < rate
        is_split = batch.review_unsure > 0 and any(_is_split([row[n] for row in answers.codes]) for n in columns)
        if is_split or task in unsure or is_drawn:
            doubtful = Review.Reason.CONTESTED if is_split else Review.Reason.UNSURE
            reason = doubtful if is_split or task in unsure else Review.Reason.SAMPLED
            wanted.append(Wanted(task, reason, rate=rate if is_drawn else None))
    return wanted


def _given(tasks: list[int]) -> dict[int, _Answers]:
    found: dict[int, _Answers] = defaultdict(lambda: _Answers([], []))
    answers = Answer.objects.counted().filter(task__in=tasks, attempt=0)
    for task, worker, codes in answers.values_list("task", "worker", "codes"):
        found[task].workers.append(worker)
        if codes:
            found[task].codes.append(codes)
    return found


def _columns(batch: Batch) -> list[int]:
    """The places in an answer's codes of the fields that have a right answer."""
    named = {spec["name"] for spec in rows.fields(batch.schema)}
    return [n for n, (name, _) in enumerate(label_schema.categorical(batch.schema)) if name in named]


def _unsure(batch: Batch, tasks: list[int]) -> set[int]:
    """Those less sure in some field than the project accepts; one that is not known to be sure is not."""
    if not batch.review_unsure:
        return set()
    named = [spec["name"] for spec in rows.fields(batch.schema)]
    doubtful = Consensus.objects.filter(task__in=tasks, field__in=named).filter(
        Q(confidence=None) | Q(confidence__lt=batch.review_unsure)
    )
    return set(doubtful.values_list("task", flat=True))


def _is_split(codes: list[int]) -> bool:
    """Whether two classes were given equally often, and none more often."""
    counted = Counter(code for code in codes if code >= 0).most_common(2)
    return len(counted) == 2 and counted[0][1] == counted[1][1]


def _decided(tasks: Iterable[int]) -> set[int]:
    """Those of these tasks on which a verdict is in force."""
    states = [Review.State.GIVEN, Review.State.FINAL]
    return set(Review.objects.filter(task__in=list(tasks), state__in=states).values_list("task", flat=True))


def _is_done(batch: Batch) -> Q:
    """Nothing more is bought for such a task."""
    return Q() if batch.state == Batch.State.CLOSED else Q(state=Task.State.CLOSED)


def _number(batch: Batch, task: int) -> float:
    """A number from 0 to 1 that belongs to the task, and that nobody outside can foresee."""
    text = f"review:{batch.public_id}:{task}".encode()
    digest = hashlib.blake2b(text, key=settings.SECRET_KEY.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
