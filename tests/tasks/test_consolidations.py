"""Labels from a project's own aggregator, asked over HTTP: from answers to labels, and who is asked about what."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings as site
from django.db import connection

from marketplace.core import clock
from tasks import assignments, batches, consolidations, decisions, jobs
from tasks.consolidations import calling, looking
from tasks.exports import labels as exported
from tasks.models import (
    Answer,
    Batch,
    Consensus,
    ConsensusChange,
    Consolidation,
    Evidence,
    Task,
)
from tests import make
from tests.tasks import work
from tests.tasks.aggregated import answered, later, made, named, owls, rows, sweep, values

pytestmark = pytest.mark.django_db

DOC = Path(site.ROOT) / "docs" / "aggregator.md"


# From answers to labels


def test_from_answers_to_the_exported_label_by_the_program_of_the_documentation(settings, tmp_path):
    """The program stands in the docs, runs as its own process, and verifies our signature."""
    settings.OUTGOING_LOOPBACK = True
    (tmp_path / "aggregator.py").write_text(re.search(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)[1])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    batch = work.published(items=2, page_size=2, redundancy_min=3, redundancy_max=3)
    aggregator, secret = consolidations.name(batch.project, make.user("rita"), f"http://127.0.0.1:{port}/")
    command = [sys.executable, str(tmp_path / "aggregator.py")]
    environment = {**os.environ, "PORT": str(port), "SECRET": secret}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as program:
        try:
            _listens(port)
            answered(batch, ann="cat", ben="cat", cleo="dog")
            sweep()
            found = list(exported.rows(batch))
            assert [row["labels"] for row in found] == [{"animal": "cat"}] * 2
            assert [row["method"] for row in found] == [{"animal": "webhook 1"}] * 2
            assert [row["confidence"] for row in found] == [{"animal": pytest.approx(2 / 3, abs=1e-6)}] * 2
            assert consolidations.figures(aggregator) == consolidations.Figures(waiting=0, done=2, refused=0, failed=0)
            consolidations.renew(aggregator, make.user("rita"))  # which the program does not know
            assert consolidations.sample(aggregator, make.user("rita")).is_good is False
        finally:
            program.terminate()


def _listens(port):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the program does not listen")


def test_a_label_of_the_aggregator_takes_the_place_of_ours_and_leaves_its_history(there):
    batch = made()
    assert set(values().values()) == {"cat"}
    named(batch, there.url)
    sweep()
    row = Consensus.objects.first()
    assert (row.value, row.code, row.method, row.version, row.support) == ("owl", 2, "webhook", "1", 2)
    assert row.confidence == pytest.approx(0.9)
    assert row.posterior is None  # what our model thinks of the classes is not about this label
    assert set(ConsensusChange.objects.values_list("value", flat=True)) == {"cat"}


def test_a_confidence_that_is_not_given_is_not_known(there):
    there.usually = lambda asked, out: rows(asked, lambda key, answers: {"animal": "dog"})
    named(made(), there.url)
    sweep()
    assert set(Consensus.objects.values_list("value", "confidence")) == {("dog", None)}


def test_what_is_sent_is_the_answers_that_count_under_the_names_of_every_export(there):
    batch = made()
    named(batch, there.url)
    sweep()
    (asked,) = there.asked
    said = asked.said
    assert (said["labelingJobArn"], said["labelAttributeName"]) == (batch.public_id, "animal")
    workers = {batch.project.organisation.pseudonym(work.worker(one).public_id) for one in ("ann", "ben")}
    for row in said["payload"]["content"]:
        assert {one["workerId"] for one in row["annotations"]} == workers
        assert {one["annotationData"]["content"] for one in row["annotations"]} == {'{"animal":"cat"}'}
    payloads = [json.loads(row["dataObject"]["content"]) for row in said["payload"]["content"]]
    assert payloads == [{"text": "item 0"}, {"text": "item 1"}]
    assert [row["datasetObjectId"] for row in said["payload"]["content"]] == [
        row["key"] for row in exported.rows(batch)
    ]


def test_evidence_about_workers_stays_ours(there):
    """What a requester's program says grades nobody."""
    batch = made()
    before = judged()
    named(batch, there.url)
    sweep()
    assert set(values().values()) == {"owl"}
    assert judged() == before
    assert min(share for shares in before.values() for share in shares) > 0.5


