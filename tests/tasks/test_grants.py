"""Grants that live by what is measured."""

from datetime import timedelta

import pytest

from marketplace.core import clock
from marketplace.models import Project
from tasks import assignments, evidence, grants
from tasks.errors import PracticeNeeded
from tasks.models import Evidence
from tests.tasks import work
from workers import qualifications
from workers.models import Grant, Notice, Reliability

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(rita):
    return work.published(items=40, gold=4, practice_size=1, gold_share=0.0, page_size=20, grant_accuracy=0.8)


@pytest.fixture
def worker(batch, wes):
    worker = work.worker("wes")
    work.practise(worker, batch.project)
    return worker


def judged(batch, worker, share: float) -> None:
    """Work whose answers were right as often as this."""
    lease = work.work(worker, batch)
    rows = list(lease.answers.select_related("batch__project"))
    evidence.add(Evidence.Kind.REVIEW, [(row, float(n < share * len(rows))) for n, row in enumerate(rows)])


def the_grant() -> Grant:
    return Grant.objects.get()


def test_a_grant_ends_where_the_accuracy_is_surely_too_low_and_a_lease_that_is_out_stays(batch, worker):
    judged(batch, worker, 0.4)
    lease = assignments.claim(worker, batch.project)
    assert not grants.review()
    score = Reliability.objects.get(worker=worker)
    assert score.accuracy_p95 < 0.8
    assert the_grant().revoked_at
    assert f"at most {score.accuracy_p95:.0%}" in the_grant().ended_because
    told = Notice.objects.filter(user=worker.user_id, kind="decision", subject__contains="has ended")
    assert the_grant().ended_because in told.get().text
    assert assignments.claim(worker, batch.project) == lease
    assert work.answer(lease).state == "submitted"
    with pytest.raises(PracticeNeeded):
        assignments.claim(worker, batch.project)
    grants.review()
    assert told.count() == 1


def test_one_that_was_given_back_ends_again_only_by_what_is_measured_since(batch, worker):
    judged(batch, worker, 0.4)
    grants.review()
    qualifications.restore(the_grant())
    grants.review()
    assert the_grant().revoked_at is None
    judged(batch, worker, 0.4)
    grants.review()
    assert the_grant().revoked_at


@pytest.mark.parametrize(("share", "wanted"), [(0.4, 0.0), (0.75, 0.8)])
def test_what_is_not_sure_or_not_asked_for_ends_nothing(batch, worker, share, wanted):
    Project.objects.update(grant_accuracy=wanted)
    judged(batch, worker, share)
    grants.review()
    assert the_grant().revoked_at is None


@pytest.mark.parametrize(("left_days", "share", "is_renewed"), [(6, 1.0, True), (8, 1.0, False), (6, 0.8, False)])
def test_one_about_to_expire_is_renewed_where_the_accuracy_surely_allows(batch, worker, left_days, share, is_renewed):
    Project.objects.update(grant_days=30, grant_accuracy=0.75)
    until = clock.now() + timedelta(days=left_days)
    Grant.objects.update(expires_at=until)
    judged(batch, worker, share)
    grants.review()
    if is_renewed:
        assert the_grant().expires_at > until + timedelta(days=20)
        assert Notice.objects.filter(user=worker.user_id, subject__contains="renewed").exists()
        grants.review()
        assert Notice.objects.filter(user=worker.user_id, subject__contains="renewed").count() == 1
    else:
        assert the_grant().expires_at == until


def test_one_that_has_expired_is_neither_ended_nor_renewed(batch, worker):
    Project.objects.update(grant_days=30)
    Grant.objects.update(expires_at=clock.now())
    judged_after = the_grant().expires_at
    assert qualifications.due(10) == []
    assert the_grant().expires_at == judged_after


def test_a_bounded_step_takes_the_first_and_says_that_there_is_more(batch, worker):
    judged(batch, worker, 0.4)
    other = work.worker("ann")
    work.practise(other, batch.project)
    judged(batch, other, 0.4)
    assert grants.review(1)
    assert Grant.objects.filter(revoked_at=None).count() == 1
    grants.review(1)
    assert not grants.review(1)
    assert not Grant.objects.filter(revoked_at=None).exists()
