"""Asking an aggregator about what waits: a bundle is taken, the call made with nothing held, what it said kept."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse

from marketplace.core import clock, outgoing
from marketplace.models import Role
from tasks.consolidations import contract
from tasks.consolidations.looking import digest_of
from tasks.consolidations.naming import secret_of
from tasks.consolidations.results import keys_of
from tasks.models import Aggregator, Answer, Batch, Consolidation, Look, Task, Touch
from workers import notices

HEADER = "Manyhands-Signature"
REQUEST_MOST_BYTES = 2_000_000  # beyond it a bundle ends; a single row may be longer
READ_AT_ONCE = 10
LOST_AFTER = timedelta(seconds=120)  # a call whose process died is made again
STEP_S = 30  # no call is begun later in a step of the sweep
RETRY_S, RETRY_MOST_S = 30, 3600  # twice as long after every miss
TOLD_APART = timedelta(days=1)


@dataclass(frozen=True)
class Bundle:
    """Rows of one batch that go together: each with the key it is known by there, and the answers it is about."""

    batch: Batch
    keys: dict[str, Consolidation]
    body: bytes


def due() -> Iterator[Aggregator]:
    """Those that something waits for, the one that waited longest first; for as long as a step of a sweep may take."""
    began = time.monotonic()
    at = clock.now()
    waiting = Consolidation.objects.filter(aggregator=OuterRef("pk"), state=Consolidation.State.WAITING, due_at__lte=at)
    ready = Aggregator.objects.live().filter(Q(rest_until=None) | Q(rest_until__lte=at), Exists(waiting))
    asked = ready.select_related("project__organisation").order_by(F("called_at").asc(nulls_first=True), "pk")
    for aggregator in asked[:100]:
        if time.monotonic() - began > STEP_S:
            return
        yield aggregator


def send(aggregator: Aggregator) -> bool:
    """Ask about the next bundle; True while there is more. Called with no transaction open."""
    bundle = _take(aggregator)
    if bundle is None:
        return False
    try:
        said = understood(bundle.batch.schema, list(bundle.keys), post(aggregator, bundle.body))
    except (outgoing.NotAnswered, contract.NotUnderstood) as error:
        _miss(aggregator, bundle, str(error))
        return False
    _keep(aggregator, bundle, said)
    return True


def understood(schema: dict[str, Any], keys: list[str], reply: outgoing.Reply) -> contract.Understood:
    """What this reply says of the rows with these keys.

    raises  NotUnderstood
    """
    if reply.status != 200:
        redirect = ", a redirect, which is not followed" if 300 <= reply.status < 400 else ""
        raise contract.NotUnderstood(f"it answered with status {reply.status}{redirect}")
    return contract.understand(schema, keys, reply.body)


def post(aggregator: Aggregator, body: bytes) -> outgoing.Reply:
    """Send it a signed request; raises NotAnswered."""
    return outgoing.post(
        aggregator.url,
        body,
        signed(aggregator, body),
        timeout_s=settings.AGGREGATOR_TIMEOUT_S,
        most_bytes=settings.AGGREGATOR_REPLY_MOST_BYTES,
    )


def signed(aggregator: Aggregator, body: bytes) -> dict[str, str]:
    return {HEADER: outgoing.signature(secret_of(aggregator), body, clock.now())}


def rows_of(batch: Batch, tasks: Iterable[Task]) -> Iterator[tuple[Task, str, contract.Row]]:
    """Each of these tasks as the aggregator sees it, with the digest of the answers that count now; "": none does."""
    tasks = list(tasks)
    keys = keys_of(task.item_id for task in tasks)
    answers: dict[int, list[tuple[int, str, dict[str, Any]]]] = {task.pk: [] for task in tasks}
    counted = Answer.objects.counted().filter(task__in=list(answers), attempt=0).order_by("pk")
    for pk, task, worker, value in counted.values_list("pk", "task", "worker__public_id", "value"):
        answers[task].append((pk, batch.project.organisation.pseudonym(worker), value or {}))
    for one in tasks:
        said = answers[one.pk]
        row = contract.Row(keys[one.item_id], one.item.payload, [(worker, value) for _, worker, value in said])
        yield one, digest_of([pk for pk, *_ in said]), row


def _take(aggregator: Aggregator) -> Bundle | None:
    """The next rows of one batch that wait, put off until they would be asked about again if we died on the way."""
    with transaction.atomic():
        at = clock.now()
        waiting = Consolidation.objects.filter(aggregator=aggregator, state=Consolidation.State.WAITING, due_at__lte=at)
        first = waiting.order_by("due_at", "pk").first()
        if first is None:
            return None
        batch = Batch.objects.select_related("project__organisation").get(pk=first.batch_id)
        some = waiting.filter(batch=batch).order_by("due_at", "pk").select_for_update(no_key=True, skip_locked=True)
        taken = list(some[: settings.AGGREGATOR_TASKS_AT_ONCE])
        bundle = _bundle(batch, taken)
        for row in bundle.keys.values():  # with the answers that go out, whatever was noted before
            mine = Consolidation.objects.filter(pk=row.pk)
            mine.update(digest=row.digest, tries=F("tries") + 1, due_at=at + LOST_AFTER)
        Aggregator.objects.filter(pk=aggregator.pk).update(called_at=at)
    return bundle if bundle.keys else None


def _bundle(batch: Batch, taken: list[Consolidation]) -> Bundle:
    """As many of these rows as one request holds; of several with one key the first, the others wait for the next."""
    keys: dict[str, Consolidation] = {}
    said: list[contract.Row] = []
    size = 0
    for first in range(0, len(taken), READ_AT_ONCE):
        some = {row.task_id: row for row in taken[first : first + READ_AT_ONCE]}
        tasks = Task.objects.filter(pk__in=some).select_related("item").order_by("pk")
        for task, now, row in rows_of(batch, tasks):
            if not now:
                _leave(some[task.pk])
                continue
            size += len(contract.request(batch.public_id, batch.schema, [row]))
            if said and size > REQUEST_MOST_BYTES:
                return Bundle(batch, keys, contract.request(batch.public_id, batch.schema, said))
            if row.key not in keys:
                some[task.pk].digest = now
                keys[row.key] = some[task.pk]
                said.append(row)
    return Bundle(batch, keys, contract.request(batch.public_id, batch.schema, said))


def _leave(row: Consolidation) -> None:
    """A task none of whose answers counts any more is not asked about, until there are others."""
    without = {"state": Consolidation.State.REFUSED, "why": "none of its answers counts any more", "digest": ""}
    Consolidation.objects.filter(pk=row.pk).update(**without)


@transaction.atomic
def _keep(aggregator: Aggregator, bundle: Bundle, said: contract.Understood) -> None:
    """Keep what it said of tasks whose answers are still those it was sent; of the others it is asked again."""
    at = clock.now()
    State = Consolidation.State
    for key, row in sorted(bundle.keys.items(), key=lambda pair: pair[1].pk):
        label = said.labels.get(key)
        unchanged = Consolidation.objects.filter(pk=row.pk, state=State.WAITING, digest=row.digest)
        if label is not None:
            kept = {name: [value, confidence] for name, (value, confidence) in label.items()}
            unchanged.update(state=State.DONE, labels=kept, why="", at=at)
        else:
            unchanged.update(state=State.REFUSED, why=said.wrong[key], at=at)
    Touch.objects.bulk_create(Touch(batch=bundle.batch, task_id=row.task_id) for row in bundle.keys.values())
    Look.objects.filter(aggregator=aggregator, batch=bundle.batch).update(to_weigh=True)
    Aggregator.objects.filter(pk=aggregator.pk).update(misses=0, rest_until=None)
    if said.stray:
        named = ", ".join(said.stray)
        _problem(aggregator, f"it answered about rows that it was not asked about: {named}", at)
    if said.wrong:
        _tell(aggregator, next(iter(said.wrong.values())), at)


@transaction.atomic
def _miss(aggregator: Aggregator, bundle: Bundle, why: str) -> None:
    """Note that a call came to nothing: it is made again later, each time later, and in the end not at all."""
    at = clock.now()
    State = Consolidation.State
    found = Aggregator.objects.select_for_update(no_key=True).get(pk=aggregator.pk)
    rest_until = at + timedelta(seconds=min(RETRY_S * 2 ** min(found.misses, 20), RETRY_MOST_S))
    Aggregator.objects.filter(pk=found.pk).update(misses=F("misses") + 1, rest_until=rest_until)
    _problem(aggregator, why, at)
    sent = Q(pk__in=[row.pk for row in bundle.keys.values()], state=State.WAITING)
    rows = Consolidation.objects.filter(sent)
    gone = rows.filter(tries__gte=settings.AGGREGATOR_TRIES).update(state=State.FAILED, why=why, at=at)
    rows.update(due_at=at)  # behind the others: where it is these that it cannot bear, they come first
    if gone or found.misses + 1 >= settings.AGGREGATOR_TRIES:
        _tell(aggregator, why, at)


def _problem(aggregator: Aggregator, why: str, at: datetime) -> None:
    Aggregator.objects.filter(pk=aggregator.pk).update(problem=why[: contract.WHY_MOST], problem_at=at)


def _tell(aggregator: Aggregator, why: str, at: datetime) -> None:
    """Tell those who manage the project that labels of ours stand in for some, once a day at most."""
    untold = Aggregator.objects.filter(Q(told_at=None) | Q(told_at__lte=at - TOLD_APART), pk=aggregator.pk)
    if not untold.update(told_at=at):
        return
    project = aggregator.project
    members = project.organisation.memberships.filter(role__in=[Role.OWNER, Role.MANAGER])
    notices.tell_all(
        members.values_list("user", flat=True),
        "aggregator",
        f"Your aggregator gives no labels for some tasks of {project}",
        f"The first reason: {why}. Our own labels stand there meanwhile. Its page lists them; when it is repaired, "
        "have them sent again there.",
        reverse("aggregator", args=[project.public_id]),
    )
