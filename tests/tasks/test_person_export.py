"""All that is recorded about a person, as a download."""

import csv
import io
import json
import sys
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.urls import reverse

from marketplace import guidelines as marketplace_guidelines
from marketplace.models import Project
from tasks import decisions
from tasks.exports import person
from tasks.models import Answer, Evidence, Gold
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from workers import guidelines, notices, profiles, self_descriptions

pytestmark = pytest.mark.django_db
ROWS = 20_000


def export(user) -> dict:
    return json.loads(b"".join(person.write_json(user)))


def table(blocks) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(blocks).decode("utf-8-sig"))))


def test_everything_about_the_person_is_in_it(wes, rita):
    batch = work.published(items=6, gold=4, practice_size=2, page_size=6)
    worker = profiles.of(wes)
    work.practise(worker, batch.project)
    lease = work.work(worker, batch)
    given = list(lease.answers.order_by("position"))
    decisions.reject(given[0], rita, "wrong", "Look at the ears.")
    decisions.accept(given[1:3], rita)
    work.sweep()
    notices.tell(wes, "message", "Somebody wrote")
    self_descriptions.say(worker, {"region": "oceania"}, consents=True)
    said = export(wes)
    assert [(row["question"], row["choice"]) for row in said["about_me"]] == [("region", "oceania")]
    assert said["profile"]["email"] == wes.email
    assert said["addresses"] == [{"email": wes.email, "verified": True, "primary": True}]
    assert {row["id"] for row in said["answers"]} == {one.public_id for one in Answer.objects.filter(worker=worker)}
    assert {row["value"]["animal"] for row in said["answers"]} == {"cat", "owl"}
    assert said["decisions"][0]["reason"] == "Look at the ears."
    assert sum(row["amount_micros"] for row in said["money"]) == 2 * batch.price_micros
    assert said["grants"][0]["score"] == 1
    assert "Somebody wrote" in [row["subject"] for row in said["notices"]]
    assert {row["purpose"] for row in said["pages"]} == {"work", "practice"}


def test_it_holds_nothing_of_others(wes, sam):
    batch = work.published(items=4, page_size=4)
    work.work(profiles.of(wes), batch)
    work.work(profiles.of(sam), batch, "dog")
    text = json.dumps(export(wes))
    for theirs in (sam.email, sam.public_id, profiles.of(sam).public_id, "dog", "rita@example.org"):
        assert theirs not in text
    assert "dog" in json.dumps(export(sam))


def test_it_does_not_tell_hidden_gold_apart(wes):
    """Rows of gold and of work have the same keys, and what is counted names no kind but "check"."""
    batch = work.published(items=6, gold=6, gold_share=0.5, page_size=6)
    worker = profiles.of(wes)
    work.work_all(worker, batch)
    work.work_all(work.worker("sam"), batch)
    work.work_all(work.worker("max"), batch)
    work.sweep()
    gold = set(Gold.objects.values_list("task_id", flat=True))
    pages = {
        one.public_id: one.task_id in gold for one in Answer.objects.filter(worker=worker).select_related("assignment")
    }
    assert set(pages.values()) == {True, False}  # the control: there are both
    assert Evidence.objects.filter(worker=worker, kind="gold").exists()
    said = export(wes)
    keys = {kind: {tuple(row) for row in said["answers"] if pages[row["id"]] == kind} for kind in (True, False)}
    assert keys[True] == keys[False]
    assert {row["kind"] for row in said["evidence"]} == {"check"}
    assert len(said["evidence"]) == 1  # of one project and one day
    assert "gold" not in json.dumps(said).replace("gold ", "")


def test_tables_hold_answers_and_pay_and_no_formula(wes):
    batch = work.published(items=2, page_size=2)
    Project.objects.update(title="=cmd()")
    work.work(profiles.of(wes), batch)
    work.sweep()
    decisions.accept(list(Answer.objects.select_related("batch")), make.user("rita"))
    work.sweep()
    header, *rows = table(person.write_answers(wes))
    assert header == person.ANSWERS_HEADER
    assert {row[1] for row in rows} == {"'=cmd()"}
    assert {row[-1] for row in rows} == {"yes"}
    header, *rows = table(person.write_pay(wes))
    assert [(row[1], row[2], row[3]) for row in rows] == [("settlement", "0.100000", "USD")]


def many_answers(worker, batch, rows: int) -> None:
    """So many answers to one task on one page, which no verb would make: copies of the first, for a moment."""
    work.work(worker, batch)
    with connection.cursor() as sql:
        sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
        sql.execute("ALTER TABLE tasks_answer DISABLE TRIGGER USER, DROP CONSTRAINT answer_position_once")
        sql.execute("DROP INDEX answer_once_per_worker")
        sql.execute(
            """INSERT INTO tasks_answer (assignment_id, position, task_id, worker_id, batch_id, attempt, state, value,
                   price_micros, fee_micros, self_selected, to_grade, submitted_at)
               SELECT assignment_id, 1, task_id, worker_id, batch_id, 0, state, value,
                   price_micros, fee_micros, false, false, submitted_at
               FROM tasks_answer, generate_series(1, %s)""",
            [rows],
        )


@contextmanager
def undone():
    """What happens within is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_twenty_thousand_rows_pass_through_a_memory_that_stays_small(wes):
    batch, worker = work.published(items=1, page_size=1), profiles.of(wes)
    with undone():
        many_answers(worker, batch, ROWS)
        next(person.write_json(wes))  # what is loaded once
        before = sys.getallocatedblocks()
        count = size = biggest = 0
        held_then = []
        for block in person.write_json(wes):
            count += block.count(b'"is_paid"')
            size, biggest = size + len(block), max(biggest, len(block))
            held_then.append(sys.getallocatedblocks() - before)
        before = sys.getallocatedblocks()
        whole = list(person.answers(worker))  # the control: held at once they are many times that
        held = sys.getallocatedblocks() - before
    assert count == len(whole) == ROWS + 1
    assert size > 3_000_000
    assert biggest < 200_000
    half = len(held_then) // 2
    assert max(held_then) < 0.8 * held
    assert max(held_then[half:]) < 1.2 * max(held_then[:half])  # it does not grow


def test_downloads_are_the_persons_own(wes, sam):
    batch = work.published(items=1, page_size=1)
    work.work(profiles.of(wes), batch)
    for name, path in (("record-export", "export"), ("record-answers", "answers.csv"), ("record-pay", "pay.csv")):
        page = signed_in(sam).get(reverse(name))
        assert "attachment" in page["Content-Disposition"]
        text = b"".join(page.streaming_content)
        assert text == b"".join(signed_in(sam).get(f"/api/v1/work/record/{path}").streaming_content) or path == "export"
        assert wes.email.encode() not in text
        assert b"asg_" not in text


def test_a_guideline_that_was_read_is_in_it(wes, rita):
    batch = work.published(items=1)
    marketplace_guidelines.write(batch.project, rita, "Look.")
    guidelines.acknowledge(profiles.of(wes), batch.project, 1)
    assert [(row["project"], row["guideline_version"]) for row in export(wes)["acknowledgements"]] == [("Animals", 1)]
