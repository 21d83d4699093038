"""Each kind of damage is planted, and the audit names it."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from tasks import audit, bonuses, consensus, decisions, fair_pay, holding, settlement, training
from tasks.models import Answer, Batch
from tests import make
from tests.tasks import reviewed, work

LOOSE = "ALTER TABLE tasks_{} DROP CONSTRAINT {}"
ONE = "(SELECT min(id) FROM tasks_answer WHERE state = 'accepted')"
DAMAGE = {
    "a task's seats are not its answers": [
        ["UPDATE tasks_task SET taken = taken - 1 WHERE taken > 0"],
        ["UPDATE tasks_task SET taken = taken + 1 WHERE open"],
    ],
    "a task has more answers than were bought": [
        [LOOSE.format("task", "task_within_bought"), "UPDATE tasks_task SET bought = taken - 1 WHERE taken > 0"],
    ],
    "a worker answered a task twice": [
        [
            "DROP INDEX answer_once_per_worker",
            "UPDATE tasks_answer SET task_id = (SELECT min(task_id) FROM tasks_answer)",
        ],
    ],
    "an open assignment's answers are not leased, or the other way round": [
        ["UPDATE tasks_assignment SET state = 'open' WHERE state = 'submitted'"],
        ["UPDATE tasks_assignment SET state = 'expired' WHERE state = 'open'"],
    ],
    "an answer that was handed in has no value, or one that was not has one": [
        [f"UPDATE tasks_answer SET value = NULL WHERE id = {ONE}"],
        [f"UPDATE tasks_answer SET submitted_at = NULL WHERE id = {ONE}"],
    ],
    "an answer's price or fee is not what its batch pays": [
        ["UPDATE tasks_answer SET price_micros = 0 WHERE state = 'submitted'"],
        ["UPDATE tasks_answer SET fee_micros = fee_micros + 1 WHERE state = 'leased'"],
    ],
    "an exam's price or fee is not what its batch pays": [
        ["UPDATE tasks_answer SET price_micros = price_micros + 1 WHERE attempt = 1 AND price_micros > 0"],
        ["UPDATE tasks_batch SET exam_price_micros = 7 WHERE exam_size > 0"],
    ],
    "a practice is paid": [
        ["UPDATE tasks_answer SET fee_micros = 1 WHERE attempt = 1 AND price_micros = 0"],
    ],
    "a batch's paid exams are not those it gave out": [
        ["UPDATE tasks_batch SET exams_taken = 0"],
        ["UPDATE tasks_assignment SET state = 'returned' WHERE purpose = 'exam'"],
    ],
    "an answer is rejected or excluded without a decision, or the other way round": [
        ["UPDATE tasks_answer SET state = 'rejected' WHERE state = 'submitted'"],
        ["UPDATE tasks_answer SET state = 'accepted' WHERE state = 'rejected'"],
        ["UPDATE tasks_decision SET state = 'overturned'"],
    ],
    "a hold is lifted though its decision stands, or the other way round": [
        ["UPDATE payments_hold SET lifted_at = now()"],
        ["UPDATE tasks_decision SET state = 'overturned' WHERE kind = 'hold'"],
        ["UPDATE tasks_decision SET hold_id = NULL"],
        ["UPDATE payments_hold SET until = until + interval '1 day'"],
    ],
    "an answer is settled by an entry that is not a settlement": [
        ["UPDATE tasks_answer SET entry_id = (SELECT min(id) FROM payments_entry WHERE kind = 'prepayment')"
         " WHERE entry_id IS NOT NULL"],
    ],
    "a settlement moved another sum than its answers come to": [
        [f"UPDATE tasks_answer SET entry_id = NULL WHERE id = {ONE}"],
        ["UPDATE payments_transfer SET amount_micros = amount_micros + 1"],
        ["UPDATE payments_entry SET kind = 'settlement' WHERE kind = 'prepayment'"],
    ],
    "a worker was settled another sum than their answers come to": [
        [f"UPDATE tasks_answer SET entry_id = NULL WHERE id = {ONE}"],
        [
            "DROP INDEX answer_once_per_worker",
            "UPDATE tasks_answer SET worker_id = (SELECT max(id) FROM workers_worker) WHERE entry_id IS NOT NULL",
        ],
    ],
    "a top-up is not what its entry moved": [
        [
            "INSERT INTO tasks_topup (public_id, number, amount_micros, facts, created_at, worker_id, batch_id)"
            " SELECT 'top_1', 1, 5, '{}', now(), worker_id, batch_id FROM tasks_timesheet LIMIT 1",
        ],
        ["UPDATE payments_entry SET kind = 'top_up' WHERE kind = 'settlement'"],
    ],
    "a batch was topped up beyond its line": [["UPDATE tasks_batch SET topped_micros = 1"]],
    "a worker was topped up beyond the cap": [
        ["UPDATE tasks_timesheet SET topped_micros = 1"],
        [
            "INSERT INTO tasks_topup (public_id, number, amount_micros, facts, created_at, worker_id, batch_id)"
            " SELECT 'top_1', 1, 1000000, '{}', now(), worker_id, batch_id FROM tasks_timesheet LIMIT 1",
            "UPDATE tasks_timesheet s SET topped_micros = u.amount_micros FROM tasks_topup u"
            " WHERE u.batch_id = s.batch_id AND u.worker_id = s.worker_id",
        ],
    ],
    "a worker's time sheet is not what was paid, rejected and timed": [
        ["UPDATE tasks_timesheet SET paid = paid + 1"],
        ["UPDATE tasks_timesheet SET work_s = work_s + 1"],
        ["UPDATE tasks_timesheet SET rejected_micros = rejected_micros + 1"],
        ["UPDATE tasks_timesheet SET offered_micros = offered_micros + 1"],
        ["UPDATE tasks_assignment SET is_timed = false"],
        ["DELETE FROM tasks_timesheet"],
    ],
    "a reserve does not cover what its batch may come to owe": [
        ["UPDATE payments_account SET debits_micros = credits_micros WHERE kind = 'reserve'"],
        ["UPDATE tasks_batch SET redundancy_max = redundancy_max + 1"],
        ["UPDATE tasks_batch SET gold_bought = gold_bought + 1"],
        ["UPDATE tasks_batch SET exam_paid_most = exam_paid_most + 1 WHERE exam_size > 0"],
    ],
    "a part of a price is withheld without a decision that stands, or paid while it does": [
        ["UPDATE tasks_decision SET state = 'overturned' WHERE kind = 'part'"],
        ["DELETE FROM tasks_withheld"],
        ["UPDATE tasks_withheld SET entry_id = (SELECT min(id) FROM payments_entry)"],
    ],
    "a task is done although seats of it were withdrawn": [
        [LOOSE.format("task", "task_withdrawn_is_open"), "UPDATE tasks_task SET state = 'closed', withdrawn = 1"],
    ],
    "a bonus moved another sum than it says, or to another": [
        ["UPDATE tasks_bonus SET amount_micros = amount_micros + 1"],
        ["UPDATE tasks_bonus SET worker_id = (SELECT max(id) FROM workers_worker)"],
        ["UPDATE tasks_bonus SET entry_id = (SELECT min(id) FROM payments_entry)"],
        ["UPDATE tasks_bonus SET fee_micros = fee_micros + 1"],
        ["DELETE FROM tasks_bonus"],
    ],
    "a bonus is paid by an entry that names none of its own": [
        ["UPDATE payments_entry SET key = 'bonus:bon_x' WHERE kind = 'bonus'"],
    ],
    "a label was reviewed by who had answered it": [
        ["UPDATE tasks_review SET decided_by_id = (SELECT user_id FROM workers_worker w JOIN tasks_answer a"
         " ON a.worker_id = w.id WHERE a.task_id = tasks_review.task_id)"],
    ],
    "two verdicts on one label, one after the other, were given by the same person": [
        ["INSERT INTO tasks_review (public_id, project_id, batch_id, task_id, tier, reason, state, passed, asked_at,"
         " verdict, value, note, decided_by_id, decided_at) SELECT 'rev_x', project_id, batch_id, task_id, 1, reason,"
         " 'given', 0, asked_at, verdict, value, '', decided_by_id, decided_at FROM tasks_review"],
    ],
    "a label is not what its reviewer said": [
        ["UPDATE tasks_consensus SET value = '\"owl\"' WHERE task_id IN (SELECT task_id FROM tasks_review)"],
    ],
    "a batch's figures are not the counts of its rows": [
        ["UPDATE tasks_mark SET submitted = submitted + 1"],
        ["UPDATE tasks_mark SET gold_out = gold_out + 1"],
        ["UPDATE tasks_mark SET withdrawn = withdrawn + 1"],
        ["DELETE FROM tasks_mark"],
        [
            "ALTER TABLE tasks_answer DISABLE TRIGGER answers_moved",
            "UPDATE tasks_answer SET state = 'accepted' WHERE state = 'submitted'",
        ],
    ],
    "an answer that was superseded is still held against its worker, or for them": [
        [
            f"UPDATE tasks_answer SET superseded_at = now() WHERE id = {ONE}",
            "INSERT INTO tasks_evidence (kind, correct, created_at, answer_id, project_id, worker_id)"
            " SELECT 'consensus', 1, now(), a.id, b.project_id, a.worker_id FROM tasks_answer a"
            f" JOIN tasks_batch b ON b.id = a.batch_id WHERE a.id = {ONE}",
        ],
    ],
    "an answer is superseded that nobody handed in as work": [
        ["UPDATE tasks_answer SET superseded_at = now() WHERE state = 'leased'"],
    ],
    "a worker's record is not what was paid and finally rejected": [
        ["UPDATE workers_record SET approved = approved + 1 WHERE organisation_id IS NULL"],
        ["UPDATE workers_record SET rejected = rejected + 1 WHERE organisation_id IS NOT NULL"],
        ["DELETE FROM workers_record"],
        ["UPDATE tasks_decision SET counted = true"],
    ],
    "reliability is not what its evidence comes to": [
        ["UPDATE workers_reliability SET correct = correct + 1"],
        ["UPDATE workers_reliability SET correct_sum = correct_sum + 1"],
        ["UPDATE workers_reliability SET judged_sum = judged_sum * 1.001"],
        ["DELETE FROM workers_reliability"],
        ["DELETE FROM tasks_evidence WHERE id NOT IN (SELECT evidence_id FROM tasks_evidencevoid)"],
    ],
    "what a worker is over all projects is not the sum of what they are in each": [
        ["UPDATE workers_overallreliability SET judged_sum = judged_sum * 1.001"],
        ["DELETE FROM workers_overallreliability"],
        ["DELETE FROM workers_reliability"],
    ],
    "a worker's confusions are not what their evidence comes to": [
        ["INSERT INTO workers_confusion (worker_id, project_id, field, classes, counts, updated_at) "
         "SELECT worker_id, project_id, 'animal', '{cat}', '{1}', now() FROM workers_reliability"
         " ON CONFLICT (project_id, field, worker_id) DO UPDATE SET classes = '{cat}', counts = '{1}'"],
        ["UPDATE tasks_evidence SET truths = '{\"animal\": {\"0\": 1}}'"],
    ],
}  # fmt: skip


def test_every_question_of_the_audit_is_asked_of_damage():
    assert set(DAMAGE) == set(audit.CHECKS)


@pytest.mark.django_db
@pytest.mark.parametrize(("named", "statements"), [(named, way) for named, ways in DAMAGE.items() for way in ways])
def test_damage_is_named(named, statements):
    everything()
    assert audit.check() == []
    with damaged(*statements):
        assert any(sentence.startswith(named) for sentence in audit.check()), audit.check()


@pytest.mark.django_db
@pytest.mark.parametrize("table", audit.APPEND_ONLY.values())
@pytest.mark.parametrize(("how", "word"), [("DROP TRIGGER {0}_append_only ON {0}", "missing"),
                                           ("ALTER TABLE {0} DISABLE TRIGGER USER", "disabled")])  # fmt: skip
def test_rows_that_nothing_keeps_any_more_are_missed(table, how, word):
    assert audit.check() == []
    with transaction.atomic(), connection.cursor() as sql:
        sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
        sql.execute(how.format(table))
        (sentence,) = audit.check()
        transaction.set_rollback(True)
    assert f"{table}_append_only" in sentence
    assert word in sentence


@pytest.mark.django_db(transaction=True)
def test_the_command_ends_with_1_and_says_what_is_broken():
    batch = everything()
    call_command("audit", stdout=(said := StringIO()))
    assert said.getvalue() == "ok: every promise holds\n"
    Batch.objects.filter(pk=batch.pk).update(redundancy_max=9)
    with pytest.raises(CommandError, match="a reserve does not cover") as ended:
        call_command("audit")
    assert ended.value.returncode == 1
    Batch.objects.filter(pk=batch.pk).update(redundancy_max=batch.redundancy_max)


def everything() -> Batch:
    """A batch with a page paid, answers rejected and leased, a bonus, a hold; others with an exam, or reviewed."""
    batch = work.published(items=6, page_size=3, redundancy_min=2, redundancy_max=2)
    rita = make.user("rita")
    work.work(work.worker("wes"), batch)
    decisions.accept(list(Answer.objects.select_related("batch__project")), rita)
    settlement.settle(batch.pk)
    work.work(work.worker("ann"), batch)
    waiting = Answer.objects.filter(state="submitted").select_related("batch__project", "task")
    decisions.reject(waiting[0], rita, "wrong", "It shows a dog.")
    decisions.pay_part(waiting[0], rita, "wrong", "It shows a dog, too.", percent=40)
    name = batch.project.organisation.pseudonym(work.worker("wes").public_id)
    bonuses.give(batch.project, name, rita, 2_000_000, "Well done.", "june")
    work.assignments.claim(work.worker("zoe"), batch.project)
    holding.place(work.worker("ann"), make.user("ada", staff=True), days=3, reason_code="fraud", reason="Not theirs.")
    terms = {"exam_price_micros": 90_000, "exam_paid_most": 3}
    course = work.published(items=1, gold=4, practice_size=2, exam_size=1, exam_attempts=1, **terms)
    work.practise(work.worker("wes"), course.project)
    work.answer(training.sit(work.worker("wes"), course.project))
    labels = reviewed.labelled(("cat",))
    reviewed.asked(labels)
    reviewed.decided(labels)
    consensus.update(labels)
    fair_pay.note_pages()
    return batch


@contextmanager
def damaged(*statements: str) -> Iterator[None]:
    """The database with its triggers off and these statements run; undone afterwards."""
    with transaction.atomic(), connection.cursor() as sql:
        sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("payments_entry", "payments_transfer", "tasks_evidence", "tasks_bonus"):
            sql.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            sql.execute(statement)
        yield
        transaction.set_rollback(True)
