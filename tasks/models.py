"""The work: what is bought, who leased it, what was answered, and what was decided about it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from marketplace.core.ids import PublicIdField
from marketplace.core.models import RealField
from marketplace.core.states import known
from marketplace.models import Dataset, Item, Mode, Organisation, Project, User
from payments.models import Entry
from workers.models import Worker

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)  # before any lease


class BatchQuerySet(models.QuerySet["Batch"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(project__organisation__memberships__user=user)

    def workable(self) -> Self:
        return self.filter(
            state=Batch.State.OPEN, project__state=Project.State.OPEN, project__organisation__frozen_at=None
        )


class Batch(models.Model):
    """A dataset version put to work: everything that was agreed when it was published, pinned."""

    class State(models.TextChoices):
        FILLING = "filling"  # a job is making its tasks
        OPEN = "open"
        CLOSED = "closed"

    MOVES = {State.FILLING: {State.OPEN, State.CLOSED}, State.OPEN: {State.CLOSED}}

    public_id = PublicIdField("bat")
    project = models.ForeignKey(Project, models.PROTECT, related_name="batches")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.FILLING)
    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="+")
    dataset_version = models.PositiveIntegerField()
    schema = models.JSONField()
    schema_version = models.PositiveIntegerField()
    mode = models.CharField(max_length=10, choices=Mode)
    currency = models.CharField(max_length=3)
    price_micros = models.BigIntegerField()
    fee_bp = models.PositiveIntegerField()
    redundancy_min = models.PositiveSmallIntegerField()
    redundancy_max = models.PositiveSmallIntegerField()
    target_confidence = models.FloatField()
    page_size = models.PositiveSmallIntegerField()
    lease_s = models.PositiveIntegerField()
    accept_after_s = models.PositiveIntegerField()
    appeal_window_s = models.PositiveIntegerField()
    gold_share = models.FloatField()
    practice_size = models.PositiveSmallIntegerField()
    pass_mark = models.FloatField()
    pick_column = models.CharField(max_length=80, blank=True)
    items = models.BigIntegerField(default=0, help_text="Items that became tasks to answer.")
    filled_to = models.BigIntegerField(default=0, help_text="The last item the filling job has come to.")
    gold_bought = models.BigIntegerField(default=0)
    gold_taken = models.BigIntegerField(default=0, help_text="Gold answers handed to cursors to spend.")
    queue_epoch = models.BigIntegerField(default=0, help_text="Grows whenever tasks reopen.")
    consensus_at = models.DateTimeField(null=True, help_text="When consensus last began; null: it is wanted now.")
    consensus_s = models.FloatField(default=0, help_text="What the last run took; the next waits ten times as long.")
    published_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    published_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    look_again_at = models.DateTimeField(null=True, help_text="When to see again what of its reserve may return.")
    returned_at = models.DateTimeField(null=True, help_text="When the last of its reserve was given back.")

    objects = BatchQuerySet.as_manager()

    class Meta:
        constraints = [
            known("batch", ["filling", "open", "closed"]),
            models.UniqueConstraint(fields=["project", "number"], name="batch_number_once"),
            models.CheckConstraint(condition=Q(gold_taken__lte=F("gold_bought")), name="batch_gold_within_bought"),
        ]
        indexes = [
            models.Index(fields=["project"], condition=Q(state="open"), name="batch_open"),
            models.Index(
                fields=["look_again_at"], condition=Q(state="closed", returned_at=None), name="batch_not_returned"
            ),
            models.Index(fields=["id"], condition=Q(consensus_at=None), name="batch_wants_consensus"),
        ]

    def __str__(self) -> str:
        return f"{self.project} #{self.number}"

    @property
    def subject(self) -> str:
        """The name of this batch in the ledger."""
        return f"batch:{self.pk}"


class Figures(models.Model):
    """Counts of the rows of a batch, gold tasks and practice left out: how many of each there are."""

    tasks = models.BigIntegerField(default=0)
    closed = models.BigIntegerField(default=0)
    bought = models.BigIntegerField(default=0)
    leased = models.BigIntegerField(default=0)
    submitted = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    excluded = models.BigIntegerField(default=0)
    gold = models.BigIntegerField(default=0, help_text="Of the submitted and accepted, those to gold.")

    class Meta:
        abstract = True


class Tally(Figures):
    """What a batch came to when its marks were last added up."""

    batch = models.OneToOneField(Batch, models.CASCADE, primary_key=True, related_name="+")

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"tally {self.batch_id}"


class Mark(Figures):
    """What one statement added to the figures of a batch, written by triggers; its key is not checked, being copied."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="+", db_constraint=False)

    def __str__(self) -> str:
        return f"mark {self.pk}"


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
    open = models.GeneratedField(
        expression=Q(taken__lt=F("bought")),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )
    pick_key = models.CharField(max_length=200, null=True, help_text="Null: cannot be picked.")

    class Meta:
        constraints = [
            known("task", ["open", "closed"]),
            models.UniqueConstraint(fields=["batch", "item"], name="task_item_once"),
            models.CheckConstraint(condition=Q(taken__gte=0, taken__lte=F("bought")), name="task_within_bought"),
        ]
        indexes = [
            models.Index(fields=["batch", "priority", "pos"], condition=Q(open=True), name="task_queue"),
            models.Index(fields=["batch", "pos"], condition=Q(state="open"), name="task_unsettled"),
            models.Index(fields=["batch", "pick_key"], condition=Q(pick_key__isnull=False), name="task_pick"),
        ]

    def __str__(self) -> str:
        return f"task {self.pk}"


