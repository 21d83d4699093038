import pytest

from marketplace.core.errors import IllegalMove
from tests import make
from workers import profiles, qualifications, reliability
from workers.models import Grant, Reliability

pytestmark = pytest.mark.django_db


def test_a_user_is_one_worker(wes):
    assert profiles.of(wes) == profiles.of(make.user("wes"))


def test_a_worker_is_suspended_and_reinstated_once(wes):
    worker = profiles.of(wes)
    profiles.suspend(worker)
    with pytest.raises(IllegalMove):
        profiles.suspend(worker)
    profiles.reinstate(worker)
    assert worker.state == "active"


def test_a_grant_in_force_is_kept(wes):
    worker, project = profiles.of(wes), make.project(practice_size=2)
    assert not qualifications.meets(worker, project)
    first = qualifications.grant(worker, project, 0.9)
    assert qualifications.grant(worker, project, 1.0) == first
    assert qualifications.meets(worker, project)


def test_an_expired_grant_grants_nothing(wes):
    worker, project = profiles.of(wes), make.project(practice_size=2)
    grant = qualifications.grant(worker, project, 0.9)
    Grant.objects.update(expires_at=grant.granted_at)
    assert not qualifications.meets(worker, project)


def test_evidence_adds_up_and_can_be_taken_back(wes):
    worker, project = profiles.of(wes), make.project()
    reliability.add(project, {worker.pk: (9.0, 10.0)})
    high = Reliability.objects.get()
    assert 0.7 < high.accuracy_p05 < high.accuracy < high.accuracy_p95 < 1
    reliability.add(project, {worker.pk: (-9.0, -10.0)})
    low = Reliability.objects.get()
    assert (low.correct, low.judged) == (0, 0)
    assert low.accuracy < high.accuracy
    reliability.add(project, {})
