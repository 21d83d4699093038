from datetime import timedelta

import pytest
from django.db import connection
from django_q.models import Task

from marketplace.core import clock, jobs, sweeps
from marketplace.core.models import Sweep
from marketplace.jobs import forget_failed_jobs
from tests.race import race

pytestmark = pytest.mark.django_db
CALLED: list[str] = []


def nothing_more() -> bool:
    CALLED.append("once")
    return False


def something_more() -> bool:
    return True


def broken() -> bool:
    raise RuntimeError("broken")


ME = __name__
QUEUE = "SELECT count(*) FROM django_q_ormq"


def queued() -> int:
    with connection.cursor() as cursor:
        cursor.execute(QUEUE)
        return cursor.fetchone()[0]


@pytest.fixture(autouse=True)
def _sweeps(settings, monkeypatch):
    settings.SWEEPS = {f"{ME}.nothing_more": 5}
    monkeypatch.setattr(sweeps, "import_string", lambda name: globals()[name.rpartition(".")[2]])
    CALLED.clear()


def test_a_due_sweep_is_queued_once_until_it_ran():
    assert sweeps.tick() == [f"{ME}.nothing_more"]
    assert sweeps.tick() == []
    assert queued() == 1
    sweeps.run(f"{ME}.nothing_more")
    assert CALLED == ["once"]
    assert sweeps.tick() == []  # not before its interval


def test_a_sweep_is_due_again_after_its_interval():
    sweeps.tick()
    sweeps.run(f"{ME}.nothing_more")
    Sweep.objects.update(ended_at=clock.now() - timedelta(seconds=6))
    assert sweeps.tick() == [f"{ME}.nothing_more"]


def test_a_sweep_whose_cluster_was_killed_is_queued_again():
    sweeps.tick()
    Sweep.objects.update(queued_at=clock.now() - sweeps.LOST_AFTER - timedelta(seconds=1))
    assert sweeps.tick() == [f"{ME}.nothing_more"]


def test_a_step_with_more_to_do_queues_the_next():
    sweeps.run(f"{ME}.something_more")
    assert queued() == 1
    assert Sweep.objects.get().queued_at


def test_a_step_that_fails_is_due_again_soon_however_seldom_it_is(settings):
    settings.SWEEPS = {f"{ME}.broken": 24 * 3600}
    with pytest.raises(RuntimeError):
        sweeps.run(f"{ME}.broken")
    row = Sweep.objects.get()
    assert row.queued_at is None
    assert sweeps.tick() == []
    Sweep.objects.update(ended_at=row.ended_at - timedelta(seconds=sweeps.RETRY_S))
    assert sweeps.tick() == [f"{ME}.broken"]


@pytest.mark.django_db(transaction=True)
def test_of_several_tickers_one_queues():
    results = race(*[sweeps.tick] * 6)
    assert sorted(results, key=len)[-1] == [f"{ME}.nothing_more"]
    assert sum(map(len, results)) == 1
    assert queued() == 1


def test_of_failed_jobs_only_the_latest_are_kept(monkeypatch):
    monkeypatch.setattr(jobs, "FAILED_KEPT", 3)
    began = clock.now()
    for n in range(8):
        at = began + timedelta(seconds=n)
        Task.objects.create(id=f"{n}", name=f"{n}", func="f", started=at, stopped=at, success=n == 0)
    assert [jobs.forget_failed(limit=2) for _ in range(3)] == [True, True, False]
    assert sorted(Task.objects.values_list("name", flat=True)) == ["0", "5", "6", "7"]
    assert forget_failed_jobs() is False
