"""Figures kept beside the rows they count, under threads."""

from threading import Barrier

import pytest
from django.db import transaction
from django.db.models import F, Sum

from tasks import assignments, audit, batches, tallies
from tasks.errors import NoTaskAvailable
from tasks.models import Answer, Mark, Tally
from tests.race import race
from tests.tasks import work

pytestmark = pytest.mark.django_db(transaction=True)
WRONG = "a batch's figures are not the counts of its rows"


def work_some(person, batch):
    """Hand in a page, give one back, keep one."""
    try:
        work.work(person, batch)
        assignments.give_back(assignments.claim(person, batch.project))
        assignments.claim(person, batch.project)
    except NoTaskAvailable:
        pass


def fold_often():
    for _ in range(40):
        tallies.fold(limit=3)


def test_whatever_people_and_folds_do_at_once_the_figures_are_the_counts_of_the_rows():
    batch = work.published(items=60, gold=12, redundancy_min=3, redundancy_max=3, gold_share=0.2)
    people = [work.worker(f"worker{n}") for n in range(8)]
    ended = race(*[lambda person=person: work_some(person, batch) for person in people], *[fold_often] * 3)
    assert ended == [None] * 11
    assert audit.check() == []
    while tallies.fold(limit=3):
        pass
    assert not Mark.objects.exists()
    now = batches.progress(batch)
    assert now.leased == Answer.objects.filter(state="leased").count() > 0
    assert now.waiting == Answer.objects.filter(state="submitted").count() > 0
    assert audit.check() == []


def test_a_mark_that_commits_after_a_later_one_was_added_up_is_added_up_too():
    _a_late_mark(tallies.fold)
    assert audit.check() == []


def test_control_a_fold_up_to_the_last_key_loses_the_mark_that_commits_late():
    seen = [0]

    def naive():
        fresh = Mark.objects.filter(pk__gt=seen[0])
        for mark in fresh.order_by("pk"):
            seen[0] = mark.pk
            Tally.objects.get_or_create(batch_id=mark.batch_id)
            sums = {name: F(name) + getattr(mark, name) for name in tallies.NAMES}
            Tally.objects.filter(batch=mark.batch_id).update(**sums)

    batch = _a_late_mark(naive)
    assert Tally.objects.get(batch=batch).leased < Answer.objects.filter(state="leased").count()
    Mark.objects.filter(pk__lte=seen[0]).delete()
    assert WRONG in " ".join(audit.check())


def _a_late_mark(fold):
    """Two claims: the first marks first and commits last, with a fold before and after."""
    batch = work.published(items=6)
    slow, quick = work.worker("slow"), work.worker("quick")
    has_marked, may_commit = Barrier(2), Barrier(2)

    @transaction.atomic
    def claims_slowly():
        assignments.claim(slow, batch.project)
        has_marked.wait(10)
        may_commit.wait(10)

    def claims_between():
        has_marked.wait(10)
        assignments.claim(quick, batch.project)
        fold()
        may_commit.wait(10)

    assert race(claims_slowly, claims_between) == [None, None]
    fold()
    return batch


def test_control_a_fold_that_reads_before_it_deletes_loses_what_came_between():
    batch = work.published(items=6)
    has_read = Barrier(2)
    has_claimed = Barrier(2)

    def naive():
        sums = Mark.objects.aggregate(**{name: Sum(name) for name in tallies.NAMES})
        has_read.wait(10)
        has_claimed.wait(10)
        Mark.objects.all().delete()
        Tally.objects.create(batch=batch, **sums)

    def claims():
        has_read.wait(10)
        assignments.claim(work.worker(), batch.project)
        has_claimed.wait(10)

    assert race(naive, claims) == [None, None]
    assert WRONG in " ".join(audit.check())


def test_a_fold_that_does_not_commit_changes_no_figure():
    batch = work.published(items=6)
    assignments.claim(work.worker(), batch.project)
    before = batches.progress(batch)
    with transaction.atomic():
        tallies.fold()
        assert batches.progress(batch) == before
        transaction.set_rollback(True)
    assert Mark.objects.exists()
    assert batches.progress(batch) == before
    tallies.fold()
    assert batches.progress(batch) == before
