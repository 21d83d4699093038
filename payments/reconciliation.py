"""Our books against the provider's: what it moved is copied, and each of our rows is compared with its movements.

A run has two parts of many small steps. The first copies what the provider's balance did, oldest first; the second
compares, span by span, what our rows say should have moved with what did. How far it has come is kept, so that a run
cut short goes on, and the next reads only what is new, and again the OVERLAP before it. Nothing is ever repaired here.

In play money there is no provider: there, each paid row is compared with the id that the sandbox derives from it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum

from marketplace.core import clock, money
from marketplace.models import Mode
from payments import books, differences, gateway
from payments.gateway import Gateway, Movement
from payments.models import Difference, Progress, ProviderMovement

STEP = 2_000  # events of one kind compared at a time
SPAN = timedelta(days=30)  # asked for at a time: a provider is asked day by day, on empty days as well
OVERLAP = timedelta(days=2)  # read and compared again each time: what comes late, comes within
GRACE = timedelta(hours=1)  # what is younger is compared next time: its webhook may be on its way
NEUTRAL = {"fee", "payout", "topup"}  # the provider's fees, what the operator took out or put in: of no row of ours

Kind = Difference.Kind
COMPARED = [Kind.UNBOOKED, Kind.MISSING, Kind.AMOUNT, Kind.TWICE, Kind.CURRENCY, Kind.STRANGER, Kind.IDENTITY]


@dataclass(frozen=True)
class Summary:
    """What a run has read and found."""

    mode: str
    since: datetime
    until: datetime
    movements: int
    fees_micros: dict[str, int]  # by currency
    taken_out_micros: dict[str, int]  # by the operator, to its own bank
    put_in_micros: dict[str, int]  # by the operator, of its own money
    compared: int  # rows of ours
    differences: list[Difference]


def step(through: Gateway | None = None, *, full: bool = False, at: datetime | None = None) -> bool:
    """Do the next part of a run, or begin one; True while it has more to do.

    full  begin one that reads everything again, unless such a one is running
    """
    provider = through or gateway.current()
    assert provider.mode == Mode.SANDBOX or not connection.in_atomic_block, "no transaction is open while it is asked"
    run = _begin(provider.mode, full, at or clock.now())
    if run["part"] == "copy":
        return _copy(provider, run)
    return _compare(provider.mode, run)


def is_running(mode: str) -> bool:
    """Whether a run was begun and has not come to its end."""
    return Progress.objects.filter(name=_name(mode), facts__has_key="run").exists()


def summary(mode: str) -> Summary:
    """What the last run of this kind of money came to."""
    facts = Progress.objects.get(name=_name(mode)).facts["last"]
    since, until = (datetime.fromisoformat(facts[name]) for name in ("since", "until"))
    read = ProviderMovement.objects.filter(mode=mode, moved_at__gte=since, moved_at__lt=until)
    fees: dict[str, int] = {}
    taken: dict[str, int] = {}
    put: dict[str, int] = {}
    sums = read.values("currency", "kind").annotate(amount=Sum("amount_micros"), fee=Sum("fee_micros")).order_by()
    for row in sums:
        of_kind = -row["amount"] if row["kind"] == "fee" else 0
        fees[row["currency"]] = fees.get(row["currency"], 0) + row["fee"] + of_kind
        if row["kind"] == "payout":
            taken[row["currency"]] = taken.get(row["currency"], 0) - row["amount"]
        if row["kind"] == "topup":
            put[row["currency"]] = put.get(row["currency"], 0) + row["amount"]
    return Summary(mode, since, until, read.count(), fees, taken, put, facts["compared"], differences.open_ones(mode))


@transaction.atomic
def _begin(mode: str, full: bool, at: datetime) -> dict[str, Any]:
    """The run that is going on, or a new one."""
    progress = _locked(mode)
    run: dict[str, Any] | None = progress.facts.get("run")
    if run and (run["full"] or not full):
        return run
    last = progress.facts.get("last")
    since = (books.first_at(mode) or at) if full or not last else datetime.fromisoformat(last["until"])
    since -= OVERLAP
    run = {
        **{"part": "compare" if mode == Mode.SANDBOX else "copy", "full": full or not last, "compared": 0},
        **{"since": since.isoformat(), "cursor": since.isoformat(), "until": at.isoformat()},
        "began": clock.now().isoformat(),
    }
    if full:
        progress.facts.pop("net", None)  # added up anew from what is kept
    progress.facts["run"] = run
    progress.save(update_fields=["facts"])
    return run


def _copy(provider: Gateway, run: dict[str, Any]) -> bool:
    """Copy the next movements; after the last, compare the balance and go on to the second part."""
    cursor, until = (datetime.fromisoformat(run[name]) for name in ("cursor", "until"))
    end = min(until, cursor + SPAN)
    read = provider.movements(cursor, end)
    _keep(provider.mode, read.rows)
    if read.until < until:
        return _go_on(provider.mode, run, cursor=read.until)
    _compare_balance(provider, until)
    if run["full"]:
        _note_vanished(provider.mode, run)
    return _go_on(provider.mode, run, part="compare", cursor=datetime.fromisoformat(run["since"]))


@transaction.atomic
def _keep(mode: str, told: list[Movement]) -> None:
    """Copy each movement once; one that is told differently than before is a difference, and stays as it was.

    One in a currency that we do not know cannot be counted: it is named, and left out.
    """
    page = [one for one in told if one.units is None]
    for one in (one for one in told if one.units is not None):
        text = f"a movement of {one.units} minor units in {one.currency}, which this installation does not know"
        differences.found(mode, Kind.CURRENCY, one.provider_id, currency=one.currency, text=text)
    progress, at = _locked(mode), clock.now()
    known = ProviderMovement.objects.filter(mode=mode, provider_id__in=[one.provider_id for one in page])
    before = {row.provider_id: row for row in known}
    fresh = {one.provider_id: one for one in page if one.provider_id not in before}
    subjects = books.subjects(list(fresh.values()))
    ProviderMovement.objects.bulk_create(
        ProviderMovement(
            **_told(one), mode=mode, provider_id=key, subject=subjects.get(key, ""), moved_at=one.created_at,
            seen_at=at,
        )
        for key, one in fresh.items()
    )  # fmt: skip
    known.update(seen_at=at)
    for one in page:
        row = before.get(one.provider_id)
        if row and any(getattr(row, name) != value for name, value in _told(one).items()):
            was, is_now = row.amount_micros, one.amount_micros
            differences.found(mode, Kind.CHANGED, one.provider_id, ours=was, theirs=is_now, currency=row.currency)
    net = progress.facts.setdefault("net", None) or _sums(mode, but=set(fresh))
    for one in fresh.values():
        net[one.currency] = net.get(one.currency, 0) + one.amount_micros - one.fee_micros
    progress.facts["net"] = net
    progress.save(update_fields=["facts"])


def _told(movement: Movement) -> dict[str, Any]:
    names = ("kind", "source_id", "amount_micros", "fee_micros", "currency")
    return {name: getattr(movement, name) for name in names}


def _sums(mode: str, but: set[str]) -> dict[str, int]:
    """What all movements that are kept come to, by currency."""
    rows = ProviderMovement.objects.filter(mode=mode).exclude(provider_id__in=but).values("currency").order_by()
    totals = rows.annotate(amount=Sum("amount_micros"), fee=Sum("fee_micros"))
    return {row["currency"]: row["amount"] - row["fee"] for row in totals}


def _compare_balance(provider: Gateway, since: datetime) -> None:
    """Compare what the provider holds with the sum of all it moved; where it moves meanwhile, the next run does it."""
    mode = provider.mode
    known = Progress.objects.get(name=_name(mode)).facts.get("net", {})
    currencies = sorted({*settings.CURRENCIES, *known})
    before = {currency: provider.balance_micros(currency) for currency in currencies}
    read = provider.movements(since, since + timedelta(days=1))
    _keep(mode, read.rows)
    is_all = read.until >= since + timedelta(days=1)
    if not is_all or before != {currency: provider.balance_micros(currency) for currency in currencies}:
        return
    net = Progress.objects.get(name=_name(mode)).facts.get("net", {})
    wrong = [
        _note_balance(mode, currency, net.get(currency, 0), micros)
        for currency, micros in before.items()
        if micros != net.get(currency, 0)
    ]
    differences.gone(mode, currencies, [Kind.BALANCE], but=wrong)


def _note_balance(mode: str, currency: str, ours: int, theirs: int) -> int:
    """Keep by how much a balance is off: once explained, it stays so while that is the same."""
    shown = [money.show(micros, currency) for micros in (ours, theirs)]
    text = f"its movements come to {shown[0]}, the provider holds {shown[1]}"
    row = differences.found(mode, Kind.BALANCE, currency, ours=0, theirs=theirs - ours, currency=currency, text=text)
    return row.pk


def _note_vanished(mode: str, run: dict[str, Any]) -> None:
    """Name what was read once, and is not there any more now that all was read again."""
    began, since, until = (datetime.fromisoformat(run[name]) for name in ("began", "since", "until"))
    for row in ProviderMovement.objects.filter(mode=mode, seen_at__lt=began, moved_at__gte=since, moved_at__lt=until):
        differences.found(mode, Kind.VANISHED, row.provider_id, ours=row.amount_micros, currency=row.currency)


def _compare(mode: str, run: dict[str, Any]) -> bool:
    """Compare what happened in the next span; at the end, look again at whatever differed before."""
    cursor, until = datetime.fromisoformat(run["cursor"]), datetime.fromisoformat(run["until"]) - GRACE
    if mode == Mode.SANDBOX:
        until += GRACE  # nothing is ever on its way
    end = min(filter(None, (until, books.end_of_span(mode, cursor, STEP))))
    is_last = end >= until
    if is_last:
        end = until
    subjects = books.touched(mode, cursor, end)
    if is_last:
        subjects |= _differing(mode)
    _compare_each(mode, sorted(subjects))
    _compare_strangers(mode, cursor, end, is_last)
    return _go_on(mode, run, part="ended" if is_last else "compare", cursor=end, compared=len(subjects))


def _differing(mode: str) -> set[str]:
    """Rows that differed when they were last looked at."""
    there = Difference.objects.filter(mode=mode, kind__in=COMPARED).exclude(state=Difference.State.GONE)
    return {name for name in there.values_list("subject", flat=True) if books.is_row(name)}


@transaction.atomic
def _compare_each(mode: str, subjects: list[str]) -> None:
    """Compare each of these rows of ours with what moved for it."""
    theirs = books.moved(mode, subjects)
    found: list[int] = []
    for subject, ours in books.expected(subjects).items():
        difference = books.compare(mode, ours, theirs.get(subject))
        if difference:
            kind, micros_here, micros_there, currency, text = difference
            row = differences.found(
                mode, kind, subject, ours=micros_here, theirs=micros_there, currency=currency, text=text
            )
            found.append(row.pk)
    differences.gone(mode, subjects, COMPARED, but=found)


@transaction.atomic
def _compare_strangers(mode: str, since: datetime, until: datetime, is_last: bool) -> None:
    """Name movements that no row of ours accounts for, unless one has come meanwhile."""
    nameless = ProviderMovement.objects.filter(mode=mode, subject="").exclude(kind__in=NEUTRAL)
    chosen = list(nameless.filter(moved_at__gte=since, moved_at__lt=until))
    if is_last:
        there = Difference.objects.filter(mode=mode, kind=Kind.STRANGER).exclude(state=Difference.State.GONE)
        chosen += list(nameless.filter(provider_id__in=there.values_list("subject", flat=True)))
    later = books.subjects([books.as_movement(row) for row in chosen])
    for row in {row.provider_id: row for row in chosen}.values():
        if subject := later.get(row.provider_id):
            ProviderMovement.objects.filter(pk=row.pk).update(subject=subject)
            differences.gone(mode, [row.provider_id], [Kind.STRANGER])
            _compare_each(mode, [subject])
        else:
            differences.found(mode, Kind.STRANGER, row.provider_id, theirs=row.amount_micros, currency=row.currency)


@transaction.atomic
def _go_on(mode: str, done: dict[str, Any], *, cursor: datetime, part: str = "", compared: int = 0) -> bool:
    """Keep how far the run has come since it stood so; False where that is its end, or somebody else has ended it."""
    progress = _locked(mode)
    run = progress.facts.get("run")
    if run != done:  # somebody else has gone on with it
        return run is not None
    run["cursor"], run["part"] = cursor.isoformat(), part or run["part"]
    run["compared"] += compared
    if run["part"] == "ended":
        progress.facts["last"] = progress.facts.pop("run")
    progress.save(update_fields=["facts"])
    return run["part"] != "ended"


def _locked(mode: str) -> Progress:
    Progress.objects.get_or_create(name=_name(mode))
    return Progress.objects.select_for_update(no_key=True).get(name=_name(mode))


def _name(mode: str) -> str:
    return f"reconcile:{mode}"
