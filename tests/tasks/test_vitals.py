import re

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from marketplace.core import clock, vitals
from marketplace.core.models import Sweep
from tasks import assignments, jobs
from tasks import vitals as working
from tasks.models import Answer, Assignment
from tests.tasks import work

pytestmark = pytest.mark.django_db
OLD = 30_000  # answers that wait for nothing


@pytest.fixture
def _well(settings):
    """A cluster lives, and every sweep has just ended."""
    vitals.Life().show()
    Sweep.objects.bulk_create(Sweep(name=name, done_at=clock.now()) for name in settings.SWEEPS)


def figures(client: Client | None = None) -> dict[str, float]:
    text = (client or Client()).get("/metrics").content.decode()
    return {name: float(value) for name, value in re.findall(r"^(manyhands_\S+) (\S+)$", text, re.MULTILINE)}


def test_what_becomes_of_assignments_is_counted_whoever_moves_them():
    batch, wes = work.published(items=9), work.worker()
    before = working.work().moved
    work.work(wes, batch)
    assignments.give_back(assignments.claim(wes, batch.project))
    late = assignments.claim(wes, batch.project)
    Assignment.objects.filter(pk=late.pk).update(leased_until=clock.now())
    jobs.expire()
    after = working.work().moved
    assert {name: after[name] - before[name] for name in after} == {
        "claimed": 3,
        "submitted": 1,
        "returned": 1,
        "expired": 1,
    }


def test_what_changes_nothing_is_not_counted():
    batch, wes = work.published(), work.worker()
    lease = work.work(wes, batch)
    before = working.work().moved
    assignments.submit(lease, {})
    held = assignments.claim(wes, batch.project)
    assignments.renew(held, 1)
    held.refresh_from_db()
    held.save()
    assert working.work().moved == {**before, "claimed": before["claimed"] + 1}


def test_what_is_open_and_what_waits():
    batch, wes = work.published(items=9, gold=8, gold_share=0.5, practice_size=2, accept_after_s=0), work.worker()
    work.practise(wes, batch.project)
    work.work(wes, batch)
    assignments.claim(wes, batch.project)
    found = working.work()
    assert found.leases == 1
    assert found.waiting["accept"] == 3
    assert found.waiting["settle"] == 0
    assert found.waiting["grade"] == Answer.objects.filter(to_grade=True, submitted_at__isnull=False).count()
    jobs.grade()
    jobs.accept()
    found = working.work()
    assert found.waiting == {"accept": 0, "settle": 3, "grade": 0}
    jobs.settle()
    assert working.work().waiting["settle"] == 0


def test_nothing_is_counted_further_than_its_bound(monkeypatch):
    work.work(work.worker(), work.published())
    monkeypatch.setattr(working, "COUNT_MOST", 2)
    assert working.work().waiting["accept"] == 2


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_no_figure_reads_answers_that_wait_for_nothing(mode):
    lease = work.work(work.worker(), work.published())
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO tasks_answer (assignment_id, position, task_id, worker_id, batch_id, attempt, state,
                   price_micros, fee_micros, self_selected, to_grade, submitted_at, accept_at)
               SELECT assignment_id, 100 + n, task_id, worker_id, batch_id, n, 'skipped', 1, 0, false, false, now(),
                   now() FROM tasks_answer, generate_series(1, %s) n WHERE assignment_id = %s AND position = 0""",
            [OLD, lease.pk],
        )
        cursor.execute("ANALYZE tasks_answer")
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
        for number, query in enumerate([*working.WAITING.values(), working.OVERDUE]):
            name = f"watched_{mode}_{number}"
            takes = "(bigint)" if "%s" in query else ""
            cursor.execute(f"PREPARE {name} {takes} AS {query.replace('%s', '$1')}")
            cursor.execute(f"EXPLAIN EXECUTE {name}{'(50000)' if takes else ''}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "using answer_to_" in plan, plan
            assert "Sort" not in plan, plan
        cursor.execute("DELETE FROM tasks_answer WHERE attempt > 0")


@pytest.mark.usefixtures("_well")
def test_metrics_say_how_it_is(settings):
    work.work(work.worker(), work.published())
    found = figures()
    assert found["manyhands_clusters"] == 1
    assert found['manyhands_answers_waiting{to="accept"}'] == 3
    assert found['manyhands_assignments_total{move="submitted"}'] >= 1
    assert found['manyhands_sweep_lag_seconds{sweep="tasks.jobs.settle"}'] == 0
    assert found["manyhands_database_connections_most"] > 1
    assert len([name for name in found if name.startswith("manyhands_sweep_lag")]) == len(settings.SWEEPS)
    assert {"manyhands_jobs_waiting", "manyhands_jobs_oldest_seconds", "manyhands_jobs_failed"} <= found.keys()
    assert {"manyhands_leases_open", "manyhands_database_oldest_snapshot_transactions"} <= found.keys()


@pytest.mark.parametrize(
    "sent",
    [
        {"REMOTE_ADDR": "192.0.2.1"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=192.0.2.1"},
        {"REMOTE_ADDR": "192.0.2.1", "HTTP_AUTHORIZATION": "Bearer "},
        {"REMOTE_ADDR": "192.0.2.1", "HTTP_AUTHORIZATION": "Bearer \xe9"},
    ],
)
@pytest.mark.parametrize("token", ["", "s3cret"])
def test_for_others_there_are_no_metrics(settings, sent, token):
    settings.METRICS_TOKEN = token
    assert Client(**sent).get("/metrics").status_code == 404


def test_behind_a_proxy_a_token_is_needed(settings):
    settings.BEHIND_PROXY = True
    settings.METRICS_TOKEN = "s3cret"
    assert Client().get("/metrics").status_code == 404
    assert figures(Client(headers={"Authorization": "Bearer s3cret"}))


def test_the_token_opens_them_from_anywhere(settings):
    settings.METRICS_TOKEN = "s3cret"
    sent = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "192.0.2.2", "HTTP_AUTHORIZATION": "Bearer s3cret"}
    assert figures(Client(**sent))


@pytest.mark.usefixtures("_well")
def test_status_says_how_it_is(capsys):
    work.work(work.worker(), work.published())
    call_command("status")
    told = capsys.readouterr().out
    assert re.search(r"^  database +answers$", told, re.MULTILINE)
    assert re.search(r"^  cluster +1 running", told, re.MULTILINE)
    assert "tasks.jobs.settle" in told
    assert re.search(r"answers to accept +3\n", told)
    assert re.search(r"money, sandbox +.*prepaid [\d.]+ USD", told)
    assert "!" not in told


@pytest.mark.usefixtures("_well")
def test_status_ends_with_an_error_when_a_sweep_is_late(capsys):
    Sweep.objects.filter(name="tasks.jobs.settle").update(done_at="2020-01-01T00:00:00Z")
    with pytest.raises(CommandError, match=r"not well: tasks\.jobs\.settle$"):
        call_command("status")
    assert re.search(r"^! tasks\.jobs\.settle ", capsys.readouterr().out, re.MULTILINE)
