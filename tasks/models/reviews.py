"""Labels that a person looks at: why, who holds them, and what was found."""

from typing import Self

from django.db import models
from django.db.models import Q

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Project, User
from tasks.models.batches import Batch
from tasks.models.work import Task


class ReviewQuerySet(models.QuerySet["Review"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(project__organisation__memberships__user=user)

    def unfinished(self) -> Self:
        """Those that a label still waits for."""
        return self.filter(state__in=[Review.State.WAITING, Review.State.HELD])


class Review(models.Model):
    """One look of one person at one label; a label may need several before a verdict is final."""

    class State(models.TextChoices):
        WAITING = "waiting"
        HELD = "held", "Being looked at"
        GIVEN = "given", "One verdict of several"
        FINAL = "final", "Decided"
        SENT_BACK = "sent_back", "Sent back"
        VOID = "void", "No longer counts"

    class Reason(models.TextChoices):
        UNSURE = "unsure", "The answers leave doubt"
        CONTESTED = "contested", "Answers or a decision are contested"
        SAMPLED = "sampled", "Drawn at random"
        SUSPECTED = "suspected", "The label looks wrong"

    class Verdict(models.TextChoices):
        ACCEPT = "accept", "The label is right"
        CORRECT = "correct", "The label was corrected"
        SEND_BACK = "send_back", "One more answer was asked for"

    MOVES = {
        State.WAITING: {State.HELD, State.GIVEN, State.FINAL, State.SENT_BACK},  # late, and nobody else took it
        State.HELD: {State.WAITING, State.GIVEN, State.FINAL, State.SENT_BACK},
        State.GIVEN: {State.VOID},
        State.FINAL: {State.VOID},
    }

    public_id = PublicIdField("rev")
    project = models.ForeignKey(Project, models.PROTECT, related_name="+", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="reviews", db_index=False)
    task = models.ForeignKey(Task, models.PROTECT, related_name="reviews", db_index=False)
    tier = models.PositiveSmallIntegerField(default=1, help_text="2: another person looks, and has the last word.")
    reason = models.CharField(max_length=10, choices=Reason)
    rate = models.FloatField(null=True, help_text="With which probability it was drawn; null: not by chance.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    passed = models.PositiveSmallIntegerField(default=0, help_text="How often somebody left it to others.")
    asked_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", help_text="Null: by itself.")
    asked_at = models.DateTimeField()
    held_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", help_text="Or held it last.")
    held_until = models.DateTimeField(null=True)
    label = models.JSONField(null=True, help_text="Field -> value, as it was shown to who holds it.")
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True)
    value = models.JSONField(null=True, help_text="Field -> what is right, by this verdict.")
    note = models.TextField(blank=True)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        constraints = [
            known("review", ["waiting", "held", "given", "final", "sent_back", "void"]),
            models.UniqueConstraint(
                fields=["task"], condition=Q(state__in=["waiting", "held"]), name="review_unfinished_once"
            ),
            models.UniqueConstraint(fields=["task"], condition=Q(state="final"), name="review_final_once"),
            models.UniqueConstraint(fields=["held_by", "project"], condition=Q(state="held"), name="review_held_once"),
            models.CheckConstraint(condition=Q(tier__in=[1, 2]), name="review_tier_known"),
            models.CheckConstraint(
                condition=~Q(state="held") | Q(held_by__isnull=False, held_until__isnull=False),
                name="review_held_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "held"], decided_by=None, decided_at=None, verdict="")
                | Q(state="sent_back", decided_by__isnull=False, decided_at__isnull=False, verdict="send_back")
                | Q(
                    state__in=["given", "final", "void"],
                    decided_by__isnull=False,
                    decided_at__isnull=False,
                    verdict__in=["accept", "correct"],
                    value__isnull=False,
                ),
                name="review_decided_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "passed", "id"], condition=Q(state="waiting"), name="review_waiting"),
            models.Index(fields=["held_until"], condition=Q(state="held"), name="review_held"),
            models.Index(fields=["batch", "task"], condition=Q(state="final"), name="review_final"),
            models.Index(
                fields=["batch"], condition=Q(state__in=["waiting", "held"]), name="review_unfinished_of_batch"
            ),
            models.Index(fields=["project", "id"], name="review_of_project"),
            models.Index(fields=["task", "id"], name="review_of_task"),
        ]

    def __str__(self) -> str:
        return self.public_id
