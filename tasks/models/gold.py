"""Tasks whose right answer is known, until it is found to be wrong."""

from typing import Self

from django.db import models

from marketplace.core.ids import PublicIdField
from marketplace.core.models import RealField
from marketplace.core.states import known
from marketplace.models import User
from tasks.models.batches import Batch
from tasks.models.work import Answer, Task
from workers.models import Worker


class GoldQuerySet(models.QuerySet["Gold"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(batch__project__organisation__memberships__user=user)


class Gold(models.Model):
    """A task whose right answer is known; it measures or teaches, and is never open."""

    class Purpose(models.TextChoices):
        PRACTICE = "practice"
        HIDDEN = "hidden"
        EXAM = "exam"

    class State(models.TextChoices):
        ACTIVE = "active"
        RETIRED = "retired"  # true, and not served any more
        QUARANTINED = "quarantined"  # in doubt: not served, and what it said of anybody is void
        OVERTURNED = "overturned"  # it was wrong

    MOVES = {
        State.ACTIVE: {State.RETIRED, State.QUARANTINED, State.OVERTURNED},
        State.RETIRED: {State.ACTIVE, State.QUARANTINED, State.OVERTURNED},
        State.QUARANTINED: {State.ACTIVE, State.OVERTURNED},
    }
    BELIEVED = (State.ACTIVE, State.RETIRED)

    public_id = PublicIdField("gld")
    task = models.OneToOneField(Task, models.CASCADE, related_name="gold")
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="gold")
    source = models.ForeignKey(
        Task,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="Whose answers made it; who gave them never gets it.",
    )
    purpose = models.CharField(max_length=10, choices=Purpose)
    state = models.CharField(max_length=12, choices=State, default=State.ACTIVE)
    truth = models.JSONField()
    explanation = models.TextField(blank=True)
    draw = models.FloatField(help_text="Random; where a draw begins is random too.")
    served = models.PositiveIntegerField(default=0)
    missed = models.PositiveIntegerField(default=0)
    contested = models.PositiveIntegerField(default=0, help_text="By so many different workers.")
    wrong = RealField(default=0, help_text="Probability that its truth is wrong, given who answered what.")
    trusted_at = models.DateTimeField(null=True, help_text="A person said it is right; what came before is no doubt.")
    to_look = models.BooleanField(default=False, help_text="Something was said of it since that was computed.")

    objects = GoldQuerySet.as_manager()

    class Meta:
        constraints = [known("gold", ["active", "retired", "quarantined", "overturned"])]
        indexes = [
            models.Index(fields=["batch", "purpose", "draw"], name="gold_draw"),
            models.Index(fields=["id"], condition=models.Q(to_look=True), name="gold_to_look"),
        ]

    def __str__(self) -> str:
        return f"gold {self.pk}"


class GoldContest(models.Model):
    """That a worker says the truth of a gold item is wrong, and why."""

    gold = models.ForeignKey(Gold, models.PROTECT, related_name="contests", db_index=False)
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="+", db_index=False)
    answer = models.ForeignKey(Answer, models.PROTECT, related_name="+", db_index=False)
    statement = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gold", "worker"], name="goldcontest_once_per_worker")]

    def __str__(self) -> str:
        return f"contested: {self.gold}"


class GoldChange(models.Model):
    """That a gold item went from one state to another: by whom, why, and on which figures. Append-only."""

    gold = models.ForeignKey(Gold, models.PROTECT, related_name="changes", db_index=False)
    was = models.CharField(max_length=12)
    now = models.CharField(max_length=12)
    truth = models.JSONField(help_text="That it had until then.")
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", help_text="Null: a sweep.")
    reason = models.TextField()
    served = models.PositiveIntegerField()
    missed = models.PositiveIntegerField()
    contested = models.PositiveIntegerField()
    wrong = RealField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["gold", "id"], name="goldchange_of_gold")]

    def __str__(self) -> str:
        return f"{self.gold}: {self.was} to {self.now}"
