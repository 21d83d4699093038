from django.conf import settings
from django.db import models


class Reply(models.Model):
    """What was answered to a request with an Idempotency-Key, for the day it may be asked again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=128)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="reply_key_once")]

    def __str__(self) -> str:
        return self.key


class Sweep(models.Model):
    """When a sweep was last queued and last ended, and how it fares; the ticker reads it, and who watches the site."""

    name = models.CharField(max_length=80, primary_key=True)
    queued_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True, help_text="When a step last ended without a fault.")
    steps = models.PositiveBigIntegerField(default=0)
    faults = models.PositiveBigIntegerField(default=0, help_text="Of these steps, how many failed.")
    busy_s = models.FloatField(default=0, help_text="What all steps took together.")
    last_s = models.FloatField(default=0, help_text="What the last step took.")

    def __str__(self) -> str:
        return self.name


class Cluster(models.Model):
    """A cluster that runs, or has run a short while ago; its ticker says every few seconds that it lives."""

    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"cluster {self.pk}"


class Count(models.Model):
    """How often somebody did something since the first time, until it is counted anew; see `limits`."""

    what = models.CharField(max_length=40)
    whom = models.CharField(max_length=64)
    times = models.PositiveIntegerField()
    until = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["what", "whom"], name="count_once")]

    def __str__(self) -> str:
        return f"{self.what} x {self.times}"


class RealField(models.FloatField):
    """A float of four bytes: enough for a probability, half the size of a column of millions."""

    def db_type(self, connection: object) -> str:
        return "real"
