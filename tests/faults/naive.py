"""Negative controls: verbs as one might write them at first. Each must lose what its fault is about.

They use the tables alone, so that the real verbs may change without them.
"""

import os
import secrets
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import AppConfig
from django.db import connection, transaction
from django.utils.module_loading import import_string

WINDOW_S = 0.1  # how long a naive verb stops between looking and writing
SWEPT_AGAIN_S = 3.0  # more than it takes until a sweep is due again
OPEN_TASKS = """SELECT t.id FROM tasks_task t WHERE t.batch_id = %s AND t.open AND NOT EXISTS (
                    SELECT 1 FROM tasks_answer a WHERE a.task_id = t.id AND a.worker_id = %s)
                ORDER BY t.priority, t.pos LIMIT %s FOR UPDATE OF t SKIP LOCKED"""


class Naive(AppConfig):
    """Put the naive version of GUARD_OFF in place of the real one, in this process."""

    name = "tests.faults"
    label = "naive"

    def ready(self) -> None:
        if guard := os.environ.get("GUARD_OFF"):
            GUARDS[guard]()


def claims_in_two_transactions() -> None:
    _claims_by(lambda worker, batch: _lease(worker, batch, _taken(worker, batch)))


def claims_from_the_head() -> None:
    _claims_by(transaction.atomic(lambda worker, batch: _lease(worker, batch, _taken(worker, batch))))


def claims_that_count() -> None:
    def claim(worker: Any, batch: Any) -> Any:
        for task in batch.tasks.order_by("pk"):
            if task.answers.count() < task.bought:
                time.sleep(WINDOW_S)
                return _lease(worker, batch, [task.pk])
        return _lease(worker, batch, [])

    _claims_by(claim)


def doubles_not_noticed() -> None:
    from marketplace.core import clock
    from tasks import assignments
    from tasks.models import Answer, Assignment

    def claim(worker: Any, batch: Any) -> Any:
        time.sleep(WINDOW_S)
        with transaction.atomic():
            return _lease(worker, batch, _taken(worker, batch))

    def submit(assignment: Any, answers: Any, active_s: Any = None) -> Any:
        at, lease = clock.now(), _named(assignment)
        for answer in Answer.objects.filter(assignment=lease):
            _answered(answer, answers, at)
        Assignment.objects.filter(pk=lease.pk).update(state="submitted", submitted_at=at)
        return _named(assignment)

    _claims_by(claim)
    assignments.submit = submit


def submits_in_two_transactions() -> None:
    from marketplace.core import clock, states
    from tasks import assignments
    from tasks.models import Answer

    def submit(assignment: Any, answers: Any, active_s: Any = None) -> Any:
        lease = _named(assignment)
        if lease.state != "submitted":
            states.move(lease, "submitted", submitted_at=clock.now())
            for answer in Answer.objects.filter(assignment=lease, state="leased"):
                _answered(answer, answers, clock.now())
        return lease

    assignments.submit = submit


def submits_without_a_lock() -> None:
    from marketplace.core import clock
    from tasks import assignments
    from tasks.errors import LeaseEnded
    from tasks.models import Answer, Assignment

    def submit(assignment: Any, answers: Any, active_s: Any = None) -> Any:
        lease = _named(assignment)
        if lease.state != "open":
            raise LeaseEnded()
        time.sleep(WINDOW_S)
        with transaction.atomic():
            for answer in Answer.objects.filter(assignment=lease):
                _answered(answer, answers, clock.now())
            Assignment.objects.filter(pk=lease.pk).update(state="submitted", submitted_at=clock.now())
        return _named(assignment)

    assignments.submit = submit


def time_of_the_process() -> None:
    from marketplace.core import clock

    clock.now = lambda: datetime.now(UTC)


def locks_in_another_order() -> None:
    from tasks import assignments
    from tasks.models import Answer, Assignment, Batch, Task

    @transaction.atomic
    def give_back(assignment: Any) -> Any:
        held = Answer.objects.filter(assignment=assignment, state="leased")
        tasks = list(held.values_list("task", flat=True))
        for task in tasks:
            list(Task.objects.filter(pk=task).select_for_update())
            time.sleep(WINDOW_S)
        list(Batch.objects.filter(pk=assignment.batch_id).select_for_update(no_key=True))
        Assignment.objects.filter(pk=assignment.pk).update(state="returned")
        return _returned(assignment, tasks)

    assignments.give_back = give_back


