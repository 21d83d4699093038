from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F

from marketplace.core import clock
from payments.models import Account, Entry
from tasks import assignments, audit, decisions, settlement
from tasks.models import Answer, Assignment, Task
from tests import make
from tests.race import race
from tests.tasks import work

pytestmark = pytest.mark.django_db(transaction=True)


def crowd(size):
    return [work.worker(f"worker{n}") for n in range(size)]


def calls(verb, people, *rest):
    return [lambda person=person: verb(person, *rest) for person in people]


def naive_claim(worker, batch):
    """Counts the answers instead of locking the seat."""
    for task in Task.objects.filter(batch=batch):
        with transaction.atomic():
            if Answer.objects.filter(task=task).count() < task.bought:
                lease = Assignment.objects.create(
                    worker=worker,
                    project=batch.project,
                    batch=batch,
                    guideline_version=1,
                    claimed_at=clock.now(),
                    leased_until=clock.now() + timedelta(hours=1),
                )
                Answer.objects.create(
                    assignment=lease, position=0, task=task, worker=worker, batch=batch, price_micros=1, fee_micros=0
                )
                return lease
    return None


def test_the_last_seat_goes_to_exactly_one_of_many():
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1)
    results = race(*calls(assignments.claim, crowd(16), batch.project))
    assert sum(isinstance(result, Assignment) for result in results) == 1
    assert Answer.objects.count() == 1
    assert audit.check() == []


def test_control_a_claim_that_counts_gives_the_last_seat_to_several():
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1)
    results = race(*calls(naive_claim, crowd(16), batch))
    assert sum(isinstance(result, Assignment) for result in results) > 1
    assert audit.check() != []


def test_all_seats_are_found_although_others_hold_their_locks():
    batch = work.published(items=3, redundancy_min=3, redundancy_max=3, page_size=1)
    people = crowd(24)
    results = race(*calls(assignments.claim, people, batch.project))
    given = sum(isinstance(result, Assignment) for result in results)
    assert given == 9, results
    assert not Task.objects.exclude(taken=F("bought")).exists()


def test_a_double_click_on_claim_leases_one_page():
    batch = work.published(items=9)
    wes = work.worker()
    leases = race(*[lambda: assignments.claim(wes, batch.project)] * 8)
    assert len({lease.pk for lease in leases}) == 1
    assert Answer.objects.count() == 3


def test_a_double_click_on_submit_takes_the_page_once():
    batch = work.published(items=3)
    lease = assignments.claim(work.worker(), batch.project)
    race(*[lambda animal=animal: work.answer(lease, default=animal) for animal in ("cat", "dog") * 4])
    assert len(set(Answer.objects.values_list("value__animal", flat=True))) == 1
    assert audit.check() == []


def test_expiry_against_submit_pays_or_reopens_never_both():
    batch = work.published(items=30, page_size=1, redundancy_min=1, redundancy_max=1)
    for person in crowd(10):
        lease = assignments.claim(person, batch.project)
        Assignment.objects.filter(pk=lease.pk).update(leased_until=clock.now() - timedelta(seconds=1))
        race(lambda lease=lease: work.answer(lease), assignments.expire)
        lease.refresh_from_db()
        assert lease.state in ("submitted", "expired")
        assert audit.check() == []


def test_acceptance_against_rejection_ends_in_one_state():
    batch = work.published(items=6, page_size=6, accept_after_s=0)
    work.work(work.worker(), batch)
    rita = make.user("rita")
    for answer in Answer.objects.select_related("batch__project", "task"):
        race(decisions.accept_due, lambda answer=answer: decisions.reject(answer, rita, "wrong", "Because."))
    states = Answer.objects.filter(decisions__isnull=False).values_list("state", flat=True)
    assert set(states) <= {"rejected"}
    assert audit.check() == []


def test_two_settlers_pay_every_answer_once():
    batch = work.published(items=12, page_size=12, accept_after_s=0)
    for person in crowd(2):
        work.work(person, batch)
    decisions.accept_due()
    race(*[lambda: settlement.settle(batch.pk, limit=5)] * 6)
    while settlement.settle(batch.pk, limit=5):
        pass
    assert not Answer.objects.filter(entry=None).exists()
    assert sum(account.balance_micros for account in Account.objects.filter(kind="earnings")) == 24 * 50_000
    assert Entry.objects.filter(kind="settlement").count() >= 5
    assert audit.check() == []
