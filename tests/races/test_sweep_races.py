"""Everything at once: the sweeps of two clusters, and every verb in random order."""

import random
import secrets
import time
import traceback
from contextlib import suppress
from threading import Barrier, Event

import pytest
from django.db import OperationalError, connection, transaction

from marketplace.core import clock, sweeps
from marketplace.core.errors import DomainError
from payments import ledger, prepayments, reserves
from payments.models import Account, Reserve
from tasks import appeals, assignments, audit, batches, decisions, jobs, seats
from tasks.models import Answer, Appeal, Assignment, Batch, Consensus, Cursor, Decision, Evidence, Task
from tests import apart, make
from tests.race import race
from tests.tasks import work

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = ("fill", "expire", "grade", "update_consensus", "accept", "settle", "close", "uphold_overdue")
STRESS_S = 10.0


def crowd(size):
    return [work.worker(f"worker{n}") for n in range(size)]


def earned_micros():
    return sum(account.balance_micros for account in Account.objects.filter(kind="earnings"))


# Two clusters


@pytest.mark.parametrize("through_the_lock", [True, False])
def test_two_clusters_that_sweep_at_once_pay_every_answer_once(through_the_lock: bool):
    batch = work.published(items=24, page_size=3, redundancy_min=2, redundancy_max=2, accept_after_s=0)
    is_over = Event()

    def cluster():
        while not is_over.is_set():
            for name in STEPS:
                sweeps.run(f"tasks.jobs.{name}") if through_the_lock else getattr(jobs, name)()

    def people():
        try:
            for person in crowd(4):
                work.work_all(person, batch)
            time.sleep(0.5)
        finally:
            is_over.set()

    assert race(people, cluster, cluster) == [None] * 3
    work.sweep()
    assert not Answer.objects.filter(entry=None).exists()
    assert earned_micros() == 48 * 50_000
    assert audit.check() == []


def test_control_two_clusters_that_look_before_they_pay_pay_twice():
    batch = work.published(items=3, page_size=3, redundancy_min=1, redundancy_max=1, accept_after_s=0)
    work.work(work.worker(), batch)
    decisions.accept_due()
    both_have_looked = Barrier(2)

    def naive():
        rows = list(Answer.objects.filter(entry=None).values_list("pk", "worker__user", "price_micros", "fee_micros"))
        both_have_looked.wait(10)
        account = Reserve.objects.get(subject=batch.subject).account
        rewards = {rows[0][1]: sum(price for _, _, price, _ in rows)}
        fees = sum(fee for *_, fee in rows)
        entry = ledger.post_settlement(f"naive:{secrets.token_hex(4)}", account, rewards, fees)
        Answer.objects.filter(pk__in=[pk for pk, *_ in rows]).update(entry=entry)

    reserves.add(batch.subject, "answers", 3 * 55_000)  # so that there is money to pay twice
    race(naive, naive)
    assert earned_micros() == 2 * 3 * 50_000
    assert audit.check() != []


# Every verb in random order


