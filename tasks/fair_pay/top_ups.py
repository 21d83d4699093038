"""Top-ups: what is added where an hour pays less than the floor; beyond the cap a person decides.

The batch is locked first, then the worker's time sheet, then accounts: two sweepers, a sweep and a closing batch, or
two people who decide, each see what the other did.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, money, states
from marketplace.core.errors import Invalid
from marketplace.core.pay_floors import ANYWHERE
from marketplace.models import Role, User
from payments import ledger, reserves
from payments.ledger import Payees
from payments.models import Hold, PayoutAccount, Reserve, ReserveLine
from tasks.fair_pay import floors, rates
from tasks.fair_pay.figures import told
from tasks.models import Assignment, Batch, PayFigures, TimeSheet, TopUp, TopUpProposal
from workers import notices
from workers.models import Worker

LINE = "top_ups"
BATCHES_STEP = 100
WORKERS_STEP = 200
PROPOSED_LEAST_MICROS = 10_000  # nobody is asked about less
REASON_MOST = 2_000


@dataclass(frozen=True)
class Computation:
    """How a top-up follows from the figures; kept with it, and shown to the worker."""

    seconds: int  # that count, of the answers that were paid and of what came before them
    work_s: int
    test_s: int
    reading_s: int
    answers: int  # handed in
    paid: int  # of them
    paid_micros: int  # their prices, and what the exams paid
    task_s: float  # the median of what an answer takes here
    time_most_percent: int
    workers: int
    median_micros: int
    low_micros: int
    high_micros: int
    floor_micros: int
    floor_whose: str
    floor_country: str
    topped_before_micros: int
    missing_micros: int
    cap_micros: int  # of the prices paid: what may be added without asking
    is_held: bool = False


def line_micros(price_micros: int, answers: int, own_floor_micros: int, currency: str, most_percent: int) -> int:
    """What a batch sets aside for top-ups: the most that may be added; no fee is taken on it."""
    if not floors.may_hold(own_floor_micros, currency):
        return 0
    return rates.cap_micros(price_micros * answers, most_percent)


def due() -> list[int]:
    """Batches whose workers' pay is to be held against the floor."""
    waiting = Batch.objects.filter(top_up_at__lte=clock.now()).order_by("top_up_at")
    return list(waiting.values_list("pk", flat=True)[:BATCHES_STEP])


def top_up(batch: int, limit: int = WORKERS_STEP) -> bool:
    """Hold the pay of the next workers of a batch against their floor, each in a transaction; True: ask again."""
    found = Batch.objects.select_related("project").get(pk=batch)
    at = clock.now()
    if found.top_up_at is None or found.top_up_at > at:
        return False
    sheets = TimeSheet.objects.filter(batch=batch, worker__gt=found.top_up_after).order_by("worker")[:limit]
    rows = list(sheets.select_related("worker"))
    figures = PayFigures.objects.filter(pk=found.project_id).first()
    for sheet in rows:
        if figures and _missing(found, sheet, figures):
            _settle(batch, sheet.worker, figures)
    _come_to(found, rows[-1].worker_id if len(rows) == limit else None, at)
    return len(rows) == limit


@transaction.atomic
def _come_to(batch: Batch, worker: int | None, at: datetime) -> None:
    """Note how far a look has come; None: to its end, unless another was called for meanwhile."""
    row = Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    if row.top_up_at != batch.top_up_at or row.top_up_after != batch.top_up_after:
        return  # another sweeper was there
    if worker is not None:
        Batch.objects.filter(pk=row.pk).update(top_up_after=worker)
    else:
        Batch.objects.filter(pk=row.pk).update(top_up_at=None, top_up_after=0, topped_at=at)


@transaction.atomic
def _settle(batch: int, worker: Worker, figures: PayFigures) -> None:
    """Post what may be added without asking, and propose the rest."""
    row = Batch.objects.select_for_update(no_key=True).get(pk=batch)
    sheet = TimeSheet.objects.select_for_update(no_key=True).get(batch=batch, worker=worker)
    known = _missing(row, sheet, figures)
    if known is None:
        return
    left = _line_left_micros(row)
    within = known.cap_micros - (sheet.topped_micros - sheet.granted_micros)
    amount = 0 if known.is_held else max(0, min(known.missing_micros, within, left))
    if amount:
        _post(row, sheet, amount, known)
    _propose(row, sheet, known, known.missing_micros - amount - sheet.declined_micros)


