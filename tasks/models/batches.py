"""What is bought: a dataset version put to work, and the counts of what became of it."""

from typing import Self

from django.db import models
from django.db.models import F, Q

from marketplace.core import money
from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Dataset, Mode, Project, RedundancyBy, User


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
    redundancy_by = models.CharField(max_length=10, choices=RedundancyBy, default=RedundancyBy.CONFIDENCE)
    ask_experts = models.BooleanField(default=False)
    target_confidence = models.FloatField()
    page_size = models.PositiveSmallIntegerField()
    lease_s = models.PositiveIntegerField()
    accept_after_s = models.PositiveIntegerField()
    appeal_window_s = models.PositiveIntegerField()
    gold_share = models.FloatField()
    practice_size = models.PositiveSmallIntegerField()
    pass_mark = models.FloatField()
    exam_size = models.PositiveSmallIntegerField(default=0)
    exam_pass_mark = models.FloatField(default=0.8)
    exam_s = models.PositiveIntegerField(default=900)
    exam_attempts = models.PositiveSmallIntegerField(default=3)
    exam_cooldown_s = models.PositiveIntegerField(default=3600)
    exam_price_micros = models.BigIntegerField(default=0)
    exam_paid_most = models.PositiveIntegerField(default=0)
    expected_s = models.PositiveIntegerField(default=30)
    pay_floor_micros = models.BigIntegerField(default=0)
    top_up_most_percent = models.PositiveSmallIntegerField(default=0)
    pilot_size = models.PositiveIntegerField(default=0, help_text="Of a pilot: its most items; 0: no pilot.")
    review_share = models.FloatField(default=0)
    review_unsure = models.FloatField(default=0)
    review_verdicts = models.PositiveSmallIntegerField(default=1)
    pick_column = models.CharField(max_length=80, blank=True)
    tiers = models.JSONField(default=list)
    items = models.BigIntegerField(default=0, help_text="Items that became tasks to answer.")
    filled_to = models.BigIntegerField(default=0, help_text="The last item the filling job has come to.")
    gold_bought = models.BigIntegerField(default=0)
    gold_taken = models.BigIntegerField(default=0, help_text="Gold answers handed to cursors to spend.")
    exams_taken = models.PositiveIntegerField(default=0, help_text="Paid exams that are being sat or were paid.")
    gold_low_at = models.DateTimeField(null=True, help_text="When its publisher was told that gold runs short.")
    gold_seen_at = models.DateTimeField(null=True, help_text="The same, that workers have seen most of it.")
    lowered_at = models.DateTimeField(
        null=True,
        help_text="Since when its budget need not cover the most it may come to cost; null: it does.",
    )
    fit_to_micros = models.BigIntegerField(
        null=True, help_text="What the line of its answers is being brought to, seat by seat; null: it is there."
    )
    dry_at = models.DateTimeField(null=True, help_text="Since when it wants more answers than its budget pays.")
    widened_at = models.DateTimeField(
        null=True, help_text="Of one that buys by budget: when more tasks were last opened because nobody answered."
    )
    dry_seen_at = models.DateTimeField(null=True, help_text="When it was last seen whether it can go on by itself.")
    queue_epoch = models.BigIntegerField(default=0, help_text="Grows whenever tasks reopen.")
    consensus_at = models.DateTimeField(null=True, help_text="When consensus last began; null: it is wanted now.")
    consensus_s = models.FloatField(default=0, help_text="What the last run took; the next waits three times as long.")
    weighed_to = models.DateTimeField(null=True, help_text="Answers until then are weighed; null: none is yet.")
    touched_at = models.DateTimeField(null=True, help_text="When something was last decided that no sweep has weighed.")
    fit_due_at = models.DateTimeField(null=True, help_text="When all answers are weighed together again.")
    topped_micros = models.BigIntegerField(default=0, help_text="Top-ups so far, of its reserve line.")
    top_up_at = models.DateTimeField(null=True, help_text="When its workers' pay is next held against the floor.")
    top_up_after = models.BigIntegerField(default=0, help_text="The last worker this look has come to.")
    topped_at = models.DateTimeField(null=True, help_text="When the last look at all its workers began.")
    proposals_tell_at = models.DateTimeField(null=True, help_text="When to tell of new proposals of top-ups.")
    proposals_told_at = models.DateTimeField(null=True, help_text="When its managers were last told of them.")
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
            models.CheckConstraint(condition=Q(exams_taken__lte=F("exam_paid_most")), name="batch_exams_within_bought"),
            models.CheckConstraint(
                condition=Q(redundancy_by__in=RedundancyBy.values), name="batch_redundancy_by_known"
            ),
            models.CheckConstraint(
                condition=Q(lowered_at__isnull=False) | Q(redundancy_by="confidence"), name="batch_by_budget_is_bounded"
            ),
            models.CheckConstraint(
                condition=Q(lowered_at__isnull=False) | Q(fit_to_micros=None, dry_at=None), name="batch_dry_was_lowered"
            ),
        ]
        indexes = [
            models.Index(fields=["project"], condition=Q(state="open"), name="batch_open"),
            models.Index(
                fields=["look_again_at"], condition=Q(state="closed", returned_at=None), name="batch_not_returned"
            ),
            models.Index(fields=["id"], condition=Q(consensus_at=None), name="batch_wants_consensus"),
            models.Index(fields=["fit_due_at"], condition=Q(fit_due_at__isnull=False), name="batch_wants_fit"),
            models.Index(fields=["id"], condition=Q(touched_at__isnull=False), name="batch_touched"),
            models.Index(fields=["top_up_at"], condition=Q(top_up_at__isnull=False), name="batch_to_top_up"),
            models.Index(
                fields=["proposals_tell_at"], condition=Q(proposals_tell_at__isnull=False), name="batch_to_tell_of"
            ),
            models.Index(fields=["id"], condition=Q(fit_to_micros__isnull=False), name="batch_to_fit"),
            models.Index(
                F("widened_at").asc(nulls_first=True),
                condition=Q(state="open", redundancy_by="budget", dry_at=None),
                name="batch_to_widen",
            ),
            models.Index(
                F("dry_seen_at").asc(nulls_first=True),
                condition=Q(state="open", dry_at__isnull=False),
                name="batch_dry",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} #{self.number}"

    @property
    def subject(self) -> str:
        """The name of this batch in the ledger."""
        return f"batch:{self.pk}"

    @property
    def seat_most_micros(self) -> int:
        """What one answer may cost at most, with its fee: that of the highest tier."""
        price_micros = max(self.price_micros, *(tier["price_micros"] for tier in self.tiers), 0)
        return price_micros + money.fee_micros(price_micros, self.fee_bp)

    @property
    def exam_most_micros(self) -> int:
        """What one paid exam costs, with its fee."""
        return self.exam_price_micros + money.fee_micros(self.exam_price_micros, self.fee_bp)


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
    gold_out = models.BigIntegerField(db_default=0, help_text="Of the rejected and excluded, those to gold.")
    withdrawn = models.BigIntegerField(db_default=0, help_text="Seats that wait for money.")

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