class Somebody:
    """One thread of the stress: does what it likes until the time is over, and keeps what it should never see."""

    def __init__(self, batch, seed, until):
        self.batch, self.project, self.luck, self.until = batch, batch.project, random.Random(seed), until
        self.me = work.worker(f"worker{seed}")
        self.rita, self.ada = make.user("rita"), make.user("ada", staff=True)

    def __call__(self):
        done = 0
        while time.monotonic() < self.until:
            verb = self.luck.choice([self.labour, self.labour, self.decide, self.judge, self.sweep, self.offer])
            with suppress(DomainError):  # a refusal is an answer
                verb()
            done += 1
        return done

    def labour(self):
        lease = assignments.claim(self.me, self.project)
        match self.luck.randrange(6):
            case 0:
                assignments.give_back(lease)
            case 1:
                assignments.skip(lease, self.luck.randrange(3))
            case 2:
                assignments.renew(lease, 3)
                assignments.keep_draft(lease, {"0": "cat"})
            case _:
                work.answer(lease, default=self.luck.choice(["cat", "dog", "owl"]))

    def decide(self):
        some = Answer.objects.filter(attempt=0, state__in=["submitted", "accepted"]).order_by("?")
        answer = some.select_related("batch__project", "task").first()
        if answer is None:
            return
        refill = self.luck.random() < 0.6
        match self.luck.randrange(3):
            case 0:
                decisions.reject(answer, self.rita, "wrong", "Look again.", refill)
            case 1:
                decisions.exclude(answer, self.rita, "damaged", "It cannot be read.", refill)
            case _:
                decisions.accept([answer], self.rita)

    def judge(self):
        if decision := Decision.objects.filter(appeal=None).order_by("?").first():
            appeals.contest(decision, decision.worker, "I was right.")
        waiting = Appeal.objects.filter(state="open").select_related("decision__answer__batch").order_by("?")
        if appeal := waiting.first():
            verdict = self.luck.choice([appeals.uphold, appeals.dismiss])
            verdict(appeal, self.ada, "We looked again.")

    def sweep(self):
        for lease in Assignment.objects.filter(state="open").order_by("?")[:2]:  # one by one: two would need an order
            Assignment.objects.filter(pk=lease.pk).update(leased_until=clock.now())
        getattr(jobs, self.luck.choice(STEPS))()

    def offer(self):
        prepayments.request(self.project.organisation, self.rita, 10_000, "USD")
        running = Batch.objects.filter(state="open").order_by("?").first()
        if running and self.luck.random() < 0.2:
            batches.close(running, self.rita)
        elif running is None or self.luck.random() < 0.2:
            batches.publish(self.project, self.batch.dataset, self.rita)


def test_every_verb_in_random_order_meets_no_deadlock_and_breaks_no_promise(caplog):
    terms = {"gold_share": 0.2, "page_size": 3, "redundancy_min": 2, "redundancy_max": 4, "accept_after_s": 0}
    batch = work.published(12, 6, **terms)
    until = time.monotonic() + STRESS_S
    ended = race(*[Somebody(batch, seed, until) for seed in range(10)])
    assert ["".join(traceback.format_exception(done)) for done in ended if isinstance(done, Exception)] == []
    assert [record.exc_text for record in caplog.records if record.levelname == "ERROR"] == []  # of a sweep
    assert audit.check() == []
    work.sweep()
    assert audit.check() == []


def until_a_deadlock(batch, tell, within_s):
    """The deadlock that one of eight met who tell a batch to look again, while four make rows that refer to it."""
    until, is_over = time.monotonic() + within_s, Event()

    def tells():
        while time.monotonic() < until and not is_over.is_set():
            try:
                tell([batch.pk])
            except OperationalError as error:
                is_over.set()
                return error
        return None

    def refers(person):
        while time.monotonic() < until and not is_over.is_set():
            with transaction.atomic():
                Cursor.objects.create(worker=person, batch=batch)
                transaction.on_commit(lambda: Cursor.objects.filter(worker=person).delete())

    ended = race(*[tells] * 8, *[lambda person=person: refers(person) for person in crowd(4)])
    return next((error for error in ended if error), None)


def test_telling_a_batch_that_others_refer_to_meets_no_deadlock():
    assert until_a_deadlock(work.published(items=1), seats.bump, within_s=5) is None


def test_control_locking_and_updating_a_batch_in_one_statement_deadlocks():
    def naive(batches):
        with connection.cursor() as sql:
            sql.execute(
                """UPDATE tasks_batch b SET queue_epoch = queue_epoch + 1
                   FROM (SELECT id FROM tasks_batch WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE) locked
                   WHERE b.id = locked.id""",
                [batches],
            )

    assert "deadlock" in str(until_a_deadlock(work.published(items=1), naive, within_s=60))


@pytest.mark.parametrize("verb", [seats.free, seats.retake, seats.settle])
def test_a_label_is_written_while_others_hold_the_seats_of_its_task(verb):
    batch = work.published(items=1, page_size=1, redundancy_min=1, redundancy_max=1)
    work.work(work.worker(), batch)
    task, is_held, is_written = Task.objects.get(), Event(), Event()

    @transaction.atomic
    def holds():
        verb([task.pk])
        is_held.set()
        transaction.set_rollback(True)
        return is_written.wait(10)

    def writes():
        is_held.wait(10)
        label = {"method": "vote", "version": "1", "confidence": 1, "support": 1, "updated_at": clock.now()}
        Consensus.objects.create(task=task, field="animal", value="cat", **label)
        is_written.set()

    assert race(holds, writes) == [True, None]


