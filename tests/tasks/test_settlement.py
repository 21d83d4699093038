import pytest
from django.db import connection

from payments.models import Account, Entry, Transfer
from tasks import audit, decisions, settlement
from tasks.models import Answer
from tests.tasks import work

EACH = 50_000
on_its_own = pytest.mark.django_db(transaction=True)


class Crash(BaseException):
    """The process is gone: nothing may catch it."""


def accepted(people=("wes", "ann"), **terms):
    """An open batch of four items, answered by these people and accepted."""
    batch = work.published(items=4, page_size=4, accept_after_s=0, **terms)
    for name in people:
        work.work(work.worker(name), batch)
    while decisions.accept_due():
        pass
    return batch


def earned():
    return {row.user.name: row.credits_micros for row in Account.objects.filter(kind="earnings")}


@pytest.mark.django_db
def test_a_step_pays_each_worker_once_with_one_transfer():
    batch = accepted()
    assert settlement.settle(batch.pk) is False
    assert earned() == {"Wes": 4 * EACH, "Ann": 4 * EACH}
    entry = Entry.objects.get(kind="settlement")
    assert entry.facts == {"project": batch.project.public_id, "answers": 8}
    assert Transfer.objects.filter(entry=entry).count() == 3  # two workers and the fee
    assert set(Answer.objects.values_list("entry", flat=True)) == {entry.pk}


@pytest.mark.django_db
def test_steps_go_on_until_nothing_is_owed_and_then_pay_nothing():
    batch = accepted()
    steps = [settlement.settle(batch.pk, limit=3) for _ in range(4)]
    assert steps == [True, True, False, False]
    assert earned() == {"Wes": 4 * EACH, "Ann": 4 * EACH}
    assert Entry.objects.filter(kind="settlement").count() == 3


@pytest.mark.django_db
def test_every_batch_that_owes_is_found_and_no_other():
    assert settlement.waiting() == []
    first, second = accepted(people=["wes"]), accepted(people=["ann"])
    accepted(people=[])
    assert settlement.waiting() == [first.pk, second.pk]
    settlement.settle(first.pk)
    assert settlement.waiting() == [second.pk]


@on_its_own
def test_a_step_that_crashes_at_any_statement_leaves_nothing():
    batch = accepted()
    before = Entry.objects.count()
    for statement in range(1, 100):
        seen = 0

        def crash(execute, *args, at=statement):
            nonlocal seen
            seen += 1
            if seen == at:
                raise Crash
            return execute(*args)

        try:
            with connection.execute_wrapper(crash):
                settlement.settle(batch.pk)
            break
        except Crash:
            assert Entry.objects.count() == before
            assert not Answer.objects.exclude(entry=None).exists()
    assert statement > 5
    assert earned() == {"Wes": 4 * EACH, "Ann": 4 * EACH}


@pytest.mark.django_db
def test_the_audit_finds_an_answer_stamped_with_an_entry_that_is_not_there():
    batch = accepted()
    settlement.settle(batch.pk)
    entry = Entry.objects.get(kind="settlement").pk
    assert audit.check() == []
    Answer.objects.update(entry_id=entry + 1)
    assert "a settlement moved another sum than its answers come to" in " ".join(audit.check())
    Answer.objects.update(entry_id=entry)
