"""What an hour pays: the time and pay of each worker in a batch, what they come to, and what is added to them."""

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Project, User
from tasks.models.batches import Batch
from workers.models import Worker


class TimeSheet(models.Model):
    """The time a worker gave to a batch, and what it pays. Sums of pages and answers, kept by sweeps."""

    worker = models.ForeignKey(Worker, models.PROTECT, related_name="+", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, related_name="+", db_index=False)
    answers = models.PositiveIntegerField(default=0, help_text="Handed in as work, on pages whose time is known.")
    work_s = models.BigIntegerField(default=0, help_text="Active seconds of those pages.")
    offered_micros = models.BigIntegerField(default=0, help_text="The prices of all answers handed in, exams too.")
    tests = models.PositiveIntegerField(default=0, help_text="Answers in practice and exams.")
    test_s = models.BigIntegerField(default=0, help_text="Active seconds of practice and exams.")
    reading_s = models.BigIntegerField(default=0, help_text="Of guidelines and lessons.")
    paid = models.PositiveIntegerField(default=0, help_text="Answers that were settled as work.")
    paid_micros = models.BigIntegerField(default=0, help_text="Their prices, and the rest of a part.")
    exam_micros = models.BigIntegerField(default=0, help_text="What was settled of exams.")
    rejected_micros = models.BigIntegerField(default=0, help_text="Of answers that stand rejected, and withheld parts.")
    topped_micros = models.BigIntegerField(default=0, help_text="Top-ups so far.")
    granted_micros = models.BigIntegerField(default=0, help_text="Of them, what a person granted.")
    declined_micros = models.BigIntegerField(default=0, help_text="Proposed top-ups that a person declined.")
    is_new = models.BooleanField(default=True, help_text="Something changed since its project's figures were made.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "worker"], name="timesheet_once"),
            models.CheckConstraint(
                condition=Q(
                    work_s__gte=0, test_s__gte=0, reading_s__gte=0, paid_micros__gte=0, rejected_micros__gte=0,
                    granted_micros__gte=0, topped_micros__gte=F("granted_micros"), declined_micros__gte=0,
                ),
                name="timesheet_not_negative",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["project", "id"], name="timesheet_of_project"),
            models.Index(fields=["project", "batch"], condition=Q(is_new=True), name="timesheet_new"),
            models.Index(fields=["worker", "id"], name="timesheet_of_worker"),
        ]

    def __str__(self) -> str:
        return f"time sheet {self.pk}"


class PayFigures(models.Model):
    """What an hour pays in a project, over its workers; made anew by a sweep where something changed."""

    project = models.OneToOneField(Project, models.PROTECT, primary_key=True, related_name="+")
    workers = models.PositiveIntegerField(default=0, help_text="Whose time is known, those under a hold left out.")
    median_micros = models.BigIntegerField(default=0, help_text="An hour, top-ups left out.")
    low_micros = models.BigIntegerField(default=0)
    high_micros = models.BigIntegerField(default=0)
    task_s = models.FloatField(default=0, help_text="The median over workers of what an answer takes.")
    under = models.PositiveIntegerField(default=0, help_text="Workers who are paid less than their floor.")
    spread = ArrayField(models.BigIntegerField(), default=list, help_text="The deciles, from the least to the most.")
    made_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "pay figures"
        constraints = [models.CheckConstraint(condition=Q(under__lte=F("workers")), name="payfigures_under_within")]

    def __str__(self) -> str:
        return f"pay figures {self.project_id}"


class TopUp(models.Model):
    """What was added to a worker's pay in a batch so that it reaches the floor, with its computation. Append-only.

    The entry `top_up:<pk>` moved it, written in the same transaction.
    """

    public_id = PublicIdField("top")
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="top_ups", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="top_ups", db_index=False)
    number = models.PositiveIntegerField(help_text="Of this worker in this batch, from 1.")
    amount_micros = models.BigIntegerField()
    facts = models.JSONField(help_text="The figures it was computed from.")
    granted_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", help_text="Null: within the cap.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "worker", "number"], name="topup_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="topup_amount_positive"),
        ]
        indexes = [
            models.Index(fields=["batch", "id"], name="topup_of_batch"),
            models.Index(fields=["worker", "id"], name="topup_of_worker"),
        ]

    def __str__(self) -> str:
        return self.public_id


class TopUpProposalQuerySet(models.QuerySet["TopUpProposal"]):
    def visible_to(self, user: User) -> Self:
        """To the organisation that would pay it, and to admins."""
        return self if user.is_staff else self.filter(batch__project__organisation__memberships__user=user)


class TopUpProposal(models.Model):
    """What is missing to the floor beyond what may be added without asking; a person decides."""

    class State(models.TextChoices):
        OPEN = "open"
        GRANTED = "granted"
        DECLINED = "declined"
        OVER = "over"  # nothing is missing any more that a person must be asked about

    MOVES = {State.OPEN: {State.GRANTED, State.DECLINED, State.OVER}}

    public_id = PublicIdField("tup")
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="+", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="top_up_proposals", db_index=False)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    amount_micros = models.BigIntegerField()
    facts = models.JSONField()
    made_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True, help_text="Why it was declined.")

    objects = TopUpProposalQuerySet.as_manager()

    class Meta:
        constraints = [
            known("topupproposal", ["open", "granted", "declined", "over"]),
            models.UniqueConstraint(fields=["batch", "worker"], condition=Q(state="open"), name="topupproposal_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="topupproposal_amount_positive"),
        ]
        indexes = [
            models.Index(fields=["batch", "id"], name="topupproposal_of_batch"),
            models.Index(fields=["worker", "id"], name="topupproposal_of_worker"),
        ]

    def __str__(self) -> str:
        return self.public_id
