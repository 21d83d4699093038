"""Bonuses: paid at once, to anybody who worked, for a reason they are told; never taken back."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, ids, money
from marketplace.core.errors import Forbidden, Invalid, KeyReused
from marketplace.models import Organisation, Project, Role, User
from payments import ledger, reserves
from payments.models import Account, Reserve
from tasks.models import Batch, Bonus
from workers import notices, profiles
from workers.models import Worker

REASON_MOST, KEY_MOST = 1_000, 120
COLUMNS = ["worker", "amount", "reason", "key"]

# The last page of work that each of them handed in here, by the index of their own pages
LAST_WORKED = """
SELECT w.id, (SELECT a.batch_id FROM tasks_assignment a WHERE a.worker_id = w.id AND a.project_id = %(project)s
                  AND a.purpose = 'work' AND a.state = 'submitted' ORDER BY a.id DESC LIMIT 1)
FROM unnest(%(workers)s::bigint[]) AS w (id)
"""


class Wanted(NamedTuple):
    """A bonus as a requester asks for it."""

    worker: str  # the organisation's name for them
    amount_micros: int
    reason: str
    key: str  # the requester's own: asked again under it, the same bonus is paid once


def give(project: Project, worker: str, by: User, amount_micros: int, reason: str, key: str) -> Bonus:
    """Pay a bonus to somebody who worked in this project, out of what is prepaid; again: the same one.

    raises  InsufficientFunds (`missing_micros`), KeyReused (the key stands for another one),
            Invalid (nobody who worked here, or beyond the limits), Forbidden
    """
    return give_all(project, by, [Wanted(worker, amount_micros, reason, key)])[0]


@transaction.atomic
def give_all(project: Project, by: User, wanted: Sequence[Wanted]) -> list[Bonus]:
    """Pay all of these bonuses, or none.

    raises  as `give`; Invalid names every row that is wrong
    """
    accounts.require(by, project.organisation, Role.MANAGER)
    _hold(project)
    if Organisation.objects.filter(pk=project.organisation_id, frozen_at__isnull=False).exists():
        raise Forbidden("the organisation is frozen")
    workers, errors = _known(project, wanted)
    known = Bonus.objects.filter(organisation=project.organisation, key__in=[row.key for row in wanted])
    given = {bonus.key: bonus for bonus in known}
    fresh = [(place, row) for place, row in enumerate(wanted) if row.key not in given]
    batches = _last_worked(project, {workers[row.worker].pk for _, row in fresh if row.worker in workers})
    errors += [
        _error(place, "worker", "has handed in no work in this project")
        for place, row in fresh
        if row.worker in workers and batches.get(workers[row.worker].pk) is None
    ]
    if errors:
        found = sorted(errors, key=lambda error: error["path"])[: settings.ERRORS_SHOWN]
        raise Invalid(f"{len(errors)} problems; no bonus was paid", errors=found)
    for row in wanted:
        if row.key in given:
            _check_same(given[row.key], project, workers[row.worker], row)
    made = _pay(project, by, [(row, workers[row.worker], batches[workers[row.worker].pk]) for _, row in fresh])
    return [{**given, **made}[row.key] for row in wanted]


def _hold(project: Project) -> None:
    """One list at a time in an organisation, so that of two with one key the second sees the first."""
    with connection.cursor() as sql:
        name = f"bonuses of organisation {project.organisation_id}"
        sql.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def parse(text: str) -> list[Wanted]:
    """Read bonuses from CSV with the columns worker, amount, reason and key; amounts in units of the currency.

    raises  Invalid, with the line of everything that is wrong
    """
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), strict=True)
    try:
        if missing := [name for name in COLUMNS if name not in (rows.fieldnames or [])]:
            raise Invalid(f"the first line must name the columns {', '.join(COLUMNS)}; {missing[0]} is missing")
        return _read(rows)
    except csv.Error as error:
        raise Invalid(f"line {rows.line_num}: {error}") from None


def _read(rows: Iterable[Mapping[str, Any]]) -> list[Wanted]:
    found, errors = [], []
    for place, row in enumerate(rows):
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        try:
            micros = money.parse(cells["amount"])
        except Invalid as refusal:
            errors.append(_error(place, "amount", refusal.detail))
            continue
        found.append(Wanted(cells["worker"], micros, cells["reason"], cells["key"]))
        if len(found) > settings.BONUSES_AT_ONCE:
            raise Invalid(f"at most {settings.BONUSES_AT_ONCE:,} bonuses at once")
    if errors:
        raise Invalid(f"{len(errors)} problems; no bonus was paid", errors=errors[: settings.ERRORS_SHOWN])
    return found


def _known(project: Project, wanted: Sequence[Wanted]) -> tuple[dict[str, Worker], list[dict[str, str]]]:
    """The workers of these rows by name, and what is wrong with the rows themselves."""
    if not 1 <= len(wanted) <= settings.BONUSES_AT_ONCE:
        raise Invalid(f"give 1 to {settings.BONUSES_AT_ONCE:,} bonuses at once")
    workers = profiles.by_pseudonyms(project.organisation, {row.worker for row in wanted})
    users = [worker.user_id for worker in workers.values()]
    own = set(project.organisation.memberships.filter(user__in=users).values_list("user", flat=True))
    errors, keys = [], set()
    for place, row in enumerate(wanted):
        errors += [_error(place, name, message) for name, message in _wrong(project, row)]
        if row.key in keys:
            errors.append(_error(place, "key", "stands in this list twice"))
        keys.add(row.key)
        if row.worker not in workers:
            errors.append(_error(place, "worker", "is nobody you know by this name"))
        elif workers[row.worker].user_id in own:
            errors.append(_error(place, "worker", "is a member of your organisation"))
    return workers, errors


def _wrong(project: Project, row: Wanted) -> list[tuple[str, str]]:
    found = []
    if not 1 <= row.amount_micros <= settings.BONUS_MOST_MICROS:
        most = money.show(settings.BONUS_MOST_MICROS, project.currency)
        found.append(("amount_micros", f"must be more than nothing and at most {most}"))
    if not row.reason.strip() or len(row.reason) > REASON_MOST:
        found.append(("reason", f"say what it is for, in 1 to {REASON_MOST:,} characters; the worker reads it"))
    if not row.key.strip() or len(row.key) > KEY_MOST:
        found.append(("key", f"a key of 1 to {KEY_MOST} characters keeps it from being paid twice"))
    return found


def _error(place: int, name: str, message: str) -> dict[str, str]:
    return {"path": f"bonuses[{place}].{name}", "code": "invalid", "message": message}


def _last_worked(project: Project, workers: set[int]) -> dict[int, int | None]:
    with connection.cursor() as sql:
        sql.execute(LAST_WORKED, {"project": project.pk, "workers": sorted(workers)})
        return dict(sql.fetchall())


def _check_same(given: Bonus, project: Project, worker: Worker, row: Wanted) -> None:
    same = (given.project_id, given.worker_id, given.amount_micros) == (project.pk, worker.pk, row.amount_micros)
    if not same:
        raise KeyReused(f"the key {row.key} stands for another bonus", key=row.key)


def _pay(project: Project, by: User, rows: Sequence[tuple[Wanted, Worker, int | None]]) -> dict[str, Bonus]:
    """Reserve each with its fee in the line `bonus` of the batch that was worked in, and pay it out of that."""
    batches = Batch.objects.in_bulk({pk for *_, pk in rows})
    sums: dict[str, int] = {}
    for row, _, pk in rows:
        batch = batches[pk]
        whole = row.amount_micros + money.fee_micros(row.amount_micros, batch.fee_bp)
        sums[batch.subject] = sums.get(batch.subject, 0) + whole
    for subject, micros in sorted(sums.items()):
        reserves.add(subject, "bonus", micros)
    kept = {r.subject: r.account for r in Reserve.objects.filter(subject__in=sums).select_related("account")}
    made, at = {}, clock.now()
    for row, worker, pk in rows:
        made[row.key] = _give(row, worker, batches[pk], kept[batches[pk].subject], project, by, at)
    return made


def _give(
    row: Wanted, worker: Worker, batch: Batch, account: Account, project: Project, by: User, at: datetime
) -> Bonus:
    public_id, fee_micros = ids.new("bon"), money.fee_micros(row.amount_micros, batch.fee_bp)
    facts = {"project": project.public_id, "bonus": public_id}
    rewards = {worker.user_id: row.amount_micros}
    bonus = Bonus.objects.create(
        public_id=public_id,
        organisation=project.organisation,
        key=row.key,
        project=project,
        batch=batch,
        worker=worker,
        amount_micros=row.amount_micros,
        fee_micros=fee_micros,
        reason=row.reason.strip(),
        given_by=by,
        given_at=at,
        entry=ledger.post_settlement(f"bonus:{public_id}", account, rewards, fee_micros, kind="bonus", facts=facts),
    )
    audit.record(by, "give", bonus, amount_micros=row.amount_micros)
    subject = f"A bonus of {money.show(row.amount_micros, project.currency)}: {project}"
    notices.tell(worker.user_id, "money", subject, f"{row.reason.strip()}\n\nIt is yours to keep.", reverse("earnings"))
    return bonus
