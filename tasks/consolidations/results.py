"""What aggregators said: labels while it is about the answers that count, and figures for those who named them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from marketplace.core import clock
from marketplace.models import ItemAlias
from tasks.consolidations.looking import digest
from tasks.models import Aggregator, Batch, Consolidation, Look

METHOD, VERSION = "webhook", "1"  # as labels have them
STEP = 10_000
WEIGHED_APART = timedelta(seconds=60)  # while more is coming
COUNT_MOST = 50_000  # what there is more of is not counted further
FAILURES_SHOWN = 20

Labels = dict[int, dict[str, tuple[Any, float | None]]]  # task -> field -> value, confidence


def of(batch: Batch, tasks: Iterable[int]) -> Labels:
    """What the project's aggregator said of these tasks, where the answers it saw are those that count now.

    One query for every STEP tasks; for a project without an aggregator one small query, and `tasks` is not even read.
    """
    asked = Aggregator.objects.live().filter(project=batch.project_id).values_list("pk", flat=True).first()
    if asked is None:
        return {}
    found: Labels = {}
    wanted = sorted(set(tasks))
    for first in range(0, len(wanted), STEP):
        some = wanted[first : first + STEP]
        said = Consolidation.objects.filter(aggregator=asked, task__in=some, state=Consolidation.State.DONE)
        for task, labels in said.filter(digest=digest("task_id")).values_list("task", "labels"):
            found[task] = {field: (value, confidence) for field, (value, confidence) in (labels or {}).items()}
    return found


def weigh(limit: int = 100) -> None:
    """Have the labels of batches made anew of which an aggregator said something; while it goes on, not every time."""
    at = clock.now()
    for row in Look.objects.filter(to_weigh=True).order_by("pk")[:limit]:
        waiting = Consolidation.objects.filter(aggregator=row.aggregator_id, state=Consolidation.State.WAITING)
        goes_on = waiting.filter(batch=row.batch_id, due_at__lte=at).exists()
        if goes_on and row.weighed_at and row.weighed_at > at - WEIGHED_APART:
            continue
        with transaction.atomic():
            if Look.objects.filter(pk=row.pk, to_weigh=True).update(to_weigh=False, weighed_at=at):
                Batch.objects.filter(pk=row.batch_id).update(touched_at=at)


@dataclass(frozen=True)
class Figures:
    """How many tasks an aggregator is to be asked about, gave labels to, and gave none to; counted to COUNT_MOST."""

    waiting: int
    done: int
    refused: int
    failed: int


@dataclass(frozen=True)
class Failure:
    """A task that has no label of the aggregator, and why."""

    key: str
    batch: str
    state: str
    why: str
    at: datetime


def figures(aggregator: Aggregator) -> Figures:
    rows = Consolidation.objects.filter(aggregator=aggregator)
    State = Consolidation.State
    return Figures(*(rows.filter(state=state)[:COUNT_MOST].count() for state in State))


def failures(aggregator: Aggregator) -> list[Failure]:
    """The newest, by the key that the row came in with."""
    State = Consolidation.State
    without = Consolidation.objects.filter(aggregator=aggregator, state__in=[State.REFUSED, State.FAILED])
    shown = list(without.select_related("task", "batch").order_by("-at")[:FAILURES_SHOWN])
    keys = keys_of(row.task.item_id for row in shown)
    return [Failure(keys[row.task.item_id], row.batch.public_id, row.state, row.why, row.at) for row in shown]


def keys_of(items: Iterable[int]) -> dict[int, str]:
    """Item -> the first key under which it came in."""
    return dict(ItemAlias.objects.filter(item__in=list(items)).order_by("-pk").values_list("item", "key"))
