"""Asking again what was answered under an older guideline: who answered is paid as agreed, and others answer anew."""

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from marketplace import accounts, audit
from marketplace.core import clock, money, states
from marketplace.core.errors import InsufficientFunds, Invalid
from marketplace.labels import schema as label_schema
from marketplace.models import Project, Role, User
from payments import reserves
from payments.models import Account
from tasks import effects, evidence, reviews, seats
from tasks.models import Answer, Batch, Evidence, Reopening, Task
from workers import notices

WINDOW = 1_000  # tasks that one step looks at
AT_ONCE = 20  # steps that find nothing before the rest is left to the sweep

# Answers that speak for a label and were given under an old guideline, with all others under it to the same task
OLD = """
FROM tasks_answer x JOIN tasks_assignment a ON a.id = x.assignment_id
WHERE x.attempt = 0 AND x.state IN ('submitted', 'accepted') AND x.submitted_at IS NOT NULL
    AND x.superseded_at IS NULL AND a.guideline_version <= %(version)s
    AND EXISTS (SELECT FROM tasks_consensus c WHERE c.task_id = x.task_id AND c.field = %(field)s AND c.code = %(code)s)
"""
COUNT = f"SELECT count(DISTINCT x.task_id), count(*) {OLD} AND x.batch_id = %(batch)s"
LOCK = f"SELECT x.id, x.task_id {OLD} AND x.task_id = ANY(%(tasks)s) ORDER BY x.id FOR NO KEY UPDATE OF x"


@dataclass(frozen=True)
class Quote:
    """What a reopening would touch, and what it would set aside for the new answers."""

    tasks: int
    answers: int
    reserve_micros: int
    available_micros: int
    currency: str

    @property
    def missing_micros(self) -> int:
        return max(0, self.reserve_micros - self.available_micros)


def quote(project: Project, by: User, field: str, label: str, version: int) -> Quote:
    """What reopening the tasks with this label would touch and cost, in the batches that are open.

    field    a categorical one
    label    one of its classes, as text
    version  of the guideline: answers under it or older ones; one that people no longer work by
    raises   Invalid, Forbidden
    """
    accounts.require(by, project.organisation, Role.MANAGER, Role.REVIEWER)
    _check(project, field, label, version)
    tasks = answers = reserve_micros = 0
    for batch in _open(project):
        code = _code(batch, field, label)
        if code is not None:
            with connection.cursor() as sql:
                sql.execute(COUNT, {"batch": batch.pk, "field": field, "code": code, "version": version})
                some, more = sql.fetchone()
            tasks, answers = tasks + some, answers + more
            reserve_micros += more * _each_micros(batch)
    prepaid = Account.objects.filter(
        kind=Account.Kind.PREPAID, organisation=project.organisation, currency=project.currency, mode=project.mode
    )
    available_micros = sum(account.balance_micros for account in prepaid)
    return Quote(tasks, answers, reserve_micros, available_micros, project.currency)


@transaction.atomic
def reopen(project: Project, by: User, field: str, label: str, version: int) -> Reopening:
    """Have what is labelled so, on answers under this version or older ones, answered anew; again: what came since.

    The first tasks are reopened now, and a sweep does the rest. Each step sets aside what it buys; if that fails
    between two steps, the reopening stops, and says what is missing.

    raises  InsufficientFunds (nothing is reopened), Invalid, Forbidden
    """
    accounts.require(by, project.organisation, Role.MANAGER)
    project.lock_unless_closed()
    offer = quote(project, by, field, label, version)
    same = project.reopenings.filter(field=field, label=label, version=version).order_by("-pk").first()
    if same and (same.state == Reopening.State.RUNNING or not offer.answers):
        return same
    if offer.missing_micros:
        raise InsufficientFunds(
            f"{money.show(offer.missing_micros, offer.currency)} is missing for {offer.answers:,} new answers",
            missing_micros=offer.missing_micros,
            currency=offer.currency,
        )
    run = Reopening.objects.create(
        project=project, field=field, label=label, version=version, created_by=by, created_at=clock.now()
    )
    audit.record(by, "reopen", run, field=field, version=version, tasks=offer.tasks, answers=offer.answers)
    for _ in range(AT_ONCE):
        if not step(run.pk):
            break
        run.refresh_from_db()
        if run.tasks:  # one batch a transaction, for the order of locks
            break
    run.refresh_from_db()
    return run


def running(limit: int = 10) -> list[int]:
    """Reopenings that have not come to their end, the oldest first."""
    waiting = Reopening.objects.filter(state=Reopening.State.RUNNING).order_by("pk")
    return list(waiting.values_list("pk", flat=True)[:limit])


def go_on(pk: int) -> bool:
    """Take a reopening one step on, or stop it where the money ran out; True while there is more."""
    try:
        return step(pk)
    except InsufficientFunds as refusal:
        _stop(pk, refusal)
        return False


