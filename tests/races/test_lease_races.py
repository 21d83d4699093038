"""One page, wanted in two ways at once: by two tabs, by its end, by the closing of its batch."""

import random
from datetime import timedelta
from threading import Barrier, Event

import pytest
from django.db import transaction
from django.db.models import F

from marketplace.core import clock
from marketplace.core.errors import DomainError
from marketplace.models import User
from payments import ledger, reserves
from payments.models import Account
from tasks import assignments, audit, batches, seats
from tasks.models import Answer, Assignment, Batch, Task
from tests import make
from tests.race import race
from tests.tasks import work
from workers.models import Worker

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 1000


def leased(batch: Batch, times: int, over: bool = False) -> list[Assignment]:
    """So many workers, each with a page of one task; their time is over, where that is said."""
    made = User.objects.bulk_create(User(email=f"w{n}@example.org", name=f"w{n}") for n in range(times))
    people = Worker.objects.bulk_create(Worker(user=user) for user in made)
    at = clock.now()
    until = at if over else at + timedelta(hours=1)
    rows = {"project": batch.project, "batch": batch, "guideline_version": 1, "claimed_at": at, "leased_until": until}
    leases = Assignment.objects.bulk_create(Assignment(worker=person, **rows) for person in people)
    tasks = [task for task in Task.objects.filter(batch=batch) for _ in range(task.bought)]
    Answer.objects.bulk_create(
        Answer(
            assignment=lease, position=0, task=task, worker_id=lease.worker_id, batch=batch,
            price_micros=batch.price_micros, fee_micros=batch.price_micros * batch.fee_bp // 10_000,
        )
        for lease, task in zip(leases, tasks[:times], strict=True)
    )  # fmt: skip
    for lease in leases:
        Task.objects.filter(answers__assignment=lease).update(taken=F("taken") + 1)
    return leases


# Two tabs


def test_a_page_handed_in_by_one_tab_and_given_back_by_the_other_ends_in_one_way():
    batch = work.published(items=60, page_size=3, redundancy_min=1, redundancy_max=1)
    ended = set()
    for number in range(20):
        lease = assignments.claim(work.worker(f"worker{number}"), batch.project)
        race(lambda lease=lease: work.answer(lease), lambda lease=lease: assignments.give_back(lease))
        lease.refresh_from_db()
        answers = set(lease.answers.values_list("state", flat=True))
        ended.add(lease.state)
        assert {lease.state} == answers <= {"submitted", "returned"}
        assert audit.check() == []
    assert ended


def test_two_tabs_that_skip_and_hand_in_agree_on_every_position():
    batch = work.published(items=60, page_size=3, redundancy_min=1, redundancy_max=1)
    for number in range(20):
        lease = assignments.claim(work.worker(f"worker{number}"), batch.project)
        race(
            lambda lease=lease: assignments.skip(lease, 1),
            lambda lease=lease: work.answer(lease),
            lambda lease=lease: assignments.keep_draft(lease, {"0": "half an answer"}),
            lambda lease=lease: assignments.renew(lease, 5),
        )
        states = list(lease.answers.order_by("position").values_list("state", flat=True))
        assert states[1] in ("skipped", "submitted")
        assert audit.check() == []


def test_control_giving_back_without_a_lock_reopens_seats_of_a_page_that_was_handed_in():
    batch = work.published(items=3, page_size=3, redundancy_min=1, redundancy_max=1)
    lease = assignments.claim(work.worker(), batch.project)
    has_looked, is_handed_in = Event(), Event()

    def naive():
        assert Assignment.objects.get(pk=lease.pk).state == "open"
        tasks = list(lease.answers.values_list("task", flat=True))
        has_looked.set()
        is_handed_in.wait(10)
        with transaction.atomic():
            Assignment.objects.filter(pk=lease.pk).update(state="returned")
            seats.free(tasks)

    def other_tab():
        has_looked.wait(10)
        work.answer(lease)
        is_handed_in.set()

    race(naive, other_tab)
    assert audit.check() != []


# The end of a lease


