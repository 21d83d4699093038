"""How the running system is, asked of the database: every web process says the same, however much is in it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error, connection, transaction

from marketplace.core import clock
from marketplace.core.models import Cluster, Sweep

SHOW_LIFE_S = 2.0
FORGET_CLUSTER_AFTER = timedelta(hours=1)
ANSWER_WITHIN_S = 2.0


class Life:
    """What a cluster says of itself, every few seconds: that it lives."""

    def __init__(self) -> None:
        self.pk = 0
        self.shown = -SHOW_LIFE_S

    def show(self) -> None:
        """Note that this cluster runs, unless that was noted a moment ago."""
        if time.monotonic() < self.shown + SHOW_LIFE_S:
            return
        at = clock.now()
        if not Cluster.objects.filter(pk=self.pk).update(seen_at=at):
            Cluster.objects.filter(seen_at__lt=at - FORGET_CLUSTER_AFTER).delete()
            self.pk = Cluster.objects.create(began_at=at, seen_at=at).pk
        self.shown = time.monotonic()


@dataclass(frozen=True)
class Pulse:
    """The clusters that run, how long ago the last sign of any was, and since when one has run; None: never."""

    running: int
    silent_s: float | None
    since: datetime | None


@dataclass(frozen=True)
class SweepState:
    """One sweep: how long a step without a fault is overdue, beyond its interval; None: it never ran."""

    name: str
    every_s: float
    lag_s: float | None
    done_at: datetime | None
    last_s: float
    steps: int
    faults: int
    busy_s: float

    @property
    def is_well(self) -> bool:
        return self.lag_s is not None and is_on_time(self.lag_s)


@dataclass(frozen=True)
class Database:
    """Connections by state, and the oldest snapshot that somebody holds, which keeps dead rows from being cleared.

    snapshot_age  in transactions, of whatever holds one: a query, a replica, a prepared transaction
    snapshot_s    how long the longest transaction with a snapshot has been running
    """

    connections: dict[str, int]
    connections_most: int
    snapshot_age: int
    snapshot_s: float


@dataclass(frozen=True)
class Check:
    name: str
    is_well: bool
    says: str


@contextmanager
def bounded(within_s: float = ANSWER_WITHIN_S) -> Iterator[None]:
    """Read only, and give up with an OperationalError what the database does not answer in time."""
    with transaction.atomic():
        connection.cursor().execute(
            "SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', %s, true)",
            [str(int(within_s * 1000))],
        )
        yield


def checks() -> list[Check]:
    """Whether the site is ready: its database answers, a cluster runs, and every sweep is on time."""
    try:
        with bounded():
            at = clock.now()
            heart = pulse(at)
            found = sweeps(at, heart)
    except Error:
        return [Check("database", False, "does not answer")]
    return [Check("database", True, "answers"), check_cluster(heart), _check_sweeps(found)]


def pulse(at: datetime) -> Pulse:
    rows = list(Cluster.objects.order_by("began_at").values_list("began_at", "seen_at"))
    alive = [began for began, seen in rows if (at - seen).total_seconds() <= settings.CLUSTER_SILENT_MOST_S]
    silent_s = min((max(0.0, (at - seen).total_seconds()) for _, seen in rows), default=None)
    return Pulse(len(alive), silent_s, alive[0] if alive else None)


def sweeps(at: datetime, heart: Pulse) -> list[SweepState]:
    """Every sweep of the settings; one that never ran is late from when the first running cluster began."""
    rows = {row.name: row for row in Sweep.objects.filter(name__in=settings.SWEEPS)}
    return [_state(rows.get(name) or Sweep(name=name), every_s, at, heart) for name, every_s in settings.SWEEPS.items()]


def database() -> Database:
    """How the server is used by this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(state, 'other'), count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1 ORDER BY 1"""
        )
        connections = dict(cursor.fetchall())
        cursor.execute(
            """SELECT current_setting('max_connections')::int, coalesce(max(age(xmin)), 0),
                      coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)
               FROM (SELECT backend_xmin, xact_start FROM pg_stat_activity
                     WHERE (datname = current_database() OR datname IS NULL) AND pid <> pg_backend_pid()
                       AND backend_xmin IS NOT NULL AND backend_type <> 'autovacuum worker'
                     UNION ALL SELECT xmin, NULL FROM pg_replication_slots WHERE xmin IS NOT NULL
                     UNION ALL SELECT transaction, prepared FROM pg_prepared_xacts
                     WHERE database = current_database()) held (xmin, since)"""
        )
        most, age, seconds = cursor.fetchone()
        return Database(connections, most, age, max(0.0, float(seconds)))


def check_cluster(heart: Pulse) -> Check:
    if heart.silent_s is None:
        return Check("cluster", False, "none has run yet")
    return Check("cluster", heart.running > 0, f"{heart.running} running, last seen {heart.silent_s:.0f} s ago")


def is_on_time(late_s: float) -> bool:
    """Whether background work that is this late is still well."""
    return late_s <= settings.SWEEP_LAG_MOST_S


def _state(row: Sweep, every_s: float, at: datetime, heart: Pulse) -> SweepState:
    since = row.done_at or heart.since
    lag_s = max(0.0, (at - since).total_seconds() - every_s) if since else None
    return SweepState(row.name, every_s, lag_s, row.done_at, row.last_s, row.steps, row.faults, row.busy_s)


def _check_sweeps(found: list[SweepState]) -> Check:
    late = [
        f"{state.name} never ran" if state.lag_s is None else f"{state.name} is {state.lag_s:.0f} s late"
        for state in found
        if not state.is_well
    ]
    return Check("sweeps", not late, ", ".join(late) or "on time")
