"""What hot statements touch at 1,000,000 tasks, with a worker of 50,000 answers and 30,000 open leases.

Django binds values on the client, so every plan is made for its values; there is no generic one to fear.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Max, Min

from marketplace.core import clock
from tasks import assignments, batches, consensus, decisions, gold, settlement
from tasks.errors import NoTaskAvailable
from tasks.exports import labels
from tasks.models import Answer, Assignment, Batch, Cursor
from tests.plans import load, plans
from tests.tasks import work
from workers.models import Worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_million")]
HERE: dict[str, Any] = {}
A_TASK = 50  # buffers that claiming, submitting or giving back one task of a page of ten may touch
A_PAGE = 10


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


def at_most(buffers: int, cost: plans.Cost) -> None:
    assert not cost.scans, cost.told()
    assert cost.buffers <= buffers, cost.told()


def test_a_newcomer_claims(batch):
    newcomer = work.worker("newcomer")
    at_most(A_TASK * A_PAGE, plans.of(lambda: assignments.claim(newcomer, batch.project)))


def test_a_veteran_claims_as_cheaply_as_a_newcomer(batch, veteran):
    last = Answer.objects.filter(worker=veteran).aggregate(last=Max("task__pos"))["last"]
    Cursor.objects.create(worker=veteran, batch=batch, priority=0, pos=last)
    at_most(A_TASK * A_PAGE, plans.of(lambda: assignments.claim(veteran, batch.project)))


def test_a_veteran_whose_round_leads_through_all_they_did_looks_at_a_bounded_part_of_it(batch, veteran):
    done_from = Answer.objects.filter(worker=veteran).aggregate(first=Min("task__pos"))["first"]
    Cursor.objects.create(worker=veteran, batch=batch, priority=0, pos=done_from - 1)

    def claim() -> None:
        with pytest.raises(NoTaskAvailable) as refused:
            assignments.claim(veteran, batch.project)
        assert refused.value.facts["retry_after_s"] == assignments.SOON_S

    cost = plans.of(claim)
    at_most(assignments.WINDOWS * assignments.seats.WINDOW * 12, cost)


def test_submitting_and_giving_back(batch):
    newcomer = work.worker("newcomer")
    lease = assignments.claim(newcomer, batch.project)
    at_most(A_TASK * A_PAGE, plans.of(lambda: work.answer(lease)))
    at_most(60 * A_PAGE, plans.of(lambda: assignments.give_back(lease)))
    at_most(60, plans.of(lambda: assignments.renew(lease, 5)))


def test_expiring_a_hundred_leases_among_thirty_thousand():
    over = list(Assignment.objects.filter(state="open").values_list("pk", flat=True)[:100])
    Assignment.objects.filter(pk__in=over).update(leased_until=clock.now() - timedelta(seconds=1))
    at_most(100 * 150, plans.of(lambda: assignments.expire()))


def test_accepting_and_settling_what_is_due(batch, veteran):
    due = list(Answer.objects.filter(worker=veteran).values_list("pk", flat=True)[:1000])
    Answer.objects.filter(pk__in=due).update(accept_at=clock.now())
    at_most(1000 * 60, plans.of(lambda: decisions.accept_due()))
    Answer.objects.filter(pk__in=due).update(state="accepted", price_micros=1, fee_micros=0)
    cost = plans.of(lambda: (settlement.waiting(), settlement.settle(batch.pk, limit=1000)))
    at_most(1000 * 60, cost)


@pytest.mark.parametrize(
    "sweep", [assignments.expire, gold.grade, decisions.accept_due, batches.close_finished, batches.returnable]
)
def test_a_sweep_with_nothing_to_do_touches_next_to_nothing(sweep):
    at_most(60, plans.of(sweep))


def test_consensus_finds_its_batches_without_reading_assignments():
    Batch.objects.update(consensus_at=clock.now() + timedelta(minutes=1))
    at_most(60, plans.of(lambda: list(consensus.waiting())))


def test_lists_read_one_page(batch, veteran):
    of_batch = Answer.objects.filter(batch=batch, attempt=0, submitted_at__isnull=False).order_by("-pk")
    at_most(1500, plans.of(lambda: list(of_batch[:50])))
    at_most(1500, plans.of(lambda: list(Answer.objects.filter(worker=veteran).order_by("-pk")[:50])))
    at_most(1500, plans.of(lambda: list(Assignment.objects.filter(worker=veteran).order_by("-pk")[:50])))


def test_a_step_of_an_export_reads_its_own_tasks(batch):
    cost = plans.of(lambda: next(iter(labels.rows(batch))))
    assert not [scan for scan in cost.scans if "assignment" not in scan.partition(":")[0]], cost.told()
    assert cost.buffers <= labels.STEP * 12, cost.told()
