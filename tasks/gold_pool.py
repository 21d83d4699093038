"""The gold of a project: where it comes from, what is left of it, and taking pieces out of use."""

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Random
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, states
from marketplace.core.errors import Conflict, IllegalMove, Invalid, NotFound
from marketplace.core.strictjson import text_error
from marketplace.models import Item, ItemAlias, Role, User
from payments import reserves
from tasks import gold
from tasks.errors import InUse
from tasks.models import Answer, Batch, Consensus, Gold, GoldChange, Mark, Task
from workers import notices

EXPLANATION_MOST = 5000
LOW = 0.1  # of what was bought: then its publisher is told
MOST_SEEN = 0.8  # of the active pool: the same
BATCHES_STEP = 20


@dataclass(frozen=True)
class Stock:
    """What is left of a batch's hidden gold.

    bought, taken  gold answers the reserve pays for, and those already handed to cursors
    pool           active items
    seen_by        workers who have seen most of the pool
    """

    batch: Batch
    bought: int
    taken: int
    pool: int
    seen_by: int

    @property
    def left(self) -> int:
        return self.bought - self.taken

    @property
    def is_low(self) -> bool:
        return self.left <= LOW * self.bought

    @property
    def is_seen(self) -> bool:
        return self.seen_by > 0


def stock(batch: Batch) -> Stock:
    """How much gold there is, and who has seen nearly all of it."""
    with connection.cursor() as sql:
        sql.execute(
            """WITH pool AS (SELECT task_id FROM tasks_gold
                             WHERE batch_id = %(batch)s AND purpose = 'hidden' AND state = 'active')
               SELECT (SELECT count(*) FROM pool), (SELECT count(*) FROM (
                   SELECT a.worker_id FROM pool JOIN tasks_answer a USING (task_id) GROUP BY 1
                   HAVING count(DISTINCT task_id) >= %(most)s * (SELECT count(*) FROM pool)) AS known)""",
            {"batch": batch.pk, "most": MOST_SEEN},
        )
        pool, seen_by = sql.fetchone()
    return Stock(batch=batch, bought=batch.gold_bought, taken=batch.gold_taken, pool=pool, seen_by=seen_by)


@transaction.atomic
def add(
    batch: Batch,
    by: User,
    key: str,
    truth: dict[str, Any],
    explanation: str = "",
    purpose: str = Gold.Purpose.HIDDEN,
) -> Gold:
    """Make gold of an item of the batch's dataset that nobody has answered or is answering.

    Its open seats are withdrawn; what was set aside for them pays for as many gold answers.
    key     the requester's own key of the item
    raises  NotFound (no such key), InUse, Conflict (gold already), Invalid (truth), IllegalMove (not open), Forbidden
    """
    batch = _open(batch, by)
    gold.check_truth(truth, batch.schema)
    _check_text(explanation)
    if purpose not in Gold.Purpose.values:
        raise Invalid(f"{purpose!r} is no purpose of gold", expected=Gold.Purpose.values)
    named = ItemAlias.objects.filter(dataset=batch.dataset_id, key=key).order_by("-version").first()
    if named is None:
        raise NotFound(f"the dataset has no item with the key {key!r}")
    task = _without_seats(batch, named.item_id)
    Item.objects.filter(pk=named.item_id).update(truth=truth)
    return _make(batch, task, by, truth=truth, explanation=explanation.strip(), purpose=purpose)


@transaction.atomic
def promote(batch: Batch, by: User, key: str) -> Gold:
    """Confirm that a unanimous label is right: a copy of its item becomes hidden gold for people who have not seen it.

    The task keeps its answers and its label.
    key     the requester's own key of the item
    raises  IllegalMove (not unanimous, not sure enough, or promoted already), Forbidden
    """
    batch = _open(batch, by, Role.REVIEWER)
    item = ItemAlias.objects.filter(dataset=batch.dataset_id, key=key).order_by("-version").values("item")[:1]
    task = promotable(batch).filter(item__in=item).first()
    if task is None:
        raise IllegalMove("only a label that is sure, and that everybody gave alike, becomes gold, and only once")
    truth = {row.field: row.value for row in task.consensus.all() if _is_gradable(row.field, batch)}
    gold.check_truth(truth, batch.schema)
    copy = Task.objects.create(
        batch=batch, item_id=task.item_id, state=Task.State.CLOSED, pos=task.pos, bought=0, is_copy=True
    )
    return _make(batch, copy, by, source=task, truth=truth)


def candidates(batch: Batch) -> QuerySet[Task]:
    """What could be promoted, each with its item, its label and a key of its item."""
    key = ItemAlias.objects.filter(item=OuterRef("item"), version__lte=batch.dataset_version).order_by("-pk")
    named = promotable(batch).annotate(key=Subquery(key.values("key")[:1]))
    return named.select_related("item").prefetch_related("consensus")


def promotable(batch: Batch) -> QuerySet[Task]:
    """Closed tasks whose answers are all there and alike, and whose labels are as sure as the batch asks for."""
    unsure = Consensus.objects.filter(task__batch=batch).exclude(confidence__gte=batch.target_confidence)
    mine = Answer.objects.counted().filter(task=OuterRef("pk"), attempt=0).order_by().values("task")
    closed = Task.objects.filter(batch=batch, state=Task.State.CLOSED, is_copy=False, gold=None, taken__gt=1)
    closed = closed.exclude(pk__in=Gold.objects.filter(source__batch=batch).values("source"))
    closed = closed.exclude(pk__in=unsure.values("task"))
    return closed.annotate(
        given=Subquery(mine.annotate(n=Count("pk")).values("n")),
        said=Subquery(mine.annotate(n=Count("value", distinct=True)).values("n")),
    ).filter(given__gt=1, said=1)


