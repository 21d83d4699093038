"""Putting a dataset to work: publishing, filling with tasks, closing, giving the rest back."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Max, OuterRef, Q, Subquery
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, jobs, money, states
from marketplace.core.errors import Forbidden, Invalid
from marketplace.models import Dataset, Guideline, Item, Membership, Project, RedundancyBy, Role, User
from payments import reserves
from tasks import fair_pay, forecast, pools, seats, tallies
from tasks.errors import NotPublishable
from tasks.models import Answer, Assignment, Batch, Review, Task
from workers import notices
from workers.models import Reliability

FILL_STEP = 10_000
TRIM_STEP = 10_000
LOOK_AGAIN = timedelta(seconds=10)  # at a closed batch that may still come to owe something
COMMITTED_WITHIN = timedelta(minutes=1)  # an appeal that began in time is seen by others this much later, at most
TOLD_MOST = 20
PINNED = (
    *("schema", "schema_version", "mode", "currency", "price_micros", "redundancy_min", "redundancy_max"),
    *("redundancy_by", "ask_experts"),
    *("target_confidence", "page_size", "lease_s", "accept_after_s", "appeal_window_s"),
    *("gold_share", "practice_size", "pass_mark", "pick_column"),
    *("exam_size", "exam_pass_mark", "exam_s", "exam_attempts", "exam_cooldown_s", "exam_price_micros"),
    *("exam_paid_most", "expected_s", "tiers", "pay_floor_micros", "top_up_most_percent"),
    *("review_share", "review_unsure", "review_verdicts"),
)

# In one snapshot, for answers move while it is counted; each part by the partial index that holds only that
OWED = """
SELECT coalesce(sum(price_micros + fee_micros), 0) FROM (
    SELECT x.price_micros, x.fee_micros FROM tasks_assignment a JOIN tasks_answer x ON x.assignment_id = a.id
    WHERE a.batch_id = %(batch)s AND a.state = 'open' AND a.purpose = 'work' AND x.state = 'leased'
    UNION ALL
    SELECT x.price_micros, x.fee_micros FROM tasks_assignment a JOIN tasks_answer x ON x.assignment_id = a.id
    WHERE a.batch_id = %(batch)s AND a.state = 'open' AND a.purpose = 'exam' AND x.state = 'leased'
    UNION ALL
    SELECT price_micros, fee_micros FROM tasks_answer
    WHERE batch_id = %(batch)s AND state = 'submitted' AND attempt = 0
    UNION ALL
    SELECT price_micros, fee_micros FROM tasks_answer
    WHERE batch_id = %(batch)s AND state IN ('accepted', 'excluded') AND entry_id IS NULL AND price_micros > 0
    UNION ALL
    SELECT x.price_micros, x.fee_micros
    FROM tasks_decision d JOIN tasks_answer x ON x.id = d.answer_id LEFT JOIN tasks_appeal p ON p.decision_id = d.id
    WHERE x.batch_id = %(batch)s AND x.state = 'rejected' AND d.kind = 'reject' AND d.state = 'standing'
        AND (p.state = 'open' OR p.id IS NULL AND d.contestable_until > %(contestable_after)s)
    UNION ALL
    SELECT w.price_micros, w.fee_micros
    FROM tasks_withheld w JOIN tasks_decision d ON d.id = w.decision_id LEFT JOIN tasks_appeal p ON p.decision_id = d.id
    WHERE w.batch_id = %(batch)s AND w.entry_id IS NULL AND d.state = 'standing'
        AND (p.state = 'open' OR p.id IS NULL AND d.contestable_until > %(contestable_after)s)
) AS owed
"""


@dataclass(frozen=True)
class Progress:
    """How far a batch has come, and what it has cost."""

    tasks: int
    closed: int
    answers_bought: int
    answers_in: int
    accepted: int
    rejected: int
    excluded: int
    waiting: int
    leased: int
    gold_answers: int
    spent_micros: int
    reserved_micros: int
    currency: str
    is_out: bool  # of money, and of what may be given out


@transaction.atomic
def publish(project: Project, dataset: Dataset, by: User, budget_micros: int | None = None) -> Batch:
    """Pin the terms, set the money aside and have the tasks made; all of it or nothing.

    budget_micros  what its answers may cost, with the fee; for projects that buy by budget, and only for these
    """
    accounts.require(by, project.organisation, Role.MANAGER)
    if not by.is_confirmed:
        raise Forbidden("confirm your email address before publishing")
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    _check_budget(project, budget_micros)
    offer = forecast.quote(project, dataset, budget_micros)
    if offer.problems:
        raise NotPublishable(offer.problems[0], problems=offer.problems)
    at = clock.now()
    batch = Batch.objects.create(
        project=project,
        number=(project.batches.aggregate(last=Max("number"))["last"] or 0) + 1,
        dataset=dataset,
        dataset_version=dataset.version,
        fee_bp=settings.FEE_BP,
        gold_bought=offer.gold_answers_most,
        pilot_size=offer.pilot,
        published_by=by,
        published_at=at,
        lowered_at=at if offer.budget else None,
        **{name: getattr(project, name) for name in PINNED},
    )
    lines = {name: micros for name, micros in offer.lines.items() if micros}
    reserves.open(project, batch.subject, lines, batch.fee_bp, batch.currency, batch.mode)
    if project.state == Project.State.DRAFT:
        states.move(project, Project.State.OPEN)
    audit.record(by, "publish", batch, total_micros=offer.total_micros)
    jobs.enqueue("tasks.jobs.fill_batch", batch.pk)
    return batch


@transaction.atomic
def fill(pk: int) -> bool:
    """Make the next tasks of a batch out of its items, and open it with the last; True while there are more."""
    batch = Batch.objects.select_for_update(no_key=True).get(pk=pk)
    if batch.state != Batch.State.FILLING:
        return False
    items = Item.objects.filter(
        dataset=batch.dataset_id, version__lte=batch.dataset_version, pk__gt=batch.filled_to
    ).order_by("pk")
    last = items.values_list("pk", flat=True)[FILL_STEP - 1 : FILL_STEP].first()
    upto = last or items.aggregate(last=Max("pk"))["last"] or batch.filled_to
    made = _make_pilot(batch) if batch.pilot_size else _make_tasks(batch, upto)
    _make_gold(batch, upto)
    Batch.objects.filter(pk=pk).update(items=F("items") + made, filled_to=upto)
    if last is None:
        pools.choose(batch)
        states.move(batch, Batch.State.OPEN)
    return last is not None


@transaction.atomic
def close(batch: Batch, by: User | None) -> None:
    """Give out no more of it; leases that are out may still be handed in, and the rest of the reserve returns."""
    if by:
        accounts.require(by, batch.project.organisation, Role.MANAGER)
    states.move(batch, Batch.State.CLOSED, closed_at=clock.now())
    audit.record(by, "close", batch)
    tell(batch, f"Batch {batch.number} of {batch.project} is {'closed' if by else 'finished'}", but=by)


@transaction.atomic
def close_project(project: Project, by: User) -> None:
    """Close a project with all its batches."""
    accounts.require(by, project.organisation, Role.MANAGER)
    states.move(project, Project.State.CLOSED)
    audit.record(by, "close", project)
    for batch in project.batches.exclude(state=Batch.State.CLOSED).order_by("pk"):
        close(batch, by)


@transaction.atomic
def close_finished(limit: int = 100) -> bool:
    """Close batches in which every task is closed, every answer decided, and no label waits for a reviewer."""
    # ordered as nothing but their partial indexes is, or the planner reads another one until it meets a row
    unsettled = Task.objects.filter(batch=OuterRef("pk"), state=Task.State.OPEN).order_by("pos")
    undecided = Answer.objects.filter(batch=OuterRef("pk"), state=Answer.State.SUBMITTED, attempt=0)
    leased = Assignment.objects.filter(
        batch=OuterRef("pk"), state=Assignment.State.OPEN, purpose=Assignment.Purpose.WORK
    )
    reviewed = Review.objects.filter(batch=OuterRef("pk")).unfinished()
    running = Batch.objects.annotate(
        unsettled=Subquery(unsettled.values("pk")[:1]),
        undecided=Subquery(undecided.order_by("accept_at").values("pk")[:1]),
        leased=Subquery(leased.order_by("pk").values("pk")[:1]),
        reviewed=Subquery(reviewed.order_by().values("pk")[:1]),
    )
    finished = running.filter(state=Batch.State.OPEN, unsettled=None, undecided=None, leased=None, reviewed=None)
    finished = finished.order_by("pk")
    idle = finished.select_for_update(no_key=True, skip_locked=True, of=("self",))  # nobody else closes them now
    for batch in idle.select_related("project__organisation")[:limit]:
        close(batch, None)
    return False


@transaction.atomic
def return_rest(pk: int) -> bool:
    """Give back what a closed batch can no longer come to owe; True while there is more to withdraw."""
    batch = Batch.objects.select_for_update(no_key=True).get(pk=pk)
    if batch.state != Batch.State.CLOSED or batch.returned_at:
        return False
    if seats.trim(batch, TRIM_STEP):
        return True
    owed = owed_micros(batch)
    is_over = not owed and fair_pay.is_done(batch)
    kept = 0 if is_over else fair_pay.kept_micros(batch)
    reserves.release_all_but(batch.subject, owed + kept, {"top_ups": batch.topped_micros + kept})
    at = clock.now()
    if not is_over:
        Batch.objects.filter(pk=pk).update(look_again_at=at + LOOK_AGAIN)
    else:
        Batch.objects.filter(pk=pk).update(returned_at=at, consensus_at=None)  # and weigh it a last time
        spent = money.show(reserves.standing(batch.subject).spent_micros, batch.currency)
        tell(batch, f"Batch {batch.number} of {batch.project} cost {spent}", "The rest is back in your prepayment.")
    return False


def returnable(limit: int = 100) -> list[int]:
    """Closed batches that still have something to give back, those not looked at for longest first."""
    closed = Batch.objects.filter(state=Batch.State.CLOSED, returned_at=None)
    due = closed.filter(Q(look_again_at=None) | Q(look_again_at__lte=clock.now()))
    return list(due.order_by(F("look_again_at").asc(nulls_first=True)).values_list("pk", flat=True)[:limit])


def owed_micros(batch: Batch) -> int:
    """What the answers already given out may still cost: leased, waiting, unsettled, or rejected but contestable."""
    with connection.cursor() as cursor:
        cursor.execute(OWED, {"batch": batch.pk, "contestable_after": clock.now() - COMMITTED_WITHIN})
        return int(cursor.fetchone()[0])


def progress(batch: Batch) -> Progress:
    """How far the batch has come, as of now; what it costs to ask does not grow with the batch."""
    tally, stands = tallies.of(batch), reserves.standing(batch.subject)
    return Progress(
        tasks=tally.tasks,
        closed=tally.closed,
        answers_bought=tally.bought,
        answers_in=tally.submitted + tally.accepted - tally.gold,
        accepted=tally.accepted,
        rejected=tally.rejected,
        excluded=tally.excluded,
        waiting=tally.submitted,
        leased=tally.leased,
        gold_answers=tally.gold,
        spent_micros=stands.spent_micros,
        reserved_micros=stands.left_micros,
        currency=batch.currency,
        is_out=batch.dry_at is not None and not seats.are_open(batch.pk),
    )


def workers(batch: Batch, most: int = 1000) -> list[dict[str, Any]]:
    """Who worked on a batch, the most active first, under pseudonyms, with how accurate they are in its project."""
    answers = batch.answers.filter(attempt=0, submitted_at__isnull=False)
    rows = list(answers.values("worker", public=F("worker__public_id")).annotate(n=Count("id")).order_by("-n")[:most])
    known = Reliability.objects.filter(project=batch.project_id, worker__in=[row["worker"] for row in rows])
    scores = {score.worker_id: score for score in known}
    figures = ("accuracy", "accuracy_p05", "accuracy_p95", "judged")
    return [
        {
            "worker": batch.project.organisation.pseudonym(row["public"]),
            "answers": row["n"],
            **{name: getattr(scores.get(row["worker"]), name, None) for name in figures},
        }
        for row in rows
    ]


def tell(batch: Batch, subject: str, text: str = "", but: User | None = None, link: str = "") -> None:
    """Tell the owners, and who published it as long as they belong there."""
    members = Membership.objects.filter(organisation=batch.project.organisation_id).exclude(user=but)
    people = members.filter(Q(role=Role.OWNER) | Q(user=batch.published_by_id)).order_by("pk")
    link = link or reverse("project", args=[batch.project.public_id])
    notices.tell_all(people.values_list("user", flat=True)[:TOLD_MOST], "batch", subject, text, link)


def _check_budget(project: Project, budget_micros: int | None) -> None:
    by_budget = project.redundancy_by == RedundancyBy.BUDGET
    if by_budget and budget_micros is None:
        raise Invalid("say what its answers may cost: this project buys them by budget")
    if not by_budget and budget_micros is not None:
        raise Invalid("this project buys answers by confidence, not by budget")


def _make_tasks(batch: Batch, upto: int) -> int:
    with connection.cursor() as sql:
        sql.execute(
            """INSERT INTO tasks_task (batch_id, item_id, state, priority, pos, bought, taken, pick_key)
               SELECT %s, id, 'open', 0, id, %s, 0, left(nullif(payload ->> %s, ''), 200) FROM marketplace_item
               WHERE dataset_id = %s AND version <= %s AND id > %s AND id <= %s AND truth IS NULL ORDER BY id""",
            [
                batch.pk, batch.redundancy_min, batch.pick_column,
                batch.dataset_id, batch.dataset_version, batch.filled_to, upto,
            ],
        )  # fmt: skip
        return sql.rowcount


def _make_pilot(batch: Batch) -> int:
    """The tasks of a pilot, made in its first step, from anywhere in the dataset: first rows are alike."""
    if batch.filled_to:
        return 0
    with connection.cursor() as sql:
        sql.execute(
            """INSERT INTO tasks_task (batch_id, item_id, state, priority, pos, bought, taken, pick_key)
               SELECT %s, id, 'open', 0, id, %s, 0, left(nullif(payload ->> %s, ''), 200)
               FROM (SELECT id, payload FROM marketplace_item WHERE dataset_id = %s AND version <= %s AND truth IS NULL
                     ORDER BY content_hash LIMIT %s) AS drawn ORDER BY id""",
            [
                batch.pk, batch.redundancy_min, batch.pick_column,
                batch.dataset_id, batch.dataset_version, batch.pilot_size,
            ],
        )  # fmt: skip
        return sql.rowcount


def _make_gold(batch: Batch, upto: int) -> None:
    with connection.cursor() as sql:
        sql.execute(
            """WITH chosen AS (
                   SELECT id, truth FROM marketplace_item
                   WHERE dataset_id = %s AND version <= %s AND id > %s AND id <= %s AND truth IS NOT NULL),
               made AS (
                   INSERT INTO tasks_task (batch_id, item_id, state, priority, pos, bought, taken)
                   SELECT %s, id, 'closed', 0, id, 0, 0 FROM chosen RETURNING id, item_id)
               INSERT INTO tasks_gold (public_id, task_id, batch_id, purpose, state, truth, explanation, draw, served,
                   missed, contested, wrong, to_look)
               SELECT 'gld_' || left(md5(gen_random_uuid()::text), 16), made.id, %s, 'hidden', 'active', chosen.truth,
                   '', random(), 0, 0, 0, 0, false
               FROM made JOIN chosen ON chosen.id = made.item_id""",
            [batch.dataset_id, batch.dataset_version, batch.filled_to, upto, batch.pk, batch.pk],
        )


def latest_guideline(project: Project) -> Guideline | None:
    return project.guidelines.order_by("-version").first()
