"""What the operator files with authorities for a year: what each worker earned and was paid, and its own fees.

Names, addresses and bank details are the provider's to file; here stand public ids and countries alone.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from marketplace.core.errors import NotFound
from marketplace.models import User
from payments.models import Month, MonthTotal, Payout, PayoutAccount
from payments.months import local
from workers.models import Worker

STEP = 500  # workers at a time in memory

EARNED = """
SELECT m.user_id, c.currency, c.mode, extract(quarter FROM month.first_day)::int,
       sum(CASE WHEN c.user_id = m.user_id THEN m.amount_micros ELSE -m.amount_micros END)::bigint
FROM payments_movement m JOIN payments_month month ON month.id = m.month_id
JOIN payments_account d ON d.id = m.debit_id JOIN payments_account c ON c.id = m.credit_id
WHERE m.user_id = ANY(%(users)s) AND m.month_id = ANY(%(months)s)
  AND (c.kind IN ('earnings', 'pending')) <> (d.kind IN ('earnings', 'pending'))
  AND d.kind <> 'in_transit' AND c.kind NOT IN ('in_transit', 'outside') AND m.kind NOT LIKE 'payout%%'
GROUP BY 1, 2, 3, 4
"""


@dataclass
class Sums:
    """What was earned (less what was taken back) and what was paid out, in how many payouts."""

    earned_micros: int = 0
    paid_micros: int = 0
    payouts: int = 0


@dataclass
class Filed:
    """One worker's year in one currency and mode."""

    worker: str  # public id
    country: str  # as they stated it
    payout_country: str  # as the provider knows it
    currency: str
    mode: str
    total: Sums = field(default_factory=Sums)
    quarters: dict[int, Sums] = field(default_factory=lambda: defaultdict(Sums))


@dataclass(frozen=True)
class Fees:
    """What the operator earned in a month, less what it gave back."""

    month: str
    currency: str
    mode: str
    fees_micros: int


def years(user: User) -> list[int]:
    """The years of which there is something to file, newest first.

    raises  NotFound  not an admin
    """
    check(user)
    return sorted(years_counted(), reverse=True)


def check(user: User, year: int | None = None) -> None:
    """Raise NotFound unless this person is an admin, and there is something to file of that year."""
    if not user.is_staff or (year is not None and year not in years_counted()):
        raise NotFound("there is no such page")


def years_counted() -> set[int]:
    return set(Month.objects.values_list("first_day__year", flat=True))


def fees(year: int) -> list[Fees]:
    """The operator's fees of each month of a year."""
    totals = MonthTotal.objects.filter(kind="fees", user=None, organisation=None, month__first_day__year=year)
    rows = totals.annotate(micros=F("credits_micros") - F("debits_micros")).select_related("month")
    return [
        Fees(str(row.month), row.currency, row.mode, row.micros)
        for row in rows.order_by("month__first_day", "currency", "mode")
    ]


def workers(year: int) -> Iterator[Filed]:
    """Those who earned or were paid anything in a year, by key, so many at a time; nothing is held open in between."""
    among = list(Month.objects.filter(first_day__year=year).order_by("begins_at"))
    after = 0
    while among and (users := _users(among, after)):
        after = users[-1]
        yield from _filed(users, among)


def _users(months: list[Month], after: int) -> list[int]:
    """The next people whose money moved in these months, payouts on their way among it."""
    moved = MonthTotal.objects.filter(month__in=months, user__gt=after)
    paid = _payouts(months).filter(user__gt=after)
    found: set[int] = set()
    for rows in (moved, paid):
        found.update(rows.order_by("user").values_list("user", flat=True).distinct()[:STEP])
    return sorted(found)[:STEP]


def _payouts(months: list[Month]) -> "QuerySet[Any]":
    """Those that arrived in these months, with when (`at`)."""
    arrived = Payout.objects.filter(state=Payout.State.PAID).annotate(at=Coalesce("ended_at", "created_at"))
    return arrived.filter(at__gte=months[0].begins_at, at__lt=months[-1].ends_at)


def _filed(users: list[int], months: list[Month]) -> Iterator[Filed]:
    public = dict(Worker.objects.filter(user__in=users).values_list("user", "public_id"))
    stated = dict(Worker.objects.filter(user__in=users).values_list("user", "country"))
    ids = dict(User.objects.filter(pk__in=users).values_list("pk", "public_id"))
    accounts = PayoutAccount.objects.filter(user__in=users).order_by("pk").values_list("user", "mode", "country")
    paid_to = {(user, mode): country for user, mode, country in accounts}
    found: dict[tuple[int, str, str], Filed] = {}

    def of(user: int, currency: str, mode: str) -> Filed:
        who = (public.get(user, ids[user]), stated.get(user, ""), paid_to.get((user, mode), ""))
        return found.setdefault((user, currency, mode), Filed(*who, currency, mode))

    with connection.cursor() as sql:
        sql.execute(EARNED, {"users": users, "months": [month.pk for month in months]})
        for user, currency, mode, quarter, micros in sql.fetchall():
            row = of(user, currency, mode)
            for sums in (row.total, row.quarters[quarter]):
                sums.earned_micros += micros
    paid = _payouts(months).filter(user__in=users)
    for user, currency, mode, at, micros in paid.values_list("user", "currency", "mode", "at", "amount_micros"):
        row = of(user, currency, mode)
        for sums in (row.total, row.quarters[(local(at).month + 2) // 3]):
            sums.paid_micros += micros
            sums.payouts += 1
    yield from (found[key] for key in sorted(found))
