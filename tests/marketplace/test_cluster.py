import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import psycopg
import pytest
from django.conf import settings
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from tests import apart

BEFORE_JOBS = 30.0


@pytest.fixture(scope="module")
def url(django_db_setup: None, django_db_blocker) -> Iterator[str]:
    with django_db_blocker.unblock(), apart.database() as url:
        yield url


@pytest.fixture
def enqueue(url: str) -> Callable[..., None]:
    """Put a job into the queue of the cluster, as a web process would."""

    def put(name: str, *arguments: object) -> None:
        tag = os.urandom(8).hex()
        job = {"id": tag, "name": tag, "func": name, "args": arguments, "kwargs": {}, "started": None, "save": False}
        with psycopg.connect(url, autocommit=True) as database:
            database.execute(
                f"INSERT INTO {OrmQ._meta.db_table} (key, payload, lock) VALUES (%s, %s, now())",
                [settings.Q_CLUSTER["name"], SignedPackage.dumps(job)],
            )

    return put


@pytest.fixture
def runs(enqueue: Callable[..., None], tmp_path: Path) -> Callable[..., float]:
    """Have a job make a folder; how many seconds after it was queued the folder was there."""
    number = iter(range(1000))

    def seconds(within_s: float = BEFORE_JOBS) -> float:
        made = tmp_path / f"made-{next(number)}"
        enqueue("os.mkdir", str(made))
        return apart.until(made.exists, within_s)

    return seconds


def until_swept(url: str) -> None:
    """Wait until every sweep that is due every few seconds has ended once more."""
    frequent = [name for name, every_s in settings.SWEEPS.items() if every_s <= 5]
    with psycopg.connect(url, autocommit=True) as database:
        (began,) = database.execute("SELECT clock_timestamp()").fetchone() or ()
        count = "SELECT count(*) FROM core_sweep WHERE ended_at > %s AND name = ANY(%s)"
        apart.until(lambda: database.execute(count, [began, frequent]).fetchone() == (len(frequent),))


def test_a_job_starts_within_a_second(url: str, tmp_path: Path, runs: Callable[..., float]):
    with apart.started(url, tmp_path, "cluster"):
        until_swept(url)  # and the first, slow runs are over
        assert median(runs() for _ in range(5)) < 1


def test_the_ticker_runs_the_sweeps_again_and_again(url: str, tmp_path: Path):
    with apart.started(url, tmp_path, "cluster"):
        until_swept(url)
        until_swept(url)


def test_a_cluster_shows_that_it_lives(url: str, tmp_path: Path):
    seen = "SELECT count(*) FROM core_cluster WHERE seen_at > %s AND began_at < seen_at"
    with apart.started(url, tmp_path, "cluster"), psycopg.connect(url, autocommit=True) as database:
        (began,) = database.execute("SELECT clock_timestamp()").fetchone() or ()
        apart.until(lambda: database.execute(seen, [began]).fetchone() == (1,), within_s=30)


def test_nothing_outlives_a_killed_cluster(url: str, tmp_path: Path, runs: Callable[..., float]):
    with apart.started(url, tmp_path, "cluster") as cluster:
        runs()
        others = apart.below(cluster.pid)
        assert len(others) == Conf.WORKERS + 3  # guard, pusher, monitor
        cluster.kill()
        cluster.wait()
        apart.until(lambda: not any(map(apart.is_running, others)), within_s=10)


def test_control_the_cluster_of_django_q2_is_outlived_by_its_processes(
    url: str, tmp_path: Path, runs: Callable[..., float]
):
    with apart.started(url, tmp_path, "qcluster") as cluster:
        runs()
        others = apart.below(cluster.pid)
    try:
        with pytest.raises(AssertionError):
            apart.until(lambda: not any(map(apart.is_running, others)), within_s=10)
    finally:
        apart.kill(*others)


def test_jobs_run_again_after_a_job_process_or_the_guard_was_killed(
    url: str, tmp_path: Path, runs: Callable[..., float]
):
    with apart.started(url, tmp_path, "cluster") as cluster:
        runs()
        for victim in (-1, 1, 0):  # the pusher, a job process, the guard
            processes = sorted(apart.below(cluster.pid))
            apart.kill(processes[victim])
            apart.until(lambda: not any(map(apart.is_running, processes)))  # noqa: B023
            runs()


def test_jobs_run_again_after_every_connection_was_cut(url: str, tmp_path: Path, runs: Callable[..., float]):
    with apart.started(url, tmp_path, "cluster") as cluster, psycopg.connect(url, autocommit=True) as database:
        runs()
        database.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()"""
        )
        assert runs() < 10  # the queue it stands in for took 12 s
        assert cluster.poll() is None


@pytest.mark.parametrize("to_all", [False, True])
def test_a_stopping_cluster_lets_its_jobs_end(
    url: str, tmp_path: Path, enqueue: Callable[..., None], runs: Callable[..., float], to_all: bool
):
    with apart.started(url, tmp_path, "cluster") as cluster:
        runs()
        processes = [cluster.pid, *apart.below(cluster.pid)]
        began, ended = tmp_path / "began", tmp_path / "ended"
        enqueue("subprocess.run", ["sh", "-c", f"mkdir '{began}'; sleep 3; mkdir '{ended}'"])
        apart.until(began.exists)
        for process in processes if to_all else processes[:1]:
            os.kill(process, signal.SIGTERM)
        assert cluster.wait(20) == 0
        assert ended.exists()
        assert not any(map(apart.is_running, processes))


def test_a_cluster_dies_with_its_parent(url: str, tmp_path: Path):
    gone = apart.run(url, tmp_path, "cluster", "--with-parent=1", within_s=30)
    assert gone.returncode == -signal.SIGKILL


def test_no_job_is_given_out_again_while_it_may_be_running():
    q = settings.Q_CLUSTER
    assert q["bulk"] == 1
    assert q["retry"] > q["timeout"] * ((q["queue_limit"] + q["bulk"]) / q["workers"] + 1)
