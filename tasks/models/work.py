"""The work: tasks, who leased them, and what was answered."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from marketplace.core import clock
from marketplace.core.ids import PublicIdField
from marketplace.core.models import RealField
from marketplace.core.states import known
from marketplace.models import Item, Project, User
from payments.models import Entry
from tasks.models.batches import Batch
from workers.models import Worker

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)  # before any lease


class Task(models.Model):
    """One microtask: an item to be answered by several workers. Gold has no seats of its own."""

    class State(models.TextChoices):
        OPEN = "open"  # wants answers, or waits for them
        CLOSED = "closed"  # sure enough, or all that may be bought is there

    MOVES = {State.OPEN: {State.CLOSED}, State.CLOSED: {State.OPEN}}

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="tasks", db_index=False)
    item = models.ForeignKey(Item, models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    priority = models.IntegerField(default=0, help_text="Lower comes first.")
    pos = models.BigIntegerField()
    bought = models.PositiveSmallIntegerField()
    taken = models.PositiveSmallIntegerField(default=0)
    withdrawn = models.PositiveSmallIntegerField(
        db_default=0, help_text="Seats that were taken back unused for want of money; they reopen when there is some."
    )
    open = models.GeneratedField(
        expression=Q(taken__lt=F("bought")),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )
    gain = RealField(
        null=True, help_text="What another answer is worth to it, while it waits to be bought one; null: it does not."
    )
    wants = ArrayField(
        models.SmallIntegerField(), null=True, help_text="The two likeliest classes of the first field that has any."
    )
    wants_until = models.DateTimeField(null=True, help_text="Until then only who is good at both gets it; null: all.")
    pick_key = models.CharField(max_length=200, null=True, help_text="Null: cannot be picked.")
    is_copy = models.BooleanField(db_default=False, help_text="Gold, of an item that people have answered already.")

    class Meta:
        constraints = [
            known("task", ["open", "closed"]),
            models.UniqueConstraint(fields=["batch", "item"], condition=Q(is_copy=False), name="task_item_once"),
            models.CheckConstraint(condition=Q(taken__gte=0, taken__lte=F("bought")), name="task_within_bought"),
            models.CheckConstraint(condition=Q(state="open") | Q(withdrawn=0), name="task_withdrawn_is_open"),
            models.CheckConstraint(condition=Q(wants_until=None) | Q(wants__isnull=False), name="task_wish_says_what"),
        ]
        indexes = [
            models.Index(fields=["batch", "priority", "pos"], condition=Q(open=True), name="task_queue"),
            models.Index(fields=["batch", "pos"], condition=Q(state="open"), name="task_unsettled"),
            models.Index(fields=["batch", "priority", "pos"], condition=Q(withdrawn__gt=0), name="task_withdrawn"),
            models.Index(F("batch"), F("gain").desc(), condition=Q(gain__isnull=False), name="task_waiting"),
            models.Index(fields=["batch", "wants_until"], condition=Q(wants_until__isnull=False), name="task_wishing"),
            models.Index(fields=["batch", "pick_key"], condition=Q(pick_key__isnull=False), name="task_pick"),
        ]

    def __str__(self) -> str:
        return f"task {self.pk}"


class Cursor(models.Model):
    """How far a worker has come on their way round a batch's queue; locked first in every claim."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="+", db_index=False)
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="+", db_index=False)
    priority = models.IntegerField(default=-(2**31))
    pos = models.BigIntegerField(default=-1)
    epoch = models.BigIntegerField(default=-1, help_text="The queue epoch at which a whole round found nothing.")
    searched_at = models.DateTimeField(null=True, help_text="When that round was.")
    lap = models.PositiveIntegerField(default=0, help_text="How often it has come back to the head.")
    claimed = models.PositiveIntegerField(default=0, help_text="Seats given so far, gold among them.")
    gold_left = models.PositiveIntegerField(default=0, help_text="Gold answers it may still hand out.")
    good_at = ArrayField(
        models.SmallIntegerField(), null=True, help_text="Classes that they are right about more often than most."
    )
    gold_rate = RealField(null=True, help_text="Share of gold by what is known of the worker; null: nothing is.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "batch"], name="cursor_once")]

    def __str__(self) -> str:
        return f"cursor {self.pk}"


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def visible_to(self, worker: Worker) -> Self:
        return self.filter(worker=worker)

    def practices(self, worker: int, project: int) -> Self:
        return self.filter(worker=worker, project=project, purpose=Assignment.Purpose.PRACTICE)

    def exams(self, worker: int, project: int) -> Self:
        return self.filter(worker=worker, project=project, purpose=Assignment.Purpose.EXAM)

    def open_for(self, worker: int, project: int, purpose: str) -> "Assignment | None":
        """The one lease that is open, if any; without order or limit, which lead the planner through all work done."""
        mine = self.filter(worker=worker, project=project, purpose=purpose, state=Assignment.State.OPEN)
        return next(iter(mine.order_by()), None)


class Assignment(models.Model):
    """One worker's lease on a page of tasks."""

    class State(models.TextChoices):
        OPEN = "open"
        SUBMITTED = "submitted"
        RETURNED = "returned"
        EXPIRED = "expired"

    class Purpose(models.TextChoices):
        WORK = "work"
        PRACTICE = "practice"
        EXAM = "exam"

    MOVES = {
        State.OPEN: {State.SUBMITTED, State.RETURNED, State.EXPIRED},
        State.EXPIRED: {State.SUBMITTED},  # late, where seats were still open
    }

    public_id = PublicIdField("asg")
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="assignments", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, related_name="+", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="assignments", db_index=False)
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.WORK)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    guideline_version = models.PositiveIntegerField()
    attempt = models.PositiveSmallIntegerField(default=0, help_text="Which try at practice or exam; 0: work.")
    claimed_at = models.DateTimeField()
    leased_until = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    active_s = models.PositiveIntegerField(default=0)
    is_timed = models.BooleanField(db_default=False, help_text="Its time stands in the worker's time sheet.")
    draft = models.JSONField(null=True)
    score = models.FloatField(null=True, help_text="Share of gold that was right, in practice and exam.")
    passed = models.BooleanField(null=True, help_text="Of an exam; once true it stays.")

    objects = AssignmentQuerySet.as_manager()
    is_new = False  # set on the object that a claim has just made, as is what it shows
    seats: "list[Any] | None" = None
    price_micros: "int | None" = None
    refused: "list[int]" = []  # set on one that is handed in: positions that came too late

    class Meta:
        constraints = [
            known("assignment", ["open", "submitted", "returned", "expired"]),
            models.UniqueConstraint(
                fields=["worker", "project", "purpose"], condition=Q(state="open"), name="assignment_open_once"
            ),
            models.UniqueConstraint(
                fields=["worker", "project", "attempt"], condition=Q(purpose="exam"), name="assignment_attempt_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["leased_until"],
                condition=Q(state="open", leased_until__gt=BEGINNING),  # for the sweep alone: others would read it all
                name="assignment_leased",
            ),
            models.Index(
                fields=["batch", "submitted_at"], condition=Q(submitted_at__isnull=False), name="assignment_submitted"
            ),
            models.Index(fields=["worker", "id"], name="assignment_of_worker"),
            models.Index(
                fields=["batch", "id"],
                condition=Q(submitted_at__isnull=False, is_timed=False),
                name="assignment_to_time",
            ),
            models.Index(fields=["batch", "id"], condition=Q(state="open", purpose="work"), name="assignment_open"),
            models.Index(fields=["worker", "project"], condition=Q(purpose="practice"), name="assignment_practice"),
            models.Index(
                fields=["batch", "id"], condition=Q(state="open", purpose="exam"), name="assignment_open_exam"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_over(self) -> bool:
        """Whether its time has ended, whatever the sweep has come to."""
        return self.state == Assignment.State.EXPIRED or clock.now() > self.leased_until


class AnswerQuerySet(models.QuerySet["Answer"]):
    def visible_to(self, user: User) -> Self:
        """What a member of the requesting organisation may see: work handed in, practice left out."""
        return self.filter(
            batch__project__organisation__memberships__user=user,
            assignment__purpose=Assignment.Purpose.WORK,
            submitted_at__isnull=False,
        )

    def named(self, public_ids: Iterable[str]) -> "list[Answer]":
        """Those of these answers that are here, in one query; wants their assignments loaded."""
        wanted = set(public_ids)
        pages = {public_id.rpartition("-")[0] for public_id in wanted}
        return [answer for answer in self.filter(assignment__public_id__in=pages) if answer.public_id in wanted]

    def counted(self) -> Self:
        """Answers that speak in the consensus."""
        return self.seated().filter(superseded_at=None)

    def superseded(self) -> Self:
        """Answers that keep their seat and speak no more: another was bought in the place of each."""
        return self.seated().filter(superseded_at__isnull=False)

    def seated(self) -> Self:
        """Answers handed in that hold a seat at their task."""
        return self.filter(state__in=[Answer.State.SUBMITTED, Answer.State.ACCEPTED], submitted_at__isnull=False)


class Answer(models.Model):
    """One worker's seat at one task, and what they answered. Its row is its own history on the hot path."""

    class State(models.TextChoices):
        LEASED = "leased"
        SUBMITTED = "submitted"
        SKIPPED = "skipped"
        RETURNED = "returned"
        EXPIRED = "expired"
        ACCEPTED = "accepted"
        REJECTED = "rejected"
        EXCLUDED = "excluded"  # not used, still paid

    MOVES = {
        State.LEASED: {State.SUBMITTED, State.SKIPPED, State.RETURNED, State.EXPIRED},
        State.EXPIRED: {State.SUBMITTED},  # late, and the seat was still open
        State.SUBMITTED: {State.ACCEPTED, State.REJECTED, State.EXCLUDED},
        State.ACCEPTED: {State.EXCLUDED},
        State.EXCLUDED: {State.ACCEPTED},
        State.REJECTED: {State.ACCEPTED},  # an appeal was upheld
    }

    assignment = models.ForeignKey(Assignment, models.PROTECT, related_name="answers", db_index=False)
    position = models.PositiveSmallIntegerField()
    task = models.ForeignKey(Task, models.PROTECT, related_name="answers", db_index=False)
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="answers", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="answers", db_index=False)
    attempt = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.LEASED)
    value = models.JSONField(null=True)
    codes = ArrayField(models.SmallIntegerField(), null=True, help_text="One per categorical field; -1: none.")
    price_micros = models.BigIntegerField()
    fee_micros = models.BigIntegerField()
    self_selected = models.BooleanField(default=False)
    to_grade = models.BooleanField(default=False, help_text="Hidden gold that has not been graded yet.")
    submitted_at = models.DateTimeField(null=True)
    accept_at = models.DateTimeField(null=True, help_text="When it is accepted if nobody decides before.")
    superseded_at = models.DateTimeField(
        null=True,
        help_text="Since when it is asked again under a later guideline: it stays paid, and speaks no more.",
    )
    # Written in the transaction that makes the entry, which is never deleted: checking one entry for each of 50,000
    # answers costs a fifth of settling them. `tasks.audit` asks for it.
    entry = models.ForeignKey(
        Entry,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="What settled it.",
    )

    objects = AnswerQuerySet.as_manager()

    class Meta:
        constraints = [
            known(
                "answer",
                ["leased", "submitted", "skipped", "returned", "expired", "accepted", "rejected", "excluded"],
            ),
            models.UniqueConstraint(
                fields=["worker", "task", "attempt"],
                condition=~Q(state__in=["returned", "expired"]),
                name="answer_once_per_worker",
            ),
            models.UniqueConstraint(fields=["assignment", "position"], name="answer_position_once"),
            models.CheckConstraint(
                condition=Q(entry=None) | Q(state__in=["accepted", "excluded"]), name="answer_paid_only_if_owed"
            ),
        ]
        indexes = [
            models.Index(fields=["task", "worker"], name="answer_of_task"),
            models.Index(fields=["batch", "id"], condition=Q(submitted_at__isnull=False), name="answer_of_batch"),
            models.Index(fields=["worker", "id"], condition=Q(submitted_at__isnull=False), name="answer_of_worker"),
            models.Index(fields=["accept_at"], condition=Q(state="submitted"), name="answer_to_accept"),
            models.Index(
                fields=["batch", "id"],
                condition=Q(state__in=["accepted", "excluded"], entry=None, price_micros__gt=0),
                name="answer_to_settle",
            ),
            models.Index(fields=["id"], condition=Q(to_grade=True, submitted_at__isnull=False), name="answer_to_grade"),
            models.Index(
                fields=["batch", "accept_at"], condition=Q(state="submitted", attempt=0), name="answer_undecided"
            ),
            models.Index(
                fields=["worker", "id"],
                condition=Q(submitted_at__isnull=False, entry=None, price_micros__gt=0),
                name="answer_unpaid",
            ),
            models.Index(fields=["batch", "task"], condition=Q(superseded_at__isnull=False), name="answer_superseded"),
        ]

    def __str__(self) -> str:
        return f"answer {self.pk}"

    @property
    def public_id(self) -> str:
        return f"{self.assignment.public_id}-{self.position}"
