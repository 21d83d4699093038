from datetime import timedelta

import psycopg
import pytest
from django.db import Error, connection
from django.test import Client

from marketplace.core import clock, jobs, sweeps, vitals
from marketplace.core.models import Cluster, Sweep

ME = __name__


def nothing_more() -> bool:
    return False


def broken() -> bool:
    raise RuntimeError("broken")


@pytest.fixture(autouse=True)
def _sweeps(settings, monkeypatch):
    settings.SWEEPS = {f"{ME}.nothing_more": 5}
    monkeypatch.setattr(sweeps, "import_string", lambda name: globals()[name.rpartition(".")[2]])


@pytest.fixture
def _running(db):
    """A cluster lives, and every sweep has just ended."""
    vitals.Life().show()
    sweeps.run(f"{ME}.nothing_more")


def ready() -> tuple[int, dict[str, bool]]:
    answer = Client().get("/readyz")
    return answer.status_code, {name: check["well"] for name, check in answer.json()["checks"].items()}


def ago(seconds: float):
    return clock.now() - timedelta(seconds=seconds)


def test_the_process_answers_without_a_database():
    answer = Client().get("/healthz")  # a test without the fixture `db` may not use one
    assert (answer.status_code, answer.json()) == (200, {"well": True})
    assert "no-store" in answer["Cache-Control"]
    assert Client().post("/healthz").status_code == 405


@pytest.mark.usefixtures("_running")
def test_a_site_that_is_well_is_ready():
    assert ready() == (200, {"database": True, "cluster": True, "sweeps": True})


def test_without_a_database_it_is_not_ready_and_says_nothing_of_where_that_is(monkeypatch):
    def refuse(*_):
        raise Error("connection to server at db.example failed for user manyhands")

    monkeypatch.setattr(vitals, "bounded", refuse)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"well": False, "checks": {"database": {"well": False, "says": "does not answer"}}}


@pytest.mark.django_db
def test_before_the_first_cluster_it_is_not_ready():
    assert ready() == (503, {"database": True, "cluster": False, "sweeps": False})


@pytest.mark.usefixtures("_running")
def test_a_silent_cluster_is_not_well(settings):
    Cluster.objects.update(seen_at=ago(settings.CLUSTER_SILENT_MOST_S + 1))
    assert ready() == (503, {"database": True, "cluster": False, "sweeps": True})


@pytest.mark.usefixtures("_running")
def test_a_sweep_that_lags_behind_its_interval_is_not_well(settings):
    Sweep.objects.update(done_at=ago(5 + settings.SWEEP_LAG_MOST_S - 1))
    assert ready()[0] == 200
    Sweep.objects.update(done_at=ago(5 + settings.SWEEP_LAG_MOST_S + 1))
    assert ready() == (503, {"database": True, "cluster": True, "sweeps": False})


@pytest.mark.usefixtures("_running")
def test_a_sweep_that_runs_and_fails_lags_all_the_same(settings):
    settings.SWEEPS = {f"{ME}.broken": 5}
    Cluster.objects.update(began_at=ago(5 + settings.SWEEP_LAG_MOST_S + 1))
    with pytest.raises(RuntimeError):
        sweeps.run(f"{ME}.broken")
    row = Sweep.objects.get(name=f"{ME}.broken")
    assert (row.steps, row.faults, row.done_at) == (1, 1, None)
    assert ready() == (503, {"database": True, "cluster": True, "sweeps": False})


@pytest.mark.usefixtures("_running")
def test_a_new_sweep_has_its_interval_from_when_the_cluster_began(settings):
    settings.SWEEPS = {f"{ME}.nothing_more": 5, f"{ME}.hourly": 3600}
    assert ready()[0] == 200


@pytest.mark.django_db
def test_steps_are_counted_and_timed():
    for _ in range(3):
        sweeps.run(f"{ME}.nothing_more")
    row = Sweep.objects.get()
    assert (row.steps, row.faults) == (3, 0)
    assert 0 < row.last_s <= row.busy_s


@pytest.mark.django_db
def test_a_cluster_that_lives_is_one_row_and_the_long_dead_are_forgotten(monkeypatch):
    Cluster.objects.create(began_at=ago(9000), seen_at=ago(7200))
    life = vitals.Life()
    life.show()
    monkeypatch.setattr(life, "shown", -1e9)
    life.show()
    row = Cluster.objects.get()
    assert row.seen_at > row.began_at


@pytest.mark.usefixtures("_running")
def test_watchers_need_no_name_and_no_tls(settings):
    settings.ALLOWED_HOSTS = ["manyhands.example"]
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/healthz", "/readyz", "/metrics"):
        assert Client(headers={"host": "10.0.0.7:8000"}).get(path).status_code == 200
    assert Client(headers={"host": "10.0.0.7:8000"}).get("/").status_code in (301, 400)


@pytest.mark.django_db
def test_a_question_to_the_database_ends_in_time_and_changes_nothing():
    with pytest.raises(Error), vitals.bounded(0.05):
        connection.cursor().execute("SELECT pg_sleep(1)")
    with pytest.raises(Error), vitals.bounded():
        Cluster.objects.create(began_at=clock.now(), seen_at=clock.now())


@pytest.mark.django_db
def test_a_snapshot_that_somebody_holds_is_seen():
    assert vitals.database().snapshot_s == 0
    at = connection.settings_dict
    with psycopg.connect(
        dbname=at["NAME"], host=at["HOST"], port=at["PORT"] or None, user=at["USER"], password=at["PASSWORD"]
    ) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT 1")
        connection.cursor().execute("SELECT pg_stat_clear_snapshot()")  # it shows one transaction the same throughout
        found = vitals.database()
        assert found.snapshot_s > 0
        assert found.connections["idle in transaction"] == 1
        assert sum(found.connections.values()) < found.connections_most


@pytest.mark.django_db
def test_the_queue_tells_what_waits_and_since_when():
    assert jobs.queue() == jobs.Queue(0, 0, 0.0, 0)
    jobs.enqueue("os.getpid")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_ormq SET lock = lock - interval '1 minute'")
    jobs.enqueue("os.getpid")
    found = jobs.queue()
    assert (found.waiting, found.begun, found.failed) == (2, 0, 0)
    assert 60 <= found.oldest_s < 70
