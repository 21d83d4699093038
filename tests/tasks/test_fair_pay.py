from datetime import timedelta

import pytest
from django.db import connection

from marketplace.core import clock, pay_floors
from payments.models import Hold
from tasks import audit, decisions, fair_pay, jobs, training
from tasks.fair_pay import figures, floors, sheets
from tasks.models import Assignment, PayFigures, TimeSheet, TopUpProposal
from tests.tasks import paid, work
from tests.tasks.paid import FLOOR

pytestmark = pytest.mark.django_db


# Time


def test_a_page_is_added_to_its_workers_sheet_once():
    batch, (wes, *_) = paid.published(), paid.crowd()
    paid.spend(wes, batch, 600)
    for _ in range(2):
        jobs.note_time()
    mine = paid.sheet(wes, batch)
    assert (mine.answers, mine.work_s, mine.offered_micros) == (10, 600, 500_000)


def test_seconds_are_bounded_by_the_clock():
    batch, (wes, *_) = paid.published(), paid.crowd()
    lease = work.assignments.claim(wes, batch.project)
    work.assignments.submit(lease, {n: {"animal": "cat"} for n in range(10)}, 10_000)
    jobs.note_time()
    assert paid.sheet(wes, batch).work_s < 5


def test_practice_counts_as_time():
    batch = paid.published(gold=8, practice_size=4)
    wes = work.worker()
    lease = training.start(wes, batch.project)
    Assignment.objects.filter(pk=lease.pk).update(claimed_at=clock.now() - timedelta(minutes=5), active_s=40)
    work.answer(lease, default="owl")
    jobs.note_time()
    mine = paid.sheet(wes, batch)
    assert (mine.tests, mine.test_s, mine.answers, mine.work_s) == (4, 40, 0, 0)


def test_reading_counts_once_and_as_far_as_the_text_explains_it(rita):
    from marketplace import guidelines, lessons

    batch, wes = paid.published(), work.worker()
    guidelines.write(batch.project, rita, "word " * 160)
    lesson = lessons.write(batch.project, rita, "Owls", "Look.")
    training.acknowledge(wes, batch.project, 1, 100)
    training.acknowledge(wes, batch.project, 1, 100)
    training.read(wes, lesson, 5_000)
    training.read(wes, lesson, 5_000)
    assert paid.sheet(wes, batch).reading_s == 100 + sheets.READING_LEAST_S


@pytest.mark.parametrize(("words", "said", "counted"), [(0, 9, 9), (160, 9_999, 120), (9_999, 9_999, 1800), (5, 0, 0)])
def test_reading_is_bounded_by_a_slow_reader(words, said, counted):
    assert sheets.bounded_s("word " * words, said) == counted


def test_rejected_work_does_not_count_as_paid_until_it_is_restored(rita):
    batch, (wes, *_) = paid.published(accept_after_s=3600), paid.crowd()
    lease = paid.spend(wes, batch, 600)
    answer = lease.answers.select_related("batch", "task", "worker").order_by("pk")[0]
    decision = decisions.reject(answer, rita, "wrong", "No.")
    assert paid.sheet(wes, batch).rejected_micros == 50_000
    decisions.withdraw(decision, rita, "It was right.")
    assert paid.sheet(wes, batch).rejected_micros == 0


def paid_in_part(person, rita, percent):
    waiting = person.answers.filter(state="submitted").select_related("batch", "task", "worker")
    return [decisions.pay_part(answer, rita, "wrong", "No.", percent, refill=False) for answer in waiting]


@pytest.mark.parametrize("is_counted", [True, False])
def test_what_is_withheld_is_no_pay_whether_its_page_was_counted_before_or_after(rita, is_counted):
    """Ten answers of 30 s at 0.05 would come to 6.00 an hour, over the floor; a hundredth of it comes to 0.06."""
    batch, people = paid.published(accept_after_s=3600), paid.crowd()
    paid.slow(batch, people, 300)
    if is_counted:
        jobs.note_time()
    for person in people:
        paid_in_part(person, rita, 1)
    paid.look(batch)
    mine = paid.sheet(people[0], batch)
    assert (mine.offered_micros, mine.rejected_micros, mine.paid_micros) == (500_000, 495_000, 5_000)
    assert fair_pay.of(batch.project).median_micros == 60_000
    assert paid.added(people[0]) == [2_500]
    proposal = TopUpProposal.objects.get(worker=people[0])
    assert (proposal.amount_micros, proposal.facts["rejected_micros"]) == (367_500, 495_000)
    assert audit.check() == []


def test_the_rest_that_is_paid_after_all_counts_as_pay_and_for_the_cap(rita):
    batch, people = paid.published(accept_after_s=3600), paid.crowd()
    paid.slow(batch, people)
    made = [decision for person in people for decision in paid_in_part(person, rita, 40)]
    work.sweep()
    for decision in made:
        decisions.withdraw(decision, rita, "It was right.")
    mine = paid.sheet(people[0], batch)
    assert (mine.paid, mine.paid_micros, mine.rejected_micros) == (10, 500_000, 0)
    paid.look(batch)
    assert [paid.earned(person) for person in people] == [750_000] * 5
    assert not TopUpProposal.objects.exists()
    assert audit.check() == []


# Figures


