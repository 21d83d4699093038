"""Totals of what was decided for good: counted once, taken back where undone, the same from scratch."""

from datetime import timedelta

import pytest

from marketplace.core import clock
from marketplace.models import Organisation
from tasks import appeals, decisions, settlement, totals
from tasks.models import Answer, Decision
from tests import make
from tests.tasks import work
from workers import totals as kept
from workers.models import Record, Worker

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(minutes=2)


@pytest.fixture
def batch(rita):
    return work.published(items=6, page_size=6)


@pytest.fixture
def worker(wes) -> Worker:
    return work.worker("wes")


def counted(worker: Worker, home: Organisation | None = None) -> tuple[int, int]:
    row = Record.objects.filter(worker=worker, organisation=home).first()
    return (row.approved, row.rejected) if row else (0, 0)


def answers() -> list[Answer]:
    return list(Answer.objects.select_related("task", "batch__project", "assignment").order_by("position"))


def over(decision: Decision) -> None:
    """The time to contest it has passed."""
    Decision.objects.filter(pk=decision.pk).update(contestable_until=clock.now() - LONG_AGO)


def test_what_is_accepted_or_excluded_counts_when_it_is_paid_and_what_waits_does_not(batch, worker, rita):
    work.work(worker, batch)
    home = batch.project.organisation
    given = answers()
    decisions.accept(given[:2], rita)
    decisions.exclude(given[2], rita, "damaged", "Nothing to see.")
    assert counted(worker) == (0, 0)
    settlement.settle(batch.pk)
    settlement.settle(batch.pk)
    assert counted(worker) == counted(worker, home) == (3, 0)


def test_a_rejection_counts_only_when_it_can_no_longer_be_contested(batch, worker, rita):
    work.work(worker, batch)
    decision = decisions.reject(answers()[0], rita, "wrong", "No.")
    assert not totals.count()
    assert counted(worker) == (0, 0)
    over(decision)
    totals.count()
    totals.count()
    assert counted(worker) == counted(worker, batch.project.organisation) == (0, 1)


def test_a_contested_rejection_counts_when_its_appeal_is_dismissed_and_never_when_it_is_upheld(
    batch, worker, rita, ada
):
    work.work(worker, batch)
    first, second = (decisions.reject(answer, rita, "wrong", "No.") for answer in answers()[:2])
    dismissed, upheld = (appeals.contest(one, worker, "It is right.") for one in (first, second))
    for one in (first, second):
        over(one)
    totals.count()
    assert counted(worker) == (0, 0)
    appeals.dismiss(dismissed, ada, "It is wrong.")
    appeals.uphold(upheld, ada, "It is right.")
    totals.count()
    assert counted(worker) == (0, 1)
    settlement.settle(batch.pk)
    assert counted(worker) == (1, 1)


def test_a_final_rejection_that_is_overturned_all_the_same_is_taken_back(batch, worker, rita):
    work.work(worker, batch)
    decision = decisions.reject(answers()[0], rita, "wrong", "No.")
    over(decision)
    totals.count()
    assert counted(worker) == (0, 1)
    decision.refresh_from_db()
    decisions.overturn(decision, None, "It was right.")
    totals.count()
    settlement.settle(batch.pk)
    assert counted(worker) == (1, 0)


def test_a_bounded_step_says_that_there_is_more(batch, worker, rita):
    work.work(worker, batch)
    for answer in answers()[:3]:
        over(decisions.reject(answer, rita, "wrong", "No."))
    assert totals.count(2)
    assert counted(worker) == (0, 2)
    assert not totals.count(2)
    assert counted(worker) == (0, 3)


def test_from_scratch_it_is_the_same_and_damage_is_mended(batch, worker, rita):
    work.work(worker, batch)
    given = answers()
    decisions.accept(given[:4], rita)
    over(decisions.reject(given[4], rita, "wrong", "No."))
    settlement.settle(batch.pk)
    totals.count()
    home = batch.project.organisation
    assert totals.recount(home.pk) == {worker.pk: (4, 1)}
    Record.objects.filter(organisation=home).update(approved=9)
    Record.objects.filter(organisation=None).update(approved=9)
    totals.replace(home.pk)
    assert counted(worker) == counted(worker, home) == (4, 1)


def test_the_share_is_told_with_its_interval_and_only_from_enough_answers(worker, settings):
    settings.APPROVED_SHARE_LEAST_ANSWERS = 4
    home = make.organisation()
    kept.add([(home.pk, worker.pk, 3, 0)])
    share = kept.share(worker)
    assert (share.share, share.decided) == (None, 3)
    kept.add([(home.pk, worker.pk, 0, 1)])
    share = kept.share(worker)
    assert share.share == 0.75
    assert 0.25 < share.low < 0.5 < 0.9 < share.high < 1
    Record.objects.all().delete()  # there is nothing behind it