def _missing(batch: Batch, sheet: TimeSheet, figures: PayFigures) -> Computation | None:
    """What is missing to the floor, with the figures it follows from; None: nothing is, or too few have worked."""
    if not told(figures) or not sheet.paid or not sheet.answers:
        return None
    worker = Worker.objects.select_related("user").get(pk=sheet.worker_id)
    floor = floors.of(batch.pay_floor_micros, country_of(worker, batch.mode), batch.currency)
    if figures.median_micros >= floor.micros or worker.state == Worker.State.ERASED:
        return None
    most = settings.TOP_UP_TIME_MOST_PERCENT
    work_s = rates.counted_s(sheet.work_s, sheet.answers, figures.task_s, most)
    seconds = work_s * min(sheet.paid, sheet.answers) // sheet.answers
    seconds += rates.counted_s(sheet.test_s, sheet.tests, figures.task_s, most) + sheet.reading_s
    paid_micros = sheet.paid_micros + sheet.exam_micros
    missing = rates.due_micros(floor.micros, seconds, paid_micros + sheet.topped_micros)
    if not missing:
        return None
    return Computation(
        seconds=seconds,
        work_s=sheet.work_s,
        test_s=sheet.test_s,
        reading_s=sheet.reading_s,
        answers=sheet.answers,
        paid=sheet.paid,
        paid_micros=paid_micros,
        task_s=round(figures.task_s, 3),
        time_most_percent=most,
        workers=figures.workers,
        median_micros=figures.median_micros,
        low_micros=figures.low_micros,
        high_micros=figures.high_micros,
        floor_micros=floor.micros,
        floor_whose=floor.whose,
        floor_country=floor.country,
        topped_before_micros=sheet.topped_micros,
        missing_micros=missing,
        cap_micros=rates.cap_micros(sheet.paid_micros, batch.top_up_most_percent),
        is_held=_is_held(worker.user_id),
    )


def country_of(worker: Worker, mode: str) -> str:
    """Where the provider pays this person, where that is known; else the country they stated."""
    paid_to = PayoutAccount.objects.filter(user=worker.user_id, mode=mode).exclude(state=PayoutAccount.State.CLOSED)
    return paid_to.values_list("country", flat=True).first() or worker.country or ANYWHERE


def _is_held(user: int) -> bool:
    return Hold.objects.filter(user=user, lifted_at=None, until__gt=clock.now()).exists()


def _post(
    batch: Batch,
    sheet: TimeSheet,
    amount_micros: int,
    known: Computation,
    by: User | None = None,
    to: Payees | None = None,
) -> TopUp:
    """Add it to the worker's earnings out of the batch's reserve, once and for all. The batch and sheet are locked."""
    facts = {**asdict(known), "amount_micros": amount_micros}
    made = TopUp.objects.create(
        worker_id=sheet.worker_id,
        batch=batch,
        number=TopUp.objects.filter(batch=batch, worker=sheet.worker_id).count() + 1,
        amount_micros=amount_micros,
        facts=facts,
        granted_by=by,
        created_at=clock.now(),
    )
    sheet.topped_micros += amount_micros
    sheet.granted_micros += amount_micros if by else 0
    sheet.save(update_fields=["topped_micros", "granted_micros"])
    batch.topped_micros += amount_micros
    batch.save(update_fields=["topped_micros"])
    reserve = Reserve.objects.select_related("account", "project").get(subject=batch.subject)
    worker = Worker.objects.get(pk=sheet.worker_id)
    told_of = {"project": reserve.project.public_id, "top_up": made.public_id, **facts}
    del told_of["is_held"]
    rewards = {worker.user_id: amount_micros}
    ledger.post_settlement(f"top_up:{made.pk}", reserve.account, rewards, 0, kind="top_up", facts=told_of, to=to)
    amount, floor = (money.show(micros, batch.currency) for micros in (amount_micros, known.floor_micros))
    notices.tell(
        worker.user_id,
        "money",
        f"{amount} is added to your pay",
        f"Your work on {reserve.project} paid less than {floor} an hour. What was missing is added to your earnings.",
        reverse("my-top-ups"),
    )
    return made


def _propose(batch: Batch, sheet: TimeSheet, known: Computation, amount_micros: int) -> None:
    """Put before a person what is still missing; an open proposal follows the figures."""
    mine = TopUpProposal.objects.filter(batch=batch, worker=sheet.worker_id, state=TopUpProposal.State.OPEN)
    if amount_micros < PROPOSED_LEAST_MICROS:
        return
    facts = {**asdict(known), "amount_micros": amount_micros}
    if not mine.update(amount_micros=amount_micros, facts=facts):
        TopUpProposal.objects.create(
            batch=batch, worker_id=sheet.worker_id, amount_micros=amount_micros, facts=facts, made_at=clock.now()
        )


