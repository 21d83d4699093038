"""Bonuses: what a requester pays somebody who worked, beyond the price of their answers."""

from typing import Self

from django.db import models
from django.db.models import Q

from marketplace.core.ids import PublicIdField
from marketplace.models import Organisation, Project, User
from payments.models import Entry
from tasks.models.batches import Batch
from workers.models import Worker


class BonusQuerySet(models.QuerySet["Bonus"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(organisation__memberships__user=user)


class Bonus(models.Model):
    """That somebody was paid a bonus, and what for; never taken back. Append-only."""

    public_id = PublicIdField("bon")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=120, help_text="The requester's own: the same bonus is paid once.")
    project = models.ForeignKey(Project, models.PROTECT, related_name="bonuses", db_index=False)
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="+", help_text="The last the worker worked in.")
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="bonuses", db_index=False)
    amount_micros = models.BigIntegerField()
    fee_micros = models.BigIntegerField()
    reason = models.TextField()
    given_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    given_at = models.DateTimeField()
    entry = models.ForeignKey(Entry, models.PROTECT, related_name="+", help_text="One for all of a list and a batch.")

    objects = BonusQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "bonuses"
        constraints = [
            models.UniqueConstraint(fields=["organisation", "key"], name="bonus_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0, fee_micros__gte=0), name="bonus_positive"),
        ]
        indexes = [
            models.Index(fields=["project", "id"], name="bonus_of_project"),
            models.Index(fields=["worker", "id"], name="bonus_of_worker"),
        ]

    def __str__(self) -> str:
        return self.public_id
