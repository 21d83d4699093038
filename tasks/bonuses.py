"""Bonuses: paid at once, to anybody who worked, for a reason they are told; never taken back."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, money
from marketplace.core.errors import InsufficientFunds, Invalid, KeyReused
from marketplace.models import Project, Role, User
from payments import ledger, reserves
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
    line: int | None = None  # of the table it stands in


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
    accounts.refuse_frozen(project.organisation_id)
    if not 1 <= len(wanted) <= settings.BONUSES_AT_ONCE:
        raise Invalid(f"give 1 to {settings.BONUSES_AT_ONCE:,} bonuses at once")
    known = Bonus.objects.filter(organisation=project.organisation, key__in=[row.key for row in wanted])
    given = {bonus.key: bonus for bonus in known.select_related("organisation", "project", "batch", "worker")}
    workers = profiles.by_pseudonyms(project.organisation, {row.worker for row in wanted})
    fresh = {row.worker: workers[row.worker] for row in wanted if row.key not in given and row.worker in workers}
    batches = _last_worked(project, {worker.pk for worker in fresh.values()})
    refused = _refused(project, fresh, batches)
    errors = [
        _error(place, row, name, message)
        for place, row in enumerate(wanted)
        for name, message in _wrong(project, row, workers, {} if row.key in given else refused)
    ]
    errors += _twice(wanted)
    if errors:
        raise Invalid(f"{len(errors)} problems; no bonus was paid", errors=errors[: settings.ERRORS_SHOWN])
    for row in wanted:
        if row.key in given:
            _check_same(given[row.key], project, workers[row.worker], row)
    rows = [(row, workers[row.worker]) for row in wanted if row.key not in given]
    made = {bonus.key: bonus for bonus in _pay(project, by, [(*row, batches[row[1].pk]) for row in rows])}
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


def _read(rows: "csv.DictReader[str]") -> list[Wanted]:
    found, errors = [], []
    for row in rows:
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        line = rows.line_num - sum(str(cell).count("\n") for cell in row.values())  # the first of a row of several
        wanted = Wanted(cells["worker"], 0, cells["reason"], cells["key"], line)
        try:
            found.append(wanted._replace(amount_micros=money.parse(cells["amount"])))
        except Invalid as refusal:
            errors.append(_error(0, wanted, "amount_micros", refusal.detail))
        if len(found) > settings.BONUSES_AT_ONCE:
            raise Invalid(f"at most {settings.BONUSES_AT_ONCE:,} bonuses at once")
    if errors:
        raise Invalid(f"{len(errors)} problems; no bonus was paid", errors=errors[: settings.ERRORS_SHOWN])
    return found


def _refused(project: Project, workers: Mapping[str, Worker], batches: Mapping[int, int | None]) -> dict[str, str]:
    """Why some of these workers, by name, get no bonus here; nobody else deletes their account before it is paid."""
    people = {user for worker in workers.values() for user in (worker.user_id, *worker.kin)}
    own = set(project.organisation.memberships.filter(user__in=people).values_list("user", flat=True))
    locked = Worker.objects.filter(pk__in=[worker.pk for worker in workers.values()]).order_by("pk")
    states = dict(locked.select_for_update(no_key=True).values_list("pk", "state"))
    found = {}
    for name, worker in workers.items():
        if states[worker.pk] == Worker.State.ERASED:
            found[name] = "has deleted their account"
        elif not own.isdisjoint([worker.user_id, *worker.kin]):
            found[name] = "is a member of your organisation, or paid to the same account as one"
        elif batches.get(worker.pk) is None:
            found[name] = "has handed in no work in this project"
    return found


def _wrong(
    project: Project, row: Wanted, workers: Mapping[str, Worker], refused: Mapping[str, str]
) -> list[tuple[str, str]]:
    found = []
    if row.worker not in workers:
        found.append(("worker", "is nobody you know by this name"))
    elif row.worker in refused:
        found.append(("worker", refused[row.worker]))
    if not 1 <= row.amount_micros <= settings.BONUS_MOST_MICROS:
        most = money.show(settings.BONUS_MOST_MICROS, project.currency)
        found.append(("amount_micros", f"must be more than nothing and at most {most}"))
    if not row.reason.strip() or len(row.reason) > REASON_MOST:
        found.append(("reason", f"say what it is for, in 1 to {REASON_MOST:,} characters; the worker reads it"))
    if not row.key.strip() or len(row.key) > KEY_MOST:
        found.append(("key", f"a key of 1 to {KEY_MOST} characters keeps it from being paid twice"))
    return found


def _twice(wanted: Sequence[Wanted]) -> list[dict[str, str]]:
    """Rows whose key stands further up in the list."""
    keys: set[str] = set()
    found = []
    for place, row in enumerate(wanted):
        if row.key in keys:
            found.append(_error(place, row, "key", "stands in this list twice"))
        keys.add(row.key)
    return found


def _error(place: int, row: Wanted, name: str, message: str) -> dict[str, str]:
    """What is wrong with a row: of a list by its place, of a table by its line and column."""
    path = f"bonuses[{place}].{name}" if row.line is None else f"Line {row.line}, {name.removesuffix('_micros')}"
    return {"path": path, "code": "invalid", "message": message}


def _last_worked(project: Project, workers: set[int]) -> dict[int, int | None]:
    with connection.cursor() as sql:
        sql.execute(LAST_WORKED, {"project": project.pk, "workers": sorted(workers)})
        return dict(sql.fetchall())


def _check_same(given: Bonus, project: Project, worker: Worker, row: Wanted) -> None:
    same = (given.project_id, given.worker_id, given.amount_micros) == (project.pk, worker.pk, row.amount_micros)
    if not same:
        raise KeyReused(f"the key {row.key} stands for another bonus", key=row.key)


def _pay(project: Project, by: User, rows: Sequence[tuple[Wanted, Worker, int | None]]) -> list[Bonus]:
    """Pay these out of the line `bonus` of the batches that were worked in, where they are reserved with their fees.

    One entry a batch: it holds the accounts of the site, and of whoever is settled, and nobody waits for a long list.
    """
    of_batch: dict[str, list[Bonus]] = {}
    batches, at = Batch.objects.in_bulk({pk for *_, pk in rows}), clock.now()
    for row, worker, pk in rows:
        bonus = _drafted(row, worker, batches[pk], project, by)
        bonus.given_at = at
        of_batch.setdefault(bonus.batch.subject, []).append(bonus)
    made = [bonus for some in of_batch.values() for bonus in some]
    for bonus in made:
        _tell(bonus)
    users = {subject: {bonus.worker.user_id for bonus in some} for subject, some in of_batch.items()}
    locked = reserves.lock_to_pay(users, with_fee=any(bonus.fee_micros for bonus in made))
    _set_aside({subject: sum(one.amount_micros + one.fee_micros for one in some) for subject, some in of_batch.items()})
    for subject, some in of_batch.items():
        (reserve, to), rewards = locked[subject], Counter[int]()
        for bonus in some:
            rewards[bonus.worker.user_id] += bonus.amount_micros
        fee_micros = sum(bonus.fee_micros for bonus in some)
        key, facts = f"bonus:{some[0].public_id}", {"project": project.public_id, "bonuses": len(some)}
        entry = ledger.post_settlement(key, reserve.account, rewards, fee_micros, kind="bonus", facts=facts, to=to)
        for bonus in some:
            bonus.entry = entry
    Bonus.objects.bulk_create(made)
    audit.record_all(by, "give", [(bonus, {"amount_micros": bonus.amount_micros}) for bonus in made])
    return made


def _drafted(row: Wanted, worker: Worker, batch: Batch, project: Project, by: User) -> Bonus:
    return Bonus(
        organisation=project.organisation,
        key=row.key,
        project=project,
        batch=batch,
        worker=worker,
        amount_micros=row.amount_micros,
        fee_micros=money.fee_micros(row.amount_micros, batch.fee_bp),
        reason=row.reason.strip(),
        given_by=by,
    )


def _set_aside(sums: Mapping[str, int]) -> None:
    """Set so much aside under each subject; refused, `missing_micros` is what is missing for all of them."""
    still = sum(sums.values())
    for subject, micros in sums.items():
        still -= micros
        try:
            reserves.add(subject, "bonus", micros)
        except InsufficientFunds as refusal:
            missing, currency = refusal.facts["missing_micros"] + still, refusal.facts["currency"]
            shown = f"{money.show(missing, currency)} is missing"
            raise InsufficientFunds(shown, missing_micros=missing, currency=currency) from refusal


def _tell(bonus: Bonus) -> None:
    subject = f"A bonus of {money.show(bonus.amount_micros, bonus.batch.currency)}: {bonus.project}"
    text = f"{bonus.reason}\n\nIt is yours to keep."
    notices.tell(bonus.worker.user_id, "money", subject, text, reverse("earnings"))