class Gold(models.Model):
    """A task whose right answer is known; it measures or teaches, and is never open."""

    class Purpose(models.TextChoices):
        PRACTICE = "practice"
        HIDDEN = "hidden"

    class State(models.TextChoices):
        ACTIVE = "active"
        RETIRED = "retired"

    MOVES = {State.ACTIVE: {State.RETIRED}, State.RETIRED: {State.ACTIVE}}

    task = models.OneToOneField(Task, models.CASCADE, related_name="gold")
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="gold")
    purpose = models.CharField(max_length=10, choices=Purpose)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    truth = models.JSONField()
    explanation = models.TextField(blank=True)
    draw = models.FloatField(help_text="Random; where a draw begins is random too.")
    served = models.PositiveIntegerField(default=0)
    missed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [known("gold", ["active", "retired"])]
        indexes = [models.Index(fields=["batch", "purpose", "draw"], name="gold_draw")]

    def __str__(self) -> str:
        return f"gold {self.pk}"


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

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "batch"], name="cursor_once")]

    def __str__(self) -> str:
        return f"cursor {self.pk}"


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def visible_to(self, worker: Worker) -> Self:
        return self.filter(worker=worker)

    def practices(self, worker: int, project: int) -> Self:
        return self.filter(worker=worker, project=project, purpose=Assignment.Purpose.PRACTICE)

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
    attempt = models.PositiveSmallIntegerField(default=0, help_text="Which try at the practice; 0 for work.")
    claimed_at = models.DateTimeField()
    leased_until = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    active_s = models.PositiveIntegerField(default=0)
    draft = models.JSONField(null=True)
    score = models.FloatField(null=True, help_text="Share of gold that was right, in practice.")

    objects = AssignmentQuerySet.as_manager()
    is_new = False  # set on the object that a claim has just made, as is what it shows
    seats: "list[Any] | None" = None
    refused: "list[int]" = []  # set on one that is handed in: positions that came too late

    class Meta:
        constraints = [
            known("assignment", ["open", "submitted", "returned", "expired"]),
            models.UniqueConstraint(
                fields=["worker", "project", "purpose"], condition=Q(state="open"), name="assignment_open_once"
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
            models.Index(fields=["batch", "id"], condition=Q(state="open", purpose="work"), name="assignment_open"),
            models.Index(fields=["worker", "project"], condition=Q(purpose="practice"), name="assignment_practice"),
        ]

    def __str__(self) -> str:
        return self.public_id


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
        ]

    def __str__(self) -> str:
        return f"answer {self.pk}"

    @property
    def public_id(self) -> str:
        return f"{self.assignment.public_id}-{self.position}"


