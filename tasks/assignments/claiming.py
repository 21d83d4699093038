"""The claim: one statement looks, one gives a page; only where the queue is thin does it take more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F

from marketplace.core import clock, statements
from marketplace.core.errors import Invalid, NotFound
from marketplace.models import Organisation, Project
from tasks import earning, gold, seats, terms
from tasks.errors import (
    GuidelineUnread,
    NoTaskAvailable,
    OwnWork,
    PracticeNeeded,
    RequirementNotMet,
    Stopped,
    WorkerSuspended,
)
from tasks.models import Assignment, Cursor
from workers import groups, guidelines, profiles, qualifications, requirements, standings, tiers
from workers.models import Worker

WINDOWS = 8  # of open tasks that one claim looks through; the next claim goes on from there
REACH = 5_000  # places a claim looks ahead at once where the worker has been before
RETRY_S = 30
SOON_S = 1  # when the round is not over

# How a worker stands to a project and its open batches, a row each; one row without a batch where there is none.
LOOK = f"""
SELECT p.state, o.frozen_at IS NOT NULL, w.state = 'active',
    EXISTS (SELECT FROM marketplace_membership m
            WHERE m.user_id = ANY (array_append(w.kin, w.user_id)) AND m.organisation_id = p.organisation_id),
    p.mode = 'sandbox' OR p.mode || ':' || p.currency = ANY (w.may_earn),
    {qualifications.MEETS}, s.stopped_until, s.page_most, {guidelines.UNREAD.format(latest="g.latest")}, g.latest,
    p.requirement, p.organisation_id, p.is_private AND NOT {groups.IS_AMONG},
    (SELECT a.id FROM tasks_assignment a
     WHERE a.worker_id = w.id AND a.project_id = p.id AND a.purpose = 'work' AND a.state = 'open'),
    b.id, b.queue_epoch, b.gold_taken < b.gold_bought, c.id, c.priority, c.pos, c.lap, c.claimed, c.gold_left,
    c.gold_rate, c.good_at,
    c.epoch = b.queue_epoch AND c.searched_at > clock_timestamp() - {RETRY_S} * interval '1 second'