def test_a_project_of_few_tells_nothing_and_of_enough_its_median():
    batch, people = paid.published(), paid.crowd()
    paid.slow(batch, people[:4])
    paid.sweep()
    assert not fair_pay.of(batch.project).is_measured
    paid.spend(people[4], batch, 6_000)
    paid.sweep()
    pay = fair_pay.of(batch.project)
    assert (pay.workers, pay.median_micros, pay.low_micros, pay.high_micros) == (5, 3_000_000, 300_000, 3_000_000)
    assert (pay.under, pay.task_s, pay.floor_micros, pay.floor_whose) == (5, 60.0, FLOOR, "project")
    assert pay.expected_micros == 50_000 * 3600 // 30


def test_figures_are_made_anew_only_where_something_changed():
    batch, people = paid.published(), paid.crowd()
    paid.slow(batch, people)
    paid.sweep()
    made_at = PayFigures.objects.get().made_at
    assert fair_pay.outdated() == []
    paid.sweep()
    assert PayFigures.objects.get().made_at == made_at


def test_projects_wait_for_their_figures_by_age_and_not_by_key(monkeypatch):
    monkeypatch.setattr(figures, "PROJECTS_STEP", 1)
    first, second = paid.published(), paid.published()
    (wes,) = paid.crowd(1)
    for batch in (first, second):
        paid.spend(wes, batch, 600)
    jobs.note_time()
    looked = []
    for _ in range(4):
        looked += fair_pay.outdated()
        jobs.update_pay()
        TimeSheet.objects.update(is_new=True)  # all are busy all the time
    assert looked == [first.project_id, second.project_id] * 2


def test_finding_what_is_outdated_reads_no_sheet_but_the_first_of_each_project():
    with connection.cursor() as sql:
        sql.execute("SET LOCAL enable_seqscan = off")
        sql.execute(f"EXPLAIN {figures.OUTDATED}", [9])
        plan = "\n".join(line for (line,) in sql.fetchall())
    assert "Index Only Scan using timesheet_new" in plan, plan
    assert "Index Scan using tasks_payfigures_pkey" in plan, plan
    assert "Seq Scan" not in plan, plan


def test_who_is_under_a_hold_counts_in_no_figure():
    batch, people = paid.published(), paid.crowd()
    paid.slow(batch, people)
    at = clock.now()
    Hold.objects.create(user=people[0].user, since=at, until=at + timedelta(days=1))
    paid.sweep()
    assert PayFigures.objects.get().workers == 4


# Floors


def test_the_higher_floor_holds_in_its_own_currency_alone(settings):
    settings.PAY_FLOORS = pay_floors.read("DE=12.82EUR US=7.25USD/h *=2USD")
    assert floors.of(0, "DE", "EUR").micros == 12_820_000
    assert floors.of(0, "US", "EUR") == floors.Floor(0, "")
    assert floors.of(0, "DE", "USD") == floors.Floor(2_000_000, "operator")
    assert floors.of(9_000_000, "US", "USD") == floors.Floor(9_000_000, "project")
    assert floors.of(1, "US", "USD") == floors.Floor(7_250_000, "operator", "US")
    assert floors.operators("EUR") == [("DE", 12_820_000)]


@pytest.mark.parametrize("wrong", ["US", "US=7", "US=USD", "US=7.25XXX", "us=7USD", "US=7USD US=8USD", "US=1.0.0USD"])
def test_a_floor_that_is_not_understood_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected|two floors"):
        pay_floors.read(wrong)


def test_floors_are_read_from_a_file(tmp_path):
    path = tmp_path / "floors.json"
    path.write_text('{"US": {"USD": "7.25"}, "*": {"EUR": "5"}}')
    assert pay_floors.read(str(path)) == {"US": {"USD": 7_250_000}, "*": {"EUR": 5_000_000}}
    path.write_text('{"US": 7}')
    with pytest.raises(ValueError, match="expected an object"):
        pay_floors.read(str(path))
    with pytest.raises(ValueError, match="No such file"):
        pay_floors.read(str(tmp_path / "none.json"))


def test_the_usual_floors_are_read():
    assert pay_floors.read(pay_floors.USUAL)["US"] == {"USD": 7_250_000}


# Plans: what the sweeps and pages ask is found by an index that holds no more than that


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (
            """SELECT id FROM tasks_assignment WHERE submitted_at IS NOT NULL AND NOT is_timed
               ORDER BY batch_id, id LIMIT 9""",
            "assignment_to_time",
        ),
        ("SELECT project_id FROM tasks_timesheet WHERE is_new ORDER BY project_id LIMIT 1", "timesheet_new"),
        ("SELECT * FROM tasks_timesheet WHERE project_id = 1 ORDER BY id DESC LIMIT 9", "timesheet_of_project"),
        (
            "SELECT * FROM tasks_timesheet WHERE batch_id = 1 AND worker_id > 5 ORDER BY worker_id LIMIT 9",
            "timesheet_once",
        ),
        ("SELECT id FROM tasks_batch WHERE top_up_at <= now() ORDER BY top_up_at LIMIT 9", "batch_to_top_up"),
        ("SELECT * FROM tasks_topup WHERE worker_id = 1 ORDER BY id DESC LIMIT 9", "topup_of_worker"),
    ],
)
def test_every_question_has_its_index(asked, index):
    with connection.cursor() as sql:
        sql.execute("SET LOCAL enable_seqscan = off")
        sql.execute("SET LOCAL enable_sort = off")
        sql.execute(f"EXPLAIN {asked}")
        plan = "\n".join(line for (line,) in sql.fetchall())
    assert index in plan, plan
    assert "Sort" not in plan
