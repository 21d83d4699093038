import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from django.conf import settings as django_settings
from django.db import connection

from marketplace import datasets, jobs
from marketplace.core.errors import Forbidden, Invalid
from marketplace.models import AuditEvent, Import, Item, ItemAlias
from tests import make
from tests.plans import plans
from tests.race import race

pytestmark = pytest.mark.django_db

TRUTHS = {"truth": "animal"}


def taken(content, home=None, **options):
    return make.ended(make.import_of(content, home, **options))


def counts(run):
    return run.state, run.good, run.duplicates, run.bad


def complaints(run):
    return list(run.bad_rows.values_list("line", "column", "code"))


def aliases(run):
    rows = ItemAlias.objects.filter(dataset=run.dataset, version=run.version).order_by("pk")
    return list(rows.values_list("key", "item__payload"))


def lines(count):
    return "key,text\n" + "".join(f"k{n},text {n}\n" for n in range(count))


def test_every_row_becomes_an_item_under_its_key():
    run = taken("id,text\nk1,one\nk2,two\n", key_column="id")
    assert counts(run) == ("done", 2, 0, 0)
    assert aliases(run) == [("k1", {"text": "one"}), ("k2", {"text": "two"})]
    run.dataset.refresh_from_db()
    assert (run.dataset.version, run.version, run.bytes_done) == (1, 1, run.bytes_total)


def test_without_a_key_column_the_line_is_the_key():
    assert aliases(taken("id,text\nk1,one\n\nk2,two\n")) == [
        ("2", {"id": "k1", "text": "one"}),
        ("4", {"id": "k2", "text": "two"}),
    ]


def test_equal_rows_become_one_item_and_every_key_finds_it():
    run = taken("id,text\nk1,one\nk2,one\nk3,two\n", key_column="id")
    assert counts(run) == ("done", 2, 1, 0)
    assert [key for key, payload in aliases(run) if payload == {"text": "one"}] == ["k1", "k2"]


def test_a_key_twice_with_other_content_is_a_bad_row():
    run = taken("id,text\nk1,one\nk1,one\nk1,two\n", key_column="id")
    assert counts(run) == ("done", 1, 1, 1)
    assert complaints(run) == [(4, "id", "duplicate-key")]


def test_a_second_import_adds_only_what_is_new():
    first = taken("text\none\ntwo\n")
    second = taken("text\ntwo\nthree\n", first.dataset)
    assert counts(second) == ("done", 1, 1, 0)
    assert [*Item.objects.order_by("pk").values_list("payload__text", "version")] == [
        ("one", 1),
        ("two", 1),
        ("three", 2),
    ]
    assert len(aliases(second)) == 2
    first.dataset.refresh_from_db()
    assert first.dataset.version == 2


def test_bad_rows_are_reported_and_the_good_ones_kept():
    run = taken(b"id,text\nk1,one\nk2\n,three\nk4,\xff\nk5,\nk6,six\n", key_column="id")
    assert counts(run) == ("done", 2, 0, 4)
    assert complaints(run) == [(3, "", "cells"), (4, "id", "key"), (5, "text", "encoding"), (6, "", "empty")]


def test_only_the_first_bad_rows_are_kept_and_all_are_counted(settings):
    settings.IMPORT_BAD_ROWS_KEPT, settings.IMPORT_STEP_ROWS = 3, 2
    run = taken("a,b\n" + "short\n" * 7)
    assert counts(run) == ("done", 0, 0, 7)
    assert [line for line, _, _ in complaints(run)] == [2, 3, 4]


def test_a_key_has_at_most_200_characters():
    run = taken(f"id,text\n{'k' * 200},one\n{'k' * 201},two\n", key_column="id")
    assert complaints(run) == [(3, "id", "key")]


@pytest.mark.parametrize(
    ("content", "options", "part"),
    [
        ("", {}, "empty"),
        ("", {"format": "jsonl"}, "empty"),
        ("text\none\n".encode("utf-16"), {}, "UTF-16"),
        ("text\none\n", {"key_column": "id"}, "no column 'id'"),
        ("id\none\n", {"key_column": "id"}, "no column is left"),
        ("a,a\n1,2\n", {}, "twice"),
    ],
)
def test_a_file_without_a_readable_row_fails_with_the_reason(content, options, part):
    run = taken(content, **options)
    assert counts(run) == ("failed", 0, 0, 0)
    assert part in run.failure
    run.dataset.refresh_from_db()
    assert run.dataset.version == 0


def test_a_file_that_is_gone_fails_the_import():
    run = make.import_of("text\none\n")
    run.file.storage.delete(run.file.name)
    assert (make.ended(run).state, run.good) == ("failed", 0)


def test_json_lines_keep_their_types():
    rows = [{"id": 7, "text": "one", "size": [1, 2.5, None]}, {"id": "b", "text": "two"}]
    run = taken("\n".join(map(json.dumps, rows)), format="jsonl", key_column="id")
    assert aliases(run) == [("7", {"text": "one", "size": [1, 2.5, None]}), ("b", {"text": "two"})]


