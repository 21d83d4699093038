"""Many want one thing: a seat, a page, a decision, pay; each race is also run on a naive version, which loses it."""

from datetime import timedelta
from threading import Barrier, Event

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from marketplace.core import clock
from payments.models import Account, Entry
from tasks import assignments, audit, decisions, settlement
from tasks.models import Answer, Assignment, Task
from tests import apart, make
from tests.race import race
from tests.tasks import work

pytestmark = pytest.mark.django_db(transaction=True)
CROWD = 32


def crowd(size):
    return [work.worker(f"worker{n}") for n in range(size)]


def calls(verb, people, *rest):
    return [lambda person=person: verb(person, *rest) for person in people]


def lease_of(worker, batch):
    """A page without tasks."""
    return Assignment.objects.create(
        worker=worker,
        project=batch.project,
        batch=batch,
        guideline_version=1,
        claimed_at=clock.now(),
        leased_until=clock.now() + timedelta(hours=1),
    )


def naive_claim(worker, batch):
    """Counts the answers instead of locking the seat."""
    for task in Task.objects.filter(batch=batch):
        with transaction.atomic():
            if Answer.objects.filter(task=task).count() < task.bought:
                lease = lease_of(worker, batch)
                Answer.objects.create(
                    assignment=lease, position=0, task=task, worker=worker, batch=batch, price_micros=1, fee_micros=0
                )
                return lease
    return None


def test_the_last_seat_goes_to_exactly_one_of_many():
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1)
    results = race(*calls(assignments.claim, crowd(CROWD), batch.project))
    assert sum(isinstance(result, Assignment) for result in results) == 1
    assert Answer.objects.count() == 1
    assert audit.check() == []


def test_control_a_claim_that_counts_gives_the_last_seat_to_several():
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1)
    results = race(*calls(naive_claim, crowd(CROWD), batch))
    assert sum(isinstance(result, Assignment) for result in results) > 1
    assert audit.check() != []


def test_all_seats_are_found_although_others_hold_their_locks():
    batch = work.published(items=3, redundancy_min=3, redundancy_max=3, page_size=1)
    people = crowd(24)
    results = race(*calls(assignments.claim, people, batch.project))
    given = sum(isinstance(result, Assignment) for result in results)
    assert given == 9, results
    assert not Task.objects.exclude(taken=F("bought")).exists()


def test_a_task_that_is_locked_for_a_moment_is_found():
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1, page_size=1)
    is_locked = Event()

    @transaction.atomic
    def somebody():
        list(Task.objects.filter(batch=batch).select_for_update(no_key=True))
        is_locked.set()
        apart.until(somebody_waits, within_s=10)

    def claims():
        is_locked.wait(10)
        return assignments.claim(work.worker(), batch.project)

    assert isinstance(race(somebody, claims)[1], Assignment)


def test_control_a_claim_that_never_waits_says_there_is_nothing_although_a_seat_is_left():
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1, page_size=1)
    is_locked, has_looked = Event(), Event()

    @transaction.atomic
    def somebody():
        list(Task.objects.filter(batch=batch).select_for_update(no_key=True))
        is_locked.set()
        has_looked.wait(10)

    @transaction.atomic
    def naive():
        is_locked.wait(10)
        found = list(Task.objects.filter(batch=batch, open=True).select_for_update(skip_locked=True))
        has_looked.set()
        return found

    assert race(somebody, naive)[1] == []
    assert Task.objects.filter(batch=batch, open=True).exists()


def somebody_waits():
    with connection.cursor() as sql:
        sql.execute(
            """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"""
        )
        return sql.fetchone()[0]


def test_a_double_click_on_claim_leases_one_page():
    batch = work.published(items=9)
    wes = work.worker()
    leases = race(*[lambda: assignments.claim(wes, batch.project)] * 8)
    assert len({lease.pk for lease in leases}) == 1
    assert Answer.objects.count() == 3


def test_control_looking_for_a_lease_before_making_one_fails_for_the_second_click():
    batch, both_have_looked = work.published(items=9), Barrier(2)
    wes = work.worker()

    def naive():
        found = Assignment.objects.open_for(wes, batch.project, Assignment.Purpose.WORK)
        both_have_looked.wait(10)
        return found or lease_of(wes, batch)

    ended = race(naive, naive)
    assert sorted(type(one).__name__ for one in ended) == sorted(["Assignment", IntegrityError.__name__])


def test_a_double_click_on_a_claim_that_picks_leases_one_page():
    batch = work.published(items=9, pick_column="text")
    wes = work.worker()
    leases = race(*[lambda: assignments.claim(wes, batch.project, pick=["item 1", "item 2"])] * 8)
    assert len({lease.pk for lease in leases}) == 1
    assert Answer.objects.count() == 2


def test_a_double_click_on_submit_takes_the_page_once():
    batch = work.published(items=3)
    lease = assignments.claim(work.worker(), batch.project)
    race(*[lambda animal=animal: work.answer(lease, default=animal) for animal in ("cat", "dog") * 4])
    assert len(set(Answer.objects.values_list("value__animal", flat=True))) == 1
    assert audit.check() == []


def test_control_looking_at_the_page_before_taking_it_lets_the_second_click_change_it():
    batch, both_have_looked = work.published(items=3), Barrier(2)
    lease = assignments.claim(work.worker(), batch.project)
    is_taken = Event()

    def naive(animal, after):
        assert Assignment.objects.get(pk=lease.pk).state == "open"
        both_have_looked.wait(10)
        after.wait(10)
        lease.answers.update(state="submitted", value={"animal": animal}, submitted_at=clock.now())
        Assignment.objects.filter(pk=lease.pk).update(state="submitted", submitted_at=clock.now())
        told = lease.answers.get(position=0).value
        is_taken.set()
        return told

    at_once = Event()
    at_once.set()
    told = race(lambda: naive("cat", at_once), lambda: naive("dog", is_taken))
    assert told == [{"animal": "cat"}, {"animal": "dog"}]
    assert lease.answers.get(position=0).value != told[0]


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


def test_control_looking_before_rejecting_takes_back_what_was_accepted():
    batch = work.published(items=1, page_size=1, accept_after_s=0)
    work.work(work.worker(), batch)
    (answer,) = Answer.objects.all()
    has_looked, is_accepted = Event(), Event()

    def naive():
        assert Answer.objects.get(pk=answer.pk).state == "submitted"
        has_looked.set()
        is_accepted.wait(10)
        return Answer.objects.filter(pk=answer.pk).update(state="rejected")

    def accepts():
        has_looked.wait(10)
        decisions.accept_due()
        state = Answer.objects.get(pk=answer.pk).state
        is_accepted.set()
        return state

    assert race(naive, accepts) == [1, "accepted"]
    assert Answer.objects.get(pk=answer.pk).state == "rejected"
    assert audit.check() != []


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
