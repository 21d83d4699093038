"""What a worker earned in a month or a year, and where it went: opening balance, what moved, closing balance.

Read from the sums that are kept by months, so that it costs what the months asked for hold, however long the history.
A balance is what is owed: earnings that can be paid out, and those that are pending.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Sum

from marketplace.core.errors import NotFound
from marketplace.models import User
from payments.models import Month, MonthTotal, Movement, Payout
from payments.moves import Moves

OWN = ["earnings", "pending"]
SENSES = ("earned", "taken_back", "payout", "returned", "matured")
Money = tuple[str, str]  # currency, mode

# What came in by whose money it was; what went out by where to. A payout that came back is neither earned nor paid
LINES = """
SELECT c.currency, c.mode, to_char(month.first_day, 'YYYY-MM'),
       CASE WHEN d.user_id = %(user)s AND c.user_id = %(user)s THEN 'matured'
            WHEN c.user_id = %(user)s AND (d.kind = 'in_transit' OR m.kind LIKE 'payout%%') THEN 'returned'
            WHEN c.user_id = %(user)s THEN 'earned'
            WHEN c.kind IN ('in_transit', 'outside') THEN 'payout'
            ELSE 'taken_back' END,
       m.kind, p.public_id, p.title,
       sum(m.amount_micros)::bigint, sum(m.transfers)::bigint,
       coalesce(sum(m.amount_micros) FILTER (WHERE c.kind = 'pending'), 0)::bigint
FROM payments_movement m
JOIN payments_month month ON month.id = m.month_id
JOIN payments_account d ON d.id = m.debit_id JOIN payments_account c ON c.id = m.credit_id
LEFT JOIN payments_reserve r ON r.account_id = CASE WHEN c.user_id = %(user)s THEN d.id ELSE c.id END
LEFT JOIN marketplace_project p ON p.id = r.project_id
WHERE m.user_id = %(user)s AND m.month_id = ANY(%(months)s)
  AND (d.kind = ANY(%(own)s) OR c.kind = ANY(%(own)s))
GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 7, 6
"""


@dataclass(frozen=True)
class Line:
    """What moved in one respect: earned, taken_back, payout, returned, or matured (pending until then)."""

    currency: str
    mode: str
    month: str  # as 2026-10
    sense: str
    kind: str  # of the entries
    project: str | None  # public id
    title: str | None
    amount_micros: int
    transfers: int
    pending_micros: int  # of it, what was not yet payable when it was earned

    @property
    def sign(self) -> int:
        return {"earned": 1, "returned": 1, "matured": 0}.get(self.sense, -1)


@dataclass(frozen=True)
class Statement:
    """One currency and mode of a month or a year; opening + earned - taken back - paid out + returned = closing."""

    currency: str
    mode: str
    opening_micros: int
    closing_micros: int
    pending_micros: int  # of the closing balance
    lines: list[Line] = field(default_factory=list)

    def sum(self, sense: str) -> int:
        return sum(line.amount_micros for line in self.lines if line.sense == sense)

    def in_month(self, month: str) -> dict[str, int]:
        """What a month of it came to, by sense."""
        found: dict[str, int] = dict.fromkeys(SENSES, 0)
        for line in self.lines:
            if line.month == month:
                found[line.sense] += line.amount_micros
        return found

    @property
    def earned_micros(self) -> int:
        return self.sum("earned")

    @property
    def taken_back_micros(self) -> int:
        return self.sum("taken_back")

    @property
    def payout_micros(self) -> int:
        return self.sum("payout")

    @property
    def returned_micros(self) -> int:
        return self.sum("returned")

    @property
    def shown(self) -> list[Line]:
        """All lines but those of money that only became payable."""
        return [line for line in self.lines if line.sign]


@dataclass(frozen=True)
class Earned:
    """A month in which somebody's balance moved."""

    month: Month
    currency: str
    mode: str
    micros: int  # into the balance less out of it