@pytest.mark.parametrize("sweep", ["accept", "grade", "settle"])
def test_evidence_is_written_while_a_sweep_holds_its_answer(sweep):
    batch = work.published(items=1, gold=1, gold_share=0.5, page_size=2, accept_after_s=0)
    work.work(work.worker(), batch)
    if sweep == "settle":
        jobs.accept()
    answers, is_held, is_written = list(Answer.objects.all()), Event(), Event()

    @transaction.atomic
    def holds():
        getattr(jobs, sweep)()
        is_held.set()
        return is_written.wait(10)

    def writes():
        is_held.wait(10)
        for answer in answers:
            rows = {"worker_id": answer.worker_id, "project": batch.project, "answer": answer}
            Evidence.objects.create(kind="review", correct=1, **rows)
        is_written.set()

    assert race(holds, writes) == [True, None]


@pytest.mark.parametrize("decide", [decisions.reject, decisions.exclude])
def test_a_decision_takes_the_batch_before_the_task_as_the_sweeps_do(decide):
    batch = work.published(items=3, page_size=3)
    answer = work.work(work.worker(), batch).answers.select_related("batch__project", "task").first()
    holds_the_batch = Event()

    @transaction.atomic
    def sweep():
        list(Batch.objects.filter(pk=batch.pk).select_for_update(no_key=True))
        holds_the_batch.set()
        apart.until(somebody_waits, within_s=10)
        return len(Task.objects.filter(pk=answer.task_id).select_for_update(nowait=True))

    def person():
        holds_the_batch.wait(10)
        return decide(answer, make.user("rita"), "wrong", "Look again.", refill=False).state

    assert race(sweep, person) == [1, "standing"]


def test_publishing_does_not_wait_for_those_who_only_refer_to_the_project():
    batch = work.published(items=3)
    published = Event()

    @transaction.atomic
    def refers():
        with connection.cursor() as sql:
            sql.execute("SELECT 1 FROM marketplace_project WHERE id = %s FOR KEY SHARE", [batch.project_id])
        return published.wait(10)

    def publishes():
        another = batches.publish(batch.project, batch.dataset, make.user("rita"))
        published.set()
        return another.number

    assert race(refers, publishes) == [True, 2]


def test_a_batch_that_a_person_is_closing_does_not_stop_the_sweep_that_closes():
    batch = work.published(items=3, page_size=3, redundancy_min=1, redundancy_max=1, accept_after_s=0)
    work.work(work.worker(), batch)
    jobs.update_consensus()
    decisions.accept_due()
    is_closed, has_swept = Event(), Event()

    @transaction.atomic
    def person():
        batches.close(batch, make.user("rita"))
        is_closed.set()
        return has_swept.wait(10)

    def sweep():
        is_closed.wait(10)
        more = batches.close_finished()
        has_swept.set()
        return more

    assert race(person, sweep) == [True, False]


def somebody_waits():
    with connection.cursor() as sql:
        sql.execute(
            """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"""
        )
        return sql.fetchone()[0]


def test_control_locking_tasks_before_their_batch_deadlocks():
    batch = work.published(items=3, page_size=3)
    lease = assignments.claim(work.worker(), batch.project)
    holds_the_task, holds_the_batch = Event(), Event()

    @transaction.atomic
    def naive():
        list(Task.objects.filter(answers__assignment=lease).order_by("pk").select_for_update())
        holds_the_task.set()
        holds_the_batch.wait(10)
        list(Batch.objects.filter(pk=batch.pk).select_for_update(no_key=True))

    @transaction.atomic
    def in_order():
        holds_the_task.wait(10)
        list(Batch.objects.filter(pk=batch.pk).select_for_update(no_key=True))
        holds_the_batch.set()
        assignments.give_back(lease)

    ended = race(naive, in_order)
    assert any(isinstance(one, OperationalError) and "deadlock" in str(one) for one in ended), ended
