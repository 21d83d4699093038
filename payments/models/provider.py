"""What the provider told us."""

from django.db import models
from django.db.models import Q

from marketplace.core.states import known
from marketplace.models import Mode


class StripeEvent(models.Model):
    """One verified event of the provider, kept once by its id; what it means, a job decides from our own state."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        IGNORED = "ignored"  # nothing of ours

    MOVES = {State.WAITING: {State.DONE, State.IGNORED}}

    event_id = models.CharField(max_length=120, unique=True)
    type = models.CharField(max_length=120)
    mode = models.CharField(max_length=10, choices=Mode)
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    failure = models.TextField(blank=True, help_text="Of the last try.")
    tries = models.PositiveSmallIntegerField(default=0)
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [known("stripeevent", ["waiting", "done", "ignored"])]
        indexes = [models.Index(fields=["id"], condition=Q(state="waiting"), name="stripeevent_waiting")]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