@pytest.mark.parametrize("key", ["true", "1.5", "null", "[1]", '""'])
def test_json_keys_are_texts_or_whole_numbers(key):
    run = taken(f'{{"id": {key}, "text": "one"}}\n{{"text": "two"}}', format="jsonl", key_column="id")
    assert complaints(run) == [(1, "id", "key"), (2, "id", "key")]


def with_truth(content, project=None, home=None, **options):
    project = project or make.project()
    return taken(content, home or project.organisation, truth_columns=TRUTHS, project=project, **options)


def truths():
    return dict(Item.objects.values_list("payload__text", "truth"))


def test_truth_is_read_by_the_label_type_and_is_no_content():
    run = with_truth("text,truth\none,cat\ntwo,\nthree,zebra\nfour, DOG \n")
    assert truths() == {"one": {"animal": "cat"}, "two": None, "four": {"animal": "dog"}}
    assert complaints(run) == [(4, "truth", "truth")]


def test_json_holds_truth_as_text_or_as_the_answer_itself():
    schema = {"fields": [{"name": "animal", "type": "number", "integer": True}]}
    rows = '{"text": "one", "truth": "3"}\n{"text": "two", "truth": 3}\n{"text": "three", "truth": 3.5}'
    run = with_truth(rows, make.project(schema=schema), format="jsonl")
    assert truths() == {"one": {"animal": 3}, "two": {"animal": 3}}
    assert complaints(run) == [(3, "truth", "truth")]


@pytest.mark.parametrize("step_rows", [1, 100])
def test_later_rows_may_bring_truth_and_may_not_contradict_it(settings, step_rows):
    settings.IMPORT_STEP_ROWS = step_rows
    run = with_truth("text,truth\none,\none,cat\none,cat\none,dog\none,\n")
    assert truths() == {"one": {"animal": "cat"}}
    assert counts(run) == ("done", 1, 3, 1)
    assert complaints(run) == [(5, "truth", "truth-conflict")]


def test_a_later_import_may_bring_truth():
    project = make.project()
    first = taken("text\none\n", project.organisation)
    with_truth("text,truth\none,cat\n", project, first.dataset)
    assert truths() == {"one": {"animal": "cat"}}


def test_each_step_takes_a_bounded_number_of_rows(settings):
    settings.IMPORT_STEP_ROWS = 3
    run = make.import_of(lines(7), key_column="key")
    steps = []
    while datasets.import_step(run.pk):
        run.refresh_from_db()
        steps.append((run.state, run.good, run.line))
    assert steps == [("running", 3, 4), ("running", 6, 7)]
    run.refresh_from_db()
    assert counts(run) == ("done", 7, 0, 0)


def test_a_step_ends_when_it_has_read_enough_bytes(monkeypatch):
    monkeypatch.setattr(datasets, "STEP_MOST_BYTES", 1)
    run = make.import_of(lines(3))
    assert datasets.import_step(run.pk)
    run.refresh_from_db()
    assert run.good == 1


def test_a_step_looks_at_no_more_however_much_there_is(settings):
    """Also in a dataset that is newer than the planner's statistics, beside one they know."""
    settings.IMPORT_STEP_ROWS = 500
    make.ended(make.import_of(lines(10_000), key_column="key"))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE marketplace_item, marketplace_itemalias")
    run = make.import_of(lines(5_000), key_column="key")
    for _ in range(8):
        datasets.import_step(run.pk)
    cost = plans.of(lambda: datasets.import_step(run.pk))
    assert not cost.scans, cost.told()
    assert cost.buffers < 500 * 10, cost.told()


@pytest.mark.parametrize("content", [lines(9), lines(4) + "short\n" + lines(4).replace("key,text\n", "")])
def test_a_step_that_dies_leaves_nothing_and_the_next_one_goes_on(settings, monkeypatch, content):
    settings.IMPORT_STEP_ROWS = 2
    run, untroubled = make.import_of(content, key_column="key"), taken(content, key_column="key")
    audited = datasets._complain
    for attempt in range(30):
        monkeypatch.setattr(datasets, "_complain", die if attempt % 2 else audited)
        with contextlib.suppress(Died):
            datasets.import_step(run.pk)
    run.refresh_from_db()
    assert counts(run) == counts(untroubled)
    assert aliases(run) == aliases(untroubled)
    assert complaints(run) == complaints(untroubled)


class Died(Exception):
    pass


def die(*_):
    raise Died