@transaction.atomic
def step(pk: int) -> bool:
    """Reopen what is to be among the next tasks, all of it or nothing; True while there is more.

    raises  InsufficientFunds
    """
    run = Reopening.objects.select_for_update(no_key=True, of=("self",)).select_related("project").get(pk=pk)
    if run.state != Reopening.State.RUNNING:
        return False
    batch = _open(run.project).filter(pk__gte=run.batch_at).first()
    if batch is None:
        return _end(run)
    if run.batch_at != batch.pk:
        run.batch_at, run.item_at = batch.pk, 0
    code = _code(batch, run.field, run.label)
    window: list[tuple[int, int]] = []
    if code is not None:
        tasks = Task.objects.filter(batch=batch, item__gt=run.item_at).order_by("item_id")
        window = list(tasks.values_list("pk", "item_id")[:WINDOW])
        seats.hold(batch.pk)
        _supersede(run, batch, code, [task for task, _ in window])
    if len(window) == WINDOW:
        run.item_at = window[-1][1]
    else:
        run.batch_at, run.item_at = batch.pk + 1, 0
    run.save(update_fields=["batch_at", "item_at", "tasks", "answers", "reserved_micros"])
    return True if _open(run.project).filter(pk__gte=run.batch_at).exists() else _end(run)


def _supersede(run: Reopening, batch: Batch, code: int, tasks: list[int]) -> None:
    """Let the old answers to these tasks speak no more, and buy and reserve another for each.

    Answers are locked first, then the batch, the tasks, the accounts and the scores, as where answers are decided.
    """
    named: dict[str, Any] = {"tasks": tasks, "field": run.field, "code": code, "version": run.version}
    with connection.cursor() as sql:
        sql.execute(LOCK, named)
        old: list[tuple[int, int]] = sql.fetchall()
    if not old:
        return
    seats.bump([batch.pk])
    batch.refresh_from_db()
    if batch.state != Batch.State.OPEN:  # it was closed while its answers were looked for: there is nothing to buy
        return
    reviews.supersede({task for _, task in old})
    bought: dict[int, int] = {}
    for _, task in old:
        bought[task] = bought.get(task, 0) + 1
    seats.reopen(bought)
    answers = [answer for answer, _ in old]
    Answer.objects.filter(pk__in=answers).update(superseded_at=clock.now())
    micros = len(old) * _each_micros(batch)
    reserves.add(batch.subject, "answers", micros)
    evidence.void(Evidence.objects.filter(kind=Evidence.Kind.CONSENSUS, answer__in=answers), "guideline changed")
    effects.touch(batch, bought)
    run.tasks, run.answers = run.tasks + len(bought), run.answers + len(old)
    run.reserved_micros += micros


def _end(run: Reopening) -> bool:
    states.move(run, Reopening.State.DONE, ended_at=clock.now())
    audit.record(None, "reopened", run, tasks=run.tasks, answers=run.answers, reserved_micros=run.reserved_micros)
    return False


@transaction.atomic
def _stop(pk: int, refusal: InsufficientFunds) -> None:
    """Note that the money ran out, and tell who began it."""
    run = Reopening.objects.select_for_update(no_key=True, of=("self",)).select_related("project").get(pk=pk)
    missing_micros = int(refusal.facts["missing_micros"])
    states.move(run, Reopening.State.STOPPED, ended_at=clock.now(), missing_micros=missing_micros)
    audit.record(None, "stop", run, tasks=run.tasks, missing_micros=missing_micros)
    missing = money.show(missing_micros, run.project.currency)
    notices.tell(
        run.created_by_id,
        "reopening",
        f"Reopening stopped: {missing} is missing",
        f"{run.tasks:,} tasks of {run.project} are open again. Prepay what is missing and reopen the rest.",
        f"/projects/{run.project.public_id}/guideline/reopen/",
    )


def _open(project: Project) -> "QuerySet[Batch]":
    return project.batches.filter(state=Batch.State.OPEN).order_by("pk")


def _code(batch: Batch, field: str, label: str) -> int | None:
    """The number of this label in the batch's own schema, if that has it."""
    classes = dict(label_schema.categorical(batch.schema)).get(field, [])
    return classes.index(label) if label in classes else None


def _each_micros(batch: Batch) -> int:
    return batch.seat_most_micros


def _check(project: Project, field: str, label: str, version: int) -> None:
    """Refuse what could touch nothing, and a version that people still work by."""
    schemas = [project.schema, *_open(project).values_list("schema", flat=True)]
    classes = [dict(label_schema.categorical(schema)).get(field) for schema in schemas if schema.get("fields")]
    if not any(classes):
        raise _invalid("field", "it must be a field whose answers are classes")
    if not any(label in (listed or []) for listed in classes):
        raise _invalid("label", "the field has no such class")
    last = project.guidelines.values_list("version", flat=True).first() or 0
    if not 0 <= version < last:
        raise _invalid("version", "publish a newer version first: people still work by this one, or there is none")


def _invalid(path: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"path": path, "code": "option", "message": message}])
