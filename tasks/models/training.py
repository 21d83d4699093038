"""How workers are taught: which lessons they read, and the sessions in which a trainer answers with them."""

from typing import Self

from django.db import models
from django.db.models import F, Q

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Lesson, Project, User
from tasks.models.batches import Batch
from tasks.models.work import Task
from workers.models import Worker


class LessonRead(models.Model):
    """That a worker read a lesson, and when first. Append-only."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="+", db_index=False)
    lesson = models.ForeignKey(Lesson, models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "lesson"], name="lessonread_once")]

    def __str__(self) -> str:
        return f"{self.worker} read {self.lesson}"


class CohortQuerySet(models.QuerySet["Cohort"]):
    def visible_to(self, user: User) -> Self:
        """Those of one's own organisations."""
        return self.filter(project__organisation__memberships__user=user)

    def open_to(self, worker: Worker) -> Self:
        """Those this worker may take part in: the ones open to everybody, and those they are invited to."""
        offered = Q(project__in=Project.objects.offered(), is_open=True, state__in=["planned", "running"])
        return self.filter(offered | Q(pk__in=CohortPlace.objects.filter(worker=worker).values("cohort")))


class Cohort(models.Model):
    """A dated session in which a trainer and workers answer the same items, one after the other."""

    class State(models.TextChoices):
        PLANNED = "planned"
        RUNNING = "running"
        ENDED = "ended"

    MOVES = {State.PLANNED: {State.RUNNING, State.ENDED}, State.RUNNING: {State.ENDED}}

    public_id = PublicIdField("coh")
    project = models.ForeignKey(Project, models.PROTECT, related_name="cohorts")
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="+", help_text="Whose practice gold it shows.")
    trainer = models.ForeignKey(User, models.PROTECT, related_name="+")
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.PLANNED)
    is_open = models.BooleanField(default=True, help_text="To all who may work on the project; else by invitation.")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="As planned.")
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Of the item that is shown now.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CohortQuerySet.as_manager()

    class Meta:
        constraints = [
            known("cohort", ["planned", "running", "ended"]),
            models.CheckConstraint(condition=Q(ends_at__gt=F("begins_at")), name="cohort_ends_after_it_begins"),
        ]

    def __str__(self) -> str:
        return self.title


class CohortItem(models.Model):
    """An item that a cohort answers together, and what the trainer said of it."""

    cohort = models.ForeignKey(Cohort, models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveSmallIntegerField()
    task = models.ForeignKey(Task, models.PROTECT, related_name="+", db_index=False)
    remark = models.TextField(blank=True)
    revealed_at = models.DateTimeField(null=True, help_text="When its truth was shown; no answer is taken after.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cohort", "position"], name="cohortitem_position_once")]

    def __str__(self) -> str:
        return f"{self.cohort} {self.position}"


class CohortPlace(models.Model):
    """A worker's place in a cohort: who was invited, and who came."""

    cohort = models.ForeignKey(Cohort, models.CASCADE, related_name="places", db_index=False)
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="+")
    invited_at = models.DateTimeField(null=True)
    joined_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cohort", "worker"], name="cohortplace_once")]

    def __str__(self) -> str:
        return f"{self.worker} in {self.cohort}"


class CohortAnswer(models.Model):
    """What a worker answered in a cohort; it measures nobody. Append-only."""

    place = models.ForeignKey(CohortPlace, models.CASCADE, related_name="answers", db_index=False)
    item = models.ForeignKey(CohortItem, models.CASCADE, related_name="answers")
    value = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["place", "item"], name="cohortanswer_once")]

    def __str__(self) -> str:
        return f"answer of {self.place}"