def judged():
    """What stands of each worker's answers."""
    found = {}
    for person, share in Evidence.objects.filter(void=None).order_by("pk").values_list("worker", "correct"):
        found.setdefault(person, []).append(round(share, 4))
    return found


def test_every_field_has_its_value_and_what_is_left_out_stays_ours(there):
    schema = {
        "fields": [
            {"name": "animal", "type": "choice", "options": ["cat", "dog"]},
            {"name": "legs", "type": "number", "integer": True, "min": 0, "required": False},
            {"name": "name", "type": "text"},
        ]
    }
    batch = work.published(items=1, page_size=1, schema=schema)
    for person in ("ann", "ben"):
        lease = assignments.claim(work.worker(person), batch.project)
        assignments.submit(lease, {0: {"animal": "cat", "legs": 4, "name": "Tom"}})
    jobs.update_consensus()
    there.usually = lambda asked, out: rows(
        asked, lambda key, _: {"animal": "dog", "name": "Rex", "name-metadata": {"confidence": 1}}
    )
    named(batch, there.url)
    sweep()
    found = {row.field: (row.value, row.method, row.confidence) for row in Consensus.objects.all()}
    assert found["animal"] == ("dog", "webhook", None)
    assert found["name"] == ("Rex", "webhook", 1.0)
    assert found["legs"][0] == 4
    assert found["legs"][1] != "webhook"


# Who is asked, and about what


def test_open_tasks_and_gold_are_not_asked_about(there):
    batch = work.published(items=3, gold=4, gold_share=0.3, page_size=1)
    named(batch, there.url)
    answered(batch, ann="owl")
    sweep()
    assert there.asked == []
    answered(batch, ben="owl")
    later()
    sweep()
    keys = [row["datasetObjectId"] for asked in there.asked for row in asked.said["payload"]["content"]]
    assert len(keys) == 3
    assert set(Consolidation.objects.values_list("task", flat=True)) == set(
        Task.objects.filter(gold=None, state="closed").values_list("pk", flat=True)
    )


def test_nothing_is_asked_twice_while_the_answers_stay(there):
    named(made(), there.url)
    for _ in range(3):
        sweep()
        later()
    assert len(there.asked) == 1


def test_other_answers_are_asked_about_and_till_then_our_label_stands(there, rita):
    batch = made()
    named(batch, there.url)
    sweep()
    answer = Answer.objects.filter(batch=batch).select_related("batch", "assignment").first()
    decisions.exclude(answer, rita, "wrong", "No.")
    assert set(consolidations.of(batch, list(values()))) == set(values()) - {answer.task_id}
    jobs.update_consensus()
    assert values()[answer.task_id] == "cat"
    answered(batch, cleo="cat")  # in the seat that is open again
    later()
    sweep()
    assert values()[answer.task_id] == "owl"
    assert [len(asked.said["payload"]["content"]) for asked in there.asked] == [2, 1]
    (row,) = there.asked[-1].said["payload"]["content"]
    assert len(row["annotations"]) == 2
    assert batch.project.organisation.pseudonym(work.worker("cleo").public_id) in there.asked[-1].body.decode()


def test_what_is_said_of_answers_that_changed_meanwhile_is_no_label(there, rita):
    batch = made()
    aggregator = named(batch, there.url)
    jobs.update_consensus()
    list(map(consolidations.look, consolidations.outdated()))
    bundle = calling._take(aggregator)
    answer = Answer.objects.filter(batch=batch).select_related("batch", "assignment").first()
    decisions.exclude(answer, rita, "wrong", "No.")
    reply = calling.post(aggregator, bundle.body)
    calling._keep(aggregator, bundle, calling.understood(batch.schema, list(bundle.keys), reply))
    assert answer.task_id not in consolidations.of(batch, list(values()))
    answered(batch, cleo="cat")
    later()
    sweep()
    assert values()[answer.task_id] == "owl"


def test_a_task_none_of_whose_answers_counts_any_more_is_left_alone_until_there_are_others(there, rita):
    batch = made()
    aggregator = named(batch, there.url)
    list(map(consolidations.look, consolidations.outdated()))
    for answer in Answer.objects.filter(batch=batch).select_related("batch", "assignment"):
        decisions.exclude(answer, rita, "wrong", "No.")
    assert consolidations.send(aggregator) is False
    assert there.asked == []
    assert consolidations.figures(aggregator).waiting == 0
    assert set(consolidations.of(batch, list(values()))) == set()


