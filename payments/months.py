"""The ledger by months: every transfer is counted once, and a month is closed when nothing can be booked into it.

Keys are not given out in the order of commits, so the highest key that is seen is no mark to count to. A seal is: the
last key given out, and after it a transaction id. A transaction that was given a lower key already had its own, lower
id; when all ids below the seal's have ended, no key up to the seal's can appear any more. A transaction that stays
open delays what is counted and loses nothing.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from marketplace.core import clock
from payments.models import Counting, Month

STEP = 50_000  # transfers; about a second
FIRST_AND_LAST = """
SELECT min(created_at), max(created_at), max(id), count(*) FROM (
    SELECT id, created_at FROM payments_transfer WHERE id > %(after)s AND id <= %(to)s ORDER BY id LIMIT %(limit)s) step
"""
COUNT = """
WITH step AS MATERIALIZED (
    SELECT t.id, t.debit_id, t.credit_id, t.amount_micros, e.kind, m.id AS month
    FROM payments_transfer t JOIN payments_entry e ON e.id = t.entry_id
    LEFT JOIN payments_month m ON m.begins_at <= t.created_at AND t.created_at < m.ends_at
    WHERE t.id > %(after)s AND t.id <= %(to)s),
moved AS (
    INSERT INTO payments_movement (month_id, debit_id, credit_id, kind, user_id, organisation_id,
        amount_micros, transfers)
    SELECT step.month, debit_id, credit_id, step.kind, coalesce(d.user_id, c.user_id),
           coalesce(d.organisation_id, c.organisation_id), sum(amount_micros), count(*)
    FROM step JOIN payments_account d ON d.id = debit_id JOIN payments_account c ON c.id = credit_id
    GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (month_id, debit_id, credit_id, kind) DO UPDATE
    SET amount_micros = payments_movement.amount_micros + excluded.amount_micros,
        transfers = payments_movement.transfers + excluded.transfers),
totals AS (
    INSERT INTO payments_monthtotal (user_id, organisation_id, kind, currency, mode, month_id,
        debits_micros, credits_micros)
    SELECT a.user_id, CASE WHEN a.user_id IS NULL THEN a.organisation_id END, a.kind, a.currency, a.mode, side.month,
           sum(side.outward), sum(side.inward)
    FROM (SELECT debit_id AS account, month, amount_micros AS outward, 0 AS inward FROM step
          UNION ALL SELECT credit_id, month, 0, amount_micros FROM step) side
    JOIN payments_account a ON a.id = side.account
    GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (user_id, organisation_id, kind, currency, mode, month_id) DO UPDATE
    SET debits_micros = payments_monthtotal.debits_micros + excluded.debits_micros,
        credits_micros = payments_monthtotal.credits_micros + excluded.credits_micros)
UPDATE payments_month SET first_transfer = least(first_transfer, seen.first),
    last_transfer = greatest(last_transfer, seen.last)
FROM (SELECT month, min(id) AS first, max(id) AS last FROM step GROUP BY month) seen WHERE id = seen.month
"""
# Where the oldest that runs is our own transaction, all others with a lower id have ended, too
HAVE_ENDED = """
SELECT pg_snapshot_xmin(now_running) > %(xid)s::text::xid8
       OR pg_snapshot_xmin(now_running) = pg_current_xact_id_if_assigned()
