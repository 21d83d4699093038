"""Reopening while people hand in, labels are weighed and money is settled."""

import random
import time
from contextlib import suppress
from threading import Barrier, Event

import pytest
from django.db import DatabaseError, OperationalError

from marketplace import guidelines
from marketplace.core.errors import DomainError
from tasks import assignments, audit, consensus, evidence, jobs, reopening, seats
from tasks.consensus import fits
from tasks.models import Answer, Batch, Reopening, Task
from tests import make
from tests.race import race
from tests.tasks import work
from tests.tasks.test_reopening import labelled, person, reopened, revised
from workers import guidelines as read

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = ("update_consensus", "accept", "settle", "reopen")
STRESS_S = 6.0


def test_reopening_against_submits_and_settlements_keeps_every_promise():
    batch = labelled(items=12, page_size=3, redundancy_min=2, redundancy_max=3)
    labels = ("cat", "dog")
    until = time.monotonic() + STRESS_S
    faults = []

    def worker(seed):
        luck = random.Random(seed)
        me = work.worker(f"worker{seed}")

        def labour():
            while time.monotonic() < until:
                with suppress(DomainError):
                    read.acknowledge(me, batch.project, batch.project.guidelines.first().version)
                    work.answer(assignments.claim(me, batch.project), default=luck.choice(labels))
                time.sleep(0.01)

        return labour

    def rita():
        by, luck = make.user("rita"), random.Random(1)
        while time.monotonic() < until:
            with suppress(DomainError):
                last = guidelines.write(batch.project, by, "Look again.").version
                reopening.reopen(batch.project, by, "animal", luck.choice(labels), last - 1)
            time.sleep(0.2)

    def cluster():
        while time.monotonic() < until:
            try:
                for name in STEPS:
                    getattr(jobs, name)()
            except OperationalError as error:
                faults.append(error)

    outcome = race(*(worker(seed) for seed in range(6)), rita, rita, cluster)
    assert outcome == [None] * 9
    assert faults == []
    assert Reopening.objects.filter(tasks__gt=0).count() > 1
    assert audit.check() == []
    work.sweep()
    assert audit.check() == []


def test_two_who_reopen_at_once_buy_one_answer_in_the_place_of_each():
    batch = labelled()
    revised(batch)
    runs = race(lambda: reopened(batch), lambda: reopened(batch))
    assert runs[0] == runs[1]
    assert Answer.objects.superseded().count() == 8
    assert set(Task.objects.values_list("bought", "taken")) == {(4, 2)}


def test_control_looking_before_buying_buys_twice():
    batch = labelled()
    revised(batch)
    both_have_looked = Barrier(2)

    def naive():
        old = list(Answer.objects.counted().values_list("pk", "task"))
        both_have_looked.wait(10)
        seats.reopen({task: 2 for _, task in old})
        Answer.objects.filter(pk__in=[pk for pk, _ in old]).update(superseded_at=batch.published_at)

    race(naive, naive)
    assert set(Task.objects.values_list("bought", "taken")) == {(6, 2)}
    assert audit.check() != []


def judged_meanwhile(monkeypatch, batch):
    """A reopening that begins while the labels it goes by are being changed; what it came to."""
    revised(batch)
    Answer.objects.update(value={"animal": "dog"}, codes=[1])
    evidence.recount(batch.project)
    Batch.objects.update(consensus_at=None)
    is_judging = Event()
    add = evidence.add

    def slowly(*told):
        is_judging.set()
        time.sleep(1)
        add(*told)

    def late():
        assert is_judging.wait(10)
        return reopened(batch)

    monkeypatch.setattr(evidence, "add", slowly)
    return race(lambda: consensus.update(Batch.objects.get()), late)[1]


def test_a_label_that_changes_meanwhile_is_seen(monkeypatch):
    run = judged_meanwhile(monkeypatch, labelled())
    assert (run.state, run.tasks) == ("done", 0)
    assert audit.check() == []


def test_control_without_holding_the_consensus_it_fails(monkeypatch):
    """Nor locking the batch early, to note when it was weighed."""
    batch = labelled()
    monkeypatch.setattr(seats, "hold", lambda batch: None)
    monkeypatch.setattr(fits, "keep", lambda *told: None)
    assert isinstance(judged_meanwhile(monkeypatch, batch), DatabaseError)  # of a constraint, or a deadlock


def test_who_claims_while_tasks_reopen_finds_them():
    batch = labelled(items=6)
    revised(batch)
    new = [person(f"new{number}", batch.project) for number in range(3)]

    def labour(me):
        for _ in range(200):
            with suppress(DomainError):
                while True:
                    work.work(me, batch, "dog")
            if Reopening.objects.exists() and not Task.objects.filter(open=True).exists():
                return
            time.sleep(0.02)

    done = race(lambda: reopened(batch).tasks, *(lambda me=me: labour(me) for me in new))
    assert done == [6, None, None, None]
    assert set(Task.objects.values_list("bought", "taken")) == {(4, 4)}
    assert audit.check() == []
