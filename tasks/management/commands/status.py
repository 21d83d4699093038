"""`manage.py status`: how the running system is, for people."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.db.models import F, Sum

from marketplace.core import clock, jobs, money, vitals
from payments.models import Account
from tasks import vitals as working

ANSWER_WITHIN_S = 30.0
SNAPSHOT_MOST_S = 600
CONNECTIONS_MOST = 0.9  # of what the server takes
WIDTH = 33  # of the longest name, a sweep's
MARK = {True: "  ", False: "! "}

Line = tuple[bool, str, str]  # whether it is well, what it is, how it is


class Command(BaseCommand):
    help = "Say how the running system is; exits with 1 when something is not well."

    def handle(self, *args: Any, **options: Any) -> None:
        lines = list(_lines())
        for is_well, name, says in lines:
            self.stdout.write(f"{MARK[is_well]}{name:<{WIDTH}}{says}")
        if unwell := [name for is_well, name, _ in lines if not is_well]:
            raise CommandError(f"not well: {', '.join(unwell)}")


def _lines() -> Iterator[Line]:
    try:
        with vitals.bounded(ANSWER_WITHIN_S):
            yield from [*_of_database(), *_of_background(), *_of_jobs(), *_of_work(), *_of_money()]
    except Error as error:
        yield False, "database", str(error).partition("\n")[0]


def _of_database() -> Iterator[Line]:
    found = vitals.database()
    used = sum(found.connections.values())
    each = ", ".join(f"{count} {state}" for state, count in found.connections.items())
    yield True, "database", "answers"
    is_well = used <= CONNECTIONS_MOST * found.connections_most
    yield is_well, "connections", f"{used} of {found.connections_most} ({each})"
    old = f"{found.snapshot_age:,} transactions, {_time(found.snapshot_s)}" if found.snapshot_age else "none"
    yield found.snapshot_s <= SNAPSHOT_MOST_S, "oldest snapshot", old


def _of_background() -> Iterator[Line]:
    at = clock.now()
    heart = vitals.pulse(at)
    check = vitals.check_cluster(heart)
    yield check.is_well, check.name, check.says
    for sweep in vitals.sweeps(at, heart):
        last = f"done {sweep.done_at:%Y-%m-%d %H:%M:%S} UTC" if sweep.done_at else "never done"
        late = "unknown" if sweep.lag_s is None else _time(sweep.lag_s)
        fares = f"{last}, every {sweep.every_s:g} s, late by {late}, last took {sweep.last_s:.3f} s"
        yield sweep.is_well, sweep.name, f"{fares}, {sweep.faults:,} of {sweep.steps:,} steps failed"


def _of_jobs() -> Iterator[Line]:
    found = jobs.queue()
    waiting = f"{_counted(found.waiting)} waiting, the first for {_time(found.oldest_s)}; {found.begun:,} begun"
    yield vitals.is_on_time(found.oldest_s), "jobs", waiting
    yield True, "failed jobs", f"{_counted(found.failed)} kept, to be looked at in the admin's pages"


def _of_work() -> Iterator[Line]:
    found = working.work()
    yield True, "assignments", ", ".join(f"{count:,} {move}" for move, count in found.moved.items())
    yield True, "open leases", _counted(found.leases)
    for name, count in found.waiting.items():
        yield True, f"answers to {name}", _counted(count)
    yield vitals.is_on_time(found.overdue_s), "acceptance overdue", _time(found.overdue_s)


def _of_money() -> Iterator[Line]:
    """Balances by kind of account, of each mode and currency; they sum to zero."""
    sums = Account.objects.values("mode", "currency", "kind").annotate(m=Sum(F("credits_micros") - F("debits_micros")))
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in sums.order_by("mode", "currency", "kind"):
        found.setdefault((row["mode"], row["currency"]), {})[row["kind"]] = row["m"]
    for (mode, currency), kinds in found.items():
        each = ", ".join(f"{kind} {money.show(micros, currency)}" for kind, micros in kinds.items())
        yield sum(kinds.values()) == 0, f"money, {mode}", each


def _counted(count: int) -> str:
    return f"{count:,}{' or more' if count >= working.COUNT_MOST else ''}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
