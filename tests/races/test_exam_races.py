"""Several tabs, one exam; many people, few paid exams; the clock against the hand."""

from datetime import timedelta
from threading import Barrier

import pytest
from django.db import IntegrityError
from django.db.models import F

from marketplace.core import clock
from marketplace.core.errors import DomainError
from tasks import assignments, audit, training
from tasks.errors import NoTaskAvailable
from tasks.models import Assignment, Batch
from tests.race import race
from tests.tasks import work

pytestmark = pytest.mark.django_db(transaction=True)
TABS, CROWD = 8, 12
TERMS = {"gold": 12, "gold_share": 0.0, "exam_size": 2, "exam_cooldown_s": 0, "exam_attempts": 3}


def test_two_tabs_that_begin_an_exam_get_one():
    batch, wes = work.published(**TERMS), work.worker()
    begun = race(*[lambda: training.sit(wes, batch.project).pk] * TABS)
    assert len(set(begun)) == 1
    assert Assignment.objects.filter(purpose="exam").count() == 1
    assert audit.check() == []


def test_tabs_that_begin_and_end_exams_at_once_get_no_more_tries_than_there_are():
    batch, wes = work.published(**TERMS), work.worker()

    def tab():
        for _ in range(3):
            assignments.give_back(training.sit(wes, batch.project))

    race(*[tab] * TABS)
    assert sorted(Assignment.objects.filter(purpose="exam").values_list("attempt", flat=True)) == [1, 2, 3]
    assert audit.check() == []


def test_control_counting_the_tries_alone_begins_more_than_there_are():
    batch, wes = work.published(**{**TERMS, "exam_attempts": 1}), work.worker()
    counted = Barrier(TABS)

    def naive(tab):
        tries = Assignment.objects.filter(worker=wes, project=batch.project).count()
        counted.wait(30)
        if tries < 1:  # under a purpose of its own, which no constraint holds to one
            at = clock.now()
            Assignment.objects.create(
                worker=wes, project=batch.project, batch=batch, purpose=f"tab{tab}", attempt=tries + 1,
                guideline_version=0, claimed_at=at, leased_until=at,
            )  # fmt: skip

    race(*[lambda tab=tab: naive(tab) for tab in range(TABS)])
    assert Assignment.objects.filter(worker=wes).count() == TABS


def test_of_many_exactly_so_many_sit_a_paid_exam_as_were_bought():
    batch = work.published(**TERMS, exam_price_micros=90_000, exam_paid_most=3)
    people = [work.worker(f"worker{number}") for number in range(CROWD)]
    outcomes = race(*[lambda person=person: training.sit(person, batch.project) for person in people])
    assert sum(isinstance(outcome, Assignment) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, NoTaskAvailable) for outcome in outcomes) == CROWD - 3
    assert Batch.objects.get(pk=batch.pk).exams_taken == 3
    assert audit.check() == []


def test_control_looking_at_what_is_left_before_taking_it_oversells():
    batch = work.published(**TERMS, exam_price_micros=90_000, exam_paid_most=3)
    both = Barrier(CROWD)

    def naive():
        left = Batch.objects.filter(pk=batch.pk, exams_taken__lt=F("exam_paid_most")).exists()
        both.wait(30)
        return left and Batch.objects.filter(pk=batch.pk).update(exams_taken=F("exams_taken") + 1)

    outcomes = race(*[naive] * CROWD)
    assert any(isinstance(outcome, IntegrityError) for outcome in outcomes)  # the database says stop
    Batch.objects.update(exams_taken=0)


def test_handing_in_against_the_sweep_at_the_edge_is_either_paid_or_late_and_never_both():
    batch = work.published(**TERMS, exam_price_micros=90_000, exam_paid_most=30)
    for number in range(6):
        person = work.worker(f"worker{number}")
        lease = training.sit(person, batch.project)
        Assignment.objects.filter(pk=lease.pk).update(leased_until=clock.now() + timedelta(milliseconds=number))
        race(lambda lease=lease: work.answer(lease, default="owl"), assignments.expire, assignments.expire)
        with_sweep = Assignment.objects.get(pk=lease.pk)
        if with_sweep.state == "open":
            assignments.expire()
            with_sweep.refresh_from_db()
        paid = with_sweep.answers.filter(state="accepted").count()
        assert (with_sweep.state, paid) in {("submitted", 2), ("expired", 0)}
        assert with_sweep.score is not None
    assert audit.check() == []


def test_checking_one_position_twice_at_once_keeps_one_answer():
    batch = work.published(gold=4, practice_size=2)
    lease = training.start(work.worker(), batch.project)
    said = [{"animal": "cat"}, {"animal": "owl"}] * 4
    marks = race(*[lambda value=value: training.check(lease, 0, value).value for value in said])
    assert not [mark for mark in marks if isinstance(mark, DomainError)]
    assert len({mark["animal"] for mark in marks}) == 1
