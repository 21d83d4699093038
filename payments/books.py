"""What our rows say should have moved at the provider, and what did."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Model, QuerySet, Sum
from django.db.models.functions import Coalesce

from marketplace.models import Mode
from payments.gateway import Movement, sandbox
from payments.models import Difference, Dispute, Payout, Prepayment, ProviderMovement, Refund

Found = tuple[str, int | None, int | None, str, str]  # kind, ours, theirs, currency, text
Kind = Difference.Kind


@dataclass(frozen=True)
class Expected:
    """What should have moved at the provider for one row of ours, over all time."""

    subject: str
    micros: int  # into our balance there
    currency: str
    mode: str
    later: frozenset[int] = frozenset()  # what it comes to in the states it may still reach
    may_be_ahead: bool = False  # the provider tells of it days after it moves
    provider_id: str = ""
    derived_id: str = ""  # that of play money


@dataclass(frozen=True)
class Moved:
    """What moved at the provider for one row of ours."""

    micros: int
    movements: int
    currencies: list[str]


@dataclass(frozen=True)
class Source:
    """One kind of our rows: where it is, when it happened, and what the provider calls it."""

    model: type[Model]
    at: Any
    kinds: tuple[str, ...]  # of movements
    id_field: str  # where the provider's id of what moved is kept
    mode: str
    states: tuple[str, ...]  # in which something has moved


SOURCES = {
    "prepayment": Source(
        Prepayment, Coalesce("paid_at", "created_at"), ("charge",), "charge_id", "mode", ("paid",)
    ),
    "refund": Source(
        Refund, Coalesce("ended_at", "created_at"), ("refund",), "provider_id", "prepayment__mode", ("paid", "failed")
    ),
    "dispute": Source(
        Dispute, F("opened_at"), ("dispute",), "provider_id", "prepayment__mode", ("open", "won", "lost")
    ),
    "payout": Source(
        Payout, Coalesce("ended_at", "created_at"), ("transfer", "reversal"), "provider_id", "mode",
        ("paid", "reversed"),
    ),
}  # fmt: skip


def is_row(subject: str) -> bool:
    """Whether this names a row of ours."""
    name, _, key = subject.partition(":")
    return name in SOURCES and key.isdecimal()


def subjects(movements: Iterable[Movement]) -> dict[str, str]:
    """The row of ours behind each movement, by the movement's id: by our key in it, else by the id of what moved."""
    by_key: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in SOURCES}
    by_source: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in SOURCES}
    for movement in movements:
        for name in (name for name, source in SOURCES.items() if movement.kind in source.kinds):
            if key := movement.facts.get(name):
                by_key[name][key].append(movement.provider_id)
            elif movement.source_id:
                by_source[name][movement.source_id].append(movement.provider_id)
    found: dict[str, str] = {}
    for name, source in SOURCES.items():
        for field, asked in (("public_id", by_key[name]), (source.id_field, by_source[name])):
            known = {f"{field}__in": list(asked), f"{source.mode}__isnull": False}  # a dispute may not be booked yet
            rows = source.model._default_manager.filter(**known)
            for pk, key in rows.values_list("pk", field):
                found |= dict.fromkeys(asked[key], f"{name}:{pk}")
    return found


def first_at(mode: str) -> datetime | None:
    """When the first prepayment of this kind of money was asked for, before which nothing can have moved."""
    return Prepayment.objects.filter(mode=mode).order_by("pk").values_list("created_at", flat=True).first()


def as_movement(row: ProviderMovement) -> Movement:
    """A kept movement as it was told."""
    return Movement(
        row.provider_id, row.kind, row.source_id, row.amount_micros, row.fee_micros, row.currency, row.moved_at
    )


def touched(mode: str, since: datetime, until: datetime) -> set[str]:
    """The rows of ours for which something happened in a span, here or at the provider."""
    found = set(
        ProviderMovement.objects.filter(mode=mode, moved_at__gte=since, moved_at__lt=until)
        .exclude(subject="")
        .values_list("subject", flat=True)
    )
    for name, rows in _events(mode, since).items():
        found |= {f"{name}:{pk}" for pk in rows.filter(at__lt=until).values_list("pk", flat=True)}
    return found


def end_of_span(mode: str, since: datetime, events: int) -> datetime | None:
    """When so many events of one kind have happened since; None: there are not so many."""
    moved = ProviderMovement.objects.filter(mode=mode, moved_at__gte=since).order_by("moved_at")
    ends = list(moved.values_list("moved_at", flat=True)[events : events + 1])
    for rows in _events(mode, since).values():
        ends += list(rows.order_by("at").values_list("at", flat=True)[events : events + 1])
    later = [end for end in ends if end > since]
    return min(later, default=None)


def moved(mode: str, subjects: Iterable[str]) -> dict[str, Moved]:
    """What moved at the provider for each of these rows, over all time."""
    rows = ProviderMovement.objects.filter(mode=mode, subject__in=list(subjects)).values("subject", "currency")
    sums: dict[str, list[Any]] = defaultdict(list)
    for row in rows.annotate(micros=Sum("amount_micros"), count=Count("pk")).order_by("currency"):
        sums[row["subject"]].append(row)
    return {
        subject: Moved(
            sum(row["micros"] for row in of), sum(row["count"] for row in of), [row["currency"] for row in of]
        )
        for subject, of in sums.items()
    }