def months_of(user: User) -> list[Earned]:
    """The months in which anything moved for this person, newest first, with the change of what is owed."""
    rows = _totals(user).values("month", "currency", "mode").annotate(
        micros=Sum("credits_micros") - Sum("debits_micros")
    )  # fmt: skip
    months = Month.objects.in_bulk({row["month"] for row in rows})
    found = [Earned(months[row["month"]], row["currency"], row["mode"], row["micros"]) for row in rows]
    return sorted(found, key=lambda one: (one.month.begins_at, one.currency, one.mode), reverse=True)


def of_month(user: User, first_day: date) -> tuple[Month, list[Statement]]:
    """The month's statement, one part for each currency and mode.

    raises  NotFound  nothing had moved for this person by the end of that month
    """
    month = Month.objects.filter(first_day=first_day).first()
    parts = _parts(user, [month]) if month else []
    if month is None or not parts:
        raise NotFound("there is no statement of this month")
    return month, parts


def of_year(user: User, year: int) -> tuple[list[Month], list[Statement]]:
    """The year's statement; its lines are by month.

    raises  NotFound  nothing had moved for this person by the end of that year
    """
    known = 1 <= year <= 9_000  # what a date can say
    months = list(Month.objects.filter(first_day__year=year).order_by("begins_at")) if known else []
    parts = _parts(user, months) if months else []
    if not parts:
        raise NotFound("there is no statement of this year")
    return months, parts


def transfers(user: User, month: Month) -> Moves:
    """What was credited to this person in a month, and by what."""
    moved = Movement.objects.filter(user=user, month=month, credit__kind__in=OWN)
    return Moves(
        sorted(set(moved.values_list("credit", flat=True))), ("credit",), ("entry", "debit__reserve__project"),
        above=(month.first_transfer or 0) - 1, below=(month.last_transfer or 0) + 1,
        begin=month.begins_at, end=month.ends_at,
    )  # fmt: skip


def payouts(user: User, months: Iterable[Month]) -> "QuerySet[Payout]":
    """Payouts that were asked for in these months, with what became of them."""
    among = list(months)
    return user.payouts.filter(created_at__gte=among[0].begins_at, created_at__lt=among[-1].ends_at).order_by("pk")


def _totals(user: User) -> "QuerySet[MonthTotal]":
    return MonthTotal.objects.filter(user=user, organisation=None, kind__in=OWN)


def _parts(user: User, months: list[Month]) -> list[Statement]:
    """One for each currency and mode in which anything had moved by the end of these months."""
    among = {month.pk for month in months}
    opening: dict[Money, int] = defaultdict(int)
    change: dict[Money, int] = defaultdict(int)
    pending: dict[Money, int] = defaultdict(int)
    totals, lines = _read(user, months)
    for currency, mode, kind, month, credits, debits in totals:
        (change if month in among else opening)[currency, mode] += credits - debits
        if kind == "pending":
            pending[currency, mode] += credits - debits
    found = []
    for money in sorted({*opening, *change}):
        closing = opening[money] + change[money]
        own = [line for line in lines if (line.currency, line.mode) == money]
        found.append(Statement(*money, opening[money], closing, pending[money], own))
        assert opening[money] + sum(line.sign * line.amount_micros for line in own) == closing
    return found


def _read(user: User, months: list[Month]) -> tuple[list[tuple[Any, ...]], list[Line]]:
    """Totals by the end of these months and their lines as they were at one moment: sums only grow."""
    columns = ("currency", "mode", "kind", "month", "credits_micros", "debits_micros")
    until = _totals(user).filter(month__begins_at__lte=months[-1].begins_at).order_by("pk").values_list(*columns)
    while True:
        totals, lines = list(until.all()), _lines(user, {month.pk for month in months})
        if totals == list(until.all()):
            return totals, lines


def _lines(user: User, months: set[int]) -> list[Line]:
    with connection.cursor() as sql:
        values: dict[str, Any] = {"user": user.pk, "months": sorted(months), "own": OWN}
        sql.execute(LINES, values)
        return [Line(*row) for row in sql.fetchall()]