def explain(row: Gold, by: User, explanation: str) -> Gold:
    """Set what practice shows beside the right answer."""
    accounts.require(by, row.batch.project.organisation, Role.MANAGER, Role.REVIEWER)
    _check_text(explanation)
    row.explanation = explanation.strip()
    row.save(update_fields=["explanation"])
    audit.record(by, "explain", row)
    return row


@transaction.atomic
def retire(row: Gold, by: User) -> Gold:
    """Serve it no more; what it said of people stands."""
    return _switch(row, by, Gold.State.RETIRED)


@transaction.atomic
def reactivate(row: Gold, by: User) -> Gold:
    """Serve it again, to those who have not seen it."""
    if row.state != Gold.State.RETIRED:
        raise IllegalMove(f"it is {row.state}, not retired", state=str(row.state))
    return _switch(row, by, Gold.State.ACTIVE)


def warn(limit: int = BATCHES_STEP) -> bool:
    """Tell publishers, once for each batch, that its gold runs short or that people have seen most of it."""
    running = Batch.objects.filter(state=Batch.State.OPEN, gold_share__gt=0, gold_bought__gt=0)
    untold = running.filter(Q(gold_low_at=None) | Q(gold_seen_at=None), gold_taken__gt=0)
    for batch in untold.select_related("project").order_by("?")[:limit]:
        left = stock(batch)
        if left.is_low and batch.gold_low_at is None:
            text = f"{left.taken} of {left.bought} gold answers are used up; after that, people go unchecked."
            _tell_once(batch, "gold_low_at", "gold.low", "Gold runs short", text)
        if left.is_seen and batch.gold_seen_at is None:
            text = (
                f"{left.seen_by} people have seen most of the {left.pool} gold items and soon go unchecked. Add more."
            )
            _tell_once(batch, "gold_seen_at", "gold.seen", "People have seen most of the gold", text)
    return False


@transaction.atomic
def _tell_once(batch: Batch, field: str, kind: str, subject: str, text: str) -> None:
    if Batch.objects.filter(pk=batch.pk, **{field: None}).update(**{field: clock.now()}):
        project = batch.project
        link = reverse("gold", args=[project.public_id])
        notices.tell(batch.published_by_id, kind, f"{subject}: {project.title}"[:200], text, link)


def _switch(row: Gold, by: User, to: str) -> Gold:
    accounts.require(by, row.batch.project.organisation, Role.MANAGER, Role.REVIEWER)
    was = row.state
    states.move(row, to)
    figures = {name: getattr(row, name) for name in ("truth", "served", "missed", "contested", "wrong")}
    GoldChange.objects.create(gold=row, was=was, now=to, by=by, reason="", at=clock.now(), **figures)
    audit.record(by, to, row)
    return row


def _open(batch: Batch, by: User, *roles: Role) -> Batch:
    """The batch, locked, if this person may add gold to it and it runs."""
    accounts.require(by, batch.project.organisation, Role.MANAGER, *roles)
    locked = Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("project__organisation")
    batch = locked.get(pk=batch.pk)
    if batch.state != Batch.State.OPEN:
        raise IllegalMove(f"the batch is {batch.state}", state=str(batch.state))
    return batch


def _without_seats(batch: Batch, item: int) -> Task:
    """A task of this item without seats: a new one, or one that nobody has touched, its seats withdrawn.

    What the reserve keeps for it is kept for gold: the seats it has, and those it might have got; of these there are
    none where the budget was lowered.
    """
    task = Task.objects.select_for_update().filter(batch=batch, item=item, is_copy=False).first()
    if task is None:
        return Task.objects.create(batch=batch, item_id=item, state=Task.State.CLOSED, pos=item, bought=0)
    if hasattr(task, "gold"):
        raise Conflict("this item is gold already")
    if task.taken or Answer.objects.filter(task=task).exists():
        raise InUse("somebody has answered it or is answering it; promote its label instead when it is sure")
    Task.objects.filter(pk=task.pk).update(bought=0, withdrawn=0, state=Task.State.CLOSED)
    Mark.objects.create(batch=batch, tasks=-1, closed=-1)  # figures leave gold tasks out
    kept = task.bought if batch.lowered_at else max(batch.redundancy_max, task.bought)
    Batch.objects.filter(pk=batch.pk).update(items=F("items") - 1, gold_bought=F("gold_bought") + kept)
    reserves.shift(batch.subject, kept * batch.seat_most_micros, "answers", to="gold")
    return task


def _make(batch: Batch, task: Task, by: User, **fields: Any) -> Gold:
    made = Gold.objects.create(task=task, batch=batch, draw=0.0, **{"purpose": Gold.Purpose.HIDDEN, **fields})
    Gold.objects.filter(pk=made.pk).update(draw=Random())
    made.refresh_from_db()
    audit.record(by, "make_gold", made)
    return made


def _is_gradable(field: str, batch: Batch) -> bool:
    kinds = {spec["name"]: spec["truth"] for spec in batch.schema["fields"]}
    return kinds.get(field) not in (None, "perspective")


def _check_text(explanation: str) -> None:
    if text_error(explanation) or len(explanation) > EXPLANATION_MOST:
        raise Invalid(f"an explanation has at most {EXPLANATION_MOST} characters")
