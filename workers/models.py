"""People who work, and what the evidence says of them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Project


class Worker(models.Model):
    """A person in the role of doing tasks."""

    class State(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    MOVES = {State.ACTIVE: {State.SUSPENDED}, State.SUSPENDED: {State.ACTIVE}}

    public_id = PublicIdField("wrk")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="worker")
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [known("worker", ["active", "suspended"])]

    def __str__(self) -> str:
        return self.public_id


class Qualification(models.Model):
    """Something a worker can show: here, having passed the practice of a project."""

    public_id = PublicIdField("qua")
    project = models.OneToOneField(Project, models.CASCADE, related_name="qualification")
    name = models.CharField(max_length=120)

    def __str__(self) -> str:
        return self.name


class Grant(models.Model):
    """A qualification shown by a worker, with the score that showed it."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="grants")
    qualification = models.ForeignKey(Qualification, models.CASCADE, related_name="grants")
    score = models.FloatField()
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["worker", "qualification"], condition=Q(revoked_at=None), name="grant_in_force_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.qualification} for {self.worker}"


class Reliability(models.Model):
    """How accurate a worker is in a project: sums of the evidence, and the posterior they give.

    Derived: `reliability.recount` gives the same from the evidence alone.
    """

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="reliabilities", db_index=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False)
    correct = models.FloatField(default=0, help_text="Expected number of right answers.")
    judged = models.FloatField(default=0, help_text="Number of answers with evidence.")
    accuracy = models.FloatField(help_text="Posterior mean.")
    accuracy_p05 = models.FloatField()
    accuracy_p95 = models.FloatField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "project"], name="reliability_once")]
        indexes = [models.Index(fields=["project", "id"], name="reliability_of_project")]

    def __str__(self) -> str:
        return f"{self.worker}: {self.accuracy:.2f}"