FROM pg_current_snapshot() now_running
"""


@dataclass(frozen=True)
class Seal:
    """At this time no higher key of a transfer was given out, to no transaction with a higher id."""

    at: datetime
    last_id: int
    xid: int


def count(at: datetime | None = None, limit: int = STEP) -> bool:
    """Count what was sealed the last time and is over since; then seal again. True while there is more to count.

    Called outside of a transaction, whose own id would be older than what it seals.
    """
    seal = _seal(at)
    if not Counting.objects.exists():
        Counting.objects.bulk_create([Counting(pk=1)], ignore_conflicts=True)  # whoever is first
    with transaction.atomic():
        counting = Counting.objects.select_for_update(skip_locked=True, no_key=True).first()
        if counting is None:
            return False  # another counts
        if not _have_ended(counting, seal):
            return False
        if _step(counting, limit):
            return True
        _close(counting.sealed_at)
        Counting.objects.filter(pk=counting.pk).update(counted_at=counting.sealed_at)
        _place(counting, seal)
        return False


def containing(at: datetime) -> Month | None:
    return Month.objects.filter(begins_at__lte=at, ends_at__gt=at).first()


def counted_at() -> datetime | None:
    """What was booked before is in the statements."""
    return Counting.objects.values_list("counted_at", flat=True).first()


def local(at: datetime) -> datetime:
    """A time as the operator's reports say it."""
    return at.astimezone(settings.REPORTING_TIME_ZONE)


def _seal(at: datetime | None) -> Seal:
    """The key is read before the id is drawn: who was given a key by then has a lower id."""
    now = at or clock.now()
    with connection.cursor() as sql:
        sql.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM payments_transfer_id_seq")
        last_id = sql.fetchone()[0]
        sql.execute("SELECT pg_current_xact_id()::text::bigint")
        return Seal(now, last_id, sql.fetchone()[0])


def _place(counting: Counting, seal: Seal) -> None:
    values: dict[str, Any] = {"seal_id": seal.last_id, "seal_xid": seal.xid, "sealed_at": seal.at}
    Counting.objects.filter(pk=counting.pk).update(**values)
    for name, value in values.items():
        setattr(counting, name, value)


def _have_ended(counting: Counting, seal: Seal) -> bool:
    """Whether everything older than the seal is over; one that a dump brought from another server is placed anew."""
    if counting.seal_xid is None or counting.seal_xid > seal.xid:
        _place(counting, seal)
    with connection.cursor() as sql:
        sql.execute(HAVE_ENDED, {"xid": counting.seal_xid})
        return bool(sql.fetchone()[0])


def _step(counting: Counting, limit: int) -> bool:
    """Count the next transfers up to the seal; whether there are more."""
    with connection.cursor() as sql:
        bounds = {"after": counting.counted_id, "to": counting.seal_id, "limit": limit}
        sql.execute(FIRST_AND_LAST, bounds)
        first, last, to, found = sql.fetchone()
        if found:
            _cover(first, last)
            sql.execute(COUNT, {"after": counting.counted_id, "to": to})
    is_more = found == limit
    done = to if is_more else counting.seal_id
    Counting.objects.filter(pk=counting.pk).update(counted_id=done)
    return bool(is_more)


def _cover(first: datetime, last: datetime) -> None:
    """Make the months from the first to the last of these times, where they are not there: without gap or overlap."""
    ends = Month.objects.order_by("-begins_at").values_list("ends_at", flat=True).first()
    begins = Month.objects.order_by("begins_at").values_list("begins_at", flat=True).first()
    if begins is None or ends is None:
        begins = ends = _begin_of(local(first).date())
    while first < begins:
        day = local(begins - timedelta(hours=36)).date()
        earlier = _begin_of(day)
        Month.objects.create(first_day=day.replace(day=1), begins_at=earlier, ends_at=begins)
        begins = earlier
    while last >= ends:
        day = local(ends + timedelta(hours=36)).date()  # whatever the zone was when the month before was made
        later = _begin_of(_next(day))
        Month.objects.create(first_day=day.replace(day=1), begins_at=ends, ends_at=later)
        ends = later


def _begin_of(day: date) -> datetime:
    """The first moment of the day's month in the operator's zone."""
    return datetime(day.year, day.month, 1, tzinfo=settings.REPORTING_TIME_ZONE).astimezone(UTC)


def _next(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _close(sealed_at: datetime | None) -> None:
    """Close the months that had ended long enough before the seal: all that was begun before it is counted."""
    if sealed_at is not None:
        ended = Q(ends_at__lte=sealed_at - timedelta(hours=settings.MONTH_CLOSES_AFTER_H))
        Month.objects.filter(ended, closed_at=None).update(closed_at=clock.now())