def test_a_thousand_leases_that_end_while_they_are_handed_in_are_paid_or_reopened():
    batch = work.published(items=TIMES // 20, page_size=1, redundancy_min=20, redundancy_max=20, accept_after_s=0)
    leases = leased(batch, TIMES, over=True)
    order = random.Random(4).sample(leases, TIMES)
    told = {}

    def hand_in(some):
        for lease in some:
            try:
                told[lease.pk] = work.answer(lease).state
            except DomainError as refusal:
                told[lease.pk] = refusal.code

    def sweep():
        while Assignment.objects.filter(state="open").exists():
            assignments.expire(limit=5)

    ended = race(*[lambda n=n: hand_in(order[n::4]) for n in range(4)], sweep, sweep)
    assert ended == [None] * 6
    taken = [pk for pk, answer in told.items() if answer == "submitted"]
    assert len(told) == TIMES
    assert set(Assignment.objects.filter(state="submitted").values_list("pk", flat=True)) == set(taken)
    assert set(told.values()) <= {"submitted", "lease-ended"}
    assert audit.check() == []
    work.sweep()
    earned = Account.objects.filter(kind="earnings")
    assert sum(account.balance_micros for account in earned) == len(taken) * batch.price_micros
    assert audit.check() == []


def test_control_handing_in_without_a_lock_pays_for_a_seat_that_was_reopened():
    batch = work.published(items=1, page_size=1, redundancy_min=1, redundancy_max=1)
    (lease,) = leased(batch, 1, over=True)
    has_looked, has_ended = Event(), Event()

    def naive():
        assert Assignment.objects.get(pk=lease.pk).state == "open"
        has_looked.set()
        has_ended.wait(10)
        Assignment.objects.filter(pk=lease.pk).update(state="submitted", submitted_at=clock.now())
        lease.answers.update(state="submitted", value={"animal": "cat"}, submitted_at=clock.now())

    def sweep():
        has_looked.wait(10)
        assignments.expire()
        has_ended.set()

    assert race(naive, sweep)[0] is None
    assert audit.check() != []


# The closing of a batch


def test_closing_against_claims_and_submits_returns_exactly_what_is_not_owed():
    for number in range(4):
        batch = work.published(items=10, page_size=1, redundancy_min=2, redundancy_max=2, accept_after_s=0)
        people = [work.worker(f"worker{number}.{n}") for n in range(14)]
        leases = [assignments.claim(person, batch.project) for person in people[:8]]
        race(
            *[lambda lease=lease: work.answer(lease) for lease in leases[:4]],
            *[lambda lease=lease: assignments.give_back(lease) for lease in leases[4:6]],
            *[lambda p=person, project=batch.project: assignments.claim(p, project) for person in people[8:]],
            lambda batch=batch: batches.close(batch, make.user("rita")),
            *[lambda batch=batch: [batches.return_rest(batch.pk) for _ in range(10)]] * 2,
        )
        assert audit.check() == []
        for lease in Assignment.objects.filter(batch=batch, state="open"):
            work.answer(lease)
        batch.refresh_from_db()
        assert batch.state == "closed"
        Batch.objects.update(look_again_at=None)
        work.sweep()
        while batches.return_rest(batch.pk):
            pass
        paid = Answer.objects.filter(batch=batch, entry__isnull=False).count()
        assert reserves.balance(batch.subject) == 0
        assert Answer.objects.filter(batch=batch, state="submitted").count() == 0
        prepaid = Account.objects.get(kind="prepaid", organisation=batch.project.organisation)
        assert prepaid.balance_micros == 100_000_000 - paid * 55_000
        assert audit.check() == []


def test_control_returning_the_rest_without_withdrawing_the_seats_leaves_a_claim_unpaid():
    batch = work.published(items=3, page_size=1, redundancy_min=1, redundancy_max=1)
    both = Barrier(2)
    has_claimed = Event()

    def naive():
        owed = batches.owed_micros(batch)
        both.wait(10)
        has_claimed.wait(10)
        reserves.release_all_but(batch.subject, owed)
        Batch.objects.filter(pk=batch.pk).update(state="closed", closed_at=clock.now())

    def claims():
        both.wait(10)
        lease = assignments.claim(work.worker(), batch.project)
        has_claimed.set()
        return lease

    race(naive, claims)
    assert any("reserve" in problem for problem in audit.check())
    assert ledger.audit() == []