def refills_that_look_first() -> None:
    from marketplace.core.errors import InsufficientFunds
    from payments import ledger, reserves
    from payments.models import Account, Reserve, ReserveLine

    def add(subject: str, line: str, amount_micros: int) -> Any:
        reserve = Reserve.objects.select_related("account").get(subject=subject)
        prepaid = Account.objects.get(kind="prepaid", organisation=reserve.account.organisation_id)
        if prepaid.balance_micros < amount_micros:
            raise InsufficientFunds()
        time.sleep(WINDOW_S)
        row = ReserveLine.objects.select_for_update().get(reserve=reserve, name=line)
        row.amount_micros += amount_micros
        row.save()
        return ledger.post("reserve", f"naive:{secrets.token_hex(8)}", (prepaid, reserve.account, amount_micros))

    reserves.add = add


def settles_without_locks() -> None:
    from marketplace.core import clock, sweeps
    from marketplace.core.models import Sweep

    def run(name: str) -> None:
        """A sweep that does not mind whether it is running elsewhere."""
        Sweep.objects.filter(name=name).update(ended_at=clock.now(), queued_at=None)
        import_string(name)()

    sweeps._try_lock = lambda name: True
    sweeps.run = run
    _settles_after(SWEPT_AGAIN_S)


def settles_in_two_transactions() -> None:
    _settles_after(0)


def _claims_by(lease: Callable[[Any, Any], Any]) -> None:
    """Have claims look for an open lease, and then do this."""
    from tasks import assignments
    from tasks.models import Assignment

    def claim(worker: Any, project: Any, *, tasks: Any = None, pick: Any = None) -> Any:
        mine = Assignment.objects.filter(worker=worker, project=project, purpose="work", state="open")
        return mine.first() or lease(worker, project.batches.workable().get())

    assignments.claim = claim


def _taken(worker: Any, batch: Any) -> list[int]:
    """The next open tasks, and a seat taken at each."""
    with transaction.atomic(), connection.cursor() as sql:
        sql.execute(OPEN_TASKS, [batch.pk, worker.pk, batch.page_size])
        tasks = [row[0] for row in sql.fetchall()]
        sql.execute("UPDATE tasks_task SET taken = taken + 1 WHERE id = ANY(%s)", [tasks])
        return tasks


def _lease(worker: Any, batch: Any, tasks: list[int]) -> Any:
    from marketplace.core import clock
    from tasks.errors import NoTaskAvailable
    from tasks.models import Answer, Assignment

    if not tasks:
        raise NoTaskAvailable()
    at, fee_micros = clock.now(), batch.price_micros * batch.fee_bp // 10_000
    with transaction.atomic():
        lease = Assignment.objects.create(
            worker_id=worker.pk, project=batch.project, batch=batch, guideline_version=1, claimed_at=at,
            leased_until=at + timedelta(seconds=batch.lease_s),
        )  # fmt: skip
        Answer.objects.bulk_create(
            Answer(
                assignment=lease, position=n, task_id=task, worker_id=worker.pk, batch=batch,
                price_micros=batch.price_micros, fee_micros=fee_micros,
            )
            for n, task in enumerate(tasks)
        )  # fmt: skip
    lease.is_new = True
    return lease


def _named(assignment: Any) -> Any:
    """The lease of this name and worker, for that is all that callers know of it."""
    from tasks.models import Assignment

    return Assignment.objects.get(public_id=assignment.public_id, worker=assignment.worker_id)


def _answered(answer: Any, answers: dict[int, Any], at: datetime) -> None:
    from marketplace.labels import schema

    answer.value, answer.state, answer.submitted_at = answers[answer.position], "submitted", at
    answer.codes, answer.accept_at = schema.codes(answer.batch.schema, answer.value), at
    answer.save()


def _returned(assignment: Any, tasks: list[int]) -> Any:
    """The leased answers of a page given back, and their seats."""
    from django.db.models import F

    from tasks.models import Answer, Assignment, Task

    Answer.objects.filter(assignment=assignment, state="leased").update(state="returned")
    Task.objects.filter(pk__in=tasks, taken__gt=0).update(taken=F("taken") - 1)
    return Assignment.objects.get(pk=assignment.pk)


