"""What hot statements touch at 1,000,000 tasks, with a worker of 50,000 answers and 30,000 open leases.

The statements of claim, submit and heartbeat are bound on the server and planned once, so both kinds of plan are read:
the one for any values and the one for theirs. Django binds on the client: all others are planned for their values.
"""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Min

from marketplace.core import clock
from tasks import assignments, batches, budgets, consensus, decisions, gold, seats, settlement, tallies, wishes
from tasks.assignments import claiming
from tasks.errors import NoTaskAvailable
from tasks.exports import labels
from tasks.models import Answer, Assignment, Batch, Cursor, Mark
from tests.plans import load, plans
from tests.tasks import work
from workers.models import Worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_million")]
HERE: dict[str, Any] = {}
PLACES = itertools.count(load.TASKS // 2, 1000)
A_PAGE = 10
A_STEP = 10_000  # tasks
PLANS = pytest.mark.parametrize("mode", ["generic", "custom"])
PAGES = pytest.mark.parametrize(("size", "most"), [(1, 75), (A_PAGE, 32 * A_PAGE)])  # buffers a claim may touch
AN_ANSWER = 60  # that accepting or paying one answer may touch: its row, and its place in six indexes


@pytest.fixture(scope="module")
def _million(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), transaction.atomic():
        HERE["batch"], HERE["veteran"] = load.million()
        yield
        transaction.set_rollback(True)


@pytest.fixture
def batch() -> Batch:
    return HERE["batch"]


@pytest.fixture
def veteran() -> Worker:
    return HERE["veteran"]


def at_most(buffers: float, cost: plans.Cost) -> None:
    assert not cost.scans, cost.told()
    assert cost.buffers <= buffers, cost.told()


@pytest.fixture(autouse=True)
def _warm(batch: Batch, mode: str) -> None:
    """Do it all once on this connection, at the end of the queue: the first time reads the catalogue."""
    person = work.worker("first")
    Cursor.objects.create(worker=person, batch=batch, priority=0, pos=next(PLACES))
    plans.of(lambda: work.answer(assignments.renew(assignments.claim(person, batch.project), 5)), mode)


@pytest.fixture
def mode() -> str:
    return "custom"


def beyond(person: Worker, batch: Batch) -> Worker:
    """The same, having come to a part of the queue that nobody has come to, nor any test before."""
    Cursor.objects.create(worker=person, batch=batch, priority=0, pos=next(PLACES))
    return person


@PLANS
@PAGES
def test_a_newcomer_claims(batch, mode, size, most):
    newcomer = beyond(work.worker("newcomer"), batch)
    at_most(most, plans.of(lambda: assignments.claim(newcomer, batch.project, tasks=size), mode))


@PLANS
@PAGES
def test_a_veteran_claims_as_cheaply_as_a_newcomer(batch, veteran, mode, size, most):
    beyond(veteran, batch)
    at_most(1.3 * most, plans.of(lambda: assignments.claim(veteran, batch.project, tasks=size), mode))


@PLANS
def test_a_veteran_whose_round_leads_through_all_they_did_looks_at_a_bounded_part_of_it(batch, veteran, mode):
    done_from = Answer.objects.filter(worker=veteran).aggregate(first=Min("task__pos"))["first"]
    Cursor.objects.create(worker=veteran, batch=batch, priority=0, pos=done_from - 1, lap=1)

    def claim() -> None:
        with pytest.raises(NoTaskAvailable) as refused:
            assignments.claim(veteran, batch.project)
        assert refused.value.facts["retry_after_s"] == claiming.SOON_S

    at_most((claiming.REACH + claiming.WINDOWS * seats.WINDOW) * 12, plans.of(claim, mode))


@PLANS
def test_submitting_and_giving_back(batch, mode):
    lease = assignments.claim(beyond(work.worker("newcomer"), batch), batch.project)
    answers = {seat.position: {"animal": "cat"} for seat in assignments.seats_of(lease)}
    at_most(45 * A_PAGE, plans.of(lambda: assignments.submit(lease, answers), mode))
    at_most(60 * A_PAGE, plans.of(lambda: assignments.give_back(lease), mode))
    at_most(60, plans.of(lambda: assignments.renew(lease, 5), mode))


def test_expiring_a_hundred_leases_among_thirty_thousand():
    over = list(Assignment.objects.filter(state="open").values_list("pk", flat=True)[:100])
    Assignment.objects.filter(pk__in=over).update(leased_until=clock.now() - timedelta(seconds=1))
    at_most(100 * 150, plans.of(lambda: assignments.expire()))


def test_accepting_and_settling_what_is_due_touches_only_the_answers_of_the_step(batch, veteran):
    due = list(Answer.objects.filter(worker=veteran).values_list("pk", flat=True)[:1000])
    Answer.objects.filter(pk__in=due).update(accept_at=clock.now())
    at_most(1000 * AN_ANSWER, plans.of(decisions.accept_due))
    Answer.objects.filter(pk__in=due).update(state="accepted", price_micros=1, fee_micros=0)
    at_most(60, plans.of(settlement.waiting))
    at_most(1000 * AN_ANSWER, plans.of(lambda: settlement.settle(batch.pk)))


@pytest.mark.parametrize(
    "sweep",
    [
        *(assignments.expire, gold.grade, decisions.accept_due, batches.close_finished, batches.returnable),
        *(tallies.fold, budgets.dry, budgets.unfitted, budgets.idle, wishes.lift),
    ],
)
def test_a_sweep_with_nothing_to_do_touches_next_to_nothing(sweep):
    at_most(60, plans.of(sweep))


def test_consensus_finds_its_batches_without_reading_assignments():
    Batch.objects.update(consensus_at=clock.now() + timedelta(minutes=1))
    at_most(60, plans.of(lambda: list(consensus.waiting())))


def test_a_look_at_progress_costs_the_same_at_any_size(batch):
    at_most(100, plans.of(lambda: batches.progress(batch)))


def test_a_look_at_a_budget_reads_what_was_given_out_and_is_undecided_and_no_task(batch):
    Batch.objects.filter(pk=batch.pk).update(lowered_at=clock.now())
    seats.withdraw(batch, 3 * A_STEP, A_STEP)
    cost = plans.of(lambda: budgets.of(batch))
    assert not [said for _, said in cost.statements if "tasks_task" in said]
    assert cost.buffers <= (load.HISTORY + load.LEASES) / 5, cost.told()


def test_adding_up_a_thousand_marks_reads_nothing_that_they_count(batch):
    Mark.objects.bulk_create(Mark(batch=batch, leased=1) for _ in range(1000))
    at_most(1000 * 10, plans.of(tallies.fold))


def test_a_run_of_consensus_touches_what_was_answered_and_not_the_rest_of_the_batch(batch):
    consensus.update(batch)
    at_most(load.HISTORY * 60, plans.of(lambda: consensus.update(batch)))


def test_lists_read_one_page(batch, veteran):
    of_batch = Answer.objects.filter(batch=batch, attempt=0, submitted_at__isnull=False).order_by("-pk")
    at_most(1500, plans.of(lambda: list(of_batch[:50])))
    at_most(1500, plans.of(lambda: list(Answer.objects.filter(worker=veteran).order_by("-pk")[:50])))
    at_most(1500, plans.of(lambda: list(Assignment.objects.filter(worker=veteran).order_by("-pk")[:50])))


def test_a_step_of_an_export_reads_its_own_tasks(batch):
    cost = plans.of(lambda: next(iter(labels.rows(batch))))
    assert not [scan for scan in cost.scans if "assignment" not in scan.partition(":")[0]], cost.told()
    assert cost.buffers <= labels.STEP * 15, cost.told()