@transaction.atomic
def grant(proposal: TopUpProposal, by: User) -> TopUp:
    """Pay what was proposed, above the cap: the sum is set aside and posted in the same transaction.

    raises  InsufficientFunds, IllegalMove, Forbidden
    """
    batch, row, sheet = _locked(proposal, by)
    states.move(row, TopUpProposal.State.GRANTED, decided_by=by, decided_at=clock.now())
    _, to = reserves.lock_to_pay({batch.subject: [row.worker.user_id]}, with_fee=False)[batch.subject]
    reserves.add(batch.subject, LINE, row.amount_micros)
    known = Computation(**{name: value for name, value in row.facts.items() if name != "amount_micros"})
    before = replace(known, topped_before_micros=sheet.topped_micros)
    made = _post(batch, sheet, row.amount_micros, before, by, to)
    audit.record(by, "grant_top_up", row, amount_micros=row.amount_micros)
    return made


@transaction.atomic
def decline(proposal: TopUpProposal, by: User, reason: str) -> TopUpProposal:
    """Do not pay what was proposed, for a reason; the same sum is not proposed again.

    raises  Invalid, IllegalMove, Forbidden
    """
    said = reason.strip()
    if not said or len(said) > REASON_MOST:
        raise Invalid(f"say why, in 1 to {REASON_MOST} characters")
    _, row, sheet = _locked(proposal, by)
    states.move(row, TopUpProposal.State.DECLINED, decided_by=by, decided_at=clock.now(), reason=said)
    sheet.declined_micros += row.amount_micros
    sheet.save(update_fields=["declined_micros"])
    audit.record(by, "decline_top_up", row, amount_micros=row.amount_micros)
    return row


def _locked(proposal: TopUpProposal, by: User) -> tuple[Batch, TopUpProposal, TimeSheet]:
    """The batch, the proposal and the sheet as they are now, for a manager of the organisation or an admin."""
    batches = Batch.objects.select_related("project__organisation").select_for_update(no_key=True, of=("self",))
    batch = batches.get(pk=proposal.batch_id)
    if not by.is_staff:
        accounts.require(by, batch.project.organisation, Role.MANAGER)
    row = TopUpProposal.objects.select_for_update(no_key=True).get(pk=proposal.pk)
    sheet = TimeSheet.objects.select_for_update(no_key=True).get(batch=batch, worker=row.worker_id)
    return batch, row, sheet


def _line_left_micros(batch: Batch) -> int:
    line = ReserveLine.objects.filter(reserve__subject=batch.subject, name=LINE)
    aside = line.values_list("amount_micros", flat=True).first() or 0
    return max(0, aside - batch.topped_micros)


def kept_micros(batch: Batch) -> int:
    """What is left of the line of top-ups: it waits until the last look at a closed batch is done."""
    return _line_left_micros(batch)


def is_done(batch: Batch) -> bool:
    """Whether the last look at a closed batch that owes nothing more is done; calls for it where it is not.

    The batch is locked.
    """
    if not _line_left_micros(batch) or not _has_floor(batch):
        return True
    untimed = Assignment.objects.filter(batch=batch, submitted_at__isnull=False, is_timed=False)
    changed = TimeSheet.objects.filter(project=batch.project_id, batch=batch, is_new=True)
    if untimed.exists() or changed.exists():
        return False
    if batch.top_up_at is None and batch.topped_at and batch.closed_at and batch.topped_at >= batch.closed_at:
        return True
    if batch.top_up_at is None or batch.top_up_at > clock.now():
        Batch.objects.filter(pk=batch.pk).update(top_up_at=clock.now(), top_up_after=0)
    return False


def _has_floor(batch: Batch) -> bool:
    """Whether anybody whose answers here were paid has a floor."""
    if floors.of(batch.pay_floor_micros, ANYWHERE, batch.currency):
        return True
    countries = [country for country, _ in floors.operators(batch.currency)]
    paid = TimeSheet.objects.filter(batch=batch, paid__gt=0)
    accounts_there = PayoutAccount.objects.filter(mode=batch.mode, country__in=countries).values("user")
    return paid.filter(Q(worker__country__in=countries) | Q(worker__user__in=accounts_there)).exists()
