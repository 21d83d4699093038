"""Tasks whose right answer is known."""

from django.db import models

from marketplace.core.states import known
from tasks.models.batches import Batch
from tasks.models.work import Task


class Gold(models.Model):
    """A task whose right answer is known; it measures or teaches, and is never open."""

    class Purpose(models.TextChoices):
        PRACTICE = "practice"
        HIDDEN = "hidden"
        EXAM = "exam"

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
