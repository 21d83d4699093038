"""Budgets of running batches by hand: 6 items, 0.05 an answer and 10 % fee, so that one answer costs 0.055."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from marketplace.core.errors import Forbidden, IllegalMove, InsufficientFunds, Invalid
from payments import reserves
from payments.models import Reserve, ReserveLine
from tasks import assignments, audit, batches, budgets, consensus, decisions, jobs, seats, tallies
from tasks.errors import BelowCommitted, NoTaskAvailable
from tasks.models import Answer, Batch, Task
from tests import make
from tests.tasks import work
from tests.tasks.paid import prepaid
from workers.models import Notice

pytestmark = pytest.mark.django_db
EACH = 55_000


def line(batch: Batch, name: str = "answers") -> int:
    return ReserveLine.objects.get(reserve__subject=batch.subject, name=name).amount_micros


def dry_notices() -> list[Notice]:
    return list(Notice.objects.filter(subject__contains="run out of money"))


def paid() -> int:
    return Answer.objects.filter(entry__isnull=False).count()


def accept_all(batch: Batch) -> None:
    decisions.accept(list(Answer.objects.filter(batch=batch, state="submitted").select_related("batch")), _rita())
    work.sweep()


def _rita():
    return make.user("rita")


@pytest.fixture
def batch(rita) -> Batch:
    """18 answers at most (0.99), of which 12 are bought (0.66)."""
    return work.published(items=6, redundancy_min=2, redundancy_max=3, page_size=2)


def test_what_a_batch_may_spend_is_told_to_the_micro(batch):
    told = budgets.of(batch)
    assert (told.answers_micros, told.seat_micros, told.open_seats) == (18 * EACH, EACH, 12)
    assert (told.unused_micros, told.least_micros) == (6 * EACH, 0)
    assert (told.spent_micros, told.owed_micros, told.committed_micros) == (0, 0, 12 * EACH)


def test_lowering_by_what_is_not_needed_takes_no_seat(batch, rita):
    before = prepaid()
    told = budgets.lower(batch, rita, 12 * EACH)
    assert prepaid() == before + 6 * EACH
    assert (line(batch), told.open_seats, told.withdrawn_seats, told.unused_micros) == (12 * EACH, 12, 0, 0)


def test_lowering_further_withdraws_seats_from_the_end_of_the_queue_at_exactly_their_price(batch, rita):
    before = prepaid()
    told = budgets.lower(batch, rita, 7 * EACH)
    assert prepaid() == before + 11 * EACH
    assert (told.open_seats, told.withdrawn_seats, told.answers_micros, told.unused_micros) == (7, 5, 7 * EACH, 0)
    rows = list(Task.objects.filter(batch=batch).order_by("pos").values_list("bought", "withdrawn"))
    assert rows == [(2, 0), (2, 0), (2, 0), (1, 1), (0, 2), (0, 2)]


def test_an_odd_amount_is_kept_as_it_is_and_buys_no_part_of_an_answer(batch, rita):
    told = budgets.lower(batch, rita, 7 * EACH + 100)
    assert (told.answers_micros, told.open_seats, told.unused_micros) == (7 * EACH + 100, 7, 100)


def test_nobody_lowers_below_what_is_given_out(batch, rita, wes):
    assignments.claim(work.worker(), batch.project)
    budgets.lower(batch, rita, 10 * EACH)
    with pytest.raises(BelowCommitted) as refusal:
        budgets.lower(batch, rita, 2 * EACH - 1)
    assert refusal.value.facts["least_micros"] == 2 * EACH == budgets.of(batch).least_micros
    told = budgets.lower(batch, rita, 2 * EACH)
    assert (told.open_seats, told.withdrawn_seats) == (0, 10)


def test_what_waits_is_settled_or_may_be_contested_stays_reserved(batch, rita):
    """Wes: 2 settled, 2 waiting, 1 rejected without refill, 1 leased: 6 answers are the least."""
    wes = work.worker()
    first = work.work(wes, batch)
    decisions.accept(list(first.answers.select_related("batch")), rita)
    jobs.settle()
    second = work.work(wes, batch)
    decisions.reject(second.answers.select_related("task", "worker")[0], rita, "wrong", "No.", refill=False)
    assignments.claim(wes, batch.project)
    told = budgets.of(batch)
    assert (told.spent_micros, told.owed_micros) == (2 * EACH, 4 * EACH)
    assert told.least_micros == 6 * EACH
    budgets.lower(batch, rita, 6 * EACH)
    work.answer(assignments.claim(wes, batch.project))
    Answer.objects.filter(state="submitted").update(accept_at="2020-01-01T00:00:00Z")
    work.sweep()
    assert reserves.balance(batch.subject) == EACH  # of the rejected one


def test_a_dry_batch_stops_at_the_next_claim_and_pays_what_was_leased(batch, rita):
    wes = work.worker()
    lease = assignments.claim(wes, batch.project)
    budgets.lower(batch, rita, 2 * EACH)
    with pytest.raises(NoTaskAvailable):
        assignments.claim(work.worker("olga"), batch.project)
    work.answer(lease)
    accept_all(batch)
    assert (paid(), reserves.balance(batch.subject)) == (2, 0)
    assert Batch.objects.get().state == "open"
    assert Task.objects.filter(state="closed").count() == 0


def test_the_requester_is_told_once_that_it_ran_dry(batch, rita):
    budgets.lower(batch, rita, 2 * EACH)
    for name in ("wes", "sam"):
        work.work_all(work.worker(name), batch)
        assert len(dry_notices()) == 0
    work.sweep()
    consensus.update(Batch.objects.get())
    (told,) = dry_notices()
    assert (told.user, told.link) == (rita, reverse("budget", args=[batch.public_id]))
    assert Batch.objects.get().dry_at


def test_consensus_buys_only_what_the_budget_pays_and_the_rest_waits(rita):
    """Two disagree on 4 items; of the third answers, 4 are wanted and 3 are paid for."""
    batch = work.published(items=4, redundancy_min=2, redundancy_max=3, page_size=4)
    budgets.lower(batch, rita, 11 * EACH)
    work.work_all(work.worker("wes"), batch, "cat")
    work.work_all(work.worker("sam"), batch, "dog")
    consensus.update(Batch.objects.get())
    assert sorted(Task.objects.values_list("bought", flat=True)) == [2, 3, 3, 3]
    assert Batch.objects.get().dry_at is None  # there is work
    work.work_all(work.worker("olga"), batch, "cat")
    consensus.update(Batch.objects.get())
    assert Batch.objects.get().dry_at
    assert Task.objects.filter(state="open").count() == 1
    jobs.close()
    assert Batch.objects.get().state == "open"


def test_after_a_raise_it_goes_on_to_its_end(rita):
    batch = work.published(items=4, redundancy_min=2, redundancy_max=3, page_size=4)
    budgets.lower(batch, rita, 5 * EACH)
    for name, animal in (("wes", "cat"), ("sam", "dog"), ("olga", "cat")):
        work.work_all(work.worker(name), batch, animal)
        work.sweep()
    assert Batch.objects.get().dry_at
    told = budgets.raise_to(batch, rita, 12 * EACH)
    assert (told.open_seats, told.withdrawn_seats, told.dry) == (3, 0, False)
    for _ in range(3):
        for name, animal in (("wes", "cat"), ("sam", "dog"), ("olga", "cat")):
            work.work_all(work.worker(name), batch, animal)
        work.sweep()
    assert Task.objects.filter(state="open").count() == 0
    accept_all(batch)
    assert paid() == 12
    work.sweep()
    assert Batch.objects.get().returned_at
    assert prepaid() == 100_000_000 - 12 * EACH


def test_a_raise_brings_back_as_many_seats_as_it_pays_the_first_first(batch, rita):
    budgets.lower(batch, rita, 4 * EACH)
    told = budgets.raise_to(batch, rita, 7 * EACH)
    assert (told.open_seats, told.withdrawn_seats) == (7, 5)
    assert list(Task.objects.order_by("pos").values_list("bought", flat=True)) == [2, 2, 2, 1, 0, 0]
    assert assignments.claim(work.worker(), batch.project)


def test_a_raise_that_is_not_prepaid_changes_nothing(rita):
    batch = work.published(items=6, redundancy_min=2, redundancy_max=2, micros=12 * EACH // 10_000 * 10_000 + 10_000)
    budgets.lower(batch, rita, 6 * EACH)
    reserves.add(batch.subject, "spare", prepaid())
    with pytest.raises(InsufficientFunds) as refusal:
        budgets.raise_to(batch, rita, 8 * EACH)
    assert refusal.value.facts["missing_micros"] == 2 * EACH
    told = budgets.of(batch)
    assert (told.answers_micros, told.open_seats, told.withdrawn_seats) == (6 * EACH, 6, 6)


def test_an_expired_lease_of_a_dry_batch_is_work_again(batch, rita):
    lease = assignments.claim(work.worker(), batch.project)
    budgets.lower(batch, rita, 2 * EACH)
    type(lease).objects.update(leased_until="2020-01-01T00:00:00Z")
    jobs.expire()
    again = assignments.claim(work.worker("olga"), batch.project)
    assert again.answers.count() == 2


def test_many_seats_go_and_come_in_steps(batch, rita, monkeypatch):
    monkeypatch.setattr(budgets, "STEP", 2)
    told = budgets.lower(batch, rita, 1 * EACH)
    assert (told.withdrawn_seats, told.lowering_to_micros) == (4, EACH)
    while jobs.fit_budgets():
        pass
    told = budgets.of(batch)
    assert (told.withdrawn_seats, told.answers_micros, told.lowering_to_micros) == (11, EACH, None)
    told = budgets.raise_to(batch, rita, 12 * EACH)
    assert told.withdrawn_seats > 0
    while jobs.fit_budgets():
        pass
    assert budgets.of(batch).open_seats == 12


def test_seats_taken_meanwhile_stop_a_lowering_above_its_aim(batch, rita, monkeypatch):
    monkeypatch.setattr(budgets, "STEP", 2)
    budgets.lower(batch, rita, 0)
    for name in ("wes", "sam", "olga", "max"):
        work.work_all(work.worker(name), batch)
    while jobs.fit_budgets():
        pass
    told = budgets.of(batch)
    assert (told.answers_micros, told.open_seats, told.lowering_to_micros) == (8 * EACH, 0, None)


def test_money_that_comes_free_by_itself_is_work_again(batch, rita):
    wes = work.worker()
    lease = work.work(wes, batch)
    budgets.lower(batch, rita, 2 * EACH)
    answer = lease.answers.select_related("task", "worker").order_by("position")[0]
    refused = decisions.reject(answer, rita, "wrong", "No.", refill=False)
    jobs.resume_dry()
    assert Batch.objects.get().dry_at
    type(refused).objects.update(contestable_until="2020-01-01T00:00:00Z")
    jobs.resume_dry()
    told = budgets.of(batch)
    assert (told.dry, told.open_seats) == (False, 1)


def test_a_batch_that_can_go_on_is_come_to_however_many_wait_before_it(rita):
    stuck = [_dry(work.published(items=1, redundancy_min=1, redundancy_max=1), rita) for _ in range(3)]
    last = _dry(work.published(items=1, redundancy_min=1, redundancy_max=1), rita)
    reserves.add(last.subject, "answers", EACH)
    assert budgets.dry(limit=2) == [batch.pk for batch in stuck[:2]]
    for _ in range(2):
        for pk in budgets.dry(limit=2):
            budgets.resume(pk)
    assert list(Batch.objects.filter(dry_at=None)) == [last]
    assert budgets.of(last).open_seats == 1
    assert budgets.dry(limit=1) == [stuck[0].pk]  # round again


def test_a_dry_batch_that_cannot_be_looked_at_holds_up_no_other(rita, monkeypatch):
    broken, other = (_dry(work.published(items=1, redundancy_min=1, redundancy_max=1), rita) for _ in range(2))
    reserves.add(other.subject, "answers", EACH)
    ReserveLine.objects.filter(reserve__subject=broken.subject).delete()
    Reserve.objects.filter(subject=broken.subject).delete()
    monkeypatch.setattr(budgets.dry, "__defaults__", (1,))
    for _ in range(2):
        jobs.resume_dry()
    assert list(Batch.objects.filter(dry_at=None)) == [other]


def _dry(batch: Batch, rita) -> Batch:
    budgets.lower(batch, rita, 0)
    batch.refresh_from_db()
    assert batch.dry_at
    return batch


def test_what_waits_for_money_is_told_without_reading_a_task(batch, rita):
    told = budgets.lower(batch, rita, 7 * EACH)
    with CaptureQueriesContext(connection) as asked:
        assert budgets.of(batch) == told
    assert told.withdrawn_seats == sum(Task.objects.values_list("withdrawn", flat=True)) == 5
    assert not [query["sql"] for query in asked if "tasks_task" in query["sql"].replace("tasks_tally", "")]
    while tallies.fold(limit=1):
        pass
    assert budgets.of(batch).withdrawn_seats == 5
    decided = assignments.claim(work.worker(), batch.project)
    assert budgets.raise_to(batch, rita, 9 * EACH).withdrawn_seats == 3
    assert decided.answers.count() == 2
    assert audit.check() == []


def test_a_batch_that_waits_but_has_a_seat_to_give_is_not_out(batch, rita):
    lease = assignments.claim(work.worker(), batch.project)
    assert budgets.lower(batch, rita, 2 * EACH).is_out
    assert batches.progress(Batch.objects.get()).is_out
    type(lease).objects.update(leased_until="2020-01-01T00:00:00Z")
    jobs.expire()
    told = budgets.of(batch)
    assert (told.dry, told.is_out, told.open_seats) == (True, False, 2)
    assert not batches.progress(Batch.objects.get()).is_out
    assert assignments.claim(work.worker("olga"), batch.project)
    assert budgets.of(batch).is_out


def test_a_refill_brings_its_own_money(batch, rita):
    lease = work.work(work.worker(), batch)
    budgets.lower(batch, rita, 2 * EACH)
    decisions.reject(lease.answers.select_related("task", "worker")[0], rita, "wrong", "No.")
    told = budgets.of(batch)
    assert (told.answers_micros, told.open_seats, told.owed_micros) == (3 * EACH, 1, 2 * EACH)


def test_a_task_with_withdrawn_seats_is_not_done_however_sure(rita):
    batch = work.published(items=1, redundancy_min=3, redundancy_max=3, page_size=1, target_confidence=0.6)
    budgets.lower(batch, rita, 2 * EACH)
    for name in ("wes", "sam"):
        work.work_all(work.worker(name), batch)
    consensus.update(Batch.objects.get())
    assert Task.objects.get().state == "open"
    with pytest.raises(IntegrityError, match="task_withdrawn_is_open"), transaction.atomic():
        Task.objects.update(state="closed")


def test_gold_and_exams_are_raised_and_lowered_to_what_is_given_out(rita):
    batch = work.published(
        items=10, gold=12, gold_share=0.5, page_size=2, exam_size=2, exam_price_micros=30_000, exam_paid_most=4,
        exam_attempts=2, practice_size=0,
    )  # fmt: skip
    before, gold = prepaid(), batch.gold_bought
    budgets.change(batch, rita, gold_answers=gold + 3, paid_exams=5)
    assert prepaid() == before - 3 * EACH - 33_000
    assert (line(batch, "gold"), line(batch, "training")) == ((gold + 3) * EACH, 5 * 33_000)
    Batch.objects.update(gold_taken=4, exams_taken=0)
    with pytest.raises(BelowCommitted) as refusal:
        budgets.change(batch, rita, gold_answers=3)
    assert refusal.value.facts["least_answers"] == 4
    budgets.change(batch, rita, gold_answers=4, paid_exams=0)
    assert (line(batch, "gold"), line(batch, "training")) == (4 * EACH, 0)
    Batch.objects.update(gold_taken=0)


def test_gold_to_come_is_never_lowered_away(rita):
    batch = work.published(items=10, gold=12, gold_share=0.5, redundancy_min=1, redundancy_max=1, page_size=2)
    told = budgets.of(batch)
    budgets.lower(batch, rita, 0)
    assert reserves.balance(batch.subject) == told.gold_answers * EACH


def test_who_may_change_it_and_when(batch, rita, sam):
    with pytest.raises(Forbidden):
        budgets.lower(batch, sam, EACH)
    with pytest.raises(Invalid):
        budgets.lower(batch, rita, 18 * EACH)
    with pytest.raises(Invalid):
        budgets.raise_to(batch, rita, 18 * EACH)
    budgets.change(batch, rita, answers_micros=18 * EACH)  # as it is
    batches.close(batch, rita)
    with pytest.raises(IllegalMove):
        budgets.raise_to(batch, rita, 20 * EACH)


def test_a_lowered_batch_that_is_closed_gives_back_what_is_not_paid(batch, rita):
    lease = assignments.claim(work.worker(), batch.project)
    budgets.lower(batch, rita, 7 * EACH)
    batches.close(batch, rita)
    work.answer(lease)
    accept_all(batch)
    assert prepaid() == 100_000_000 - 2 * EACH


def test_a_budget_below_what_seats_cost_is_found_by_the_audit(batch, rita):
    budgets.lower(batch, rita, 7 * EACH)
    with transaction.atomic():
        with connection.cursor() as sql:
            sql.execute("UPDATE tasks_task SET bought = 1, withdrawn = withdrawn - 1 WHERE bought = 0")
        assert [sentence for sentence in audit.check() if "reserve does not cover" in sentence]
        transaction.set_rollback(True)


def test_at_a_higher_tier_enough_is_kept_for_the_highest(rita):
    batch = work.published(items=2, redundancy_min=1, redundancy_max=1)
    Batch.objects.update(tiers=[{"price_micros": 90_000}])
    batch.refresh_from_db()
    reserves.add(batch.subject, "answers", 2 * 99_000 - 2 * EACH)
    told = budgets.of(batch)
    assert (told.seat_micros, told.unused_micros) == (99_000, 0)
    assert budgets.lower(batch, rita, 99_000).open_seats == 1
    assert seats.withdraw(batch, 5, 5) == 1
    assert seats.bring_back(batch, 1, 5) == 1