def test_looks_take_bounded_steps_and_go_on_where_they_were(there, monkeypatch):
    batch = work.published(items=5, page_size=5)
    answered(batch, ann="cat", ben="cat")
    named(batch, there.url)
    monkeypatch.setattr(looking, "STEP", 2)
    steps = 0
    while jobs._each(consolidations.look, consolidations.outdated()):
        steps += 1
        assert Consolidation.objects.count() == min(2 * steps, 5)
    assert (steps, Consolidation.objects.count()) == (2, 5)


def test_a_bundle_is_bounded_by_tasks_and_by_bytes(there, settings, monkeypatch):
    batch = work.published(items=5, page_size=5)
    answered(batch, ann="cat", ben="cat")
    aggregator = named(batch, there.url)
    settings.AGGREGATOR_TASKS_AT_ONCE = 2
    sweep()
    assert [len(asked.said["payload"]["content"]) for asked in there.asked] == [2, 2, 1]
    monkeypatch.setattr(calling, "REQUEST_MOST_BYTES", 1)
    Consolidation.objects.update(state="failed", labels=None)
    consolidations.send_again(aggregator, make.user("rita"))
    there.asked.clear()
    sweep()
    assert [len(asked.said["payload"]["content"]) for asked in there.asked] == [1, 1, 1, 1, 1]


def test_two_rows_that_came_in_under_one_key_go_apart(there):
    batch = work.published(items=0 + 1, page_size=1)
    rows_now = [{"text": "item 0", "id": "a"}]
    home, project = batch.project.organisation, batch.project
    data = make.dataset(rows_now, home, key_column="id")
    run = make.ended(make.import_of(json.dumps({"text": "item 1", "id": "a"}), data, format="jsonl", key_column="id"))
    assert run.state == "done"
    data.refresh_from_db()
    second = work.publish(project, data)
    answered(batch, ann="cat", ben="cat")
    answered(second, ann="cat", ben="cat")
    named(second, there.url)
    sweep()
    of_second = [asked.said["payload"]["content"] for asked in there.asked if second.public_id in asked.said.values()]
    assert [[row["datasetObjectId"] for row in one] for one in of_second] == [["a"], ["a"]]
    assert Consolidation.objects.filter(batch=second, state="done").count() == 2


def test_a_batch_whose_rest_went_back_is_over(there, rita):
    batch = made()
    decisions.accept(list(Answer.objects.select_related("batch")), rita)
    work.sweep()
    Batch.objects.filter(pk=batch.pk).update(returned_at=clock.now())
    named(batch, there.url)
    sweep()
    assert there.asked == []


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_it_is_waited_for(there):
    seen = []

    def look(asked, out):
        with connection.cursor() as sql:
            sql.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            seen.append(sql.fetchone()[0])
        connection.close()
        return owls(asked, out)

    there.usually = look
    aggregator = named(made(), there.url)
    sweep()
    consolidations.sample(aggregator, make.user("rita"))
    assert seen == [0, 0]
    assert set(values().values()) == {"owl"}


def test_a_process_that_dies_between_the_call_and_the_keeping_makes_the_call_again(there):
    batch = made()
    aggregator = named(batch, there.url)
    list(map(consolidations.look, consolidations.outdated()))
    bundle = calling._take(aggregator)
    calling.post(aggregator, bundle.body)  # and here it dies
    assert consolidations.send(aggregator) is False  # nobody else asks at once
    later()
    sweep()
    assert [asked.body for asked in there.asked] == [bundle.body, bundle.body]
    assert set(values().values()) == {"owl"}
    before = list(Consolidation.objects.order_by("pk").values())
    calling._keep(
        aggregator, bundle, calling.understood(batch.schema, list(bundle.keys), calling.post(aggregator, bundle.body))
    )
    assert list(Consolidation.objects.order_by("pk").values()) == before


def test_a_closed_project_keeps_its_labels_and_is_still_asked_about_what_is_done(there, rita):
    batch = made()
    named(batch, there.url)
    batches.close_project(batch.project, rita)
    later()
    sweep()
    assert set(values().values()) == {"owl"}
