"""Top-ups: what is added where an hour pays less than the floor; beyond the cap a person decides.

The batch is locked first, then the worker's time sheet, then accounts: two sweepers, a sweep and a closing batch, or
two people who decide, each see what the other did.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, money, states
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.pay_floors import ANYWHERE
from marketplace.models import Role, User
from payments import holds, ledger, reserves
from payments.ledger import Payees
from payments.models import PayoutAccount, Reserve, ReserveLine
from tasks.fair_pay import floors, rates
from tasks.fair_pay.figures import told
from tasks.models import Assignment, Batch, PayFigures, TimeSheet, TopUp, TopUpProposal
from workers import notices
from workers.models import Worker

LINE = "top_ups"
BATCHES_STEP = 100
WORKERS_STEP = 200
PROPOSED_LEAST_MICROS = 10_000  # nobody is asked about less
TOLD_EVERY = timedelta(days=1)  # those who decide, of one batch
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
    rejected_micros: int = 0  # of what was offered: rejected, or withheld of a part
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
    for worker in _to_settle(found, rows, figures):
        _settle(batch, worker, figures)
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


def _to_settle(batch: Batch, sheets: Sequence[TimeSheet], figures: PayFigures | None) -> list[int]:
    """Of the workers of these sheets those to whom something is missing, or was: their proposals follow the figures."""
    waiting = TopUpProposal.objects.filter(batch=batch, state=TopUpProposal.State.OPEN)
    asked = set(waiting.filter(worker__in=[sheet.worker_id for sheet in sheets]).values_list("worker", flat=True))
    countries = _countries([sheet.worker for sheet in sheets], batch.mode)
    return [
        sheet.worker_id
        for sheet in sheets
        if sheet.worker_id in asked or _missing(batch, sheet, figures, countries[sheet.worker_id])
    ]


@transaction.atomic
def _settle(batch: int, worker: int, figures: PayFigures | None) -> None:
    """Post what may be added without asking, and propose the rest."""
    row = Batch.objects.select_for_update(no_key=True).get(pk=batch)
    sheet = _sheet(row, worker)
    known = _missing_now(row, sheet, figures)
    if known is None:
        _propose(row, sheet, None, 0)
        return
    amount = _unasked_micros(row, sheet, known)
    if amount:
        _post(row, sheet, amount, known)
    _propose(row, sheet, known, known.missing_micros - amount - sheet.declined_micros)


def _sheet(batch: Batch, worker: int) -> TimeSheet:
    """The sheet of a worker, locked, with the worker."""
    sheets = TimeSheet.objects.select_for_update(no_key=True, of=("self",)).select_related("worker__user")
    return sheets.get(batch=batch, worker=worker)


def _missing_now(batch: Batch, sheet: TimeSheet, figures: PayFigures | None) -> Computation | None:
    """What is missing to a worker whose sheet is locked, and whether a hold leaves it to a person."""
    known = _missing(batch, sheet, figures, country_of(sheet.worker, batch.mode))
    return replace(known, is_held=_is_held(sheet.worker.user)) if known else None


def _unasked_micros(batch: Batch, sheet: TimeSheet, known: Computation) -> int:
    """Of what is missing, what may be added without asking anybody."""
    if known.is_held:
        return 0
    within = known.cap_micros - (sheet.topped_micros - sheet.granted_micros)
    return max(0, min(known.missing_micros, within, _line_left_micros(batch)))


def _missing(batch: Batch, sheet: TimeSheet, figures: PayFigures | None, country: str) -> Computation | None:
    """What is missing to the floor, with the figures it follows from; None: nothing is, or too few have worked."""
    if not figures or not told(figures) or not sheet.paid or not sheet.answers:
        return None
    floor = floors.of(batch.pay_floor_micros, country, batch.currency)
    if figures.median_micros >= floor.micros or sheet.worker.state == Worker.State.ERASED:
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
        rejected_micros=sheet.rejected_micros,
    )


def country_of(worker: Worker, mode: str) -> str:
    """Where the provider pays this person, where that is known; else the country they stated."""
    return _countries([worker], mode)[worker.pk]


def _countries(workers: Iterable[Worker], mode: str) -> dict[int, str]:
    """The same for several, by primary key."""
    asked = {worker.user_id: worker for worker in workers}
    paid_to = PayoutAccount.objects.filter(user__in=asked, mode=mode).exclude(state=PayoutAccount.State.CLOSED)
    known = dict(paid_to.values_list("user", "country"))
    return {worker.pk: known.get(user) or worker.country or ANYWHERE for user, worker in asked.items()}


def _is_held(user: User) -> bool:
    return holds.in_force(user) is not None


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
    told_of = {"project": reserve.project.public_id, "top_up": made.public_id, **facts}
    del told_of["is_held"]
    rewards = {sheet.worker.user_id: amount_micros}
    ledger.post_settlement(f"top_up:{made.pk}", reserve.account, rewards, 0, kind="top_up", facts=told_of, to=to)
    amount, floor = (money.show(micros, batch.currency) for micros in (amount_micros, known.floor_micros))
    notices.tell(
        sheet.worker.user_id,
        "money",
        f"{amount} is added to your pay",
        f"Your work on {reserve.project} paid less than {floor} an hour. What was missing is added to your earnings.",
        reverse("my-top-ups"),
    )
    return made


def _propose(batch: Batch, sheet: TimeSheet, known: Computation | None, amount_micros: int) -> None:
    """Put before a person what is still missing; an open proposal follows the figures, and ends with its cause."""
    of_worker = TopUpProposal.objects.filter(batch=batch, worker=sheet.worker_id, state=TopUpProposal.State.OPEN)
    mine, at = of_worker.first(), clock.now()
    if known is None or amount_micros < PROPOSED_LEAST_MICROS:
        if mine:
            states.move(mine, TopUpProposal.State.OVER, decided_at=at)
        return
    follows = {"amount_micros": amount_micros, "facts": {**asdict(known), "amount_micros": amount_micros}}
    if mine:
        of_worker.update(**follows)
        return
    TopUpProposal.objects.create(batch=batch, worker_id=sheet.worker_id, made_at=at, **follows)
    if batch.proposals_tell_at is None:
        batch.proposals_tell_at = max(at, batch.proposals_told_at + TOLD_EVERY) if batch.proposals_told_at else at
        batch.save(update_fields=["proposals_tell_at"])


@transaction.atomic
def grant(proposal: TopUpProposal, by: User) -> TopUp:
    """Pay what was proposed, above the cap, as far as it is missing still: it is set aside and posted at once.

    raises  InsufficientFunds, IllegalMove, Conflict (nothing is missing any more), Forbidden
    """
    people = Worker.objects.select_for_update(no_key=True)  # nobody is paid who deletes their account meanwhile
    worker = people.get(pk=proposal.worker_id)
    batch, row, sheet = _locked(proposal, by)
    accounts.refuse_frozen(batch.project.organisation_id)
    states.move(row, TopUpProposal.State.GRANTED, decided_by=by, decided_at=clock.now())
    known = _missing_now(batch, sheet, PayFigures.objects.filter(pk=batch.project_id).first())
    amount = min(row.amount_micros, known.missing_micros - sheet.declined_micros) if known else 0
    if known is None or amount <= 0:
        is_gone = worker.state == Worker.State.ERASED
        raise Conflict("this person has deleted their account" if is_gone else "nothing is missing to the floor now")
    _, to = reserves.lock_to_pay({batch.subject: [worker.user_id]}, with_fee=False)[batch.subject]
    reserves.add(batch.subject, LINE, amount)
    made = _post(batch, sheet, amount, known, by, to)
    audit.record(by, "grant_top_up", row, amount_micros=amount)
    return made


@transaction.atomic
def decline(proposal: TopUpProposal, by: User, reason: str) -> TopUpProposal:
    """Do not pay what was proposed, for a reason; as far as it is missing still, it is not proposed again.

    raises  Invalid, IllegalMove, Forbidden
    """
    said = reason.strip()
    if not said or len(said) > REASON_MOST:
        raise Invalid(f"say why, in 1 to {REASON_MOST} characters")
    batch, row, sheet = _locked(proposal, by)
    states.move(row, TopUpProposal.State.DECLINED, decided_by=by, decided_at=clock.now(), reason=said)
    known = _missing_now(batch, sheet, PayFigures.objects.filter(pk=batch.project_id).first())
    left = known.missing_micros - _unasked_micros(batch, sheet, known) - sheet.declined_micros if known else 0
    declined = max(0, min(row.amount_micros, left))
    sheet.declined_micros += declined
    sheet.save(update_fields=["declined_micros"])
    audit.record(by, "decline_top_up", row, amount_micros=declined)
    return row


def _locked(proposal: TopUpProposal, by: User) -> tuple[Batch, TopUpProposal, TimeSheet]:
    """The batch, the proposal and the sheet as they are now, for a manager of the organisation or an admin."""
    batches = Batch.objects.select_related("project__organisation").select_for_update(no_key=True, of=("self",))
    batch = batches.get(pk=proposal.batch_id)
    if not by.is_staff:
        accounts.require(by, batch.project.organisation, Role.MANAGER)
    row = TopUpProposal.objects.select_for_update(no_key=True).get(pk=proposal.pk)
    return batch, row, _sheet(batch, row.worker_id)


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
