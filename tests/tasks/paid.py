"""A crowd whose time is known, in a project that pays too little."""

from dataclasses import asdict
from datetime import timedelta

from django.db.models import F

from marketplace.core import clock
from payments.models import Account
from tasks import assignments, fair_pay, jobs
from tasks.errors import NoTaskAvailable
from tasks.fair_pay import top_ups
from tasks.models import Assignment, Batch, PayFigures, TimeSheet, TopUpProposal
from tests.tasks import work
from workers.models import Worker

FLOOR = 4_500_000  # an hour; ten answers of 60 s at 0.05 come to 3.00


def published(items: int = 10, crowd: int = 5, **terms) -> Batch:
    """A batch in which everybody of the crowd answers every item, on one page."""
    each = {"redundancy_min": crowd, "redundancy_max": crowd, "page_size": items, "accept_after_s": 0}
    return work.published(items, **{**each, "pay_floor_micros": FLOOR, "price_micros": 50_000, **terms})


def crowd(size: int = 5) -> list[Worker]:
    return [work.worker(f"worker{n}") for n in range(size)]


def spend(person: Worker, batch: Batch, active_s: int) -> Assignment | None:
    """Do a page in so many active seconds; None: nothing is left."""
    try:
        lease = assignments.claim(person, batch.project)
    except NoTaskAvailable:
        return None
    earlier = timedelta(seconds=active_s + 1)
    Assignment.objects.filter(pk=lease.pk).update(claimed_at=F("claimed_at") - earlier)
    held = lease.answers.filter(state="leased").values_list("position", flat=True)
    return assignments.submit(lease, {n: {"animal": "cat"} for n in held}, active_s)


def slow(batch: Batch, people: list[Worker], active_s: int = 600) -> None:
    """Everybody does a page, in so many active seconds."""
    for person in people:
        spend(person, batch, active_s)


def look(batch: Batch) -> None:
    """Everything the cluster does, with the pay of this batch held against the floor at once."""
    work.sweep()
    sweep()
    Batch.objects.filter(pk=batch.pk, top_up_at__isnull=False).update(top_up_at=F("published_at"))
    sweep()


def sweep() -> None:
    for step in (jobs.note_time, jobs.update_pay, jobs.top_up):
        while step():
            pass


def call_for_top_ups(batch: Batch) -> None:
    """Have the next look at this batch begin at its first worker, at once."""
    Batch.objects.filter(pk=batch.pk).update(top_up_at=F("published_at"), top_up_after=0)


def sheet(person: Worker, batch: Batch) -> TimeSheet:
    return TimeSheet.objects.get(worker=person, batch=batch)


def prepaid() -> int:
    return sum(account.balance_micros for account in Account.objects.filter(kind="prepaid"))


def earned(person: Worker) -> int:
    accounts = Account.objects.filter(kind__in=["earnings", "pending"], user=person.user_id)
    return sum(account.balance_micros for account in accounts)


def added(person: Worker) -> list[int]:
    return list(person.top_ups.order_by("pk").values_list("amount_micros", flat=True))


def proposed(person: Worker, batch: Batch, amount_micros: int = 20_000) -> TopUpProposal:
    """A top-up of this worker that waits for a person, whatever their pages say: to ten minutes so much is missing."""
    fair_pay.note_pages()
    Batch.objects.filter(pk=batch.pk).update(pay_floor_micros=FLOOR)
    batch.refresh_from_db()
    given = {"answers": 10, "work_s": 600, "paid": 10, "paid_micros": FLOOR // 6 - amount_micros}
    TimeSheet.objects.filter(batch=batch, worker=person).update(**given)
    told = {"workers": 5, "median_micros": 3_000_000, "spread": [3_000_000] * 11, "task_s": 60, "made_at": clock.now()}
    figures, _ = PayFigures.objects.update_or_create(project_id=batch.project_id, defaults=told)
    known = top_ups._missing(batch, sheet(person, batch), figures, "*")
    assert known
    facts = {**asdict(known), "amount_micros": amount_micros}
    about = {"worker": person, "batch": batch, "amount_micros": amount_micros, "facts": facts}
    return TopUpProposal.objects.create(**about, made_at=clock.now())
