"""Labels made by a requester's own program: which one, how far its tasks were looked at, what it said."""

from typing import Self

from django.db import models
from django.db.models import Q

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Project, User
from tasks.models.batches import Batch
from tasks.models.work import Task


class AggregatorQuerySet(models.QuerySet["Aggregator"]):
    def live(self) -> Self:
        return self.filter(retired_at=None)


class Aggregator(models.Model):
    """A program of a project's own that labels are asked of. Its secret stands nowhere: it is derived when needed."""

    public_id = PublicIdField("agr")
    project = models.ForeignKey(Project, models.PROTECT, related_name="aggregators", db_index=False)
    url = models.CharField(max_length=500)
    generation = models.PositiveIntegerField(default=1, help_text="Of its secret.")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)
    called_at = models.DateTimeField(null=True, help_text="When it was last called, or is to have been.")
    misses = models.PositiveIntegerField(default=0, help_text="Calls in a row that came to nothing.")
    rest_until = models.DateTimeField(null=True, help_text="It is not called before.")
    problem = models.CharField(max_length=300, blank=True, help_text="What was last wrong with a call.")
    problem_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True, help_text="When managers were last told that something is wrong.")

    objects = AggregatorQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project"], condition=Q(retired_at=None), name="aggregator_live_once"),
        ]
        indexes = [models.Index(fields=["called_at"], condition=Q(retired_at=None), name="aggregator_live")]

    def __str__(self) -> str:
        return self.url


class Look(models.Model):
    """How far the tasks of a batch were looked at for answers that its aggregator has not seen."""

    aggregator = models.ForeignKey(Aggregator, models.PROTECT, related_name="+", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="+", db_index=False)
    began_at = models.DateTimeField()
    after = models.BigIntegerField(default=0, help_text="The last item it has come to.")
    ended_at = models.DateTimeField(null=True)
    to_weigh = models.BooleanField(default=False, help_text="Something was said that labels do not have yet.")
    weighed_at = models.DateTimeField(null=True, help_text="When they were last had made anew.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["aggregator", "batch"], name="look_once")]
        indexes = [models.Index(fields=["id"], condition=Q(to_weigh=True), name="look_to_weigh")]

    def __str__(self) -> str:
        return f"look {self.pk}"


class Consolidation(models.Model):
    """What an aggregator was asked about one task, and what it said; the next answers to the task take its place."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        REFUSED = "refused"  # what it said of this task is not a label
        FAILED = "failed"  # its calls came to nothing, too often

    MOVES = {
        State.WAITING: {State.DONE, State.REFUSED, State.FAILED},
        State.DONE: {State.WAITING},
        State.REFUSED: {State.WAITING},
        State.FAILED: {State.WAITING},
    }

    aggregator = models.ForeignKey(Aggregator, models.PROTECT, related_name="+", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="+", db_index=False)
    task = models.ForeignKey(Task, models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    digest = models.CharField(max_length=32, help_text="Of the answers it is about.")
    labels = models.JSONField(null=True, help_text="Field -> [value, confidence or null].")
    why = models.CharField(max_length=300, blank=True, help_text="Why there is no label.")
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(help_text="When it is to be asked about, while it waits.")
    at = models.DateTimeField(help_text="When it came to its state.")

    class Meta:
        constraints = [
            known("consolidation", ["waiting", "done", "refused", "failed"]),
            models.UniqueConstraint(fields=["aggregator", "task"], name="consolidation_once"),
            models.CheckConstraint(
                condition=Q(state="done", labels__isnull=False) | (~Q(state="done") & Q(labels=None)),
                name="consolidation_labels_if_done",
            ),
        ]
        indexes = [
            models.Index(fields=["aggregator", "due_at", "id"], condition=Q(state="waiting"), name="consolidation_due"),
            models.Index(
                fields=["aggregator", "at"], condition=Q(state__in=["refused", "failed"]), name="consolidation_without"
            ),
            models.Index(fields=["aggregator"], condition=Q(state="done"), name="consolidation_done"),
        ]

    def __str__(self) -> str:
        return f"consolidation {self.pk}"