@pytest.mark.django_db(transaction=True)
def test_a_killed_process_costs_no_row_and_doubles_none(settings):
    settings.IMPORT_STEP_ROWS = 50
    run = make.import_of(lines(3000), key_column="key")
    script = (
        "import os, django; django.setup()\n"
        "from django.conf import settings; settings.IMPORT_STEP_ROWS = 50\n"
        f"settings.MEDIA_ROOT = {str(settings.MEDIA_ROOT)!r}\n"
        "from django.db import connection\n"
        f"connection.settings_dict['NAME'] = {connection.settings_dict['NAME']!r}\n"
        "from marketplace import datasets\n"
        f"while datasets.import_step({run.pk}): pass\n"
    )
    kills = 0
    while not kills or (kills < 5 and Import.objects.get(pk=run.pk).state != "done"):
        before = Import.objects.get(pk=run.pk).good
        process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, **environment()})
        until = time.monotonic() + 30
        while Import.objects.get(pk=run.pk).good == before and time.monotonic() < until and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert Import.objects.get(pk=run.pk).good > 0, "the process never came to work"
    run = make.ended(run)
    assert counts(run) == ("done", 3000, 0, 0)
    assert (Item.objects.count(), ItemAlias.objects.count()) == (3000, 3000)


def environment():
    return {"DJANGO_SETTINGS_MODULE": "marketplace.settings", "PYTHONPATH": str(django_settings.ROOT)}


@pytest.mark.django_db(transaction=True)
def test_two_steps_at_once_take_no_row_twice(settings):
    settings.IMPORT_STEP_ROWS = 5
    run = make.import_of(lines(40), key_column="key")
    race(*[lambda: [datasets.import_step(run.pk) for _ in range(5)]] * 4)
    run = make.ended(run)
    assert counts(run) == ("done", 40, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_two_steps_at_once_do_collide(settings, monkeypatch):
    """The race above is one: the same steps on a version that does not lock the dataset fail."""
    settings.IMPORT_STEP_ROWS = 5
    monkeypatch.setattr(datasets, "_its_turn", lambda pk: Import.objects.select_related("dataset").get(pk=pk))
    run = make.import_of(lines(40), key_column="key")
    results = race(*[lambda: [datasets.import_step(run.pk) for _ in range(5)]] * 4)
    assert any(isinstance(result, Exception) for result in results)


def test_imports_of_one_dataset_go_one_after_the_other(settings):
    settings.IMPORT_STEP_ROWS = 1
    first = make.import_of("text\none\ntwo\n")
    second = make.import_of("text\nthree\n", first.dataset)
    assert not datasets.import_step(second.pk)
    assert Item.objects.count() == 0
    assert make.ended(second).state == "done"
    assert [*Item.objects.order_by("pk").values_list("version", flat=True)] == [1, 1, 2]


def test_an_import_that_trips_over_a_fault_ends_and_the_others_go_on(monkeypatch):
    broken, sound = make.import_of("text\none\n"), make.import_of("text\ntwo\n")
    step = datasets.import_step
    monkeypatch.setattr(datasets, "import_step", lambda pk: die() if pk == broken.pk else step(pk))
    assert make.ended(broken).state == "failed"
    assert "error of ours" in broken.failure
    assert make.ended(sound).state == "done"


def test_an_import_that_ended_is_left_alone():
    run = taken("text\none\n")
    assert not datasets.import_step(run.pk)
    assert not jobs.imports()
    run.refresh_from_db()
    assert counts(run) == ("done", 1, 0, 0)


def test_an_empty_file_may_have_a_header_only():
    assert counts(taken("text\n")) == ("done", 0, 0, 0)


def test_each_import_is_in_the_history():
    run = taken("text\none\n")
    events = AuditEvent.objects.filter(target_type="import", target_id=run.pk)
    assert [*events.order_by("pk").values_list("verb", flat=True)] == ["start_import", "end_import"]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"format": "xlsx"}, "format"),
        ({"key_column": "truth", "truth_columns": TRUTHS}, "key_column"),
        ({"truth_columns": TRUTHS}, "truth_columns"),
        ({"key_column": "k" * 81}, "key_column"),
    ],
)
def test_what_cannot_work_is_refused_before_the_file_is_kept(options, path):
    with pytest.raises(Invalid) as refusal:
        make.import_of("text\none\n", **options)
    assert refusal.value.facts["errors"][0]["path"] == path
    assert not Import.objects.exists()


def test_truth_must_be_of_the_projects_fields():
    project = make.project()
    with pytest.raises(Invalid):
        make.import_of("a\n1\n", project.organisation, truth_columns={"a": "plant"}, project=project)


def test_a_project_of_strangers_cannot_check_the_truth(sam):
    with pytest.raises(Invalid):
        make.import_of("a\n1\n", make.organisation(sam), project=make.project())


def test_a_file_may_be_as_large_as_the_limit_and_no_larger(settings):
    settings.IMPORT_MOST_BYTES = 9
    assert make.import_of("text\none\n").bytes_total == 9
    with pytest.raises(Invalid):
        make.import_of("text\nfour\n")


def test_strangers_make_no_datasets_and_import_nothing(rita, sam):
    organisation = make.organisation(rita)
    with pytest.raises(Forbidden):
        datasets.create(organisation, sam, "Mine")
    dataset = datasets.create(organisation, rita, "Hers")
    with pytest.raises(Forbidden):
        datasets.start_import(dataset, sam, None, format="csv")


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\0b"])
def test_a_dataset_has_a_name(name, rita):
    with pytest.raises(Invalid):
        datasets.create(make.organisation(rita), rita, name)