class Evidence(models.Model):
    """One judged answer: how likely it was right, and who says so. Append-only."""

    class Kind(models.TextChoices):
        GOLD = "gold"
        CONSENSUS = "consensus"
        REVIEW = "review"

    kind = models.CharField(max_length=10, choices=Kind)
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, related_name="+")
    answer = models.ForeignKey(Answer, models.PROTECT, related_name="evidence")
    correct = models.FloatField(help_text="Probability that the answer was right, 0 to 1.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["worker", "project"], name="evidence_of_worker"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.correct:.2f}"


class Decision(models.Model):
    """What a person or a rule decided about an answer, why, and until when it may be contested."""

    class Kind(models.TextChoices):
        REJECT = "reject"
        EXCLUDE = "exclude"

    class Reason(models.TextChoices):
        WRONG = "wrong", "The answer is wrong against the guideline"
        EMPTY = "empty", "The answer is empty or says nothing"
        RANDOM = "random", "The answers look random"
        COPIED = "copied", "The answer was copied"
        DAMAGED = "damaged", "The item could not be answered"

    class State(models.TextChoices):
        STANDING = "standing"
        OVERTURNED = "overturned"

    MOVES = {State.STANDING: {State.OVERTURNED}}

    public_id = PublicIdField("dec")
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=12, choices=State, default=State.STANDING)
    answer = models.ForeignKey(Answer, models.PROTECT, related_name="decisions")
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="decisions", db_index=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    reason_code = models.CharField(max_length=10, choices=Reason)
    reason = models.TextField()
    decided_at = models.DateTimeField()
    contestable_until = models.DateTimeField()

    class Meta:
        constraints = [
            known("decision", ["standing", "overturned"]),
            models.UniqueConstraint(fields=["answer"], condition=Q(state="standing"), name="decision_standing_once"),
        ]
        indexes = [
            models.Index(fields=["worker", "id"], name="decision_of_worker"),
            models.Index(fields=["contestable_until"], condition=Q(state="standing"), name="decision_contestable"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class EvidenceVoid(models.Model):
    """That a piece of evidence no longer counts, and since when; it stays readable. Append-only."""

    evidence = models.OneToOneField(Evidence, models.PROTECT, related_name="void")
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=40)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"void: {self.reason}"


class Appeal(models.Model):
    """A worker contests a decision; a person who did not make it looks again."""

    class State(models.TextChoices):
        OPEN = "open"
        UPHELD = "upheld"  # the worker was right: the decision is overturned
        DISMISSED = "dismissed"  # the decision stands

    MOVES = {State.OPEN: {State.UPHELD, State.DISMISSED}}

    public_id = PublicIdField("app")
    decision = models.OneToOneField(Decision, models.PROTECT, related_name="appeal")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    statement = models.TextField()
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="Not decided by then: upheld.")
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [known("appeal", ["open", "upheld", "dismissed"])]
        indexes = [models.Index(fields=["due_at"], condition=Q(state="open"), name="appeal_waiting")]

    def __str__(self) -> str:
        return self.public_id


class Consensus(models.Model):
    """What the answers to one field of one task come to, and how sure that is; updated in place."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="consensus", db_index=False)
    field = models.CharField(max_length=40)
    value = models.JSONField(null=True)
    code = models.SmallIntegerField(default=-1, help_text="Of a categorical field; -1: none.")
    posterior = ArrayField(RealField(), null=True, help_text="Probability of each class, in schema order.")
    confidence = RealField(help_text="Of the value, 0 to 1.")
    support = models.PositiveSmallIntegerField(help_text="Answers it rests on.")
    method = models.CharField(max_length=40)
    version = models.CharField(max_length=10)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "field"], name="consensus_once")]

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"


class ConsensusChange(models.Model):
    """That the value of a consensus changed: what it was, and on how many answers it rested. Append-only."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="+", db_index=False)
    field = models.CharField(max_length=40)
    value = models.JSONField(null=True)
    confidence = RealField()
    support = models.PositiveSmallIntegerField()
    method = models.CharField(max_length=40)
    version = models.CharField(max_length=10)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["task", "id"], name="consensuschange_of_task")]

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"