def expected(subjects: Iterable[str]) -> dict[str, Expected]:
    """What should have moved for each of these rows that there are."""
    keys: dict[str, list[int]] = defaultdict(list)
    for subject in filter(is_row, subjects):
        name, _, key = subject.partition(":")
        if len(key) < 19:
            keys[name].append(int(key))
    found = [
        *(_of_prepayment(row) for row in Prepayment.objects.filter(pk__in=keys["prepayment"])),
        *(_of_refund(row) for row in Refund.objects.select_related("prepayment").filter(pk__in=keys["refund"])),
        *(_of_dispute(row) for row in _booked_disputes(keys["dispute"])),
        *(_of_payout(row) for row in Payout.objects.filter(pk__in=keys["payout"])),
    ]
    return {one.subject: one for one in found}


def compare(mode: str, ours: Expected, theirs: Moved | None) -> Found | None:
    """How both sides differ about one row of ours; None: they agree."""
    if mode == Mode.SANDBOX:
        return _compare_identity(ours)
    if ours.mode != mode:
        return (Kind.CURRENCY, ours.micros, theirs.micros, ours.currency, "") if theirs else None
    micros = theirs.micros if theirs else 0
    if theirs and theirs.currencies != [ours.currency]:
        text = f"here it is {ours.currency} of {ours.mode} money, at the provider {', '.join(theirs.currencies)}"
        return Kind.CURRENCY, ours.micros, micros, ours.currency, text
    if theirs is None:
        return (Kind.MISSING, ours.micros, None, ours.currency, "") if ours.micros else None
    if micros == ours.micros or (micros in ours.later and ours.may_be_ahead):
        return None
    if micros in ours.later:
        return Kind.UNBOOKED, ours.micros or None, micros, ours.currency, ""
    whole = ours.micros or next(iter(ours.later), 0)
    is_twice = whole and theirs.movements > 1 and micros % whole == 0 and micros // whole > 1
    return (Kind.TWICE if is_twice else Kind.AMOUNT), ours.micros, micros, ours.currency, ""


def _compare_identity(ours: Expected) -> Found | None:
    if ours.mode != Mode.SANDBOX or not ours.micros or ours.provider_id == ours.derived_id:
        return None
    text = f"play money that was moved for {ours.subject} has the id {ours.derived_id}, the row says {ours.provider_id}"
    return Kind.IDENTITY, ours.micros, None, ours.currency, text


def _events(mode: str, since: datetime) -> dict[str, QuerySet[Any]]:
    """Our rows for which something has moved, with the moment."""
    return {
        name: source.model._default_manager.filter(**{source.mode: mode}, state__in=source.states)
        .annotate(at=source.at)
        .filter(at__gte=since)
        for name, source in SOURCES.items()
    }


def _booked_disputes(keys: list[int]) -> QuerySet[Dispute]:
    return Dispute.objects.select_related("prepayment").filter(pk__in=keys, prepayment__isnull=False)


def _of_prepayment(row: Prepayment) -> Expected:
    return Expected(
        f"prepayment:{row.pk}", row.amount_micros if row.state == Prepayment.State.PAID else 0, row.currency, row.mode,
        later=_states(row, {Prepayment.State.REQUESTED: [row.amount_micros]}),
        provider_id=row.provider_id, derived_id=_derived(row.mode, f"prepayment:{row.pk}"),
    )  # fmt: skip


def _of_refund(row: Refund) -> Expected:
    """One that the provider took on moves at once, and is told as paid days later; one by hand never moves there."""
    is_theirs, mode, back = row.way == Refund.Way.ORIGINAL, row.prepayment.mode, -row.amount_micros
    return Expected(
        f"refund:{row.pk}", back if is_theirs and row.state == Refund.State.PAID else 0, row.prepayment.currency, mode,
        later=_states(row, {Refund.State.REQUESTED: [back], Refund.State.PAID: [0]}) if is_theirs else frozenset(),
        may_be_ahead=row.state == Refund.State.REQUESTED and bool(row.provider_id),
        provider_id=row.provider_id, derived_id=_derived(mode, f"refund:{row.pk}") if is_theirs else row.provider_id,
    )  # fmt: skip


def _of_dispute(row: Dispute) -> Expected:
    """What a dispute takes is gone until it is won."""
    assert row.prepayment, "one that is not booked is a stranger's"
    taken = 0 if row.state == Dispute.State.WON else -row.amount_micros
    return Expected(
        f"dispute:{row.pk}", taken, row.prepayment.currency, row.prepayment.mode,
        later=_states(row, {Dispute.State.OPEN: [0]}), provider_id=row.provider_id, derived_id=row.provider_id,
    )  # fmt: skip


def _of_payout(row: Payout) -> Expected:
    out = -row.amount_micros
    return Expected(
        f"payout:{row.pk}", out if row.state == Payout.State.PAID else 0, row.currency, row.mode,
        later=_states(row, {Payout.State.REQUESTED: [out], Payout.State.REVIEW: [out], Payout.State.PAID: [0]}),
        provider_id=row.provider_id, derived_id=_derived(row.mode, f"payout:{row.pk}"),
    )  # fmt: skip


def _states(row: Any, figures: dict[Any, list[int]]) -> frozenset[int]:
    """The figures of the state that this row is in."""
    return frozenset(figures.get(row.state, []))


def _derived(mode: str, key: str) -> str:
    return sandbox.derived_id(mode, key) if mode == Mode.SANDBOX else ""