FROM workers_worker w CROSS JOIN marketplace_project p JOIN marketplace_organisation o ON o.id = p.organisation_id
CROSS JOIN LATERAL (SELECT max(version) AS latest FROM marketplace_guideline WHERE project_id = p.id) AS g
CROSS JOIN LATERAL ({standings.HERE}) AS s
LEFT JOIN tasks_batch b ON b.project_id = p.id AND b.state = 'open' AND p.state = 'open' AND o.frozen_at IS NULL
LEFT JOIN tasks_cursor c ON c.worker_id = w.id AND c.batch_id = b.id
WHERE w.id = %(worker)s AND p.id = %(project)s ORDER BY b.id
"""


class Standing(NamedTuple):
    """A row of LOOK."""

    project_state: str
    is_frozen: bool
    is_active: bool
    is_own: bool
    may_earn: bool
    meets: bool
    stopped_until: datetime | None
    page_most: int | None
    unread: int | None
    guideline: int | None
    requirement: str | None
    organisation: int
    is_hidden: bool
    lease: int | None
    batch: int | None
    queue_epoch: int
    has_gold: bool
    cursor: int | None
    priority: int
    pos: int
    lap: int
    claimed: int
    gold_left: int
    gold_rate: float | None
    good_at: list[int] | None
    is_searched: bool | None


def claim(
    worker: Worker, project: Project, *, tasks: int | None = None, pick: Sequence[str] | None = None
) -> Assignment:
    """Lease the next page of tasks to this worker; a repeated call returns the same lease.

    tasks   fewer than a whole page, if wanted
    pick    values of the project's pick column, where it allows picking; such answers are marked self-selected
    raises  NoTaskAvailable, GuidelineUnread, PracticeNeeded, RequirementNotMet, Stopped, WorkerSuspended, OwnWork,
            MayNotEarn, NotFound (never published, or over, or for groups they are not in),
            Invalid (picking is not allowed)
    """
    try:
        found = _claim(worker, project, tasks, pick)
    except IntegrityError as error:
        if error.__cause__.diag.constraint_name != "assignment_open_once":  # type: ignore[union-attr]
            raise
        # the other tab was faster
        found = Assignment.objects.open_for(worker.pk, project.pk, Assignment.Purpose.WORK) or SOON_S
    if isinstance(found, Assignment):
        return found
    raise NoTaskAvailable("there is nothing to do here right now", retry_after_s=found)


def _claim(worker: Worker, project: Project, tasks: int | None, pick: Sequence[str] | None) -> Assignment | int:
    """The page, or the seconds after which it is worth asking again."""
    standings = [Standing(*row) for row in statements.rows(LOOK, {"worker": worker.pk, "project": project.pk})]
    if not standings or standings[0].project_state in (Project.State.DRAFT, Project.State.CLOSED):
        raise NotFound()
    if standings[0].lease:
        return Assignment.objects.get(pk=standings[0].lease)
    if standings[0].is_hidden:
        raise NotFound()
    _may_work(standings[0], worker, project)
    is_all_seen = True
    for standing in standings:
        if standing.batch is not None:
            found, is_seen = _from_batch(_wanted(standing, worker, project, tasks, pick), standing)
            if found:
                return found
            is_all_seen &= is_seen
    return RETRY_S if is_all_seen else SOON_S


def _may_work(standing: Standing, worker: Worker, project: Project) -> None:
    if not standing.is_active:
        raise WorkerSuspended()
    if standing.is_own:
        raise OwnWork()
    if standing.stopped_until:
        raise Stopped(until=standing.stopped_until.isoformat())
    if not standing.may_earn:
        _refuse_pay(worker, project)
    if standing.requirement and not requirements.meets(worker.pk, standing.organisation, standing.requirement):
        raise RequirementNotMet(missing=requirements.missing(worker, Project.objects.get(pk=project.pk)))
    if standing.unread:
        raise GuidelineUnread(f"read version {standing.unread} of the guideline first", version=standing.unread)
    if not standing.meets:
        raise PracticeNeeded()


def _refuse_pay(worker: Worker, project: Project) -> None:
    """Say why this person cannot be paid; what was derived of them too long ago is written anew instead."""
    known = Worker.objects.get(pk=worker.pk)
    earning.look(known)
    earning.check(known, Project.objects.get(pk=project.pk))


def _wanted(
    standing: Standing, worker: Worker, project: Project, tasks: int | None, pick: Sequence[str] | None
) -> seats.Wanted:
    assert standing.batch is not None
    agreed = terms.of(standing.batch)
    if pick is not None and not agreed.pick_column:
        raise Invalid("this project does not let workers pick their tasks")
    cursor, claimed = standing.cursor or _new_cursor(worker, standing), standing.claimed or 0
    size = min(tasks or agreed.page_size, agreed.page_size, standing.page_most or agreed.page_size)
    golden = gold.due(agreed, worker.pk, claimed, size, standing.gold_rate) if pick is None else 0
    if golden > (standing.gold_left or 0):
        golden = gold.allot(cursor, standing.batch, golden) if standing.has_gold else standing.gold_left or 0
    price_micros = tiers.price_micros(worker.pk, agreed.price_micros, agreed.tiers)
    return seats.Wanted(
        worker=worker.pk,
        project=project.pk,
        terms=agreed,
        price_micros=price_micros,
        cursor=cursor,
        claimed=claimed,
        guideline=standing.guideline or 0,
        size=size,
        gold=golden,
        draw=gold.draw(standing.batch, worker.pk, claimed),
        good_at=standing.good_at,
        keys=pick,
    )


def _new_cursor(worker: Worker, standing: Standing) -> int:
    assert standing.batch is not None
    known = Worker.objects.get(pk=worker.pk)  # of the one who claims, no more than the key may be there
    profiles.introduce(known, Organisation.objects.get(pk=standing.organisation))
    Cursor.objects.bulk_create([Cursor(worker=worker, batch_id=standing.batch)], ignore_conflicts=True)
    return Cursor.objects.values_list("pk", flat=True).get(worker=worker, batch=standing.batch)


def _from_batch(wanted: seats.Wanted, standing: Standing) -> tuple[Assignment | None, bool]:
    """A page; otherwise whether all of the batch was looked at."""
    if wanted.keys is not None:
        picked = seats.give(wanted) or seats.give(replace(wanted, size=1), wait=True)
        return picked or _of_other_tab(wanted), True
    if standing.is_searched:
        return None, True
    after = seats.HEAD if standing.cursor is None else (standing.priority, standing.pos)
    # On the first lap nothing ahead was answered by this worker; later there may be more of that than one may look at
    is_fresh = not standing.lap and not wanted.terms.pick_column
    lease = seats.give(wanted, after, seats.END if is_fresh else (after[0], after[1] + REACH))
    return (lease, False) if lease else _round(wanted, standing.queue_epoch)


@transaction.atomic
def _round(wanted: seats.Wanted, epoch: int) -> tuple[Assignment | None, bool]:
    """Look window by window behind the cursor, at the end of the queue on from its head; whether it came all round.

    Nothing is said to be left only after a whole round, and after waiting for what others had locked; until a task
    reopens (or for a while), another round is not worth its price.
    """
    cursor = Cursor.objects.select_for_update(no_key=True).get(pk=wanted.cursor)
    if cursor.claimed != wanted.claimed:
        return _of_other_tab(wanted), False
    start = (cursor.priority, cursor.pos)
    some = replace(wanted, gold=min(wanted.gold, wanted.size - 1))
    lease, here, is_round = _search(some, start)
    if is_round and not lease:
        lease, here, _ = _search(replace(some, size=1, gold=0), seats.HEAD, wait=True)
    fields: dict[str, Any] = {"lap": F("lap") + 1} if is_round or here < start else {}
    if not lease:
        fields |= {"priority": here[0], "pos": here[1]}
    if not lease and is_round:
        fields |= {"epoch": epoch, "searched_at": clock.now()}
    if fields:
        Cursor.objects.filter(pk=cursor.pk).update(**fields)
    return lease, is_round


def _search(
    wanted: seats.Wanted, start: seats.Place, *, wait: bool = False
) -> tuple[Assignment | None, seats.Place, bool]:
    """The page that was found first, how far the search came, and whether it came round to where it began."""
    here, has_wrapped = start, start == seats.HEAD
    for _ in range(WINDOWS):
        end = seats.window_end(wanted.terms.batch, here)
        if lease := seats.give(wanted, here, end or seats.END, wait=wait):
            return lease, here, False
        if has_wrapped and (end is None or seats.HEAD < start <= end):
            return None, here, True
        here, has_wrapped = end or seats.HEAD, has_wrapped or end is None
    return None, here, False


def _of_other_tab(wanted: seats.Wanted) -> Assignment | None:
    """The page that another claim of the same person has just got."""
    return Assignment.objects.open_for(wanted.worker, wanted.project, Assignment.Purpose.WORK)