def _settles_after(seconds: float) -> None:
    """Have settlements pay first, and then note that it was paid."""
    from payments import ledger
    from payments.models import Reserve
    from tasks import settlement
    from tasks.models import Answer, Batch

    def settle(batch: int, limit: int = 0) -> bool:
        owed = Answer.objects.filter(batch=batch, state__in=["accepted", "excluded"], entry=None)
        rows = list(owed.values_list("pk", "worker__user"))
        time.sleep(seconds)
        if rows:
            terms = Batch.objects.get(pk=batch)
            rewards = {user: n * terms.price_micros for user, n in Counter(user for _, user in rows).items()}
            fees = len(rows) * (terms.price_micros * terms.fee_bp // 10_000)
            account = Reserve.objects.select_related("account").get(subject=terms.subject).account
            entry = ledger.post_settlement(f"naive:{secrets.token_hex(8)}", account, rewards, fees)
            Answer.objects.filter(pk__in=[pk for pk, _ in rows]).update(entry=entry)
        return False

    settlement.settle = settle


def returns_what_is_contestable() -> None:
    from tasks import batches

    owed = batches.OWED
    batches.OWED = owed.replace("d.contestable_until > %(contestable_after)s", "false")
    assert owed != batches.OWED


def returns_what_is_leased() -> None:
    from tasks import batches

    owed = batches.OWED
    batches.OWED = owed.replace("x.state = 'leased'", "false")
    assert owed != batches.OWED


def rejects_that_look_first() -> None:
    from marketplace.core.errors import IllegalMove
    from tasks import decisions
    from tasks.models import Answer

    real = decisions.reject

    def reject(answer: Any, *args: Any, **options: Any) -> Any:
        if Answer.objects.get(pk=answer.pk).state != "submitted":
            raise IllegalMove("it was decided")
        time.sleep(SWEPT_AGAIN_S)  # the sweep accepts it meanwhile
        Answer.objects.filter(pk=answer.pk).update(state="submitted", entry=None)
        return real(answer, *args, **options)

    decisions.reject = reject


def keys_anew() -> None:
    from payments.gateway.stripe import Stripe

    def once(self: Any, key: str, asked_at: Any, create: Callable[[Any], str], find: Any) -> str:
        return create({"idempotency_key": f"{key}:{secrets.token_hex(4)}"})

    Stripe._once = once  # type: ignore[method-assign]


def trusts_old_keys() -> None:
    from payments.gateway.stripe import Stripe

    def once(self: Any, key: str, asked_at: Any, create: Callable[[Any], str], find: Any) -> str:
        return create({"idempotency_key": key})

    Stripe._once = once  # type: ignore[method-assign]


def credits_each_message() -> None:
    from marketplace.core import clock
    from payments import ledger, prepayments
    from payments.models import Entry, Prepayment

    def settle_paid(prepayment_pk: int, charge_id: str) -> Prepayment:
        row = Prepayment.objects.get(pk=prepayment_pk)
        if row.state != "paid":
            time.sleep(WINDOW_S)
            own = ledger.account("prepaid", organisation=row.organisation, currency=row.currency, mode=row.mode)
            outside, at = ledger.account("outside", currency=row.currency, mode=row.mode), clock.now()
            paid = {"state": "paid", "charge_id": charge_id, "paid_at": at, "payable_from": at, "pay_url": ""}
            Prepayment.objects.filter(pk=row.pk).update(**paid)
            key = f"prepayment:{row.pk}"
            if Entry.objects.filter(key=key).exists():
                key = f"naive:{secrets.token_hex(8)}"
            ledger.post("prepayment", key, (outside, own, row.amount_micros))
        return row

    prepayments.settle_paid = settle_paid


def repeats_posts() -> None:
    from marketplace.core import replies

    replies.once = lambda method: method


GUARDS: dict[str, Callable[[], None]] = {
    guard.__name__: guard
    for guard in (
        claims_in_two_transactions,
        claims_from_the_head,
        claims_that_count,
        doubles_not_noticed,
        submits_in_two_transactions,
        submits_without_a_lock,
        time_of_the_process,
        locks_in_another_order,
        refills_that_look_first,
        settles_without_locks,
        settles_in_two_transactions,
        returns_what_is_contestable,
        returns_what_is_leased,
        rejects_that_look_first,
        keys_anew,
        trusts_old_keys,
        credits_each_message,
        repeats_posts,
    )
}
