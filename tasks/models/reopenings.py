"""Asking again what was answered under an older guideline."""

from typing import Self

from django.db import models
from django.db.models import Q

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Project, User


class ReopeningQuerySet(models.QuerySet["Reopening"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(project__organisation__memberships__user=user)


class Reopening(models.Model):
    """What somebody had asked again, how far that has come, and what it set aside."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        STOPPED = "stopped"  # the money ran out between two steps; what was reopened is whole

    MOVES = {State.RUNNING: {State.DONE, State.STOPPED}}

    public_id = PublicIdField("reo")
    project = models.ForeignKey(Project, models.PROTECT, related_name="reopenings", db_index=False)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    field = models.CharField(max_length=40)
    label = models.CharField(max_length=200)
    version = models.PositiveIntegerField(help_text="Of the guideline: answers under it or older ones.")
    batch_at = models.BigIntegerField(default=0, help_text="The batch it has come to.")
    item_at = models.BigIntegerField(default=0, help_text="The last item of that batch it has looked at.")
    tasks = models.BigIntegerField(default=0)
    answers = models.BigIntegerField(default=0, help_text="Superseded, each with another bought in its place.")
    reserved_micros = models.BigIntegerField(default=0)
    missing_micros = models.BigIntegerField(default=0, help_text="If it stopped: what the next step lacked.")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = ReopeningQuerySet.as_manager()

    class Meta:
        constraints = [
            known("reopening", ["running", "done", "stopped"]),
            models.UniqueConstraint(
                fields=["project", "field", "label", "version"],
                condition=Q(state="running"),
                name="reopening_running_once",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "id"], name="reopening_of_project"),
            models.Index(fields=["id"], condition=Q(state="running"), name="reopening_running"),
        ]

    def __str__(self) -> str:
        return f"{self.field} {self.label} up to v{self.version}"
